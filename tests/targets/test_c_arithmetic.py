"""What the C leaves out, narrows and rounds without branches: the same answers for any input, and the memory that the header states."""

import re
import subprocess

import numpy as np
import pytest

import edgesoft
from edgesoft.model.file import open_model
from edgesoft.model.network import read_network
from edgesoft.targets.c.plan import Plan
from edgesoft.targets.c.program import _template
from tests.conftest import NoInt8
from tests.targets import boards
from tests.targets.conftest import KINDS, quickly_exported
from tests.targets.test_c import STRICT, Compiled, compiled, need, written


def pictures_with_zeros(shape, rng):
    """Pictures with no 0, with nothing else, and with as few others as the loops take at once, one more and one less."""
    dark, full = np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)
    yield from (dark, full, rng.integers(1, 256, shape, np.uint8))
    for count in (1, 2, 3, 4, 5, 7, 8, 9):
        for places in (range(count), range(-count, 0), rng.choice(dark.size, count, replace=False)):
            picture = dark.copy()
            picture.flat[list(places)] = rng.integers(1, 256, count)
            yield picture


@pytest.mark.parametrize(
    "command",
    [("gcc", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"), ("gcc", "-O3"), ("clang", "-O3")],
    ids=["sanitizers", "gcc", "clang"],
)
def test_zeros_may_be_anywhere(command, exported, rng, tmp_path):
    need(command[0])
    pictures = np.stack(list(pictures_with_zeros((28, 28), rng)))
    whole = Compiled(exported / "mnist.int8.onnx", tmp_path / "int8", command)(pictures)[2]
    expected = edgesoft.load(exported / "mnist.int8.onnx").logits(pictures)
    assert np.array_equal(whole.view(np.int32), expected.view(np.int32))
    floats = Compiled(exported / "mnist.onnx", tmp_path / "float", command)(pictures)[2]
    expected = edgesoft.load(exported / "mnist.onnx").logits(pictures)
    assert np.abs(floats - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.fixture(scope="module")
def eight_bits(tmp_path_factory):
    """A file with weights of 8 bits, of which two products do not fit in 16 bits."""
    folder = tmp_path_factory.mktemp("eight")
    dataset, settings = KINDS["colour pictures, softmax"]
    result = quickly_exported(dataset, settings, folder, NoInt8(), eight_bit=True)
    attempt = next(attempt for attempt in result.attempts if "8-bit" in attempt.arithmetic)
    (folder / "8.onnx").write_bytes(attempt.content)
    return folder / "8.onnx"


def test_weights_of_eight_bits_have_room(eight_bits, rng, tmp_path, monkeypatch):
    """ONNX Runtime itself may saturate here; the integers in numpy do not."""
    need("gcc")
    model = open_model(eight_bits)
    pictures = np.stack(list(pictures_with_zeros(model.card.input.shape, rng)))
    expected = read_network(model).logits(pictures)
    logits = Compiled(eight_bits, tmp_path / "8", ("gcc", "-O2", *STRICT))(pictures)[2]
    assert np.array_equal(logits.view(np.int32), expected.view(np.int32))
    monkeypatch.setattr(Plan, "pair", "int16_t")
    narrow = Compiled(eight_bits, tmp_path / "narrow", ("gcc", "-O2"))(pictures)[2]
    assert not np.array_equal(narrow, expected)


def test_two_products_are_narrow_where_they_fit(exported, eight_bits, tmp_path):
    for index, (file, pair) in enumerate(((exported / "mnist.int8.onnx", "int16_t"), (eight_bits, "int32_t"))):
        name = written(file, tmp_path / str(index))
        assert f"{pair} values[4];" in (tmp_path / str(index) / f"{name}.c").read_text()


TO_BYTE = """\
#include <stdint.h>
#include <stdio.h>
#include <string.h>
{function}
int main(void) {{
    float value;
    while (fread(&value, sizeof value, 1, stdin) == 1) {{
        putchar(to_byte(value));
    }}
    return 0;
}}
"""


@pytest.mark.parametrize("flags", [("-O0",), ("-O3", "-march=native", "-std=gnu99", "-ffp-contract=fast")])
def test_any_float_becomes_the_nearest_byte(flags, rng, tmp_path):
    need("gcc")
    special = np.float32([0, -0.0, 1e-45, 0.5, 1.5, 254.5, 255, 255.5, 256, 3e38, np.inf, -np.inf, np.nan, -np.nan])
    halves = np.arange(-2, 520, dtype=np.float32) / 2
    values = np.concatenate(
        [special, halves, np.nextafter(halves, np.float32(1e9)), np.nextafter(halves, np.float32(-1e9)),
         rng.integers(0, 2**32, 100_000, np.uint32).view(np.float32)]
    )  # fmt: skip
    (tmp_path / "byte.c").write_text(TO_BYTE.format(function=_template("functions/to_byte.c").substitute()))
    program = compiled(["gcc", *flags], tmp_path, "byte.c")
    found = np.frombuffer(subprocess.run([program], input=values.tobytes(), capture_output=True).stdout, np.uint8)
    with np.errstate(invalid="ignore"):  # signalling NaN
        expected = np.nan_to_num(np.rint(values), nan=0, posinf=255, neginf=0).clip(0, 255).astype(np.uint8)
    assert np.array_equal(found, expected)


def test_static_memory_is_what_the_header_says(exported, convolutions, tmp_path):
    need("arm-none-eabi-gcc")
    for index, model in enumerate((exported / "mnist.int8.onnx", exported / "mnist.onnx", convolutions[0])):
        folder = tmp_path / str(index)
        name = written(model, folder)
        command = ["arm-none-eabi-gcc", *boards.MICROBIT.processor, "-mthumb", "-Os", "-c", "-o", folder / "model.o"]
        subprocess.run([*command, folder / f"{name}.c"], check=True)
        sizes = subprocess.check_output(["arm-none-eabi-size", folder / "model.o"], text=True).splitlines()[1].split()
        stated = int(re.search(r"_RAM_BYTES (\d+)L", (folder / f"{name}.h").read_text())[1])
        assert int(sizes[1]) + int(sizes[2]) == stated
