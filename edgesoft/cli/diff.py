"""`edgesoft diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgesoft.cli.console import say, to_json


def command(
    old: Annotated[Path, typer.Argument(help="Model file.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="Model file.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show what changed from one model file to the next."""
    from edgesoft.inference.diff import diff

    result = diff(old, new)
    if as_json:
        print(to_json(result))
    else:
        for name, (before, after) in result.fields.items():
            for line in _changes(name, before, after):
                print(line)
        for change in result.golden_changes:
            print(
                f"golden example {change.example} of the {change.carried_by} file ({change.right}): {change.old} -> {change.new}"
            )
        print(f"{len(result.golden_changes)} of {result.golden_examples} golden examples answered otherwise")
        if not result.fields and not result.golden_changes:
            print("no differences")
    if result.labels_reordered:
        say(
            "warning: the same labels stand in another order: an index stored with the old model means another class in the new one"
        )


def _changes(name: str, before: Any, after: Any) -> list[str]:
    """Lines for one property; of two objects only the parts that differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(set(before) | set(after))
        return [
            f"{name}: {key}: {before.get(key)} -> {after.get(key)}" for key in keys if before.get(key) != after.get(key)
        ]
    return [f"{name}: {before} -> {after}"]
