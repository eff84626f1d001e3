"""Disguises MNIST digits as the pictures that people have.

    python -m tests.pictures.disguises FOLDER [--count 100] [--seed 0]

writes every digit in every disguise, and labels.csv, for `scripts/measure_pictures.py FOLDER`. The digits are the first of the
test split; a disguise draws its sizes, places, tones and light from the seed.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageOps
from PIL.Image import Resampling, Transpose

from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings

Random = np.random.Generator
Tone = tuple[int, int, int]
ORIENTATION = 0x0112
"""EXIF's tag for how a camera was held."""
UNDONE_BY = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}
"""What a camera that writes this orientation has done to an upright picture."""


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """A picture file."""
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def drawn(digit: Image.Image, side: int) -> Image.Image:
    """The pen stroke, white on black with crisp edges, that a digit of 28x28 stands for."""
    large = digit.resize((side, side), Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(side / 140))
    return large.point(lambda value: max(0, min(255, (value - 90) * 4)))


def written(stroke: Image.Image, ink: Tone, sheet: Image.Image, rng: Random) -> Image.Image:
    """Ink somewhere on a sheet, where the stroke is bright."""
    left = int(rng.integers(0, sheet.width - stroke.width + 1))
    top = int(rng.integers(0, sheet.height - stroke.height + 1))
    sheet.paste(Image.new("RGB", stroke.size, ink), (left, top), stroke)
    return sheet


def inverted(digit: Image.Image, rng: Random) -> bytes:
    """Black on white, at times after a lossy compression."""
    black = ImageOps.invert(digit)
    return encoded(black) if rng.random() < 0.5 else encoded(black, "JPEG", quality=75)


def enlarged(digit: Image.Image, rng: Random) -> bytes:
    """512x512, with pixels as blocks or smooth, black on white or white on black."""
    large = digit.resize((512, 512), int(rng.choice([Resampling.NEAREST, Resampling.BILINEAR, Resampling.BICUBIC])))
    return encoded(ImageOps.invert(large) if rng.random() < 0.5 else large)


def small_on_a_page(digit: Image.Image, rng: Random) -> bytes:
    """40 to 120 pixels of a page of 600x800."""
    side = int(rng.integers(40, 121))
    page = written(digit.resize((side, side)), (0, 0, 0), Image.new("RGB", (600, 800), "white"), rng)
    return encoded(page.convert("L"))


def transparent(digit: Image.Image, rng: Random) -> bytes:
    """Black, white, blue or yellow strokes on nothing."""
    tone = [(0, 0, 0), (255, 255, 255), (20, 40, 160), (250, 230, 90)][rng.integers(4)]
    picture = Image.new("RGB", (200, 200), tone)
    picture.putalpha(drawn(digit, 200))
    return encoded(picture)


def sixteen_bits(digit: Image.Image, rng: Random) -> bytes:
    """Black on white in 16 bits, of which a camera may fill twelve."""
    values = 255 - np.asarray(digit.resize((140, 140)), np.uint16)
    return encoded(Image.fromarray(values * np.uint16(rng.choice([16, 257]))))


def palette(digit: Image.Image, rng: Random) -> bytes:
    """16 colours: green on pale yellow."""
    sheet = Image.new("RGB", (220, 220), (250, 245, 200))
    return encoded(written(drawn(digit, 200), (20, 90, 30), sheet, rng).quantize(16), "GIF")


def one_bit(digit: Image.Image, rng: Random) -> bytes:
    """A scan in black and white."""
    side = int(rng.integers(120, 240))
    return encoded(ImageOps.invert(drawn(digit, side)).convert("1", dither=Image.Dither.NONE), "TIFF")


def photograph(digit: Image.Image, rng: Random) -> bytes:
    """By phone: turned a little, out of focus, light from one side, the shadow of a hand, noise, JPEG."""
    side = int(rng.integers(180, 360))
    stroke = drawn(digit, side).rotate(float(rng.uniform(-6, 6)), Resampling.BICUBIC)
    sheet = written(stroke, (45, 45, 55), Image.new("RGB", (640, 480), (225, 222, 210)), rng)
    photo = np.asarray(sheet.filter(ImageFilter.GaussianBlur(1.5)), np.float32)
    y, x = np.mgrid[0:1:480j, 0:1:640j]
    angle, across, down = rng.uniform(0, 2 * np.pi), *rng.uniform(0.1, 0.9, 2)
    light = 0.7 + 0.35 * (np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5))
    beyond = (x - across) * np.cos(angle + 1) + (y - down) * np.sin(angle + 1)
    light *= 1 - 0.3 / (1 + np.exp(-beyond / 0.03))
    photo = photo * light[..., None] + rng.normal(0, 5, photo.shape)
    return encoded(Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8)), "JPEG", quality=80)


