"""`edgesoft inspect`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgesoft.cli.console import percent, say
from edgesoft.cli.render import show
from edgesoft.tables.spec import TableSpec
from edgesoft.terminal import Block, Facts, Prose, Table, good, odd

if TYPE_CHECKING:
    from edgesoft.inference.boards import Board
    from edgesoft.inference.inspect import Inspection
    from edgesoft.model.card import ModelCard
    from edgesoft.model.graph import TensorSpec

SHOWN_COLUMNS = 30


def command(
    model: Annotated[Path, typer.Argument(help="Model file.", show_default=False)],
    boards: Annotated[
        bool, typer.Option("--boards", help="Tell which of a few well-known boards its C form has room on.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show what a model file says about itself; nothing is run."""
    from edgesoft.inference.inspect import inspect

    inspection = inspect(model)
    blocks: list[Block] = [Facts(_rows(inspection), 16)]
    if boards:
        blocks += _boards(inspection)
    show(_document(inspection), blocks, as_json=as_json)
    if inspection.changed_parts:
        say(
            f"warning: {model}: changed after export: the {' and the '.join(inspection.changed_parts)}. Check it: edgesoft verify {model}"
        )


def _document(inspection: Inspection) -> dict[str, Any]:
    return {
        "path": inspection.path,
        "card": json.loads(inspection.card.to_json()),
        "precision": inspection.card.precision,
        "file_bytes": inspection.file_bytes,
        "weight_bytes": inspection.weight_bytes,
        "parameters": inspection.parameters,
        "activation_bytes": inspection.activation_bytes,
        "cost": None if inspection.cost is None else inspection.cost._asdict(),
        "boards": [board.name for board, has_room in _rooms(inspection) if has_room],
        "golden_examples": inspection.golden_examples,
        "inputs": inspection.inputs,
        "outputs": inspection.outputs,
        "operators": inspection.operators,
        "opset": inspection.opset,
        "ir_version": inspection.ir_version,
        "producer": inspection.producer,
        "oldest_runtime": inspection.oldest_runtime,
        "changed_parts": inspection.changed_parts,
    }


def _rows(inspection: Inspection) -> list[tuple[str, str]]:
    card = inspection.card
    hidden = card.architecture.describe()
    hidden = f"none ({card.head.regression} regression)" if hidden == "none" else hidden
    return [
        ("name", card.name),
        ("labels", ", ".join(card.labels)),
        ("input", ", ".join(_tensor_spec(tensor) for tensor in inspection.inputs)),
        ("outputs", ", ".join(_tensor_spec(tensor) for tensor in inspection.outputs)),
        ("preprocessing", card.input.describe()),
        *_columns(card),
        ("head", card.head.describe()),
        ("hidden layers", f"{hidden}; {_number(inspection.parameters)} parameters"),
        (
            "precision",
            card.precision if card.quantization is None else f"{card.precision}: {card.quantization}",
        ),
        ("temperature", f"{card.head.temperature:.4g}"),
        ("operators", ", ".join(f"{count} {operator}" for operator, count in sorted(inspection.operators.items()))),
        (
            "format",
            f"opset {inspection.opset}, IR {inspection.ir_version}, ONNX Runtime {inspection.oldest_runtime or '?'} or newer",
        ),
        (
            "size",
            f"{inspection.file_bytes:,} bytes; weights {inspection.weight_bytes:,}; activations {_number(inspection.activation_bytes)}",
        ),
        ("in C", _in_c(inspection)),
        ("golden examples", str(inspection.golden_examples)),
        *_provenance(card),
    ]


def _in_c(inspection: Inspection) -> str:
    if inspection.cost is None:
        return "no such form"
    flash, ram, multiplications = inspection.cost
    return f"{flash:,} bytes of flash for constants, {ram:,} of RAM; {multiplications:,} multiplications an answer"


def _rooms(inspection: Inspection) -> list[tuple[Board, bool]]:
    """Each board, and whether the model fits; on none where it has no C form."""
    from edgesoft.inference.boards import BOARDS

    cost, kind = inspection.cost, inspection.card.input
    size = math.prod(kind.shape) * (1 if kind.is_picture else 4)
    return [(board, cost is not None and board.has_room(cost, size)) for board in BOARDS]


def _boards(inspection: Inspection) -> list[Block]:
    """A table of the boards; their figures are their makers'."""
    from edgesoft.inference.boards import CODE_BYTES, STACK_BYTES

    rows = [
        [
            board.name,
            board.processor,
            f"{board.flash // 1024:,} KB",
            f"{board.ram // 1024:,} KB",
            good("yes") if has_room else odd("no"),
        ]
        for board, has_room in _rooms(inspection)
    ]
    beside = f"{CODE_BYTES // 1024} KB of flash for code, {STACK_BYTES // 1024} KB of RAM and the input beside it"
    return ["", Table([["board", "processor", "flash", "RAM", "fits"], *rows]), Prose(f"fits: with {beside}")]


def _columns(card: ModelCard) -> list[tuple[str, str]]:
    """What each column of a table must hold."""
    if not isinstance(card.input, TableSpec):
        return []
    columns = card.input.columns
    lines = [
        ("" if place else "columns", f"{column.name}: {column.describe()}")
        for place, column in enumerate(columns[:SHOWN_COLUMNS])
    ]
    more = len(columns) - SHOWN_COLUMNS
    return lines + ([("", f"and {more:,} more (--json has all)")] if more > 0 else [])


def _provenance(card: ModelCard) -> list[tuple[str, str]]:
    """Where the model came from; a file that tells less is shown as far as it goes."""
    training, parity = card.training, card.parity
    if training is None or parity is None:
        return [("provenance", "incomplete")]
    stated = f"{percent(parity.accuracy)} (PyTorch {percent(parity.pytorch_accuracy)}, {parity.examples:,} examples)"
    held = f"{parity.label_changes} labels changed, logits within {parity.max_logit_difference:.2g} of PyTorch's"
    return [
        (
            "trained on",
            f"{training.data} (sha256 {training.data_sha256[:12]}), seed {training.settings.get('seed', '?')}",
        ),
        ("versions", ", ".join(f"{name} {version}" for name, version in training.versions.items())),
        ("test accuracy", stated),
        ("parity", held),
    ]


def _number(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _tensor_spec(tensor: TensorSpec) -> str:
    return f"{tensor.name} {tensor.dtype} [{', '.join(map(str, tensor.shape))}]"
