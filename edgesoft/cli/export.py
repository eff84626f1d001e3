"""`edgesoft export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgesoft.cli.talk import percent, say, table
from edgesoft.errors import GateMissedError

if TYPE_CHECKING:
    from edgesoft.workshop.export import Candidate, ExportResult


def command(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            help="A run's folder, or its checkpoint.  [default: the newest run in runs/]", show_default=False
        ),
    ] = None,
    quantize: Annotated[bool, typer.Option("--quantize", help="Make an INT8 file too.")] = False,
    output: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("exported"),
    name: Annotated[
        str | None, typer.Option(help="Stem of the files.  [default: the data set's name]", show_default=False)
    ] = None,
    max_drop: Annotated[float, typer.Option(help="Accuracy that INT8 may lose, in percentage points.", min=0)] = 0.1,
) -> None:
    """Export a trained model to ONNX, and prove that it answers like PyTorch.

    Every file is run over the whole test split before it is published. One that misses its gate is not published, and the
    command ends with exit code 3.
    """
    from edgesoft.workshop.datasets.mnist import load_mnist
    from edgesoft.workshop.export import QuantizeConfig, export
    from edgesoft.workshop.gate import Gate
    from edgesoft.workshop.publish import publish
    from edgesoft.workshop.runs import checkpoint_in, newest_checkpoint

    checkpoint = newest_checkpoint() if checkpoint is None else checkpoint_in(checkpoint)
    say(f"exporting {checkpoint}")
    dataset = load_mnist()
    result = export(checkpoint, dataset, gate=Gate(max_drop), int8=QuantizeConfig() if quantize else None, name=name)
    print(
        table(
            [
                _HEADING,
                _pytorch_row(result),
                *(_row(candidate, result) for candidate in (result.float_model, *result.rungs)),
            ]
        )
    )
    for rung in result.rungs:
        if not rung.passed:
            say(f"not published: INT8 with {rung.arithmetic}: {'; '.join(rung.failures)}")
        for warning in rung.slower_than(result.float_model):
            say(f"note: {warning}")
    paths = publish(result, dataset, output)
    for path in paths:
        print(path)
    if quantize and result.int8_model is None:
        raise GateMissedError(
            f"no INT8 file holds the gate; {paths[0]} is float. Allow more with --max-drop, or train longer"
        )
    say("next:  edgesoft infer PICTURE" + ("" if output == Path("exported") else f" --model {paths[-3]}"))


_HEADING = ("", "accuracy", "labels changed", "largest logit difference", "bytes", "batch 1", "batch 256")


def _pytorch_row(result: ExportResult) -> list[str]:
    accuracy = result.float_model.parity.reference_accuracy or 0.0
    return ["PyTorch", percent(accuracy), "", "", "", "", ""]


def _row(candidate: Candidate, result: ExportResult) -> list[str]:
    parity = candidate.parity
    return [
        "float32" if candidate is result.float_model else f"INT8, {candidate.arithmetic}",
        percent(parity.candidate_accuracy or 0.0),
        f"{len(parity.label_changes)} of {parity.examples:,}",
        f"{parity.max_logit_difference:.2g}",
        f"{len(candidate.content):,}",
        f"{candidate.microseconds(1):.1f} us",
        f"{candidate.microseconds(256):.0f} us",
    ]
