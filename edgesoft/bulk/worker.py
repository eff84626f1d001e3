"""What each process does, on this machine or another: one classifier, which answers blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgesoft.bulk.blocks import Block, Sources
from edgesoft.bulk.lines import form_of
from edgesoft.bulk.parquet import ParquetReader
from edgesoft.bulk.places import is_uri, read_uri
from edgesoft.inference.answers import AnswerForm
from edgesoft.inference.batches import Reading, Unreadable, classify
from edgesoft.inference.classifier import Classifier
from edgesoft.inference.providers import ProviderName
from edgesoft.model.file import parse_model
from edgesoft.tables.spec import TableSpec

AT_ONCE = 16
"""Files that are fetched from other machines at the same time."""
AHEAD = 32
"""Files that are fetched before they are decoded."""


@dataclass(frozen=True)
class Work:
    """What is to be done with every block. It travels to other processes and machines, which need no model file."""

    content: bytes
    """Of the model file."""
    path: Path
    """The model file's, as it was given: it stands in the answers."""
    provider: ProviderName
    threads: int
    device_id: int
    tf32: bool
    reject: float | None
    top_k: int
    column: str | None = None
    """Of Parquet files, which holds the pictures."""


@dataclass(frozen=True)
class Piece:
    """The answers of one block, ready for the file."""

    content: bytes
    answers: int
    unreadable: int


class Worker:
    """Answers blocks with a classifier of its own."""

    def __init__(self, work: Work) -> None:
        self._work = work
        model = parse_model(work.content, work.path)  # which has been checked already
        self._classifier = Classifier(
            model, work.provider, threads=work.threads, device_id=work.device_id, tf32=work.tf32
        )
        kind = self._classifier.card.input
        self._parquet = ParquetReader(kind if isinstance(kind, TableSpec) else None, work.column)

    def readings(self, block: Block) -> list[Reading | Unreadable]:
        """What each input of a block was taken for, in their order."""
        sources = _fetched(block.items) if isinstance(block, Sources) else _fetched(self._parquet.read(block))
        return list(classify(self._classifier, sources, reject=self._work.reject))

    def piece(self, block: Block, output: Path) -> Piece:
        """The same in the form of the file `output`."""
        readings = self.readings(block)
        content = form_of(output).piece(readings, AnswerForm.of(self._classifier, self._work.top_k))
        return Piece(content, len(readings), sum(isinstance(reading, Unreadable) for reading in readings))


def _fetched(items: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The same, with the bytes of what a URI leads to in its place."""
    waiting: list[tuple[str, str]] = []
    for name, source in items:
        if isinstance(source, str) and is_uri(source):
            waiting.append((name, source))
            if len(waiting) < AHEAD:
                continue
        yield from _all_fetched(waiting)
        waiting = []
        if not (isinstance(source, str) and is_uri(source)):
            yield name, source
    yield from _all_fetched(waiting)


def _all_fetched(items: list[tuple[str, str]]) -> Iterator[tuple[str, Any]]:
    if items:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            contents = list(pool.map(read_uri, (uri for _, uri in items)))
        yield from zip((name for name, _ in items), contents, strict=True)
