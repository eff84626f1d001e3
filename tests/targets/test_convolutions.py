"""A convolutional network of a usual size as C: on other processors, on a microcontroller, and what it takes there."""

import dataclasses
import re
import subprocess

import numpy as np
import pytest

import edgesoft
from edgesoft.data.arrays import from_arrays
from edgesoft.exporting.gate import Gate
from edgesoft.model.file import open_model
from edgesoft.model.heads import Softmax
from edgesoft.model.layers import Convolution, Linear, MaxPool, Quantize, QuantizedConvolution
from edgesoft.model.network import Network, read_network
from edgesoft.model.scaling import Planes
from edgesoft.targets.cost import cost
from edgesoft.targets.steps import InexpressibleError, steps
from edgesoft.targets.web.page import PAGE, write_page
from edgesoft.training.settings import TrainSettings
from tests.targets import boards
from tests.targets.conftest import quickly_exported
from tests.targets.test_c import COMPILERS, STRICT, Compiled, compiled, need, replayed, written

SAID = "noise: {} of {} golden examples: the same bits as ONNX Runtime\n"
USER = """\
#include "noise.h"
int main(void) { static uint8_t pixels[NOISE_INPUTS]; static float logits[NOISE_LOGITS]; return noise_classify(pixels, logits); }
"""


