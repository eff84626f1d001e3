"""Models of every kind, which each target is held against."""

import numpy as np
import pytest

from edgesoft.data.arrays import from_arrays
from edgesoft.exporting.export import export
from edgesoft.exporting.gate import Gate
from edgesoft.exporting.settings import QuantizeSettings
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings
from edgesoft.training.train import train
from tests.conftest import NoInt8
from tests.training.test_heads_and_kinds import CASES, pictures

# 9x8: an odd line is left out of the first stage's pooling.
CONVOLUTIONS = {
    "grey convolutions, sigmoid": (
        pictures(1),
        TrainSettings(network="conv", channels=((4,), (5, 6)), hidden=(7,), epochs=4, batch_size=16, threads=1, head="sigmoid"),
    ),
    "colour convolutions, softmax": (
        pictures(3),
        TrainSettings(network="conv", channels=((4, 3), (8,)), hidden=(), epochs=4, batch_size=16, threads=1),
    ),
}  # fmt: skip
KINDS = {
    **{name: CASES[name] for name in ("table, softmax", "table, logistic regression", "colour pictures, softmax")},
    **CONVOLUTIONS,
}


@pytest.fixture(scope="session")
def kinds(tmp_path_factory):
    """Name of each kind of model -> its data and its files: float, and INT8 in every scheme."""
    made = {}
    for name, (dataset, settings) in KINDS.items():
        folder = tmp_path_factory.mktemp("kind")
        run = train(dataset, settings, RunFolder(folder / "run"))
        result = export(run.checkpoint, dataset, gate=NoInt8(), int8=QuantizeSettings())
        files = []
        for index, candidate in enumerate([result.float_model, *result.attempts]):
            files.append(folder / f"{index}.onnx")
            files[-1].write_bytes(candidate.content)
        made[name] = dataset, files
    return made


@pytest.fixture(scope="session")
def convolutions(tmp_path_factory):
    """17,000 parameters on 28x28 pictures, hardly trained, in INT8: file, and pictures that it never saw."""
    folder = tmp_path_factory.mktemp("convolutions")
    generator = np.random.default_rng(6)
    pictures = generator.integers(0, 256, (220, 28, 28), dtype=np.uint8)
    dataset = from_arrays({"train": (pictures[:120], np.arange(120) % 10)}, name="noise")
    settings = TrainSettings(network="conv", channels=((16,), (32,), (32,)), hidden=(), epochs=1, threads=1)
    run = train(dataset, settings, RunFolder(folder / "run"))
    model = export(run.checkpoint, dataset, gate=Gate(100), int8=QuantizeSettings()).int8_model
    (folder / "noise.int8.onnx").write_bytes(model.content)
    return folder / "noise.int8.onnx", pictures[120:]
