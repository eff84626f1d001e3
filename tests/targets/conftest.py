"""Models of every kind, which each target is held against."""

import csv
from datetime import datetime, timedelta

import numpy as np
import pytest

from edgesoft.data.arrays import from_arrays
from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
from edgesoft.exporting import export as export_module
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


def quickly_exported(dataset, settings, folder, gate, *, eight_bit=False):
    """The result of an export; how quick the files are, which takes longest, is not measured."""
    run = train(dataset, settings, RunFolder(folder / "run"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_module._Stage, "time", lambda _, candidates: list(candidates))
        return export(run.checkpoint, dataset, gate=gate, int8=QuantizeSettings(eight_bit=eight_bit))


@pytest.fixture(scope="session")
def kinds(tmp_path_factory):
    """Name of each kind of model -> its data and its files: float, and INT8 in every scheme."""
    made = {}
    for name, (dataset, settings) in KINDS.items():
        folder = tmp_path_factory.mktemp("kind")
        result = quickly_exported(dataset, settings, folder, NoInt8())
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
    settings = TrainSettings(
        network="conv", channels=((16,), (32,), (32,)), hidden=(), epochs=1, threads=1, augment=False
    )
    model = quickly_exported(dataset, settings, folder, Gate(100)).int8_model
    (folder / "noise.int8.onnx").write_bytes(model.content)
    return folder / "noise.int8.onnx", pictures[120:]


@pytest.fixture(scope="session")
def dated(tmp_path_factory):
    """A table with dates of every form, with gaps, and words: its float file, and that in INT8."""
    folder = tmp_path_factory.mktemp("dated")
    generator = np.random.default_rng(8)
    with (folder / "shop.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sold", "day", "opened", "closed", "month", "weight", "colour", "kind"])
        for index in range(240):
            kind = index % 3
            sold = datetime(2018, 2, 1) + timedelta(minutes=int(generator.integers(0, 500_000)) + 500_000 * kind)
            day = datetime(1996, 1, 1) + timedelta(days=int(generator.integers(0, 9000)))
            writer.writerow([
                "" if index % 9 == 4 else f"{sold:%Y-%m-%d %H:%M}",
                "NA" if index in (7, 50) else f"{day.day}.{day.month}.{day.year}",
                f"{int(generator.integers(6, 10))}:{int(generator.integers(0, 60)):02} am",
                "24:00" if index % 8 == 3 else f"{int(generator.integers(17, 24))}:{int(generator.integers(0, 60)):02}",
                f"{2015 + kind}/{1 + index % 12:02}",
                "" if index % 11 == 5 else round(generator.normal(5 * kind, 1), 3),
                ("red", "green", "blue")[int(generator.integers(0, 3))],
                ("early", "late", "never")[kind],
            ])  # fmt: skip
    dataset = load_dataset(DataSettings(source=str(folder / "shop.csv"), target="kind"))
    settings = TrainSettings(hidden=(8,), epochs=20, batch_size=16, threads=1)
    result = quickly_exported(dataset, settings, folder, Gate(100))
    files = [folder / "shop.onnx", folder / "shop.int8.onnx"]
    for file, model in zip(files, (result.float_model, result.int8_model), strict=True):
        file.write_bytes(model.content)
    return files
