"""`edgesoft export`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgesoft.cli.console import percent, say, write
from edgesoft.cli.options import with_settings
from edgesoft.exporting.gate import Gate, paired_words
from edgesoft.exporting.settings import PublishSettings, QuantizeSettings
from edgesoft.terminal import Table, bad, good

if TYPE_CHECKING:
    from edgesoft.exporting.results import Exported, ExportResult, StagedModel


@with_settings((Gate, None), (QuantizeSettings, None), (PublishSettings, None))
def command(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            help="A run's folder, or its checkpoint. (default: the newest run in runs/)", show_default=False
        ),
    ] = None,
    quantize: Annotated[bool, typer.Option("--quantize", help="Make an INT8 file too; takes some seconds.")] = False,
    data: Annotated[
        str | None,
        typer.Option(help="Where the data are now. (default: where the run found them)", show_default=False),
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("exported"),
    name: Annotated[
        str | None, typer.Option(help="Stem of the files. (default: the data set's name)", show_default=False)
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="c,web,triton",
            help="Convert it too, into NAME-c, NAME-web, NAME-triton beside the files: see edgesoft convert.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notes; what is not published is said.")] = False,
    **settings: Any,
) -> None:
    """Export a trained model to ONNX, and prove that it answers like PyTorch.

    Every file is run over the whole test split before it is published. Where plain rounding may cost accuracy, INT8 is finished with
    the rounding in the loop. When it misses its gate all the same, finer ways to quantize are tried in turn. A file that misses its
    gate is not published, and the command ends with exit code 3. So it does when a model of the same data stands there and is better.
    """
    from edgesoft.api.models import export
    from edgesoft.exporting.results import Int8MissedError

    try:
        exported = export(
            ... if checkpoint is None else checkpoint,
            data,
            quantize=quantize,
            output=output,
            name=name,
            to=() if to is None else to,
            on_start=lambda path: None if quiet else say(f"exporting {path}"),
            **settings,
        )
    except Int8MissedError as error:
        _print(error.exported, quiet=quiet)
        raise
    _print(exported, quiet=quiet)
    if quiet:
        return
    is_found = output == Path("exported") and len(list(output.glob("*.report.json"))) == 1
    what = "ROWS.csv" if exported.kind == "features" else "PICTURE"
    say(f"next:  edgesoft infer {what}{'' if is_found else f' --model {exported.model}'}")


def _print(exported: Exported, *, quiet: bool) -> None:
    result = exported.result
    write(Table([_HEADING, _pytorch_row(result), *map(_row, (result.float_model, *result.attempts))]))
    for attempt in result.attempts:
        if not attempt.passed:
            say(f"not published: {attempt.arithmetic}: {'; '.join(attempt.failures)}")
        for note in () if quiet else _notes(attempt, result):
            say(f"note: {note}")
    if not quiet and result.int8_model is not None and result.recommended is result.float_model:
        say(f"note: INT8 gains nothing here: take {exported.model}")
    for warning in _beyond_budget(exported.paths[0 if result.int8_model is None else 1]):
        say(f"warning: {warning}")
    if exported.removed is not None:
        say(f"removed {exported.removed}: it belonged to the earlier model")
    write(*map(str, exported.paths), *(str(path) for converted in exported.converted for path in converted.files))


def _beyond_budget(model: Path) -> Iterator[str]:
    """Where a file takes more of a device in C than --flash and --ram allowed when its network was chosen, for plain INT8."""
    from edgesoft.inference.inspect import inspect

    found = inspect(model)
    settings = {} if found.card.training is None else found.card.training.settings
    if found.cost is not None:
        for option, taken in (("flash", found.cost.constant_bytes), ("ram", found.cost.ram_bytes)):
            allowed = settings.get(option, 0)
            if 0 < allowed < taken:
                yield (
                    f"{model} takes {taken:,} bytes of {option} in C, and training was allowed {allowed:,} (--{option}), which INT8 with "
                    "one scale for all weights keeps to"
                )


def _notes(attempt: StagedModel, result: ExportResult) -> Iterator[str]:
    if attempt.finishing_seconds is not None:
        yield f"{attempt.arithmetic} was finished with the rounding in the loop, in {attempt.finishing_seconds:.1f} s"
    yield f"{attempt.arithmetic}: {paired_words(attempt.parity)}"
    yield from attempt.slower_than(result.float_model)


_HEADING = ("", "accuracy", "labels changed", "logits within", "bytes", "batch 1", "batch 256")


def _pytorch_row(result: ExportResult) -> list[str]:
    return ["PyTorch", percent(result.float_model.parity.reference_accuracy or 0.0), "", "", "", "", ""]


def _row(candidate: StagedModel) -> list[str]:
    parity = candidate.parity
    return [
        candidate.arithmetic,
        (good if candidate.passed else bad)(percent(parity.candidate_accuracy or 0.0)),
        f"{len(parity.label_changes)} of {parity.examples:,}",
        f"{parity.max_logit_difference:.2g}",
        f"{len(candidate.content):,}",
        f"{candidate.microseconds(1):.1f} us",
        f"{candidate.microseconds(256):.0f} us",
    ]
