"""Progress on stderr: live on a terminal; elsewhere one line an epoch of training, and nothing while pictures are read."""

from __future__ import annotations

import math
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from edgesoft.cli.console import percent
from edgesoft.cli.streams import unguarded

if TYPE_CHECKING:
    from edgesoft.training.results import Epoch


SHOWN_EVERY = 0.1
"""Seconds between two moves of the bar of pictures, so that showing thousands of them costs nothing."""
MOST_LINES = 60
"""A run of more epochs leaves a line for every second, third, ... one."""


class _Live:
    """A bar that is on the screen inside of a with statement, where that is a terminal."""

    def __init__(self, console: Console, *columns: ProgressColumn, quiet: bool) -> None:
        self._bar = Progress(
            *columns,
            TimeRemainingColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,  # what is printed there is data, which may go to a file
            disable=quiet or not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


class TrainingProgress(_Live):
    """Shows epochs, loss, validation accuracy and the time that is left; a context manager."""

    def __init__(self, epochs: int, batches: int, *, quiet: bool) -> None:
        self._console = Console(file=unguarded(sys.stderr), quiet=quiet, highlight=False)  # rich honours NO_COLOR
        self._epochs, self._batches = epochs, batches
        self._every = math.ceil(epochs / MOST_LINES)
        super().__init__(
            self._console,
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]:.4f}"),
            TextColumn("validation {task.fields[accuracy]}"),
            quiet=quiet,
        )
        self._task = self._bar.add_task(
            "", total=epochs * batches, epoch=1, epochs=epochs, loss=float("nan"), accuracy="-"
        )

    def on_batch(self, step: int, loss: float) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=step, epoch=min(self._epochs, step // self._batches + 1), loss=loss)

    def on_epoch(self, epoch: Epoch) -> None:
        """Leave a line that stays."""
        self._bar.update(self._task, accuracy=percent(epoch.validation_accuracy))
        if epoch.number % self._every and epoch.number != self._epochs:
            return
        self._console.print(
            f"epoch {epoch.number:>{len(str(self._epochs))}}/{self._epochs}  loss {epoch.loss:.4f}  "
            f"validation loss {epoch.validation_loss:.4f}  accuracy {percent(epoch.validation_accuracy)}  {epoch.seconds:.1f} s"
        )


class ReadingProgress(_Live):
    """Shows on a terminal how many pictures have been read; a context manager."""

    def __init__(self, *, quiet: bool) -> None:
        console = Console(file=unguarded(sys.stderr), highlight=False)
        super().__init__(console, TextColumn("reading"), BarColumn(), TextColumn("{task.fields[count]}"), quiet=quiet)
        self._task = self._bar.add_task("", total=None, visible=False, count="")
        self._shown = 0.0

    def on_picture(self, done: int, total: int | None = None) -> None:
        """Move the bar; `total` is None while nobody knows how many there are."""
        now = time.monotonic()
        if now - self._shown < SHOWN_EVERY and done != total:
            return
        self._shown = now
        count = f"{done:,}" if total is None else f"{done:,}/{total:,}"
        self._bar.update(self._task, completed=done, total=total, visible=True, count=count)
