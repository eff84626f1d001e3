"""The normaliser in C: what it makes of a drawing is what Python makes of it."""

import subprocess
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edgesoft.model.file import open_model
from edgesoft.pictures.normalise import already_normalised, normalise_ink
from edgesoft.pictures.render import render_glyph
from edgesoft.pictures.spec import PictureSpec
from edgesoft.targets.c.drawing import FEWEST, normaliser
from edgesoft.targets.c.program import _template, write_program
from tests.conftest import ROOT
from tests.targets.test_c import COMPILERS, STRICT, boards, compiled, need

DRIVER = """\
#include <stdio.h>
#include "mnist.h"
int main(void) {
    static uint8_t grey[MNIST_DRAWING_SIDE * MNIST_DRAWING_SIDE], pixels[MNIST_INPUTS];
    uint8_t sides[2];
    while (fread(sides, 1, 2, stdin) == 2) {
        const size_t count = (size_t)sides[0] * sides[1];
        uint8_t answer;
        if (fread(grey, 1, count, stdin) != count) {
            return 1;
        }
        answer = (uint8_t)mnist_normalise(grey, sides[0], sides[1], pixels);
        fwrite(&answer, 1, 1, stdout);
        fwrite(pixels, 1, sizeof pixels, stdout);
    }
    return 0;
}
"""
SPECS = {
    "mnist": PictureSpec(),
    "box, any stroke": PictureSpec(centring="box", stroke_low=0, stroke_high=0),
    "wide": PictureSpec(height=24, width=32, ink_box=16, stroke_low=1.5, stroke_high=2.0),
}


