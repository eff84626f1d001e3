"""`edgesoft export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgesoft.cli.console import percent, say, table
from edgesoft.errors import GateMissedError
from edgesoft.files import check_writable

if TYPE_CHECKING:
    from edgesoft.exporting.results import ExportResult, StagedModel


def command(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            help="A run's folder, or its checkpoint. (default: the newest run in runs/)", show_default=False
        ),
    ] = None,
    quantize: Annotated[bool, typer.Option("--quantize", help="Make an INT8 file too.")] = False,
    data: Annotated[
        str | None,
        typer.Option(help="Where the data are now. (default: where the run found them)", show_default=False),
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("exported"),
    name: Annotated[
        str | None, typer.Option(help="Stem of the files. (default: the data set's name)", show_default=False)
    ] = None,
    max_drop: Annotated[float, typer.Option(help="Accuracy that INT8 may lose, in percentage points.", min=0)] = 0.1,
    calibration_samples: Annotated[
        int | None,
        typer.Option(help="Calibration examples. (default: the whole training split)", min=1, show_default=False),
    ] = None,
    per_channel: Annotated[
        bool, typer.Option("--per-channel", help="Begin with one weight scale for each output of a layer.")
    ] = False,
    eight_bit: Annotated[
        bool,
        typer.Option("--eight-bit", help="Allow 8-bit weights: only for devices with VNNI or an ARM CPU."),
    ] = False,
) -> None:
    """Export a trained model to ONNX, and prove that it answers like PyTorch.

    Every file is run over the whole test split before it is published. When INT8 misses its gate, finer ways to quantize are
    tried in turn. A file that misses its gate is not published, and the command ends with exit code 3.
    """
    from edgesoft.data.load import load_dataset
    from edgesoft.exporting.export import QuantizeSettings, export
    from edgesoft.exporting.gate import Gate
    from edgesoft.exporting.publish import publish
    from edgesoft.training.checkpoint import Checkpoint
    from edgesoft.training.runs import RunFolder, checkpoint_in, newest_checkpoint
    from edgesoft.training.settings_file import stored_options

    int8 = QuantizeSettings(calibration_samples, per_channel, eight_bit) if quantize else None
    checkpoint = newest_checkpoint() if checkpoint is None else checkpoint_in(checkpoint)
    gate = Gate(max_drop)
    say(f"exporting {checkpoint}")
    Checkpoint.load(checkpoint)  # what cannot be read is said before its data are looked for
    check_writable(output)
    dataset = load_dataset(stored_options(RunFolder(checkpoint.parent), data))
    result = export(checkpoint, dataset, gate=gate, int8=int8, name=name)
    print(table([_HEADING, _pytorch_row(result), *map(_row, (result.float_model, *result.attempts))]))
    for attempt in result.attempts:
        if not attempt.passed:
            say(f"not published: {attempt.arithmetic}: {'; '.join(attempt.failures)}")
        for warning in attempt.slower_than(result.float_model):
            say(f"note: {warning}")
    paths = publish(result, dataset, output)
    for path in paths:
        print(path)
    if quantize and result.int8_model is None:
        raise GateMissedError(
            f"no INT8 file holds the gate; {paths[0]} is float. Allow more with --max-drop, or train longer"
        )
    say(
        f"next:  edgesoft infer {'ROWS.csv' if dataset.input.kind == 'features' else 'PICTURE'}"
        + (
            ""
            if output == Path("exported") and len(list(output.glob("*.report.json"))) == 1
            else f" --model {output / result.name}"
        )
    )


_HEADING = ("", "accuracy", "labels changed", "logits within", "bytes", "batch 1", "batch 256")


def _pytorch_row(result: ExportResult) -> list[str]:
    return ["PyTorch", percent(result.float_model.parity.reference_accuracy or 0.0), "", "", "", "", ""]


def _row(candidate: StagedModel) -> list[str]:
    parity = candidate.parity
    return [
        candidate.arithmetic,
        percent(parity.candidate_accuracy or 0.0),
        f"{len(parity.label_changes)} of {parity.examples:,}",
        f"{parity.max_logit_difference:.2g}",
        f"{len(candidate.content):,}",
        f"{candidate.microseconds(1):.1f} us",
        f"{candidate.microseconds(256):.0f} us",
    ]
