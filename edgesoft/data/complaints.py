"""All that is wrong with a table in one message, which ends in the command that would do."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgesoft.data.columns import ColumnScan
from edgesoft.data.settings import DataSettings
from edgesoft.tables.spec import TableError

MOST_COMPLAINTS = 5
"""Rows that one message tells of; it counts the others."""
MOST_COLUMNS = 12
"""The same of columns; the command names all of them."""


@dataclass
class Complaints:
    """What is wrong with one table, as far as it is known."""

    path: Path
    options: DataSettings
    sentences: list[str] = field(default_factory=list)
    """About rows and labels."""
    columns: list[str] = field(default_factory=list)
    """About columns of features, without a full stop."""
    ignored: list[str] = field(default_factory=list)
    """Names of those that may be left out."""
    good: int = 0
    """Columns of features that nothing is wrong with."""

    def of_rows(self, count: int, total: int, first: Sequence[str]) -> None:
        """Rows that cannot be read: how many, of how many, and what is wrong with the first ones."""
        if count:
            what = f"{count:,} of {total:,} rows cannot be read" if count > 1 else "a row cannot be read"
            those = "the rows that cannot be read" if count > 1 else "it"
            self.sentences.append(f"{what}: {listed(first, count, MOST_COMPLAINTS)}. Correct or remove {those}")

    def of_labels(self, complaint: str | None) -> None:
        """What is wrong with the labels, with advice; None where nothing is."""
        if complaint is not None:
            self.sentences.append(complaint)

    def of_column(self, scan: ColumnScan, place: int, complaint: str | None = None) -> None:
        """A column of features: what it holds, its place in the file, and what is wrong with it, if not the scan says it."""
        if not scan.name:
            self.sentences.append(f"column {place + 1} has no name in the first line. Name every column there")
        elif (text := complaint or scan.complaint()) is not None:
            self.columns.append(text)
            self.ignored.append(scan.name)
        else:
            self.good += 1

    def refuse(self) -> None:
        """Say everything at once.

        Raises
        ------
        TableError
            There is a complaint.
        """
        sentences = list(self.sentences)
        if self.columns:
            which = "these columns" if len(self.columns) > 1 else "the column"
            left = "" if self.good else " (which leaves no features: add a column)"
            sentences.append(
                f"{listed(self.columns, len(self.columns), MOST_COLUMNS)}. Correct {which}, or leave out: {self._command()}{left}"
            )
        if sentences:
            raise TableError(f"{self.path}: {'. '.join(sentences)}")

    def _command(self) -> str:
        """What would do: the command, or of a data frame the arguments."""
        given = {
            "ignore_columns": [*self.options.ignore_columns, *self.ignored],
            "categorical": [name for name in self.options.categorical if name not in self.ignored],
        }
        if self.path != Path(self.options.source).expanduser():
            return ", ".join(f"{argument}={names!r}" for argument, names in given.items() if names)
        words = ["edgesoft", "train", self.options.source, "--target", self.options.target or ""]
        for argument, names in given.items():
            if names:
                line = io.StringIO()
                csv.writer(line, lineterminator="").writerow(names)
                words += [f"--{argument.replace('_', '-')}", line.getvalue()]
        return shlex.join(words)


def listed(complaints: Sequence[str], count: int, most: int) -> str:
    """The first complaints in one line, and how many more there are of `count`."""
    more = count - min(most, len(complaints))
    return "; ".join([*complaints[:most], *([f"and {more:,} more"] if more > 0 else [])])
