"""What training gives: its epochs, and a finished or interrupted run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from edgesoft.data.dataset import Dataset
from edgesoft.inference.parity import wilson_interval
from edgesoft.inference.scores import ClassScore
from edgesoft.pages.markup import notebook
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training split gave."""

    number: int
    """Counted from 1."""
    loss: float
    """Mean cross entropy over the training batches as they were fed, outliers included, in nats."""
    validation_loss: float
    """Mean cross entropy on the validation split, in nats; with class weights the mean over classes."""
    validation_accuracy: float
    """Fraction of the validation split that is labelled rightly; with class weights the mean over classes."""
    seconds: float
    """Time spent in all epochs so far, and before them on drawing the outliers, in seconds."""
    flips: bool = False
    """Whether its pictures were flipped from left to right by the toss of a coin."""

    @property
    def rank(self) -> tuple[float, float]:
        """Orders epochs by validation accuracy, and equal ones by validation loss."""
        return (self.validation_accuracy, -self.validation_loss)


def epochs_csv(epochs: Sequence[Epoch]) -> str:
    """A line for each epoch, under a heading: the numbers of `Epoch`."""
    lines = [
        f"{epoch.number},{epoch.loss},{epoch.validation_loss},{epoch.validation_accuracy},{epoch.seconds:.3f}"
        for epoch in epochs
    ]
    return "\n".join(["epoch,loss,validation_loss,validation_accuracy,seconds", *lines]) + "\n"


@dataclass(frozen=True)
class Watcher:
    """Who wants to know how a training goes on; each is called as its name says."""

    on_picture: Callable[[int, int], object] = lambda *_: None
    """While a folder is read: the number of pictures read so far, and of all."""
    on_data: Callable[[Dataset], object] = lambda _: None
    """When the data are there, and PyTorch to learn them with."""
    on_probe_batch: Callable[[int, int], object] = lambda *_: None
    """With `network="auto"`, after each step of the short trainings: the number of steps so far, and of all of them."""
    on_probe: Callable[[TrainSettings, Epoch], object] = lambda *_: None
    """With `network="auto"`, after each short training: the settings, and its best epoch."""
    on_start: Callable[[Dataset, TrainSettings], object] = lambda *_: None
    """Before the first step: the data, and the settings with their defaults resolved."""
    on_batch: Callable[[int, float], object] = lambda *_: None
    """After each step: the number of steps so far, and the loss of the batch in nats."""
    on_epoch: Callable[[Epoch], object] = lambda _: None
    """After each epoch."""


@dataclass(frozen=True, repr=False)
class TrainResult:
    """A finished or interrupted run."""

    folder: RunFolder
    settings: TrainSettings
    """With the choices of the machine and the data written out."""
    epochs: tuple[Epoch, ...]
    best: Epoch
    """The epoch whose weights the checkpoint holds: on the validation split the best, or a later one that is as good within one
    standard error of its accuracy."""
    checkpoint: Checkpoint
    interrupted: bool
    dataset: Dataset
    scores: tuple[ClassScore, ...]
    """Each class on the test split; empty for an interrupted run, whose test split stays unseen."""

    @property
    def accuracy(self) -> float | None:
        """Fraction of the test split that is labelled rightly; None for an interrupted run."""
        return self._test.get("accuracy")

    @property
    def macro_f1(self) -> float | None:
        """Mean of the classes' F1 on the test split; None for an interrupted run."""
        return self._test.get("macro_f1")

    @property
    def validation_accuracy(self) -> float:
        """Fraction of the validation split that the checkpoint labels rightly; with class weights the mean over classes."""
        return self.best.validation_accuracy

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.dataset.labels

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns that the model takes, in the order of a row's values; none of pictures."""
        return self.dataset.input.columns_taken

    @property
    def _test(self) -> Mapping[str, Any]:
        return cast(Mapping[str, Any], self.checkpoint.card.metrics.get("test", {}))

    @property
    def stopped_early(self) -> bool:
        """Whether patience ended the run before its last epoch."""
        return not self.interrupted and len(self.epochs) < self.settings.epochs

    def __repr__(self) -> str:
        how = "interrupted" if self.interrupted else "finished"
        name, accuracy = (
            ("test", self.accuracy) if self.accuracy is not None else ("validation", self.validation_accuracy)
        )
        return f"TrainResult({str(self.folder.path)!r}, {how}, {len(self.epochs)} epochs, {name} accuracy {_percent(accuracy)})"

    def _repr_html_(self) -> str:
        best, test = self.best, self._test
        lines = [f"validation accuracy {_percent(best.validation_accuracy)}, epoch {best.number} of {len(self.epochs)}"]
        if test:
            low, high = wilson_interval(test["accuracy"], test["examples"])
            interval = f"95 % interval {100 * low:.2f} to {100 * high:.2f}"
            lines.append(f"test accuracy {_percent(test['accuracy'])}, {interval}")
        rows = [
            [score.label, _percent(score.precision), _percent(score.recall), _percent(score.f1), f"{score.examples:,}"]
            for score in self.scores
        ]
        lines = ["; ".join(lines), f"checkpoint {self.folder.checkpoint}"]
        return notebook(self.checkpoint.card.name, lines, ["class", "precision", "recall", "F1", "examples"], rows)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"
