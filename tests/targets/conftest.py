"""Models of every kind, which each target is held against."""

import pytest

from edgesoft.exporting.export import export
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
