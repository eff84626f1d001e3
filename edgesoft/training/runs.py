"""Where a training run keeps its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgesoft.errors import EdgesoftError

RUNS = Path("runs")


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def checkpoint(self) -> Path:
        """The best weights with their card."""
        return self.path / "checkpoint.npz"

    @property
    def last(self) -> Path:
        """The weights of the last complete epoch, with the state that --resume continues from; it can be exported too."""
        return self.path / "last.npz"

    @property
    def config(self) -> Path:
        """The data and the settings, every default resolved; `edgesoft train --config` takes it."""
        return self.path / "config.json"

    @property
    def skipped(self) -> Path:
        """The files that could not be read and were left out, one a line; missing when there were none."""
        return self.path / "skipped.txt"

    @property
    def metrics(self) -> Path:
        """Loss and accuracy of every epoch, and precision, recall and F1 of every class on the test split."""
        return self.path / "metrics.json"

    @property
    def learning_curve(self) -> Path:
        """Loss and accuracy over the epochs, as a picture."""
        return self.path / "learning-curve.png"

    @property
    def confusion_matrix(self) -> Path:
        """What the test split was taken for, as a picture."""
        return self.path / "confusion-matrix.png"

    def is_used(self) -> bool:
        """Whether a run has already left something here."""
        return self.checkpoint.exists() or self.last.exists()


def new_run(name: str) -> RunFolder:
    """`runs/<name>`, or `runs/<name>-2`, `-3`, ... when there are runs of that name: a run never overwrites another."""
    number = 1
    while (folder := RunFolder(RUNS / (name if number == 1 else f"{name}-{number}"))).is_used():
        number += 1
    return folder


def checkpoint_in(path: Path) -> Path:
    """The checkpoint that `path` means: the file itself, or the one in a run's folder."""
    return RunFolder(path).checkpoint if path.is_dir() else path


def newest_checkpoint() -> Path:
    """The checkpoint in `runs/` that was written last.

    Raises
    ------
    EdgesoftError
        There is none.
    """
    checkpoints = sorted(RUNS.glob(f"*/{RunFolder(RUNS).checkpoint.name}"), key=lambda path: path.stat().st_mtime_ns)
    if not checkpoints:
        raise EdgesoftError(f"{RUNS}/ holds no trained model. Train one first: edgesoft train")
    return checkpoints[-1]
