"""`edgesoft train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgesoft.cli.console import percent, say, write
from edgesoft.cli.options import with_settings
from edgesoft.cli.signals import interrupted
from edgesoft.cli.streams import unguarded
from edgesoft.data.settings import DataSettings
from edgesoft.errors import UsageError
from edgesoft.settings import described
from edgesoft.terminal import Facts, Table, Text, strong
from edgesoft.training.settings import TrainSettings

if TYPE_CHECKING:
    from edgesoft.training.results import TrainResult

SHOWN_CLASSES = 20


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
    from edgesoft.api.runs import resume as go_on
    from edgesoft.api.runs import train
    from edgesoft.progress import Talk

    chosen = {name: value for name, value in settings.items() if value is not None}
    with Talk(chosen, unguarded(sys.stderr), quiet=quiet) as talk:
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
        write(Table([["class", "precision", "recall", "F1", "examples"], *rows]))
    epoch = f"  (epoch {best.number} of {len(result.epochs)})"
    facts: list[tuple[str, Text]] = [("validation accuracy", percent(best.validation_accuracy) + epoch)]
    if result.scores:
        test = result.checkpoint.card.metrics["test"]
        low, high = wilson_interval(test["accuracy"], test["examples"])
        interval = f"95 % interval {100 * low:.2f} to {100 * high:.2f}"
        told = f"  ({test['examples']:,} examples, {interval})"
        facts.append(("test accuracy", (strong(percent(test["accuracy"])), told)))
    write(Facts([*facts, ("checkpoint", str(result.folder.checkpoint))], 21))
