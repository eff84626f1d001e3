"""`edgesoft train`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgesoft.cli.console import percent, say, table
from edgesoft.data.settings import DataSettings, parse_size
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.training.settings import TrainSettings, parse_hidden, suited

if TYPE_CHECKING:
    from edgesoft.data.dataset import Dataset
    from edgesoft.training.results import TrainResult
    from edgesoft.training.runs import RunFolder

SHOWN_CLASSES = 20
SHOWN_FILES = 10
_DATA = (
    "source",
    "target",
    "ignore_columns",
    "size",
    "colour",
    "val_split",
    "test_split",
    "root",
    "download",
)
_NOT_SETTINGS = (*_DATA, "config", "output", "resume", "quiet")


def command(
    context: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(
            help="A known set (mnist, fashion-mnist, ...), a folder with one subfolder a class, or a table: .csv, .tsv, .npz, "
            ".parquet. (default: mnist)",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="The column that holds the labels.", rich_help_panel="Data")
    ] = None,
    ignore_columns: Annotated[
        str | None, typer.Option(help="Columns to leave out, with commas between them.", rich_help_panel="Data")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help='Pixels that pictures are scaled to: "32" or "64x48" (width x height). (default: 32)',
            rich_help_panel="Data",
        ),
    ] = None,
    colour: Annotated[
        bool | None,
        typer.Option(
            "--colour/--grey", help="Read pictures from a folder in colour. (default: grey)", rich_help_panel="Data"
        ),
    ] = None,
    val_split: Annotated[
        float | None,
        typer.Option(
            help="Share of the training examples held out to choose the best epoch. (default: 0.15; 0.1 of 10,000 or more)",
            rich_help_panel="Data",
        ),
    ] = None,
    test_split: Annotated[
        float | None,
        typer.Option(help="Share of all examples held out to judge the model. (default: 0.2)", rich_help_panel="Data"),
    ] = None,
    root: Annotated[
        str | None,
        typer.Option(help="Folder of the files of torchvision's sets. (default: data)", rich_help_panel="Data"),
    ] = None,
    download: Annotated[
        bool | None, typer.Option("--download", help="Let torchvision fetch missing files.", rich_help_panel="Data")
    ] = None,
    hidden: Annotated[
        str | None,
        typer.Option(
            help='Widths of the hidden layers, "520,320", or "none" for plain regression. (default: by the size of the data)'
        ),
    ] = None,
    head: Annotated[str | None, typer.Option(help="softmax, or sigmoid for two classes. (default: softmax)")] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Probability above which a sigmoid head answers the second class. (default: 0.5)"),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training split. (default: by the size of the data)")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after this many epochs without a better one. (default: never)")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples a step. (default: by the size of the data)")] = None,
    lr: Annotated[float | None, typer.Option(help="Largest learning rate. (default: 0.003)")] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="AdamW's weight decay. (default: by the kind of data)")
    ] = None,
    label_smoothing: Annotated[
        float | None, typer.Option(help="Share of the target spread over all classes. (default: 0.05)")
    ] = None,
    class_weights: Annotated[
        bool | None, typer.Option("--class-weights/--no-class-weights", help="Give every class the same weight.")
    ] = None,
    augment: Annotated[
        bool | None, typer.Option("--augment/--no-augment", help="Distort training pictures. (default: augment)")
    ] = None,
    outliers: Annotated[
        float | None,
        typer.Option(
            help="Letters, scrawls and blots of no class mixed into each step, as a share of its examples; for mnist, qmnist, emnist "
            "and usps with a softmax head. (default: 0.1)"
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same seed on the same machine gives the same weights. (default: 0)")
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="Arithmetic of the steps: float32, bfloat16, or auto (bfloat16 where the CPU has it). (default: auto)"
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda. (default: cpu)")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads; 0 takes every core. (default: 0)")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings from a TOML or JSON file; options given here win over it.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder of the run.  (default: runs/<name>, or the next free number)", show_default=False),
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Continue the interrupted run in this folder.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train a classifier on pictures or on a table; without a source on MNIST.

    What is not set suits the data, and is written to config.json. Writes the best weights, metrics and pictures to
    runs/<name>/. Ctrl-C keeps the best weights so far.
    """
    chosen = {name: value for name, value in context.params.items() if value is not None}
    if resume is not None:
        others = [name for name in chosen if name not in ("resume", "quiet")]
        if others:
            option = "SOURCE" if others[0] == "source" else f"--{others[0].replace('_', '-')}"
            raise UsageError(
                f"{option}: a resumed run keeps its data and settings. Leave it out, or start a new run without --resume"
            )
        _resume(resume, quiet=quiet)
        return
    data, training = _settings(chosen, config)
    TrainSettings(**{"batch_norm": False, **training})  # a wrong number is refused before the data are read
    dataset = _load(DataSettings(**{"split_seed": training.get("seed", TrainSettings.seed), **data}), quiet=quiet)
    resolved = TrainSettings(**{**suited(len(dataset.train), dataset.input.kind), **training})
    _note_outliers(training.get("outliers", 0), resolved, dataset)
    _train(dataset, resolved, _new_folder(output, dataset.name), quiet=quiet, is_default=output is None)


