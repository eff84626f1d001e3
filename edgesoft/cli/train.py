"""`edgesoft train`."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgesoft.cli.console import percent, say, table, write
from edgesoft.cli.options import with_settings
from edgesoft.cli.signals import interrupted
from edgesoft.data.settings import DataSettings
from edgesoft.errors import UsageError
from edgesoft.settings import described
from edgesoft.training.settings import TrainSettings

if TYPE_CHECKING:
    from edgesoft.data.dataset import Dataset
    from edgesoft.training.results import TrainResult, Watcher

SHOWN_CLASSES = 20
SHOWN_FILES = 10


@with_settings((DataSettings, "Data"), (TrainSettings, None))
def command(
    source: Annotated[
        str | None,
        typer.Argument(help=f"{described(DataSettings)['source'].help}. (default: mnist)", show_default=False),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings from a TOML or JSON file; options given here win over it.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder of the run.  (default: runs/<name>, or the next free number)", show_default=False),
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Continue the interrupted run in this folder.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    **settings: Any,
) -> None:
    """Train a classifier on pictures or on a table; without a source on MNIST.

    What is not set suits the data, and is written to config.json. Writes the best weights, metrics and pictures to
    runs/<name>/. Ctrl-C and SIGTERM keep the best weights so far.
    """
    from edgesoft.api import resume as go_on
    from edgesoft.api import train

    chosen = {name: value for name, value in settings.items() if value is not None}
    with _Talk(chosen, quiet=quiet) as talk:
        if resume is not None:
            _refuse_beside_resume({"source": source, "config": config, "output": output, **chosen})
            result = go_on(resume, watcher=talk.watcher())
        else:
            result = train(
                ... if source is None else source, config=config, output=output, watcher=talk.watcher(), **chosen
            )
    _print(result)
    if result.settings.head == "sigmoid":
        say(f"the sigmoid gives the probability of {result.dataset.labels[1]!r}")
    if result.interrupted:
        say(
            f"interrupted after {len(result.epochs)} of {result.settings.epochs} epochs: the best weights so far are kept"
        )
        say(f"continue:  edgesoft train --resume {result.folder.path}")
        raise typer.Exit(interrupted())
    if result.stopped_early:
        say(f"stopped early: no better epoch in {result.settings.patience}")
    is_default = output is None and resume is None
    say(f"next:  edgesoft export {'' if is_default else f'{result.folder.path} '}--quantize")


def _refuse_beside_resume(given: dict[str, Any]) -> None:
    for name, value in given.items():
        if value is not None:
            option = "SOURCE" if name == "source" else f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{option}: a resumed run keeps its data and settings. Leave it out, or start a new run without --resume"
            )


class _Talk:
    """Progress while the data are read and while the network learns, and what there is to say in between; a context manager."""

    def __init__(self, chosen: dict[str, Any], *, quiet: bool) -> None:
        self._chosen, self._quiet, self._stack = chosen, quiet, ExitStack()

    def __enter__(self) -> _Talk:
        from edgesoft.cli.progress import ReadingProgress

        self._reading = self._stack.enter_context(ReadingProgress(quiet=self._quiet))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def watcher(self) -> Watcher:
        """What the training tells this talk."""
        from edgesoft.training.results import Watcher

        return Watcher(
            on_picture=self._reading.on_picture,
            on_start=self._on_start,
            on_batch=lambda step, loss: self._training.on_batch(step, loss),
            on_epoch=lambda epoch: self._training.on_epoch(epoch),
        )

    def _on_start(self, dataset: Dataset, settings: TrainSettings) -> None:
        from edgesoft.cli.progress import TrainingProgress
        from edgesoft.training.compute import takes_outliers

        self._stack.close()
        if not self._quiet:
            counts = ", ".join(f"{len(split):,} {name}" for name, split in dataset.splits.items())
            say(f"{dataset.name}: {len(dataset.labels)} classes, {counts} examples")
        for warning in dataset.warnings:
            say(f"warning: {warning}")
        for line in dataset.skipped[:SHOWN_FILES]:
            say(f"left out: {line}")
        if len(dataset.skipped) > SHOWN_FILES:
            say(f"left out: {len(dataset.skipped) - SHOWN_FILES} more; skipped.txt in the run's folder lists them all")
        wanted = self._chosen.get("outliers")
        if wanted and not takes_outliers(settings, dataset.input):
            say(
                f"note: --outliers {wanted}: {dataset.name} with a {settings.head} head takes none, "
                "only handwriting with softmax does"
            )
        batches = math.ceil(len(dataset.train) / settings.batch_size)
        self._training = self._stack.enter_context(TrainingProgress(settings.epochs, batches, quiet=self._quiet))


def _print(result: TrainResult) -> None:
    from edgesoft.inference.parity import wilson_interval

    best = result.best
    if result.scores:
        # With many classes only the worst are shown; metrics.json has them all.
        shown = sorted(result.scores, key=lambda score: score.f1)[:SHOWN_CLASSES]
        if len(result.scores) <= SHOWN_CLASSES:
            shown = list(result.scores)
        rows = [
            [score.label, percent(score.precision), percent(score.recall), percent(score.f1), f"{score.examples:,}"]
            for score in shown
        ]
        write(*table([["class", "precision", "recall", "F1", "examples"], *rows]))
    write(f"validation accuracy  {percent(best.validation_accuracy)}  (epoch {best.number} of {len(result.epochs)})")
    if result.scores:
        test = result.checkpoint.card.metrics["test"]
        low, high = wilson_interval(test["accuracy"], test["examples"])
        interval = f"95 % interval {100 * low:.2f} to {100 * high:.2f}"
        write(f"test accuracy        {percent(test['accuracy'])}  ({test['examples']:,} examples, {interval})")
    write(f"checkpoint           {result.folder.checkpoint}")
