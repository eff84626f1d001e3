"""`edgesoft infer` for tables: one answer a row."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgesoft.tables import Row, RowFile, TableSpec, parse_features

if TYPE_CHECKING:
    from edgesoft.device.classifier import Classifier, Prediction

BATCH = 256


def given_rows(features: str, spec: TableSpec) -> Iterator[tuple[str, Row]]:
    """The row of `--features`, with the name that it has in the output."""
    values, notes = parse_features(features, spec)
    yield "features", Row(1, values, notes)


def file_rows(path: Path, file: RowFile) -> Iterator[tuple[str, Row]]:
    """The rows of a file, each with its name: "rows.csv:2" is the row in line 2."""
    for row in file:
        yield f"{path}:{row.line}", row


def classified(
    rows: Iterator[tuple[str, Row]], classifier: Classifier
) -> Iterator[tuple[str, Row, Prediction | None, int]]:
    """Answer rows, many at a time.

    Yields
    ------
    tuple
        The name, the row, the answers to its batch (None for a row that cannot be read), and its place in them.
    """
    for batch in batched(rows, BATCH):
        readable = [row.features for _, row in batch if row.features is not None]
        prediction = classifier(np.stack(readable)) if readable else None
        place = 0
        for name, row in batch:
            if row.features is None:
                yield name, row, None, 0
            else:
                yield name, row, prediction, place
                place += 1