def _settings(chosen: dict[str, Any], config: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of the data and of the training: those of the file, overridden by those of the command line."""
    from edgesoft.training.settings_file import read_config

    data, training = read_config(config) if config is not None else ({}, {})
    data |= {name: value for name, value in chosen.items() if name in _DATA}
    training |= {name: value for name, value in chosen.items() if name not in _NOT_SETTINGS}
    if "size" in chosen:
        data["size"] = parse_size(chosen["size"])
    if "ignore_columns" in chosen:
        data["ignore_columns"] = tuple(name.strip() for name in chosen["ignore_columns"].split(","))
    if "hidden" in chosen:
        training["hidden"] = parse_hidden(chosen["hidden"])
    return data, training


def _load(options: DataSettings, *, quiet: bool) -> Dataset:
    from edgesoft.cli.progress import ReadingProgress
    from edgesoft.data.load import load_dataset

    with ReadingProgress(quiet=quiet) as progress:
        dataset = load_dataset(options, on_picture=progress.on_picture)
    if not quiet:
        counts = ", ".join(f"{len(split):,} {name}" for name, split in dataset.splits.items())
        say(f"{dataset.name}: {len(dataset.labels)} classes, {counts} examples")
    for warning in dataset.warnings:
        say(f"warning: {warning}")
    for line in dataset.skipped[:SHOWN_FILES]:
        say(f"left out: {line}")
    if len(dataset.skipped) > SHOWN_FILES:
        say(f"left out: {len(dataset.skipped) - SHOWN_FILES} more; skipped.txt in the run's folder lists them all")
    return dataset


def _note_outliers(wanted: float, config: TrainSettings, dataset: Dataset) -> None:
    from edgesoft.training.compute import takes_outliers

    if wanted and not takes_outliers(config, dataset.input):
        say(
            f"note: --outliers {wanted}: {dataset.name} with a {config.head} head takes none, only handwriting with softmax does"
        )


def _resume(path: Path, *, quiet: bool) -> None:
    from edgesoft.training.resume import stored_config
    from edgesoft.training.runs import RunFolder
    from edgesoft.training.settings_file import stored_options

    folder = RunFolder(path)
    config = stored_config(folder)
    _train(_load(stored_options(folder), quiet=quiet), config, folder, quiet=quiet, is_default=False, resume=True)


def _train(
    dataset: Dataset, config: TrainSettings, folder: RunFolder, *, quiet: bool, is_default: bool, resume: bool = False
) -> None:
    from edgesoft.cli.progress import TrainingProgress
    from edgesoft.training.train import train

    with TrainingProgress(config.epochs, math.ceil(len(dataset.train) / config.batch_size), quiet=quiet) as progress:
        result = train(dataset, config, folder, resume=resume, on_batch=progress.on_batch, on_epoch=progress.on_epoch)
    _print(result)
    if config.head == "sigmoid":
        say(f"the sigmoid gives the probability of {dataset.labels[1]!r}")
    if result.interrupted:
        say(f"interrupted after {len(result.epochs)} of {config.epochs} epochs: the best weights so far are kept")
        say(f"continue:  edgesoft train --resume {folder.path}")
        raise typer.Exit(130)
    if result.stopped_early:
        say(f"stopped early: no better epoch in {config.patience}")
    say(f"next:  edgesoft export {'' if is_default else f'{folder.path} '}--quantize")


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
        print(table([["class", "precision", "recall", "F1", "examples"], *rows]))
    print(f"validation accuracy  {percent(best.validation_accuracy)}  (epoch {best.number} of {len(result.epochs)})")
    if result.scores:
        test = result.checkpoint.card.metrics["test"]
        low, high = wilson_interval(test["accuracy"], test["examples"])
        interval = f"95 % interval {100 * low:.2f} to {100 * high:.2f}"
        print(f"test accuracy        {percent(test['accuracy'])}  ({test['examples']:,} examples, {interval})")
    print(f"checkpoint           {result.folder.checkpoint}")


def _new_folder(output: Path | None, name: str) -> RunFolder:
    from edgesoft.training.runs import RunFolder, new_run

    if output is None:
        return new_run(name)
    folder = RunFolder(output)
    if folder.is_used():
        raise EdgesoftError(
            f"{output}: already holds a run. Choose another --output, or continue that run: --resume {output}"
        )
    return folder
