"""`edgesoft train`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgesoft.cli.talk import percent, say
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.workshop.config import TrainConfig, parse_hidden

if TYPE_CHECKING:
    from edgesoft.workshop.runs import RunFolder

# The settings that decide the weights: a resumed run brings its own.
_SETTINGS = (
    "hidden",
    "epochs",
    "batch_size",
    "lr",
    "weight_decay",
    "label_smoothing",
    "no_augment",
    "seed",
    "precision",
    "device",
    "threads",
)


def command(
    context: typer.Context,
    hidden: Annotated[
        str, typer.Option(help='Widths of the hidden layers, or "none" for plain softmax regression.')
    ] = ",".join(map(str, TrainConfig.hidden)),
    epochs: Annotated[int, typer.Option(help="Passes over the training split.")] = TrainConfig.epochs,
    batch_size: Annotated[int, typer.Option(help="Examples a step.")] = TrainConfig.batch_size,
    lr: Annotated[float, typer.Option(help="Largest learning rate.")] = TrainConfig.lr,
    weight_decay: Annotated[float, typer.Option(help="AdamW's weight decay.")] = TrainConfig.weight_decay,
    label_smoothing: Annotated[
        float, typer.Option(help="Share of the target spread over all classes.")
    ] = TrainConfig.label_smoothing,
    no_augment: Annotated[
        bool, typer.Option("--no-augment", help="Train on the pictures as they are, undistorted.")
    ] = False,
    seed: Annotated[
        int, typer.Option(help="The same seed on the same machine gives the same weights.")
    ] = TrainConfig.seed,
    precision: Annotated[
        str, typer.Option(help="Arithmetic of the steps: float32, bfloat16, or auto (bfloat16 where the CPU has it).")
    ] = TrainConfig.precision,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = TrainConfig.device,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 takes every core.")] = TrainConfig.threads,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder of the run. (default: runs/mnist, or the next free number)", show_default=False),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Continue the interrupted run in this folder.", show_default=False)
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train a softmax classifier on MNIST.

    Writes the best weights, metrics and pictures to runs/<name>/. Ctrl-C keeps the best weights so far.
    """
    if resume is not None:
        given = [name for name in _SETTINGS if context.get_parameter_source(name).name == "COMMANDLINE"]  # type: ignore[union-attr]
        if given or output is not None:
            option = given[0].replace("_", "-") if given else "output"
            raise UsageError(
                f"--{option}: a resumed run keeps its settings. Leave it out, or start a new run without --resume"
            )
        config = None
    else:
        config = TrainConfig(
            hidden=parse_hidden(hidden),
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            weight_decay=weight_decay,
            label_smoothing=label_smoothing,
            augment=not no_augment,
            seed=seed,
            precision=precision,
            device=device,
            threads=threads,
        )
    _run(config, output, resume, quiet=quiet)


def _run(config: TrainConfig | None, output: Path | None, resume: Path | None, *, quiet: bool) -> None:
    from edgesoft.cli.progress import TrainingProgress
    from edgesoft.device.parity import wilson_interval
    from edgesoft.workshop.datasets.mnist import load_mnist
    from edgesoft.workshop.runs import RunFolder
    from edgesoft.workshop.train import stored_config, train

    dataset = load_mnist()
    if config is None:
        folder = RunFolder(resume or Path())
        config = stored_config(folder)
    else:
        folder = _new_folder(output, dataset.name)
    with TrainingProgress(config.epochs, math.ceil(len(dataset.train) / config.batch_size), quiet=quiet) as progress:
        result = train(
            dataset, config, folder, resume=resume is not None, on_batch=progress.on_batch, on_epoch=progress.on_epoch
        )
    best = result.best
    print(f"validation accuracy  {percent(best.validation_accuracy)}  (epoch {best.number} of {len(result.epochs)})")
    if not result.interrupted:
        test = result.checkpoint.card.metrics["test"]
        low, high = wilson_interval(test["accuracy"], test["examples"])
        interval = f"95 % interval {100 * low:.2f} to {100 * high:.2f}"
        print(f"test accuracy        {percent(test['accuracy'])}  ({test['examples']:,} examples, {interval})")
    print(f"checkpoint           {folder.checkpoint}")
    if result.interrupted:
        say(f"interrupted after {len(result.epochs)} of {config.epochs} epochs: the best weights so far are kept")
        say(f"continue:  edgesoft train --resume {folder.path}")
        raise typer.Exit(130)
    say(f"next:  edgesoft export {'' if output is None and resume is None else f'{folder.path} '}--quantize")


def _new_folder(output: Path | None, name: str) -> RunFolder:
    from edgesoft.workshop.runs import RunFolder, new_run

    if output is None:
        return new_run(name)
    folder = RunFolder(output)
    if folder.is_used():
        raise EdgesoftError(
            f"{output}: already holds a run. Choose another --output, or continue that run: --resume {output}"
        )
    return folder