@COMPILERS
def test_every_compiler_and_processor_gives_the_same_bits(command, runner, convolutions, tmp_path):
    need(command[0], *runner)
    file, pictures = convolutions
    logits = Compiled(file, tmp_path, command, runner=runner)(pictures)[2]
    assert np.array_equal(logits.view(np.int32), edgesoft.load(file)(pictures).logits.view(np.int32))


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_it_is_cpp_too(compiler, convolutions, tmp_path):
    need("clang" if compiler == "clang++" else compiler)
    written(convolutions[0], tmp_path)
    command = [compiler, "-x", "c++", "-std=c++98", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
    program = compiled([*command, "-Wno-long-long"], tmp_path, "noise.c", "noise_probabilities.c", "main.c")
    assert subprocess.run([program]).returncode == 0


@pytest.mark.parametrize("layer", [1, 2, 3, 4])
def test_a_changed_weight_is_found(layer, convolutions, tmp_path):
    need("gcc", "make")
    written(convolutions[0], tmp_path)
    code = (tmp_path / "noise.c").read_text()
    start = code.index(f"weights{layer}[")
    row = code.index("{", code.index("{", start) + 1)
    changed = re.sub(
        r"-?\d+,", lambda found: "-63," if int(found[0][:-1]) > 0 else "63,", code[row : code.index("}", row)]
    )
    (tmp_path / "noise.c").write_text(code[:row] + changed + code[code.index("}", row) :])
    done = replayed(tmp_path)
    assert done.returncode != 0
    assert "noise: " in done.stdout


def test_a_microcontroller_of_16_kilobytes(convolutions, tmp_path):
    """On a Cortex-M0: code and constants <= 40 KB, memory <= 12 KB, and with a third of the memory it does not link."""
    need("arm-none-eabi-gcc", "qemu-system-arm")
    written(convolutions[0], tmp_path)
    boards.MICROBIT.build([tmp_path / "noise.c", tmp_path / "main.c"], tmp_path / "noise.elf")
    done = boards.MICROBIT.run(tmp_path / "noise.elf")
    assert (done.returncode, done.stderr) == (0, SAID.format(*[golden_examples(tmp_path)] * 2))
    (tmp_path / "user.c").write_text(USER)
    sources = [tmp_path / "noise.c", tmp_path / "user.c"]
    boards.MICROBIT.build(sources, tmp_path / "user.elf")
    sizes = subprocess.run(["arm-none-eabi-size", tmp_path / "user.elf"], capture_output=True, text=True, check=True)
    code, data, zeroed = map(int, sizes.stdout.splitlines()[1].split()[:3])
    assert code + data <= 40 * 1024
    assert data + zeroed <= 12 * 1024 + 3072  # which board.ld keeps for heap and stack
    less = dataclasses.replace(boards.MICROBIT, ram=(boards.MICROBIT.ram[0], 6 * 1024))
    with pytest.raises(subprocess.CalledProcessError) as caught:
        less.build(sources, tmp_path / "less.elf")
    assert "overflowed" in caught.value.stderr


def golden_examples(folder):
    return int(re.search(r"GOLDEN_EXAMPLES (\d+)", (folder / "golden.h").read_text())[1])


def test_a_picture_too_small_to_pool(tmp_path, rng):
    need("gcc", "clang")
    pictures = rng.integers(0, 256, (60, 1, 3, 3), dtype=np.uint8)
    dataset = from_arrays({"train": (pictures, np.arange(60) % 2)}, name="small")
    settings = TrainSettings(network="conv", channels=((3,), (9, 10)), hidden=(), epochs=1, threads=1, augment=False)
    result = quickly_exported(dataset, settings, tmp_path, Gate(100))
    for candidate in (result.float_model, *result.attempts):
        (tmp_path / "small.onnx").write_bytes(candidate.content)
        expected = edgesoft.load(tmp_path / "small.onnx")(pictures).logits
        for command in (("gcc", "-O1", "-fsanitize=address,undefined"), ("clang", "-O2", *STRICT)):
            logits = Compiled(tmp_path / "small.onnx", tmp_path / command[0], command)(pictures)[2]
            assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max()


def test_the_page_is_small(convolutions):
    assert len(write_page(open_model(convolutions[0]))[PAGE]) <= 150e3


def test_cost_is_what_the_header_says(convolutions, kinds, tmp_path):
    models = [convolutions[0], *(file for _, files in kinds.values() for file in files)]
    for index, file in enumerate(models):
        name, model = written(file, tmp_path / str(index)), open_model(file)
        header = (tmp_path / str(index) / f"{name}.h").read_text()
        found = cost(read_network(model), model.card.input.shape)
        for word, number in (("FLASH_BYTES", found.constant_bytes), ("RAM_BYTES", found.ram_bytes)):
            assert f"_{word} {number}L" in header
        assert f"{found.multiplications} multiplications" in header


def test_cost_of_a_network_counted_by_hand(convolutions):
    model = open_model(convolutions[0])
    found = cost(read_network(model), (28, 28))
    places = 28 * 28 * 9 * 16 + 14 * 14 * 9 * 16 * 32 + 6 * 6 * 9 * 32 * 32  # of 7 lines one is left out
    assert found.multiplications == places + 10 * 32 * 9
    assert found.constant_bytes == 9 * 16 + 9 * 16 * 32 + 9 * 32 * 32 + 10 * 32 * 9 + 4 * (16 + 32 + 32 + 10) + 4 * 4
    assert found.ram_bytes == 14 * 14 * 16 + 7 * 7 * 32 + 2 * 3 * (7 + 2) * 32 + 4 * 10


def scaled(value):
    return np.asarray(np.float32(value))


def test_what_has_no_form():
    first = Planes((4, 4, 1))
    convolution = Convolution(np.ones((2, 1, 3, 3), np.float32), np.zeros(2, np.float32))
    falling = QuantizedConvolution(
        np.ones((2, 1, 3, 3), np.int8), scaled(-1), np.zeros(2, np.int32), scaled(-np.float32(1 / 255))
    )
    rows = {
        "a layer MaxPool": (first, MaxPool()),
        "a convolution of what is no picture": (convolution,),
        "pooled values that fall": (first, falling, Quantize(scaled(1)), MaxPool()),
    }
    for said, layers in rows.items():
        with pytest.raises(InexpressibleError, match=said):
            steps(Network(layers, Softmax()), (4, 4))
    linear = Linear(np.ones((2, 8), np.float32), np.zeros(2, np.float32))
    assert [step.function for step in steps(Network((first, convolution, MaxPool(), linear), Softmax()), (4, 4))] == [
        "floats_of_bytes",
        "convolve",
        "dense",
    ]
