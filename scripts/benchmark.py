"""Measures every figure that docs/measuring.md claims: both sides in one process or in turns, medians with their spread.

    python scripts/benchmark.py                     # everything, about 20 minutes on two cores
    python scripts/benchmark.py latency start       # only these sections

Ratios are medians of per-round ratios, because two figures of one round share the machine's mood. Each section prints a table
in Markdown; talk goes to stderr.
"""

from __future__ import annotations

import argparse
import compileall
import io
import itertools
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from compiled import classify, replaying
from lecture import lecture, ours
from measuring import microseconds, process, ratios, say, spread, table
from rivals import RIVALS, network_of, on_table, openvino

import edgesoft
from edgesoft.inference.doctor import processor

ROOT = Path(__file__).resolve().parent.parent
FLOAT, INT8 = ROOT / "exported" / "mnist.onnx", ROOT / "exported" / "mnist.int8.onnx"
CONVOLUTIONAL = tuple(ROOT / "exported" / "conv" / f"mnist{suffix}" for suffix in (".onnx", ".int8.onnx"))
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # for the bare scripts; edgesoft sets it itself


# --- training ---------------------------------------------------------------------------------------------------------


def training(rounds: int) -> None:
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    quick: list[tuple[float, float]] = []
    slow: list[tuple[float, float]] = []
    ours(1, 0, augment=False, outliers=0.0)  # warm-up
    for seed in range(rounds):
        quick.append(ours(1, seed, augment=False, outliers=0.0))
        slow.append(lecture(seed))
        say(f"round {seed + 1}: lecture {slow[-1]}, ours {quick[-1]}")
    whole = statistics.median(seconds for seconds, _ in slow)
    probe, _ = ours(4, 0)
    epochs = int(whole / (probe / 4) * 0.95)
    same_time = [ours(epochs, seed) for seed in range(rounds)]
    long = [ours(80, seed) for seed in range(rounds)]
    rows = [["recipe", "epochs", "training time", "test accuracy"]]
    for name, count, runs in (
        ("the lecture's (SGD, DataLoader, batch 64)", 9, slow),
        ("`edgesoft train --epochs 1 --no-augment --outliers 0`", 1, quick),
        (f"`edgesoft train --epochs {epochs}`: as long as the lecture's", epochs, same_time),
        ("`edgesoft train --epochs 80`", 80, long),
    ):
        rows.append([name, str(count), spread([s for s, _ in runs], " s", 1), spread([100 * a for _, a in runs], " %")])
    table("Training, 784-520-320-240-120-10, same cores", rows)
    faster = ratios([s for s, _ in quick], [s for s, _ in slow])
    print(f"\nTime to the lecture's accuracy: {spread(faster, 'x', 1)} shorter.")


def tables(rounds: int) -> None:
    """scikit-learn's tables against its own models."""
    rows = [["table", "training time", "edgesoft float32", "edgesoft INT8", *RIVALS]]
    for name in ("iris", "wine", "breast_cancer", "digits"):
        seconds, accuracies = on_table(name, splits=rounds + 2)
        means = [f"{100 * statistics.mean(values):.1f} %" for values in accuracies.values()]
        rows.append([name, spread(seconds, " s", 1), *means])
        say(" ".join(rows[-1]))
    table(f"Tables, mean accuracy over {rounds + 2} splits", rows)


# --- latency ----------------------------------------------------------------------------------------------------------


