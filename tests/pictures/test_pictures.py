"""What the normaliser makes of pictures that were drawn for the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from edgesoft.pictures import PictureError, PictureSpec, read_picture
from edgesoft.pictures.spec import ANIMATED, BLANK, SEVERAL, SHALLOW
from tests.pictures.disguises import encoded

SPEC = PictureSpec()


def seven(side: int = 200, width: int = 14) -> Image.Image:
    """Draw a 7 in black on white."""
    image = Image.new("L", (side, side), 255)
    points = [(side * x // 100, side * y // 100) for x, y in ((25, 20), (72, 20), (45, 82))]
    ImageDraw.Draw(image).line(points, 0, width, joint="curve")
    return image


def seen(data: bytes) -> NDArray[np.int64]:
    """Normalise and widen, for differences."""
    return read_picture(data, SPEC).pixels.astype(np.int64)


REFERENCE = seen(encoded(seven()))


def test_mnist_convention() -> None:
    pixels = REFERENCE
    assert pixels.shape == (28, 28)
    assert pixels.max() == 255 and pixels[0].max() == 0
    rows = np.flatnonzero((pixels > 127).any(axis=1))
    assert 19 <= rows[-1] - rows[0] + 1 <= 20
    y, x = np.mgrid[:28, :28]
    assert abs((pixels * y).sum() / pixels.sum() - 14) < 0.3
    assert abs((pixels * x).sum() / pixels.sum() - 14) < 0.3


def uneven() -> bytes:
    """Photograph in uneven light."""
    photo = np.asarray(seven().resize((400, 400)).convert("RGB"), np.float32) * 0.8 + 30
    y, x = np.mgrid[0:1:400j, 0:1:400j]
    photo = photo * (0.4 + 0.35 * x + 0.25 * y)[..., None] + np.random.default_rng(1).normal(0, 4, photo.shape)
    return encoded(Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8)), "JPEG")


def shaded() -> bytes:
    """The hard shadows of two things, one across the other."""
    photo = np.asarray(seven().resize((400, 400)), np.float32) * 0.6 + 90
    y, x = np.mgrid[0:1:400j, 0:1:400j]
    photo = photo * np.where(x > 0.6 + 0.1 * y, 0.55, 1) * np.where(y > 0.75 + 0.1 * x, 0.6, 1)
    photo = photo + np.random.default_rng(1).normal(0, 3, photo.shape)
    return encoded(Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(2)), "JPEG")


def transparent(colour: tuple[int, int, int]) -> bytes:
    """Strokes on nothing."""
    image = Image.new("RGBA", (200, 200), (*colour, 0))
    image.putalpha(ImageOps.invert(seven()))
    return encoded(image)


def ruled() -> bytes:
    """Blue ink on squared paper."""
    sheet = Image.new("RGB", (200, 200), (245, 243, 235))
    draw = ImageDraw.Draw(sheet)
    for place in range(15, 200, 45):
        draw.line((0, place, 200, place), (150, 175, 215), 1)
        draw.line((place, 0, place, 200), (150, 175, 215), 1)
    sheet.paste((30, 50, 150), (0, 0), ImageOps.invert(seven()))
    return encoded(sheet)


def on_its_side() -> bytes:
    """EXIF says: turn by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(seven().convert("RGB").transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)


def page() -> bytes:
    """Small on a big page."""
    sheet = Image.new("L", (900, 700), 250)
    sheet.paste(seven(120, 8), (600, 90))
    return encoded(sheet)


DISGUISES: dict[str, Callable[[], bytes]] = {
    "white on black": lambda: encoded(ImageOps.invert(seven())),
    "JPEG": lambda: encoded(seven(), "JPEG", quality=60),
    "CMYK": lambda: encoded(seven().convert("CMYK"), "JPEG"),
    "1-bit TIFF": lambda: encoded(seven().convert("1"), "TIFF"),
    "palette GIF": lambda: encoded(seven().convert("RGB").quantize(8), "GIF"),
    "WebP": lambda: encoded(seven().convert("RGB"), "WEBP"),
    "PGM": lambda: encoded(seven(), "PPM"),
    "BMP": lambda: encoded(seven(), "BMP"),
    "16 bits": lambda: encoded(Image.fromarray(np.asarray(seven(), np.uint16) * np.uint16(257))),
    "12 of 16 bits": lambda: encoded(Image.fromarray(np.asarray(seven(), np.uint16) * np.uint16(16))),
    "float": lambda: encoded(Image.fromarray(np.asarray(seven(), np.float32) / 255), "TIFF"),
    "grey and alpha": lambda: encoded(Image.merge("LA", (Image.new("L", (200, 200), 0), ImageOps.invert(seven())))),
    "dark strokes on nothing": lambda: transparent((20, 20, 60)),
    "bright strokes on nothing": lambda: transparent((255, 255, 255)),
    "2,000 pixels": lambda: encoded(seven(2000, 140)),
    "uneven light": uneven,
    "hard shadows": shaded,
    "ruled paper": ruled,
    "EXIF": on_its_side,
    "page": page,
    "fine pen": lambda: encoded(seven(400, 3)),
    "marker": lambda: encoded(seven(200, 26)),
}


