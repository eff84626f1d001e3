"""`edgesoft runs`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgesoft.cli.console import percent, say
from edgesoft.cli.render import show
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.terminal import Block, Table, strong

if TYPE_CHECKING:
    from edgesoft.api.history import Run


def command(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Runs, or folders of runs. (default: runs)", show_default=False)
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Put the runs side by side: results, and the settings that differ.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """List what was trained, the newest first: data, network, accuracy, size and date.

    A run that cannot be read does not stop the others; the exit code is then 1. Each run's folder has its epochs in metrics.csv.
    """
    from edgesoft.api.history import runs

    complaints: list[EdgesoftError] = []
    found = runs(folders or ["runs"], on_unreadable=complaints.append)
    for complaint in complaints:
        say(f"error: {complaint}")
    if compare and len(found) < 2:
        raise UsageError(f"--compare: takes two runs or more, and there is {len(found)}. Train another: edgesoft train")
    blocks = _compared(found) if compare else _listed(found)
    show({"runs": [_document(run) for run in found]}, blocks if found else [], as_json=as_json)
    if compare and len({run.data_sha256 for run in found}) > 1:
        say("note: these runs are of different data: their accuracies cannot be compared")
    if complaints:
        raise typer.Exit(1)


def _document(run: Run) -> dict[str, Any]:
    return {
        "path": run.path,
        "data": run.data,
        "data_sha256": run.data_sha256,
        "network": run.network,
        "head": run.head,
        "epochs": run.epochs,
        "best_epoch": run.best_epoch,
        "validation_accuracy": run.validation_accuracy,
        "test_accuracy": run.test_accuracy,
        "test_examples": run.test_examples,
        "parameters": run.parameters,
        "flash_bytes": run.flash,
        "modified": run.modified.isoformat(timespec="seconds"),
        "settings": run.settings,
    }


def _listed(found: Sequence[Run]) -> Iterator[Block]:
    # Only among runs of the same data there is a best one.
    best = {run.data_sha256: run for run in sorted(found, key=lambda run: run.test_accuracy or 0)}
    yield Table(
        [
            ["run", "data", "network", "epochs", "test accuracy", "flash", "when"],
            *(
                [
                    str(run.path),
                    run.data,
                    run.network,
                    str(run.epochs),
                    strong(_test(run)) if best[run.data_sha256] is run else _test(run),
                    f"{run.flash / 1000:,.1f} KB",
                    f"{run.modified:%Y-%m-%d %H:%M}",
                ]
                for run in found
            ),
        ]
    )


def _test(run: Run) -> str:
    return "interrupted" if run.test_accuracy is None else percent(run.test_accuracy)


def _compared(found: Sequence[Run]) -> Iterator[Block]:
    rows = [["", *(str(run.path) for run in found)]]
    rows += [
        ["data", *(run.data for run in found)],
        ["network", *(run.network for run in found)],
        ["test accuracy", *(strong(_test(run)) for run in found)],
        ["95 % interval", *map(_interval, found)],
        ["validation accuracy", *(percent(run.validation_accuracy) for run in found)],
        ["best epoch", *(f"{run.best_epoch} of {run.epochs}" for run in found)],
        ["parameters", *(f"{run.parameters:,}" for run in found)],
        ["INT8 in C, flash", *(f"{run.flash / 1000:,.1f} KB" for run in found)],
    ]
    told = {"hidden", "channels", "network"}
    for name in dict.fromkeys(name for run in found for name in run.settings if name not in told):
        values = [_words(run.settings.get(name)) for run in found]
        if len(set(values)) > 1:
            rows.append([name, *values])
    yield Table(rows)


def _interval(run: Run) -> str:
    if run.test_accuracy is None or run.test_examples is None:
        return "-"
    from edgesoft.inference.parity import wilson_interval

    low, high = wilson_interval(run.test_accuracy, run.test_examples)
    return f"{100 * low:.2f} to {100 * high:.2f}"


def _words(value: Any) -> str:
    """A setting as it is typed."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "none"
    return "-" if value is None or value == "" else str(value).lower() if isinstance(value, bool) else str(value)
