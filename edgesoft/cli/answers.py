"""How the answers of `infer` are written: for people, as JSON lines, as CSV, and as pictures of what the model saw."""

from __future__ import annotations

import csv
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from html import escape
from pathlib import Path
from typing import Protocol

from edgesoft.cli.console import percent, say, write, write_json
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.escape import json_text, printable
from edgesoft.files import reason, write_atomically
from edgesoft.inference.answers import CSV_HEADING, AnswerForm, csv_cells
from edgesoft.inference.batches import Reading, Unreadable
from edgesoft.inference.classifier import Classifier
from edgesoft.pages import GENERATOR
from edgesoft.pictures import encode_png, is_own_png
from edgesoft.terminal import Prose, odd


class Answers(Protocol):
    """Writes one answer after the other to stdout."""

    def write(self, reading: Reading | Unreadable) -> None:
        """Write one answer."""

    def finish(self) -> None:
        """Write what follows the last answer."""


class TextAnswers:
    """A line for each picture; its name stands in front unless there is only one."""

    def __init__(self, classifier: Classifier, top_k: int, *, single: bool, verbose: bool) -> None:
        self._form, self._single = AnswerForm.of(classifier, top_k), single
        self._noun = classifier.card.input.noun
        self._verbose, self._kinds = verbose, dict[str, int]()

    def write(self, reading: Reading | Unreadable) -> None:
        """Write the answer to stdout, errors and warnings to stderr."""
        if isinstance(reading, Unreadable):
            say(f"error: {reading.path}: {reading.error}")
            return
        words = [f"{label}  {percent(probability, 1)}" for label, probability in self._form.ranking(reading)]
        unknown = (odd(reading.label), "  ") if reading.rejected else ()
        write(Prose(("" if self._single else f"{reading.path}  ", *unknown, "  ".join(words))))
        for warning in reading.warnings:
            kind = _VARYING.sub("...", warning)
            self._kinds[kind] = self._kinds.get(kind, 0) + 1
            if self._verbose or self._kinds[kind] == 1:
                say(f"warning: {reading.path}: {warning}")

    def finish(self) -> None:
        """Say how often each kind of warning was not repeated."""
        for kind, count in self._kinds.items():
            if count > 1 and not self._verbose:
                more = f"{count - 1:,} more {self._noun}{'s' if count > 2 else ''}"
                say(f"warning: {more}: {kind}. --verbose names each")


_VARYING = re.compile(r"^'.*'(?= in column )|[0-9][0-9.,]*")
"""What makes no other kind of warning: a cell of a table, a number."""


class JsonAnswers:
    """One JSON object a line."""

    def __init__(self, classifier: Classifier, top_k: int, **_: bool) -> None:
        self._form = AnswerForm.of(classifier, top_k)

    def write(self, reading: Reading | Unreadable) -> None:
        """Write one object: the answer and what gave it, or path and error."""
        write_json(json_text(self._form.document(reading)))

    def finish(self) -> None:
        """Nothing: each answer has its own warnings."""


class CsvAnswers:
    """A table with a heading: path, label, rejected, confidence, warnings, error."""

    def __init__(self, *_: object, **__: bool) -> None:
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._writer.writerow(CSV_HEADING)

    def write(self, reading: Reading | Unreadable) -> None:
        """Write one row."""
        self._writer.writerow(csv_cells(reading))

    def finish(self) -> None:
        """Nothing: each answer has its own warnings."""


class SeenPage:
    """A folder with what the model was fed, and a page that shows it next to the originals."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder, self._count = folder, 0
        if (name := next((name for name in names if _reads_from(folder, name)), None)) is not None:
            raise UsageError(
                f"--save-seen {folder}: lies where {name} is read, which would find what is written there, too. Choose a folder elsewhere"
            )
        self._partial = folder / f".index.html.{os.urandom(4).hex()}.partial"
        with self._writing():
            folder.mkdir(parents=True, exist_ok=True)
            foreign = next((entry for entry in sorted(folder.iterdir()) if not _may_replace(entry)), None)
            if foreign is not None:
                raise EdgesoftError(
                    f"{foreign}: was not written by edgesoft, and is not replaced. Choose another folder"
                )
            self._page = self._partial.open("x", encoding="utf-8")
            self._page.write(_PAGE_HEAD)

    def add(self, reading: Reading) -> None:
        """Write one picture."""
        self._count += 1
        # The path may hold anything; of the new file's name, browsers and file systems must make the same.
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(reading.path).stem)[:60]
        name = f"{self._count:05d}-{stem}.png"
        write_atomically(self._folder / name, encode_png(reading.inputs))
        original = Path(reading.path).absolute()
        left = f'<img alt="" src="{escape(original.as_uri())}">' if original.is_file() else "(standard input)"
        tag = "i" if reading.rejected else "b"
        row = (
            f"<tr><td>{left}</td><td><img alt='' class=seen src=\"{name}\"></td>"
            f"<td><{tag}>{_foreign(reading.label)}</{tag}> {percent(reading.confidence, 1)}</td>"
            f"<td>{_foreign(reading.path)}<br>{_foreign('; '.join(reading.warnings))}</td></tr>\n"
        )
        with self._writing():
            self._page.write(row)

    def finish(self) -> None:
        """Close the page, and put it in the place of an earlier one."""
        try:
            with self._writing():
                with self._page:
                    self._page.write("</table></body></html>\n")
                self._partial.replace(self._folder / "index.html")
        finally:
            with suppress(OSError):
                self._partial.unlink()
        shown = (
            "the picture as the model saw it" if self._count == 1 else f"{self._count:,} pictures as the model saw them"
        )
        say(f"{self._folder / 'index.html'} shows {shown}")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EdgesoftError(
                f"{self._folder}: cannot be written ({reason(error)}). Choose another folder or free some space"
            ) from error


def _foreign(text: str) -> str:
    """Foreign text in a page: no markup, and apart from what stands beside it, whatever direction it is written in."""
    return f"<bdi>{escape(printable(text))}</bdi>"


def _reads_from(folder: Path, name: str) -> bool:
    """Whether a name stands for files in a folder, or for another folder around it."""
    try:
        place, path = folder.resolve(), Path(name).resolve()
    except (OSError, ValueError):  # whoever reads it says why
        return False
    return path in (place, *place.parents) or path.parent == place


def _may_replace(path: Path) -> bool:
    """Whether a file of this folder keeps its name, or is an earlier one of ours."""
    is_page, is_picture = path.name == "index.html", re.fullmatch(r"\d{5}-.*\.png", path.name) is not None
    if not is_page and not is_picture:
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(2048)
    return GENERATOR.encode() in head if is_page else is_own_png(head)


_PAGE_HEAD = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">{GENERATOR}"""
_PAGE_HEAD += """<title>What the model saw</title><style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 24px; color: #1d2430; }
td { padding: 6px 14px; border-bottom: 1px solid #e1e4ea; } img { max-width: 160px; max-height: 160px; }
img.seen { width: 112px; height: 112px; object-fit: contain; image-rendering: pixelated; background: #000; }
</style></head><body><h1>What the model saw</h1><table>
"""