def latency(rounds: int) -> None:
    import onnxruntime
    import torch

    from edgesoft.data.mnist import load_mnist
    from edgesoft.inference.bench import interleave

    torch.set_num_threads(1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    bare = onnxruntime.InferenceSession(str(INT8), options, providers=["CPUExecutionProvider"])
    models = {"edgesoft INT8": edgesoft.load(INT8), "edgesoft float32": edgesoft.load(FLOAT)}
    network, layers = network_of(FLOAT)
    pixels = load_mnist().test.inputs
    rows = [["", "batch 1", "INT8 is faster by", "batch 256", "INT8 is faster by"]]
    cells: dict[str, list[str]] = {}
    for batch in (1, 256):
        inputs = pixels[:batch]
        tensor = torch.from_numpy(inputs)

        def eager(tensor: torch.Tensor = tensor) -> object:
            with torch.inference_mode():
                return torch.softmax(network(tensor.float() / 255), dim=1)

        def plain_numpy(inputs: np.ndarray = inputs) -> object:
            x = inputs.reshape(len(inputs), -1).astype(np.float32) / 255
            for index, (weight, bias) in enumerate(layers):
                x = x @ weight.T + bias
                x = x if index == len(layers) - 1 else np.maximum(x, 0)
            return np.exp(x - x.max(axis=1, keepdims=True))

        candidates: dict[str, Callable[[], object]] = {
            **{name: (lambda model=model, inputs=inputs: model(inputs)) for name, model in models.items()},
            "ONNX Runtime, bare, INT8": lambda inputs=inputs: bare.run(None, {"pixels": inputs}),
            "PyTorch eager": eager,
            "numpy": plain_numpy,
        }
        peer = openvino(INT8, batch)
        if peer is not None:
            candidates["OpenVINO, INT8"] = lambda inputs=inputs, run=peer: run(inputs)
        seconds = interleave(candidates, rounds=rounds * 40, calls=max(1, 100 // batch))
        for name, values in seconds.items():
            faster = ratios(seconds["edgesoft INT8"], values)
            cells.setdefault(name, [name]).extend([microseconds(values), f"{statistics.median(faster):.2f}x"])
    table("Latency of a call, one CPU thread", [*rows, *cells.values()])


# --- whole processes --------------------------------------------------------------------------------------------------

BARE_SCRIPT = """
import sys
import numpy
import onnxruntime
from PIL import Image
pixels = numpy.asarray(Image.open(sys.argv[1]).convert("L"))[None]
session = onnxruntime.InferenceSession(sys.argv[2], providers=["CPUExecutionProvider"])
probabilities = session.run(["probabilities"], {"pixels": pixels})[0]
print(int(probabilities.argmax()), float(probabilities.max()))
"""


def start(rounds: int) -> None:
    """Cold start of `edgesoft infer` against the least script that does the same."""
    from PIL import Image

    from edgesoft.data.mnist import load_mnist

    program = str(Path(sys.executable).parent / "edgesoft")
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "digit.png"
        Image.fromarray(load_mnist().test.inputs[0]).save(picture)
        infer = [program, "infer", str(picture), "--json"]
        bare = [sys.executable, "-c", BARE_SCRIPT, str(picture), str(INT8)]
        for command in (infer, bare):
            process(command, ROOT)
        pairs = [(process(infer, ROOT), process(bare, ROOT)) for _ in range(rounds * 8)]
    mine, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    slower = [a / b for (a, _), (b, _) in zip(mine, theirs, strict=True)]
    table(
        "Start-up, whole process, one picture",
        [
            ["", "seconds", "peak memory"],
            [
                "`edgesoft infer digit.png --json`",
                spread([s for s, _ in mine], " s", 3),
                spread([m for _, m in mine], " MB", 0),
            ],
            [
                "bare script (Pillow, ONNX Runtime)",
                spread([s for s, _ in theirs], " s", 3),
                spread([m for _, m in theirs], " MB", 0),
            ],
            ["ratio", spread(slower, "x"), ""],
        ],
    )


def export(rounds: int) -> None:
    """`edgesoft export --quantize` beyond what importing torch takes, and the sizes of the files."""
    program = str(Path(sys.executable).parent / "edgesoft")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        subprocess.run(
            [program, "train", "--epochs", "1", "--no-augment", "--quiet"], cwd=place, check=True, capture_output=True
        )
        seconds = []
        for _ in range(rounds):
            whole, _ = process([program, "export", "--quantize"], place)
            torch_alone, _ = process([sys.executable, "-c", "import torch"], place)
            seconds.append(whole - torch_alone)
    sizes = [FLOAT.stat().st_size, INT8.stat().st_size]
    table(
        "Export with INT8 and parity over 10,000 pictures",
        [
            ["", ""],
            ["seconds beyond `import torch`", spread(seconds, " s", 1)],
            ["float file", f"{sizes[0]:,} bytes"],
            ["INT8 file", f"{sizes[1]:,} bytes, {sizes[1] / sizes[0]:.3f} of float"],
        ],
    )


def throughput(rounds: int) -> None:
    """Pictures a second with every core, from one array in memory."""
    import onnxruntime

    from edgesoft.data.mnist import load_mnist
    from edgesoft.inference.bench import interleave

    cores = len(os.sched_getaffinity(0))
    pixels = load_mnist().test.inputs
    calls: dict[str, Callable[[], object]] = {}
    for name, path in (("INT8", INT8), ("float32", FLOAT)):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores
        bare = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        classifier = edgesoft.load(path, threads=cores)
        calls[f"edgesoft {name}"] = lambda c=classifier: sum(1 for _ in c.stream(pixels, batch_size=1000))
        calls[f"ONNX Runtime, bare, {name}"] = lambda b=bare: [
            b.run(None, {"pixels": pixels[start : start + 1000]}) for start in range(0, len(pixels), 1000)
        ]
    rows = [["", "pictures a second"]]
    for name, seconds in interleave(calls, rounds=rounds * 10).items():
        rows.append([name, spread([len(pixels) / value for value in seconds], "", 0)])
    table(f"Throughput, {cores} threads, batches of 1,000", rows)


BARE_LOOP = """
import sys
from pathlib import Path
import numpy
from PIL import Image
for path in sorted(Path(sys.argv[1]).iterdir()):
    numpy.asarray(Image.open(path))
"""


def pictures(rounds: int) -> None:
    """`edgesoft infer` on 10,000 small files against a bare decoding loop, and one large photograph."""
    from PIL import Image

    from edgesoft.data.mnist import load_mnist
    from edgesoft.pictures import PictureSpec, read_picture

    program = str(Path(sys.executable).parent / "edgesoft")
    test = load_mnist().test.inputs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for index, pixels in enumerate(test):
            Image.fromarray(pixels).save(folder / f"{index:05}.png")
        infer = [program, "infer", str(folder), "--json", "--quiet"]
        bare = [sys.executable, "-c", BARE_LOOP, str(folder)]
        pairs = [(process(infer, ROOT)[0], process(bare, ROOT)[0]) for _ in range(rounds)]
    noise = np.random.default_rng(0).normal(0, 6, (3000, 4000))
    page = Image.fromarray(np.clip(200 - np.linspace(0, 90, 4000) + noise, 0, 255).astype(np.uint8))
    page.paste(30, (1500, 800), Image.fromarray(test[0]).resize((1200, 1200)))
    buffer = io.BytesIO()
    page.save(buffer, format="JPEG")
    photograph = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        read_picture(buffer.getvalue(), PictureSpec())
        photograph.append(time.perf_counter() - started)
    table(
        "Pictures from files",
        [
            ["", "seconds"],
            ["`edgesoft infer FOLDER --json`, 10,000 PNG files of 28x28", spread([a for a, _ in pairs], " s")],
            ["bare Pillow decoding loop, the same files", spread([b for _, b in pairs], " s")],
            ["ratio", spread([a / b for a, b in pairs], "x")],
            ["a 12-megapixel photograph, JPEG, decoded and normalised", spread(photograph[1:], " s", 3)],
        ],
    )


def networks(rounds: int, others: Sequence[Path] = ()) -> None:
    """The MLP and the convolutional network that `exported/` ships, and others: accuracy, size, work, and latency here and in C."""
    from edgesoft.data.mnist import load_mnist
    from edgesoft.inference.bench import interleave
    from edgesoft.inference.inspect import inspect

    test = load_mnist().test
    files = {
        "MLP, float32": FLOAT,
        "MLP, INT8": INT8,
        "convolutional, float32": CONVOLUTIONAL[0],
        "convolutional, INT8": CONVOLUTIONAL[1],
    } | {str(path): path for path in others}
    classifiers = {name: edgesoft.load(path) for name, path in files.items()}
    pixels = np.ascontiguousarray(test.inputs[:1000])
    rows = [["network", "test accuracy", "constants", "RAM", "multiplications", "ONNX Runtime, batch 1", "C"]]
    with tempfile.TemporaryDirectory() as folder:
        calls: dict[str, Callable[[], object]] = {}
        for name, path in files.items():
            each = itertools.cycle(np.split(pixels, len(pixels)))
            calls[name] = lambda classifier=classifiers[name], each=each: classifier(next(each))
            calls[f"{name} in C"] = classify(path, Path(folder) / str(len(calls)), pixels)
        seconds = interleave(calls, rounds=rounds * 40, calls=100)
    for name, path in files.items():
        cost = inspect(path).cost
        right = float((classifiers[name].logits(test.inputs).argmax(axis=1) == test.targets).mean())
        size = [f"{number:,}" for number in cost or ("", "", "")]
        times = [microseconds(seconds[call]) for call in (name, f"{name} in C")]
        rows.append([name, f"{100 * right:.2f} %", *size, *times])
    table("MNIST, by two kinds of network: batch 1, one thread, 1,000 pictures in turn", rows)


def compiled(rounds: int) -> None:
    """The C of `edgesoft convert`: latency against a bare session, and a whole process against `edgesoft infer`."""
    import onnxruntime
    from PIL import Image

    from edgesoft.data.mnist import load_mnist
    from edgesoft.inference.bench import interleave

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    pixels = np.ascontiguousarray(load_mnist().test.inputs[:1000])
    each = itertools.cycle(np.split(pixels, len(pixels)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            ["batch 1, pictures in turn", "C, gcc -O3 -march=native", "ONNX Runtime, bare `session.run`", "C takes"]
        ]
        for title, model in (("INT8", INT8), ("float32", FLOAT), ("convolutional, INT8", CONVOLUTIONAL[-1])):
            bare = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
            seconds = interleave(
                {
                    "c": classify(model, folder / title, pixels),
                    "ort": lambda bare=bare: bare.run(None, {"pixels": next(each)}),
                },
                rounds=rounds * 40,
                calls=100,
            )
            share = statistics.median(ratios(seconds["ort"], seconds["c"]))
            rows.append([title, microseconds(seconds["c"]), microseconds(seconds["ort"]), f"{share:.2f} of it"])
        table("C against ONNX Runtime, the MNIST network", rows)
        picture = folder / "digit.png"
        Image.fromarray(pixels[0]).save(picture)
        infer = [str(Path(sys.executable).parent / "edgesoft"), "infer", str(picture), "--json"]
        program = [str(replaying(INT8, folder / "program"))]
        process(infer, ROOT)
        pairs = [(process(program, ROOT)[0], process(infer, ROOT)[0]) for _ in range(rounds * 8)]
    mine, theirs = [c for c, _ in pairs], [python for _, python in pairs]
    sooner = spread(ratios(mine, theirs), "x", 0)
    table(
        "From the start of a process to its answers",
        [
            ["C, 64 golden examples", "`edgesoft infer`, one picture", "C is sooner by"],
            [spread(mine, " s", 4), spread(theirs, " s", 3), sooner],
        ],
    )


SECTIONS: dict[str, Callable[[int], None]] = {
    "training": training,
    "tables": tables,
    "latency": latency,
    "throughput": throughput,
    "start": start,
    "export": export,
    "pictures": pictures,
    "networks": networks,
    "compiled": compiled,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help="what to measure (default: everything)")
    parser.add_argument("--rounds", type=int, default=3, help="how often the slow parts are repeated")
    parser.add_argument("--model", type=Path, action="append", default=[], help="networks: one more file to measure")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    print(f"{processor()}, {cores} cores, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}")
    compileall.compile_dir(ROOT / "edgesoft", quiet=1)  # as pip does; else each process would compile what it imports
    sections = SECTIONS | {"networks": partial(networks, others=options.model)}
    for name in options.sections or sections:
        say(f"{name} ...")
        sections[name](options.rounds)


if __name__ == "__main__":
    main()
