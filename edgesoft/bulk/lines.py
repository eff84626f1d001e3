"""The forms of the output file. Each writes the answers of one block by itself, and joins such pieces to a whole file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from edgesoft.bulk.places import needs_pyarrow
from edgesoft.errors import UsageError
from edgesoft.escape import json_text
from edgesoft.inference.answers import CSV_HEADING, AnswerForm, csv_cells
from edgesoft.inference.batches import Reading, Unreadable

Answers = Sequence[Reading | Unreadable]
ROW_GROUP = 2**16
"""Rows that stand together in a Parquet file."""


class Form(Protocol):
    """One kind of file."""

    def piece(self, answers: Answers, form: AnswerForm) -> bytes:
        """The answers of one block."""

    def join(self, pieces: Iterable[bytes], file: BinaryIO) -> None:
        """Write a whole file."""


class JsonLines:
    """The lines of `edgesoft infer --json`."""

    def piece(self, answers: Answers, form: AnswerForm) -> bytes:
        """One object a line."""
        return "".join(f"{json_text(form.document(answer))}\n" for answer in answers).encode()

    def join(self, pieces: Iterable[bytes], file: BinaryIO) -> None:
        """One after the other."""
        file.writelines(pieces)


class Csv:
    """The lines of `edgesoft infer --csv`."""

    def piece(self, answers: Answers, form: AnswerForm) -> bytes:  # noqa: ARG002 - as the others
        """The rows, without the heading."""
        return _csv(map(csv_cells, answers))

    def join(self, pieces: Iterable[bytes], file: BinaryIO) -> None:
        """The heading, and one after the other."""
        file.write(_csv([CSV_HEADING]))
        file.writelines(pieces)


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


class Parquet:
    """The keys of `edgesoft infer --json` as columns; those that an answer does not have are null."""

    def piece(self, answers: Answers, form: AnswerForm) -> bytes:
        """An Arrow stream."""
        import pyarrow as pa

        rows = [form.document(answer) for answer in answers]
        for row in rows:
            # Parquet's text is UTF-8: a byte of a file's name that is none stands as it does in JSON.
            row["path"] = row["path"].encode(errors="backslashreplace").decode()
            if "probabilities" in row:
                row["probabilities"] = list(row["probabilities"].items())
            else:
                row["error"] = row["error"].encode(errors="backslashreplace").decode()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, _schema()) as writer:
            writer.write_table(pa.Table.from_pylist(rows, _schema()))
        return bytes(sink.getvalue())

    def join(self, pieces: Iterable[bytes], file: BinaryIO) -> None:
        """One Parquet file, in row groups of a usual size."""
        import pyarrow as pa
        from pyarrow import parquet

        held: list[Any] = []
        with parquet.ParquetWriter(file, _schema()) as writer:
            for piece in pieces:
                held.append(pa.ipc.open_stream(piece).read_all())
                if sum(map(len, held)) >= ROW_GROUP:
                    writer.write_table(pa.concat_tables(held), row_group_size=2 * ROW_GROUP)
                    held = []
            if held:
                writer.write_table(pa.concat_tables(held), row_group_size=2 * ROW_GROUP)


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        {
            "path": pa.string(),
            "label": pa.string(),
            "rejected": pa.bool_(),
            "confidence": pa.float64(),
            "probabilities": pa.map_(pa.string(), pa.float64()),
            "model": pa.string(),
            "precision": pa.string(),
            "provider": pa.string(),
            "warnings": pa.list_(pa.string()),
            "error": pa.string(),
        }
    )


FORMS: dict[str, type[Form]] = {".jsonl": JsonLines, ".ndjson": JsonLines, ".csv": Csv, ".parquet": Parquet}
"""Suffix -> what is written into such a file."""


def form_of(path: Path) -> Form:
    """The form of a file by its suffix.

    Raises
    ------
    UsageError
        There is none for it.
    EdgesoftError
        It is Parquet, and pyarrow is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMS:
        raise UsageError(f"--output {path}: expected a name that ends with {', '.join(FORMS)}")
    if suffix == ".parquet":
        needs_pyarrow(path, "writing Parquet")
    return FORMS[suffix]()
