"""Where a training run keeps its files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from edgesoft.errors import EdgesoftError
from edgesoft.transaction import HAS_LOCKS, JOURNAL, BusyError, locked, replace_together, settle

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
    def epochs(self) -> Path:
        """Loss and accuracy of every epoch as CSV, for spreadsheets and plots."""
        return self.path / "metrics.csv"

    @property
    def learning_curve(self) -> Path:
        """Loss and accuracy over the epochs, as a picture."""
        return self.path / "learning-curve.svg"

    @property
    def confusion_matrix(self) -> Path:
        """What the test split was taken for, as a picture."""
        return self.path / "confusion-matrix.svg"

    def check_free(self) -> None:
        """Look whether a new run may take this folder, so that it overwrites neither another run nor what is not edgesoft's.

        Raises
        ------
        EdgesoftError
            There is something in it. Hidden files are no obstacle: no file of a run is hidden.
        """
        settle(self.path)
        if self.checkpoint.exists() or self.last.exists():
            raise EdgesoftError(
                f"{self.path}: already holds a run. Choose another output, or continue that run: edgesoft train --resume {self.path}"
            )
        if foreign := self.names():
            raise EdgesoftError(
                f"{self.path}: holds {foreign[0]}, which no training wrote. Choose an empty folder as output, or a new one"
            )

    def names(self) -> list[str]:
        """What is in it, in order, besides hidden files."""
        if not self.path.is_dir():
            return []
        return sorted(entry.name for entry in self.path.iterdir() if not entry.name.startswith("."))

    def write(self, make: Callable[[], Mapping[str, bytes]]) -> None:
        """Write files together, for whoever holds the folder's lock.

        A Ctrl-C meanwhile comes after them: it must not cost what an earlier one was to keep.

        Parameters
        ----------
        make
            Name -> content.

        Raises
        ------
        EdgesoftError
            They cannot be written.
        KeyboardInterrupt
            Ctrl-C came meanwhile.
        """
        is_interrupted = False
        while True:
            try:
                replace_together(self.path, make())
                break
            except KeyboardInterrupt:
                is_interrupted = True
        if is_interrupted:
            raise KeyboardInterrupt


@contextmanager
def new_run(name: str) -> Iterator[RunFolder]:
    """Hold `runs/<name>`, or `runs/<name>-2`, `-3`, ... where that is taken: a run never overwrites another, nor do two take one folder.

    One that is empty and that nobody writes is free: a training that was killed has left it. Where nothing is kept, none stays.

    Raises
    ------
    EdgesoftError
        It cannot be made.
    """
    for number in count(1):
        folder = RunFolder(RUNS / (name if number == 1 else f"{name}-{number}"))
        with ExitStack() as stack:
            try:
                # Without locks, an empty folder may be another's that has only just begun.
                if os.path.lexists(folder.path) and not (HAS_LOCKS and folder.path.is_dir() and not folder.names()):
                    continue
                stack.enter_context(locked(folder.path, patience=0))
            except BusyError:
                continue
            if not folder.names():  # of a training that has ended just now
                yield folder
                return


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
    for journal in RUNS.glob(f"*/{JOURNAL}"):
        settle(journal.parent)
    checkpoints = sorted(RUNS.glob(f"*/{RunFolder(RUNS).checkpoint.name}"), key=lambda path: path.stat().st_mtime_ns)
    if not checkpoints:
        raise EdgesoftError(f"{RUNS}/ holds no trained model. Train one first: edgesoft train")
    return checkpoints[-1]
