"""Progress on a stream such as stderr: live on a terminal; elsewhere one line an epoch of training, and nothing while pictures are read."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from edgesoft.terminal import Prose, Screen, talk

if TYPE_CHECKING:
    from typing_extensions import Self

    from edgesoft.data.dataset import Dataset
    from edgesoft.training.results import Epoch, Watcher
    from edgesoft.training.settings import TrainSettings

SHOWN_EVERY = 0.1
"""Seconds between two moves of the bar of pictures, so that showing thousands of them costs nothing."""
SHOWN_FILES = 10
"""Files left out of a data set that are named."""
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
        if not self._bar.disable:  # rich before 15 would leave an empty line all the same
            self._bar.stop()


class TrainingProgress(_Live):
    """Shows epochs, loss, validation accuracy and the time that is left; a context manager."""

    def __init__(self, epochs: int, batches: int, stream: TextIO, *, quiet: bool) -> None:
        self._console = Console(file=stream, quiet=quiet, highlight=False)  # rich honours NO_COLOR
        self._epochs, self._batches = epochs, batches
        self._every = math.ceil(epochs / MOST_LINES)
        self._flips = False
        super().__init__(
            self._console,
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            TextColumn("{task.fields[loss]}"),
            TextColumn("{task.fields[accuracy]}"),
            quiet=quiet,
        )
        self._task = self._bar.add_task("", total=epochs * batches, epoch=1, epochs=epochs, loss="", accuracy="")

    def on_batch(self, step: int, loss: float) -> None:
        """Move the bar."""
        self._bar.update(
            self._task, completed=step, epoch=min(self._epochs, step // self._batches + 1), loss=f"loss {loss:.4f}"
        )

    def on_epoch(self, epoch: Epoch) -> None:
        """Leave a line that stays."""
        if epoch.flips and not self._flips:
            self._flips = True
            self._leave(f"from epoch {epoch.number} on half of the pictures are flipped: their classes allow it")
        self._bar.update(self._task, accuracy=f"validation {_percent(epoch.validation_accuracy)}")
        if epoch.number % self._every and epoch.number != self._epochs:
            return
        self._leave(
            f"epoch {epoch.number:>{len(str(self._epochs))}}/{self._epochs}  loss {epoch.loss:.4f}  "
            f"validation loss {epoch.validation_loss:.4f}  accuracy {_percent(epoch.validation_accuracy)}  {epoch.seconds:.1f} s"
        )

    def _leave(self, line: str) -> None:
        screen = Screen(self._console.width if self._console.is_terminal else None, 0)
        self._console.print("\n".join(Prose(line).lines(screen)))


class CountProgress(_Live):
    """Shows on a terminal how many of something are done, such as pictures that have been read; a context manager."""

    def __init__(self, stream: TextIO, *, quiet: bool, doing: str = "reading") -> None:
        console = Console(file=stream, highlight=False)
        super().__init__(console, TextColumn(doing), BarColumn(), TextColumn("{task.fields[count]}"), quiet=quiet)
        self._task = self._bar.add_task("", total=None, visible=False, count="")
        self._shown = 0.0

    def on_count(self, done: int, total: int | None = None) -> None:
        """Move the bar; `total` is None while nobody knows how many there are."""
        now = time.monotonic()
        if now - self._shown < SHOWN_EVERY and done != total:
            return
        self._shown = now
        count = f"{done:,}" if total is None else f"{done:,}/{total:,}"
        self._bar.update(self._task, completed=done, total=total, visible=True, count=count)


class Talk:
    """Progress while the data are read and while the network learns, and what there is to say in between; a context manager.

    Parameters
    ----------
    chosen
        The settings that were given.
    stream
        Where progress goes.
    quiet
        Whether to tell only what is odd.
    """

    def __init__(self, chosen: Mapping[str, Any], stream: TextIO, *, quiet: bool = False) -> None:
        self._chosen, self._stream, self._quiet = chosen, stream, quiet
        self._stack = ExitStack()
        self._trying: CountProgress | None = None

    def __enter__(self) -> Self:
        self._reading = self._stack.enter_context(CountProgress(self._stream, quiet=self._quiet))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def watcher(self, other: Watcher | None = None) -> Watcher:
        """What the training tells this talk, and after it someone else."""
        from edgesoft.training.results import Watcher

        other = Watcher() if other is None else other
        return Watcher(
            on_picture=_both(self._reading.on_count, other.on_picture),
            on_data=_both(self._on_data, other.on_data),
            on_probe_batch=_both(self._on_probe_batch, other.on_probe_batch),
            on_probe=_both(self._on_probe, other.on_probe),
            on_start=_both(self._on_start, other.on_start),
            on_batch=_both(lambda step, loss: self._training.on_batch(step, loss), other.on_batch),
            on_epoch=_both(lambda epoch: self._training.on_epoch(epoch), other.on_epoch),
        )

    def _say(self, line: str) -> None:
        for part in talk(line, Screen.of(self._stream)):
            self._stream.write(f"{part}\n")
        self._stream.flush()

    def _on_data(self, dataset: Dataset) -> None:
        self._stack.close()
        if not self._quiet:
            counts = ", ".join(f"{len(split):,} {name}" for name, split in dataset.splits.items())
            self._say(f"{dataset.name}: {len(dataset.labels)} classes, {counts} examples")

    def _on_probe_batch(self, done: int, total: int) -> None:
        if self._trying is None:
            self._trying = self._stack.enter_context(
                CountProgress(self._stream, quiet=self._quiet, doing="trying networks")
            )
        self._trying.on_count(done, total)

    def _on_probe(self, settings: TrainSettings, epoch: Epoch) -> None:
        from edgesoft.model.architecture import Architecture

        self._stack.close()
        self._trying = None
        if not self._quiet:
            layers = f"{settings.network}, hidden layers {Architecture((), settings.channels, settings.hidden, 1).describe()}"
            self._say(
                f"tried {layers}, weight decay {settings.weight_decay:g}: validation loss {epoch.validation_loss:.4f} "
                f"({100 * epoch.validation_accuracy:.2f} %) after a short training"
            )

    def _on_start(self, dataset: Dataset, settings: TrainSettings) -> None:
        from edgesoft.data.splits import UNEQUAL
        from edgesoft.training.compute import takes_outliers

        if not self._quiet:
            self._say(_network_line(dataset, settings))
        for warning in dataset.warnings:
            # What the data are is said where they are read; only here is known what was asked for.
            is_open = warning.startswith(UNEQUAL) and not settings.class_weights
            self._say(f"warning: {warning}{'. --class-weights gives every class the same weight' if is_open else ''}")
        for line in dataset.skipped[:SHOWN_FILES]:
            self._say(f"left out: {line}")
        if len(dataset.skipped) > SHOWN_FILES:
            self._say(
                f"left out: {len(dataset.skipped) - SHOWN_FILES} more; skipped.txt in the run's folder lists them all"
            )
        wanted = self._chosen.get("outliers")
        if wanted and not takes_outliers(settings, dataset.input):
            self._say(
                f"note: --outliers {wanted}: {dataset.name} with a {settings.head} head takes none, "
                "only handwriting with softmax does"
            )
        batches = settings.batches(len(dataset.train))
        self._training = self._stack.enter_context(
            TrainingProgress(settings.epochs, batches, self._stream, quiet=self._quiet)
        )


def _both(first: Callable[..., object], second: Callable[..., object]) -> Callable[..., None]:
    def call(*values: Any) -> None:
        first(*values)
        second(*values)

    return call


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"


def _network_line(dataset: Dataset, settings: TrainSettings) -> str:
    """What is about to be trained, and what it will take on a device."""
    from edgesoft.exporting.budget import int8_cost

    architecture = settings.architecture(dataset.input.shape, len(dataset.labels))
    flash, ram, multiplications = int8_cost(architecture, dataset.first_layers)
    size = f"{flash / 1000:,.1f} KB of flash, {ram / 1000:,.1f} KB of RAM, {multiplications:,} multiplications"
    return f"network: hidden layers {architecture.describe()}; as INT8 in C {size}"
