"""`edgesoft diff`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgesoft.cli.console import say
from edgesoft.cli.render import show
from edgesoft.terminal import Prose, good

if TYPE_CHECKING:
    from edgesoft.inference.diff import ModelDiff


def command(
    old: Annotated[Path, typer.Argument(help="Model file.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="Model file.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show what changed from one model file to the next."""
    from edgesoft.inference.diff import diff

    result = diff(old, new)
    document = {
        "old": result.old,
        "new": result.new,
        "fields": result.fields,
        "labels_reordered": result.labels_reordered,
        "golden_examples": result.golden_examples,
        "golden_changes": result.golden_changes,
    }
    show(document, _lines(result), as_json=as_json)
    if result.labels_reordered:
        say(
            "warning: the same labels stand in another order: an index stored with the old model means another class in the new one"
        )


def _lines(result: ModelDiff) -> Iterator[Prose]:
    for name, (before, after) in result.fields.items():
        yield from map(Prose, _changes(name, before, after))
    for change in result.golden_changes:
        place = f"golden example {change.example} of the {change.carried_by} file ({change.right})"
        yield Prose((f"{place}: ", _answer(change.old, change.right), " -> ", _answer(change.new, change.right)))
    yield Prose(f"{len(result.golden_changes)} of {result.golden_examples} golden examples answered otherwise")
    if not result.fields and not result.golden_changes:
        yield Prose(good("no differences"))


def _answer(label: str, right: str) -> str:
    return good(label) if label == right else label


def _changes(name: str, before: Any, after: Any) -> list[str]:
    """Lines for one property; of two objects only the parts that differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(set(before) | set(after))
        return [
            f"{name}: {key}: {before.get(key)} -> {after.get(key)}" for key in keys if before.get(key) != after.get(key)
        ]
    return [f"{name}: {before} -> {after}"]
