"""One run: all answers in one file, by one engine or the other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from edgesoft.bulk.blocks import Block, Inputs
from edgesoft.bulk.lines import form_of
from edgesoft.bulk.unfinished import Unfinished
from edgesoft.bulk.worker import Piece, Work, Worker
from edgesoft.version import __version__


class Engine(Protocol):
    """Has blocks answered, in any order."""

    def __call__(
        self, work: Work, blocks: Iterator[tuple[int, Block]], task: Callable[[Worker, Block], Piece]
    ) -> Iterator[tuple[int, Piece]]:
        """Numbers of blocks, and their answers."""


@dataclass(frozen=True)
class Watcher:
    """Who wants to know how far a run is."""

    on_begin: Callable[[int, int | None], None] = lambda _answers, _count: None
    """How many answers are there from a run that was killed, and how many there will be, if anybody knows."""
    on_answers: Callable[[int, int | None], None] = lambda _answers, _count: None
    """The same, whenever there are more."""


@dataclass(frozen=True)
class Total:
    """What a finished run comes to."""

    answers: int
    unreadable: int
    """How many of them say that the input cannot be read."""


def answer_into(
    output: Path, inputs: Inputs, work: Work, engine: Engine, *, overwrite: bool = False, watcher: Watcher | None = None
) -> Total:
    """Write the answers to all inputs into a file, which appears when all are there. What a killed run had done is not done again.

    Parameters
    ----------
    output
        The file; its suffix says which form it has.
    inputs
        The pictures or rows.
    work
        What is to be done with them.
    engine
        Where it is done.
    overwrite
        Replace the output if it exists, and forget what another run had begun.
    watcher
        Who wants to know how far it is.

    Raises
    ------
    UsageError
        The output exists or has no known suffix, or a run with another model, other inputs or other options had begun it.
    EdgesoftError
        The output cannot be written, or the engine fails. What is finished stays for the next run.
    """
    watcher = Watcher() if watcher is None else watcher
    form = form_of(output)
    with Unfinished(output, _identity(inputs, work), overwrite=overwrite) as unfinished:
        watcher.on_begin(unfinished.answers, inputs.count)
        blocks = 0

        def left() -> Iterator[tuple[int, Block]]:
            nonlocal blocks
            for number, block in enumerate(inputs.blocks()):
                blocks = number + 1
                if number not in unfinished:
                    yield number, block

        for number, piece in engine(work, left(), partial(_piece, output=output)):
            unfinished.add(number, piece)
            watcher.on_answers(unfinished.answers, inputs.count)
        total = Total(unfinished.answers, unfinished.unreadable)
        unfinished.publish(blocks, form.join)
    return total


def _piece(worker: Worker, block: Block, output: Path) -> Piece:
    return worker.piece(block, output)


def _identity(inputs: Inputs, work: Work) -> dict[str, Any]:
    """Everything that stands in the answers or decides about them, as people call it."""
    return {
        "model": hashlib.sha256(work.content).hexdigest(),
        "path of the model": str(work.path),
        "list of inputs (names, sizes and times of change)": inputs.digest,
        "--provider": work.provider,
        "--tf32": work.tf32,
        "--reject": work.reject,
        "--top-k": work.top_k,
        "--column": work.column,
        "version of edgesoft": __version__,
    }