@pytest.mark.parametrize("name", DISGUISES)
def test_disguise_looks_like_the_plain_picture(name: str) -> None:
    difference = np.abs(seen(DISGUISES[name]()) - REFERENCE).sum() / REFERENCE.sum()
    other = np.abs(seen(encoded(seven().transpose(Image.Transpose.ROTATE_180))) - REFERENCE).sum() / REFERENCE.sum()
    # Stroke widths differ by up to the specification's limits; a different shape differs by far more.
    assert difference < 0.8
    assert other > 1.2  # negative control


def test_model_input_is_left_alone() -> None:
    picture = REFERENCE.astype(np.uint8)
    for version in (picture, 255 - picture):
        assert np.array_equal(read_picture(encoded(Image.fromarray(version)), SPEC).pixels, picture)
    moved = np.roll(picture, 3, axis=1)
    assert not np.array_equal(read_picture(encoded(Image.fromarray(moved)), SPEC).pixels, moved)


def test_blank_pictures_are_blank() -> None:
    rng = np.random.default_rng(0)
    ramp = np.linspace(60, 220, 200)
    blanks = {
        "white": np.full((90, 120), 255.0),
        "black": np.zeros((28, 28)),
        "paper": rng.normal(200, 3, (300, 300)),
        "noise": rng.uniform(0, 255, (300, 300)),
        "ramp": np.broadcast_to(ramp, (150, 200)),
        "noisy ramp": ramp + rng.normal(0, 3, (200, 200)),
        "clipped ramp": np.add.outer(np.linspace(100, 355, 28), np.zeros(28)),
        "grey noise": 128 + rng.normal(0, 30, (200, 200)),
    }
    for name, values in blanks.items():
        result = read_picture(encoded(Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))), SPEC)
        assert BLANK in result.warnings, name
        assert result.pixels.max() == 0, name


def test_faint_pencil_is_not_blank() -> None:  # negative control of the above
    values = 200 - 18 * (np.asarray(seven().filter(ImageFilter.GaussianBlur(1)), np.float64) < 128)
    values = values + np.random.default_rng(0).normal(0, 2, values.shape)
    result = read_picture(encoded(Image.fromarray(values.astype(np.uint8))), SPEC)
    assert BLANK not in result.warnings
    assert np.abs(result.pixels.astype(int) - REFERENCE).sum() / REFERENCE.sum() < 0.6


def test_several_characters() -> None:
    both = Image.new("L", (400, 200), 255)
    both.paste(seven(), (0, 0))
    both.paste(seven(), (190, 0))
    assert SEVERAL in read_picture(encoded(both), SPEC).warnings
    assert SEVERAL not in read_picture(encoded(seven()), SPEC).warnings


def test_broken_stroke_is_kept_and_speck_is_dropped() -> None:
    broken = seven()
    ImageDraw.Draw(broken).rectangle((60, 100, 140, 106), fill=255)
    assert np.abs(seen(encoded(broken)) - REFERENCE).sum() / REFERENCE.sum() < 0.4
    speck = seven()
    ImageDraw.Draw(speck).rectangle((10, 180, 13, 183), fill=0)
    assert np.abs(seen(encoded(speck)) - REFERENCE).sum() / REFERENCE.sum() < 0.1


def test_character_at_the_frame_survives() -> None:
    assert np.abs(seen(encoded(seven().crop((43, 33, 160, 171)))) - REFERENCE).sum() / REFERENCE.sum() < 0.4


def test_animation_warns() -> None:
    data = encoded(seven(), "GIF", save_all=True, append_images=[Image.new("L", (200, 200), 0)])
    assert read_picture(data, SPEC).warnings == (ANIMATED,)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_of_which_few_are_used_warn(form: str) -> None:
    def warnings(factor: int) -> tuple[str, ...]:
        deep = Image.fromarray(np.asarray(seven(), np.uint16) * np.uint16(factor))
        return read_picture(encoded(deep, form), SPEC).warnings

    assert warnings(16) == warnings(1) == (SHALLOW,)
    assert warnings(257) == warnings(17) == ()


def test_colour_model_gets_the_whole_picture() -> None:
    spec = PictureSpec(height=32, width=32, channels=3, normaliser="resize")
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    assert np.array_equal(read_picture(encoded(Image.fromarray(picture)), spec).pixels, picture)
    assert read_picture(encoded(seven()), spec).pixels.shape == (32, 32, 3)


def test_other_sizes() -> None:
    spec = PictureSpec(height=16, width=20, ink_box=14, stroke_low=1.2, stroke_high=2.5, centring="box")
    pixels = read_picture(encoded(seven()), spec).pixels
    assert pixels.shape == (16, 20)
    rows = np.flatnonzero((pixels > 127).any(axis=1))
    assert 13 <= rows[-1] - rows[0] + 1 <= 14


def test_card_round_trip_and_mistakes() -> None:
    assert PictureSpec.from_card(SPEC.to_card()) == SPEC
    for card in ({"hight": 28}, {"height": "28"}, {"height": 0}, {"channels": 2}, {"normaliser": "x"}, {"ink_box": 40}):
        with pytest.raises(PictureError):
            PictureSpec.from_card(card)


def test_path_and_wrong_extension(tmp_path: Path) -> None:
    path = tmp_path / "-ünïcode name.txt"
    path.write_bytes(encoded(seven(), "JPEG"))
    assert read_picture(path, SPEC).pixels.max() == 255
