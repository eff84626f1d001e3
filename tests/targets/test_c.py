"""A model as C, compiled by real compilers and run: on this machine, on other processors and on bare microcontrollers in QEMU."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import edgesoft
from edgesoft.data.arrays import from_arrays
from edgesoft.errors import EdgesoftError
from edgesoft.exporting.budget import fitted
from edgesoft.exporting.gate import Gate
from edgesoft.inference.rejection import energy_score, judge
from edgesoft.model.file import open_model
from edgesoft.targets.c.literals import comment, identifier, number, text
from edgesoft.targets.c.program import write_program
from edgesoft.training.settings import TrainSettings
from tests.conftest import ROOT
from tests.targets import boards
from tests.targets.conftest import KINDS, quickly_exported

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")
# Packages of Debian.
PACKAGES = {
    "gcc": "gcc libc6-dev",
    "clang": "clang",
    "g++": "g++",
    "make": "make",
    "cmake": "cmake",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "qemu-aarch64": "qemu-user",
    "riscv64-linux-gnu-gcc": "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross",
    "qemu-riscv64": "qemu-user",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
}
DRIVER = """\
#include <stdio.h>
#include "{name}.h"
int main(void) {{
    static {type} input[{NAME}_INPUTS];
    float logits[{NAME}_LOGITS], probabilities[{NAME}_CLASSES];
    while (fread(input, sizeof *input, {NAME}_INPUTS, stdin) == {NAME}_INPUTS) {{
        float answer[2];
        answer[0] = (float){name}_classify(input, logits);
        answer[1] = (float){name}_probabilities({handed}logits, probabilities);
        fwrite(answer, sizeof *answer, 2, stdout);
        fwrite(logits, sizeof *logits, {NAME}_LOGITS, stdout);
        fwrite(probabilities, sizeof *probabilities, {NAME}_CLASSES, stdout);
    }}
    return 0;
}}
"""


def need(*tools):
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"no {missing[0]}: apt install {PACKAGES[missing[0]]}")


def compiled(command, folder, *sources):
    program = folder / "program"
    done = subprocess.run(
        [*command, "-o", program, *(folder / name for name in sources), "-lm"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return program


def written(model, folder):
    model = open_model(model) if isinstance(model, Path) else model
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in write_program(model).items():
        (folder / name).write_bytes(content)
    return identifier(model.card.name)


class Compiled:
    """A model as a program that classifies what it reads."""

    def __init__(self, model, folder, command=("gcc", "-O3", "-march=native"), *, runner=()):
        self.card = (open_model(model) if isinstance(model, Path) else model).card
        self.name = written(model, folder)
        kind, handed = ("float", "input, ") if self.card.input.kind == "features" else ("uint8_t", "")
        (folder / "driver.c").write_text(
            DRIVER.format(name=self.name, NAME=self.name.upper(), type=kind, handed=handed)
        )
        self.program = compiled(command, folder, f"{self.name}.c", f"{self.name}_probabilities.c", "driver.c")
        self.runner = runner

    def __call__(self, inputs):
        """Labels, whether they are known, logits, probabilities."""
        done = subprocess.run([*self.runner, self.program], input=inputs.tobytes(), capture_output=True, check=True)
        outputs = self.card.outputs
        table = np.frombuffer(done.stdout, np.float32).reshape(len(inputs), -1)
        return table[:, 0].astype(int), table[:, 1] == 1, table[:, 2 : 2 + outputs], table[:, 2 + outputs :]


def known(card, prediction):
    confidences = prediction.probabilities[np.arange(len(prediction.indices)), prediction.indices]
    return [
        not judge(card.rejection, float(confidence), float(energy)).rejected
        for confidence, energy in zip(confidences, energy_score(prediction.logits), strict=True)
    ]


@pytest.fixture(params=KINDS)
def kind(request, kinds):
    """Data and files of one kind of model."""
    return kinds[request.param]


def test_every_kind_head_and_scheme_answers_as_onnx_runtime(kind, tmp_path):
    need("gcc")
    dataset, files = kind
    inputs = np.concatenate([split.inputs for split in (dataset.train, dataset.test)])
    exact = 0
    for number_, file in enumerate(files):
        model = Compiled(file, tmp_path / str(number_), ("gcc", "-O2", *STRICT))
        labels, is_known, logits, probabilities = model(inputs)
        expected = edgesoft.load(file)(inputs)
        scheme = model.card.quantization and model.card.quantization.scheme
        if scheme and scheme.same_bits_everywhere:
            exact += 1
            assert np.array_equal(logits.view(np.int32), expected.logits.view(np.int32))
        else:
            share = 0.02 if scheme else 1e-5
            assert np.abs(logits - expected.logits).max() <= share * np.abs(expected.logits).max()
        sure = (
            np.abs(np.diff(np.sort(expected.probabilities, axis=1)[:, -2:]).ravel()) > 1e-3 if scheme else slice(None)
        )
        assert np.array_equal(labels[sure], expected.indices[sure])
        if scheme is None or scheme.same_bits_everywhere:
            assert np.allclose(probabilities, expected.probabilities, atol=1e-5)
            assert np.mean(is_known == known(model.card, expected)) > 0.999
    assert exact


def test_all_mnist_test_pictures_bit_for_bit(ready, mnist, tmp_path):
    need("gcc")
    model = Compiled(ROOT / "exported" / "mnist.int8.onnx", tmp_path)
    labels, is_known, logits, probabilities = model(mnist.test.inputs)
    expected = ready(mnist.test.inputs)
    assert np.array_equal(logits.view(np.int32), expected.logits.view(np.int32))
    assert np.array_equal(labels, expected.indices)
    assert np.allclose(probabilities, expected.probabilities, atol=1e-6)
    assert np.array_equal(is_known, known(ready.card, expected))


COMPILERS = pytest.mark.parametrize(
    ("command", "runner"),
    [
        (("gcc", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"), ()),
        (("gcc", "-O3", "-march=native", "-ffp-contract=fast", "-std=gnu99"), ()),
        (("clang", "-O2", *STRICT), ()),
        (("clang", "-O3", "-march=native", "-ffp-contract=fast"), ()),
        (("aarch64-linux-gnu-gcc", "-O2", "-static", "-ffp-contract=fast"), ("qemu-aarch64",)),
        (("riscv64-linux-gnu-gcc", "-O2", "-static", "-ffp-contract=fast"), ("qemu-riscv64",)),
    ],
    ids=["sanitizers", "gcc contracting", "clang", "clang contracting", "aarch64", "riscv64"],
)


@COMPILERS
def test_every_compiler_and_processor_gives_the_same_bits(command, runner, exported, mnist, tmp_path):
    need(command[0], *runner)
    file = exported / "mnist.int8.onnx"
    logits = Compiled(file, tmp_path, command, runner=runner)(mnist.test.inputs[:300])[2]
    assert np.array_equal(logits.view(np.int32), edgesoft.load(file)(mnist.test.inputs[:300]).logits.view(np.int32))


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_it_is_cpp_too(compiler, model, tmp_path):
    need("clang" if compiler == "clang++" else compiler)
    written(model, tmp_path)
    command = [compiler, "-x", "c++", "-std=c++98", *STRICT[1:], "-Wno-long-long"]
    program = compiled(command, tmp_path, "mnist.c", "mnist_probabilities.c", "main.c")
    assert subprocess.run([program]).returncode == 0


def replayed(folder):
    return subprocess.run(
        ["make", "-s", "check", "CFLAGS=-O1"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
    )


def test_make_replays_the_golden_examples(model, tmp_path):
    need("gcc", "make")
    written(model, tmp_path)
    done = replayed(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("mnist: 64 of 64 golden examples: ")


def test_a_changed_weight_is_found(exported, tmp_path):
    need("gcc", "make")
    written(exported / "mnist.int8.onnx", tmp_path)
    code = (tmp_path / "mnist.c").read_text()
    start = code.index("weights2[")
    first = re.compile(r"-?\d+,").search(code, code.index("{", code.index("{", start) + 1))
    other = "63," if int(first[0][:-1]) < 0 else "-63,"
    (tmp_path / "mnist.c").write_text(code[: first.start()] + other + code[first.end() :])
    done = replayed(tmp_path)
    assert done.returncode != 0
    assert "64 of 64" not in done.stdout


def test_another_project_includes_it_with_cmake(exported, tmp_path):
    need("gcc", "cmake", "make")
    written(exported / "mnist.int8.onnx", tmp_path / "mnist")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(yours C)\nadd_subdirectory(mnist)\nadd_executable(yours yours.c)\n"
        "target_link_libraries(yours PRIVATE mnist)\n"
    )
    (tmp_path / "yours.c").write_text(
        "#include <mnist.h>\n#include <stdio.h>\nint main(void) { static uint8_t p[MNIST_INPUTS]; float l[MNIST_LOGITS];\n"
        "  puts(mnist_labels[mnist_classify(p, l)]); return 0; }\n"
    )
    for command in (["cmake", "-S", ".", "-B", "build"], ["cmake", "--build", "build"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert subprocess.run([tmp_path / "build" / "yours"], capture_output=True, text=True).stdout.strip().isdigit()


@pytest.mark.parametrize("flag", ["-ffast-math", "-Ofast"])
def test_unsafe_arithmetic_is_refused_by_the_compiler(flag, exported, tmp_path):
    need("gcc")
    written(exported / "mnist.int8.onnx", tmp_path)
    done = subprocess.run(
        ["gcc", flag, "-c", "-o", tmp_path / "x.o", tmp_path / "mnist.c"], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "-ffast-math changes the answers" in done.stderr


def test_a_network_on_a_microcontroller(exported, tmp_path):
    """784-32-10: 25 KB of weights and the golden examples, on a Cortex-M0 with 256 KB and 16 KB."""
    need("arm-none-eabi-gcc", "qemu-system-arm")
    written(exported / "mnist.int8.onnx", tmp_path)
    assert not boards.MICROBIT.build([tmp_path / "mnist.c", tmp_path / "main.c"], tmp_path / "mnist.elf")
    done = boards.MICROBIT.run(tmp_path / "mnist.elf")
    assert (done.returncode, done.stderr) == (0, "mnist: 64 of 64 golden examples: the same bits as ONNX Runtime\n")


def test_the_widest_network_for_a_microcontroller_runs_there(mnist, tmp_path):
    """What `--flash 200k --ram 12k` takes has room beside its golden examples and the C library in 256 KB and 16 KB."""
    need("arm-none-eabi-gcc", "qemu-system-arm")
    dataset = from_arrays({"train": (mnist.train.inputs[:300], mnist.train.targets[:300])}, name="mnist")
    wanted = TrainSettings(flash=200 * 1024, ram=12 * 1024, epochs=1, threads=1, outliers=0.0, augment=False)
    settings = fitted(wanted, dataset, is_chosen=False)
    model = quickly_exported(dataset, settings, tmp_path, Gate(100)).int8_model
    (tmp_path / "mnist.int8.onnx").write_bytes(model.content)
    written(tmp_path / "mnist.int8.onnx", tmp_path)
    assert 195 * 1024 < int(re.search(r"MNIST_FLASH_BYTES (\d+)L", (tmp_path / "mnist.h").read_text())[1]) <= 200 * 1024
    assert not boards.MICROBIT.build([tmp_path / "mnist.c", tmp_path / "main.c"], tmp_path / "mnist.elf")
    done = boards.MICROBIT.run(tmp_path / "mnist.elf")
    assert done.returncode == 0
    assert re.fullmatch(r"mnist: (\d{2}) of \1 golden examples: the same bits as ONNX Runtime\n", done.stderr)


def test_the_large_network_on_a_microcontroller_and_where_it_does_not_fit(tmp_path):
    need("arm-none-eabi-gcc", "qemu-system-arm")
    written(ROOT / "exported" / "mnist.int8.onnx", tmp_path)
    sources = [tmp_path / "mnist.c", tmp_path / "main.c"]
    boards.NETDUINO.build(sources, tmp_path / "mnist.elf")
    done = boards.NETDUINO.run(tmp_path / "mnist.elf")
    assert (done.returncode, done.stderr) == (0, "mnist: 64 of 64 golden examples: the same bits as ONNX Runtime\n")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        boards.MICROBIT.build(sources, tmp_path / "small.elf")
    assert "overflowed" in caught.value.stderr


def test_features_that_are_no_numbers_have_no_answer(tmp_path, kind):
    need("gcc")
    dataset, files = kind
    if dataset.input.kind != "features":
        return
    row = dataset.test.inputs[:1]
    for index, file in enumerate((files[0], files[1])):
        model = Compiled(file, tmp_path / str(index), ("gcc", "-O2"))
        for odd in (np.nan, np.inf, -np.inf, 3e38):
            bad = row.copy()
            bad[0, -1] = odd
            assert model(bad)[0][0] == -1
        assert model(row)[0][0] >= 0


@pytest.mark.parametrize(
    "word",
    ['a "quoted" one', "back\\slash", "what??/", "*/ int x; /*", "ünïcödé 😀", "</script>", "%s%n", "a\\", "\\x41B"],
)
def test_any_text_is_the_same_text_in_c(word, tmp_path):
    need("gcc")
    (tmp_path / "text.c").write_text(
        f"/* {comment(word)} */\n#include <stdio.h>\nint main(void) {{ fputs({text(word)}, stdout); return 0; }}\n",
        encoding="utf-8",
    )
    program = compiled(["gcc", "-trigraphs", *STRICT], tmp_path, "text.c")
    assert subprocess.run([program], capture_output=True).stdout.decode() == word


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mnist", "mnist"),
        ("My Digits-2", "my_digits_2"),
        ("2cool", "model_2cool"),
        ("int", "model_int"),
        ("数字", "model"),
        ("__x", "x"),
        ("golden", "model_golden"),
        ("x" * 200, "x" * 40),
    ],
)
def test_names(name, expected):
    assert identifier(name) == expected


def test_floats_keep_their_bits(rng, tmp_path):
    need("gcc")
    values = np.concatenate(
        [rng.integers(0, 2**32, 500, np.uint32).view(np.float32), np.float32([0, -0.0, 1, 1e-45, 3.4028235e38])]
    )
    values = values[np.isfinite(values)]
    items = ", ".join(map(number, values))
    (tmp_path / "f.c").write_text(
        f"#include <stdio.h>\nstatic const float v[] = {{{items}}};\nint main(void) {{ fwrite(v, 1, sizeof v, stdout); return 0; }}\n"
    )
    done = subprocess.run([compiled(["gcc", "-std=c99"], tmp_path, "f.c")], capture_output=True)
    assert done.stdout == values.tobytes()


def test_the_same_model_gives_the_same_files(exported):
    model = open_model(exported / "mnist.int8.onnx")
    assert write_program(model) == write_program(model)


def test_the_header_says_what_it_takes(exported):
    files = write_program(open_model(exported / "mnist.int8.onnx"))
    header = files["mnist.h"].decode()
    assert "28 x 28 levels from 0 to 255" in header
    flash = int(re.search(r"MNIST_FLASH_BYTES (\d+)L", header)[1])
    assert 784 * 32 + 32 * 10 < flash < 784 * 32 + 32 * 10 + 400


def test_a_network_that_c_cannot_hold_is_refused(exported, monkeypatch):
    model = open_model(exported / "mnist.int8.onnx")
    monkeypatch.setattr("edgesoft.targets.steps.INT32_MAX", 1000)
    with pytest.raises(EdgesoftError, match="cannot be written in C: it holds sums that may leave 32 bits"):
        write_program(model)


def test_nothing_of_this_machine_is_in_the_files(exported):
    content = b"".join(write_program(open_model(exported / "mnist.int8.onnx")).values())
    assert str(exported).encode() not in content
    assert str(Path.home()).encode() + b"/" not in content
