"""What many tests share: the data, one small model trained and exported for real, and the command line."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgesoft
from edgesoft.data.dataset import Dataset, Split
from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
from edgesoft.exporting import finishing
from edgesoft.exporting.export import export
from edgesoft.exporting.gate import Gate
from edgesoft.exporting.publish import publish
from edgesoft.exporting.results import ExportResult
from edgesoft.exporting.settings import QuantizeSettings
from edgesoft.inference.classifier import Classifier
from edgesoft.inference.parity import Parity
from edgesoft.model.card import Precision
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings
from edgesoft.training.train import train
from tests.reports import pages_of_every_kind
from tests.server import shared

finishing.FEWEST_STEPS = finishing.MOST_STEPS = 20
"""Most tests ask how finishing is used, not how much it learns; tests/exporting/test_finishing.py has the real numbers."""
ROOT = Path(__file__).resolve().parent.parent
TINY = TrainSettings(
    hidden=(32,), epochs=1, augment=False, outliers=0.0, threads=1, precision="float32", label_smoothing=0.0
)


class NoInt8(Gate):
    """What float may hold, and INT8 never: so that every way to quantize is tried."""

    def failures(self, parity: Parity, precision: Precision) -> list[str]:
        return super().failures(parity, precision) if precision == "float32" else ["no INT8 here"]


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    return load_dataset(DataSettings())


@pytest.fixture(scope="session")
def small(mnist) -> Dataset:
    """MNIST, with a hundredth of the work."""

    def first(split, count):
        return Split(split.inputs[:count], split.targets[:count])

    return dataclasses.replace(
        mnist, train=first(mnist.train, 2000), validation=first(mnist.validation, 500), test=first(mnist.test, 1000)
    )


@pytest.fixture(scope="session")
def tiny_run(mnist, tmp_path_factory) -> RunFolder:
    """A run of 784-32-10 on all of MNIST: about 92 %."""
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    train(mnist, TINY, folder)
    return folder


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_run) -> Path:
    return tiny_run.checkpoint


@pytest.fixture(scope="session")
def tiny_export(tiny_checkpoint, mnist) -> ExportResult:
    return export(Checkpoint.load(tiny_checkpoint), mnist, int8=QuantizeSettings())


@pytest.fixture(scope="session")
def exported(tiny_export, mnist, tmp_path_factory) -> Path:
    """A folder with the float file, the INT8 file, which is recommended, and the reports. Do not change what is in it."""
    folder = tmp_path_factory.mktemp("exported")
    # Which of so small files is quicker differs from run to run.
    in_time = [dataclasses.replace(tiny_export.float_model, latencies={1: [2.0], 256: [2.0]})]
    in_time += [dataclasses.replace(attempt, latencies={1: [1.0], 256: [1.0]}) for attempt in tiny_export.attempts]
    result = dataclasses.replace(tiny_export, float_model=in_time[0], attempts=tuple(in_time[1:]))
    publish(result, mnist, folder)
    return folder


@pytest.fixture(scope="session")
def pages_and_tumours(tiny_export, mnist, tmp_path_factory):
    return pages_of_every_kind(tiny_export, mnist, tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="session")
def pages(pages_and_tumours) -> dict[str, str]:
    """Reports and evaluations of every kind, by name."""
    return pages_and_tumours[0]


@pytest.fixture(scope="session")
def tumours(pages_and_tumours) -> ExportResult:
    """The export behind the report of a sigmoid."""
    return pages_and_tumours[1]


@pytest.fixture(scope="session")
def digit(mnist, tmp_path_factory) -> Path:
    """A picture of a seven."""
    path = tmp_path_factory.mktemp("pictures") / "seven.png"
    Image.fromarray(mnist.test.inputs[0]).save(path)
    return path


@pytest.fixture(scope="session")
def ready() -> Classifier:
    """The INT8 model that the repository brings."""
    return edgesoft.load(ROOT / "exported" / "mnist.int8.onnx")


@pytest.fixture(params=["mnist.onnx", "mnist.int8.onnx"], ids=["float", "int8"])
def model(request, exported) -> Path:
    """Each of the two model files in turn."""
    return exported / request.param


@dataclasses.dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    code: int
    out: str
    err: str

    def one_line(self) -> str:
        """What it said on stderr, which must be a single line and no traceback."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with this package first on the path, and one thread."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "200", **changes}


def edgesoft_in_a_fork(*arguments: object, cwd: Path, given: bytes = b"") -> Ended:
    """Run `edgesoft ...` in a fork of a process that has imported everything already, which is quick."""
    done = shared().run(list(map(str, arguments)), cwd, given, limited=False)
    return Ended(done.code, done.out.decode(), done.err.decode())


@pytest.fixture
def cli(tmp_path):
    """Runs `edgesoft ...` in an empty folder; with changes of the environment in a process of its own, else in a fork, which is quick."""

    def run(*arguments: object, cwd: Path = tmp_path, timeout: float = 120, **changes: str) -> Ended:
        if not changes:
            return edgesoft_in_a_fork(*arguments, cwd=cwd)
        process = subprocess.run(
            [sys.executable, "-m", "edgesoft", *map(str, arguments)],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment(**changes),
        )
        return Ended(process.returncode, process.stdout, process.stderr)

    return run


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260101)


@pytest.fixture(scope="session")
def deep(small, mnist, tmp_path_factory) -> tuple[Path, Dataset, ExportResult]:
    """The default network, hardly trained, with the whole test split: checkpoint, data, export."""
    dataset = dataclasses.replace(small, test=mnist.test)
    folder = RunFolder(tmp_path_factory.mktemp("deep"))
    train(dataset, dataclasses.replace(TINY, hidden=TrainSettings.hidden, epochs=3), folder)
    return (
        folder.checkpoint,
        dataset,
        export(Checkpoint.load(folder.checkpoint), dataset, int8=QuantizeSettings(), gate=Gate(100)),
    )