def turned_by_exif(digit: Image.Image, rng: Random) -> bytes:
    """A photograph that must be turned as its EXIF orientation says."""
    orientation = int(rng.choice(list(UNDONE_BY)))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    picture = ImageOps.invert(drawn(digit, 224)).transpose(UNDONE_BY[orientation])
    return encoded(picture, "JPEG", quality=85, exif=exif)


def thick(digit: Image.Image, rng: Random) -> bytes:
    """A marker pen."""
    return encoded(ImageOps.invert(drawn(digit, 280).filter(ImageFilter.MaxFilter(int(rng.choice([9, 11]))))))


def thin(digit: Image.Image, rng: Random) -> bytes:
    """A fine pen: the middle line of the stroke, two pixels of 280."""
    line = middle_line(np.asarray(drawn(digit, 140)) > 127)
    return encoded(ImageOps.invert(Image.fromarray(line).convert("L").resize((280, 280), Resampling.NEAREST)))


def ruled(digit: Image.Image, rng: Random) -> bytes:
    """Blue ink on ruled or squared paper."""
    sheet = Image.new("RGB", (400, 400), (244, 242, 235))
    draw, step = ImageDraw.Draw(sheet), int(rng.integers(50, 90))
    for place in range(int(rng.integers(0, step)), 400, step):
        draw.line((0, place, 400, place), (150, 175, 215), 2)
    if rng.random() < 0.5:
        for place in range(int(rng.integers(0, step)), 400, step):
            draw.line((place, 0, place, 400), (150, 175, 215), 2)
    picture = written(drawn(digit, int(rng.integers(150, 260))), (35, 50, 140), sheet, rng)
    return encoded(picture.filter(ImageFilter.GaussianBlur(0.8)), "JPEG", quality=85)


def middle_line(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin a mask to lines of one pixel: Zhang and Suen, "A fast parallel algorithm for thinning digital patterns" (1984)."""
    mask = np.pad(mask, 1)
    clockwise = ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))
    while True:
        before = mask
        for second in (False, True):
            around = [np.roll(mask, move, (0, 1)) for move in clockwise]
            north, east, south, west = around[::2]
            count = np.sum(around, axis=0)
            rises = np.sum([~around[place - 1] & around[place] for place in range(8)], axis=0)
            inner = north & west & (east | south) if second else east & south & (north | west)
            mask = mask & ~((count >= 2) & (count <= 6) & (rises == 1) & ~inner)
        if np.array_equal(before, mask):
            return mask[1:-1, 1:-1]


DISGUISES: dict[str, Callable[[Image.Image, Random], bytes]] = {
    maker.__name__.replace("_", "-"): maker
    for maker in (
        inverted, enlarged, small_on_a_page, transparent, sixteen_bits, palette, one_bit, photograph, turned_by_exif,
        thick, thin, ruled,
    )
}  # fmt: skip


def disguised(name: str, digits: NDArray[np.uint8], seed: int = 0) -> list[bytes]:
    """The files of digits uint8 `[n, 28, 28]` in one disguise."""
    rng = np.random.default_rng(seed)
    return [DISGUISES[name](Image.fromarray(digit), rng) for digit in digits]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=100, help="how many digits, each in every disguise")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    test = load_dataset(DataSettings()).test
    options.folder.mkdir(parents=True, exist_ok=True)
    with (options.folder / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(("file", "label", "source"))
        for name in DISGUISES:
            files = disguised(name, test.inputs[: options.count], options.seed)
            for index, (file, label) in enumerate(zip(files, test.targets, strict=False)):
                (options.folder / f"{name}-{index}").write_bytes(file)
                rows.writerow((f"{name}-{index}", label, name))


if __name__ == "__main__":
    main()