def contrast_of(grey):
    """A drawing's difference from its background, 0 to 1."""
    frame = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    background = int(np.sort(frame)[(len(frame) + 1) // 2 - 1])
    is_dark = background - int(grey.min()) >= int(grey.max()) - background
    depth = background - grey.astype(int) if is_dark else grey.astype(int) - background
    return np.maximum(depth, 0).astype(np.float32) / np.float32(255)


def expected(grey, spec):
    """What Python makes of a drawing; None where it holds nothing."""
    pixels = already_normalised(Image.fromarray(grey), spec)
    if pixels is not None:
        return pixels
    contrast = contrast_of(grey)
    strength = float(contrast.max())
    if strength < 0.04:
        return None
    return render_glyph(contrast, contrast > 0.3 * strength, strength, 0.2 * strength, spec)


class Normaliser:
    """`mnist_normalise` as a program."""

    def __init__(self, folder, spec=PictureSpec(), command=("gcc", "-O2", *STRICT), *, runner=()):
        for name, content in write_program(open_model(ROOT / "exported" / "conv" / "mnist.int8.onnx")).items():
            (folder / name).write_bytes(content)
        if spec != PictureSpec():
            words = {"name": "mnist", "NAME": "MNIST", "version": "", "origin": "", **normaliser(spec)}
            (folder / "mnist_normalise.c").write_text(_template("normalise.c").substitute(words))
            header = (folder / "mnist.h").read_text().replace("INPUTS 784", f"INPUTS {spec.height * spec.width}")
            (folder / "mnist.h").write_text(header.replace("SIDE 56", f"SIDE {words['drawing']}"))
        (folder / "driver.c").write_text(DRIVER)
        self.spec, self.runner = spec, runner
        self.program = compiled(command, folder, "mnist_normalise.c", "driver.c")

    def __call__(self, drawings):
        """The pixels of each drawing; None where there are none."""
        given = b"".join(bytes(drawing.shape) + drawing.tobytes() for drawing in drawings)
        done = subprocess.run([*self.runner, self.program], input=given, capture_output=True, check=True)
        shape = (self.spec.height, self.spec.width)
        table = np.frombuffer(done.stdout, np.uint8).reshape(len(drawings), 1 + shape[0] * shape[1])
        return [row[1:].reshape(shape) if row[0] else None for row in table]


def drawings_of(pictures, seed=0):
    """Digits at any place and of any size, dark or bright, pale or strong, on paper of any level, thickened or not."""
    generator = np.random.default_rng(seed)
    made = []
    for picture in pictures:
        height, width = generator.integers(14, 57, 2).tolist()
        high, wide = (int(generator.integers(12, side + 1)) for side in (height, width))
        glyph = np.asarray(Image.fromarray(picture[4:24, 4:24]).resize((wide, high), Image.Resampling.BICUBIC))
        page = np.zeros((height, width))
        top, left = int(generator.integers(0, height - high + 1)), int(generator.integers(0, width - wide + 1))
        page[top : top + high, left : left + wide] = glyph
        if generator.random() < 0.3:  # another stroke width
            page = np.maximum(page, np.roll(page, 1, axis=int(generator.integers(2))))
        ground, ink = generator.choice([(255, 0), (0, 255), (200, 60), (30, 140), (250, 180)])
        made.append(np.rint(ground + (ink - ground) * page / 255).astype(np.uint8))
    return made


def check_equal(normalise, drawings):
    read = 0
    for drawing, found in zip(drawings, normalise(drawings), strict=True):
        wanted = expected(drawing, normalise.spec)
        if found is None:  # what is only a few pixels high and wide cannot be told
            contrast = contrast_of(drawing)
            assert wanted is None or max(np.ptp(np.nonzero(contrast > 0.3 * contrast.max()), axis=1)) < FEWEST
            continue
        read += 1
        assert np.array_equal(found, wanted)
    return read


def test_all_mnist_test_pictures_and_their_negatives_are_as_pythons(mnist, tmp_path):
    need("gcc")
    pictures = mnist.test.inputs
    normalise = Normaliser(tmp_path)
    for given in (pictures, 255 - pictures):
        found = normalise(list(given))
        assert np.array_equal(np.stack(found), pictures)
    spec = PictureSpec()
    assert all(
        np.array_equal(normalise_ink(Image.fromarray(picture), spec).pixels, picture) for picture in pictures[:200]
    )


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_drawings_are_as_pythons(spec, mnist, tmp_path):
    need("gcc")
    drawings = drawings_of(mnist.test.inputs[:150])
    assert check_equal(Normaliser(tmp_path, spec), drawings) > 140


@COMPILERS
def test_every_compiler_and_processor_draws_the_same(command, runner, mnist, tmp_path):
    need(command[0], *runner)
    assert (
        check_equal(Normaliser(tmp_path, command=command, runner=runner), drawings_of(mnist.test.inputs[:40], 1)) > 36
    )


def test_what_holds_no_character_has_no_answer(tmp_path):
    need("gcc")
    even, grain = np.full((28, 28), 7, np.uint8), np.full((40, 20), 100, np.uint8)
    grain[::2, ::3] += 9
    dot = np.zeros((28, 28), np.uint8)
    dot[3:6, 3:6] = 255
    sanitized = Normaliser(
        tmp_path, command=("gcc", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    )
    odd = [even, grain, dot, np.zeros((1, 1), np.uint8), np.zeros((0, 28), np.uint8), np.eye(2, dtype=np.uint8) * 255]
    assert sanitized(odd) == [None] * len(odd)


def test_noise_lines_and_full_pages_stay_within_their_memory(rng, tmp_path):
    need("gcc")
    sanitized = Normaliser(
        tmp_path, command=("gcc", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    )
    odd = [rng.integers(0, 256, rng.integers(1, 57, 2), dtype=np.uint8) for _ in range(60)]
    for height, width in ((56, 1), (1, 56), (56, 7), (6, 56), (56, 56)):
        line = np.zeros((height, width), np.uint8)
        line[height // 2 :, width // 2] = 255
        odd += [
            line,
            line.T,
            255 - line,
            np.full((height, width), 255, np.uint8) - np.eye(height, width, dtype=np.uint8),
        ]
    check_equal(sanitized, odd)


def test_a_drawing_on_a_microcontroller(mnist, tmp_path):
    """A Cortex-M4 with 128 KB has room for a model of 20x20 pixels; the linker refuses one for which there is none."""
    need("arm-none-eabi-gcc", "qemu-system-arm")
    small = replace(PictureSpec(), height=20, width=20, ink_box=14)
    Normaliser(tmp_path, small)
    drawing = 255 - mnist.test.inputs[0]
    wanted = expected(drawing, small)
    levels = ", ".join(map(str, drawing.ravel()))
    right = ", ".join(map(str, wanted.ravel()))
    (tmp_path / "board.c").write_text(
        f'#include <stdio.h>\n#include <string.h>\n#include "mnist.h"\nstatic const uint8_t g[] = {{{levels}}}, r[] = {{{right}}};\n'
        f"int main(void) {{ static uint8_t p[400]; int known = mnist_normalise(g, {drawing.shape[0]}, {drawing.shape[1]}, p);\n"
        '  printf("%d %d\\n", known, memcmp(p, r, 400)); return 0; }\n'
    )
    sources = [tmp_path / "mnist_normalise.c", tmp_path / "board.c"]
    assert not boards.NETDUINO.build(sources, tmp_path / "drawing.elf")
    assert boards.NETDUINO.run(tmp_path / "drawing.elf").stderr == "1 0\n"
    with pytest.raises(subprocess.CalledProcessError) as caught:
        boards.MICROBIT.build(sources, tmp_path / "small.elf")
    assert "overflowed" in caught.value.stderr


def test_only_handwriting_has_one(kinds):
    names = {name: write_program(open_model(files[0])).keys() for name, (_, files) in kinds.items()}
    assert not [name for name, files in names.items() if any("normalise" in file for file in files)]
