"""What the C form says of a table's rows: how they become features, and which of them are unlike those of the training."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgesoft.tables.spec import TableSpec
from edgesoft.tables.values import DateForm, TruthForm
from edgesoft.targets.c.literals import array, comment, number

COLUMNS = 110

_WORDS_ARE = """A feature that is named after a value is 1 where that value stands in the row, else 0; a value that training never saw
makes all of its column's 0."""
_MARKS_ARE = '"is missing" is 1 where nothing stands in the row, else 0.'
_TRUTHS_ARE = "Yes and true are 1, no and false are 0."
_NUMBERS_ARE = """Where a number is missing, it is what stands beside it below; where nothing does, there is no answer: the model was never
judged on such rows."""
_DATES_ARE = """Of dates, month is 1 to 12, day 1 to 31 (1 where there is none), weekday 1 (Monday) to 7 (Sunday), and hour
(float)(hour + minute / 60.0), so that half past one in the afternoon is 13.5; seconds do not count, and no time zone is converted."""


def has_weekdays(spec: TableSpec) -> bool:
    """Whether a feature is a day of the week."""
    return any("weekday" in column.form.parts for column in spec.columns if column.vocabulary is None)


def row_lines(spec: TableSpec) -> Iterator[str]:
    """What the caller has to bring, in lines of a comment."""
    kinds = {"text" if column.vocabulary is not None else column.form.kind for column in spec.columns}
    said = [f"Input: {len(spec.features)} features."]
    said += [_WORDS_ARE] if "text" in kinds else []
    said += [_MARKS_ARE] if any(column.marks_missing for column in spec.columns) else []
    said += [_TRUTHS_ARE] if TruthForm.kind in kinds else []
    said += [_DATES_ARE] if DateForm.kind in kinds else []
    said += [_NUMBERS_ARE] if kinds != {"text"} else []
    yield from textwrap.wrap(" ".join(said), COLUMNS)
    place = 0
    for column in spec.columns:
        yield from textwrap.wrap(
            f"{comment(column.name)}: {comment(column.describe())}", COLUMNS, subsequent_indent="  "
        )
        fill = [f"; {number(np.float32(value))} where it is missing" for value in column.fill or ()]
        for index, name in enumerate(column.features):
            yield f"  [{place + index}] {comment(name)}{fill[index] if index < len(fill) else ''}"
        place += column.width


def judgement(spec: TableSpec, name: str, *, always_answers: bool) -> dict[str, str]:
    """Word of the templates -> what tells rows that are unlike those of the training, as `TableSpec.encode` does.

    Parameters
    ----------
    spec
        What the model takes.
    name
        Of the files and functions.
    always_answers
        Whether no answer is to be given as unknown.
    """
    low, high = spec.familiar
    ranged = np.flatnonzero((low < high) & np.isfinite(low) & np.isfinite(high) & (not always_answers))
    starts = np.cumsum([0, *(column.width for column in spec.columns)])
    columns = zip(starts, spec.columns, strict=False)
    words = [
        (start, start + column.width)
        for start, column in columns
        if column.vocabulary is not None and not always_answers
    ]
    bounds, judged = list[str](), ""
    if len(ranged):
        bounds += array("uint16_t", "ranged", ranged)
        bounds += array("float", "lowest", _within(low[ranged], np.inf))
        bounds += array("float", "highest", _within(high[ranged], -np.inf))
        judged += _RANGES.format(len(ranged))
    if words:
        bounds += array("uint16_t", "words", np.array(words))
        judged += _WORDS.format(len(words))
    size = (2 + 2 * 4) * len(ranged) + 2 * 2 * len(words)
    return {
        "bounds": "".join(f"{line}\n" for line in bounds),
        "judged": judged,
        "columns": str(len(spec.columns)),
        "given": f"const float features[{name.upper()}_INPUTS], ",
        "handed": "features, ",
        "and_familiar": " && is_familiar(features)",
        "unlike": f", also because the row is unlike\n * those of the training, as edgesoft infer has it: {size} bytes of constants",
    }


def _within(ends: NDArray[np.float64], inwards: float) -> NDArray[np.float32]:
    """Ends as float32, so that a float32 lies beyond the one where it lies beyond the other."""
    with np.errstate(over="ignore"):
        rounded = ends.astype(np.float32)
    beyond = rounded < ends if inwards > 0 else rounded > ends
    return np.where(beyond, np.nextafter(rounded, np.float32(inwards)), rounded)


_RANGES = """
    for (int i = 0; i < {}; i++) {{
        if (features[ranged[i]] < lowest[i] || features[ranged[i]] > highest[i]) {{
            return 0;
        }}
    }}"""

_WORDS = """
    for (int i = 0; i < {}; i++) {{
        int is_seen = 0;
        for (int place = words[i][0]; place < words[i][1]; place++) {{
            is_seen |= features[place] > 0.0f;
        }}
        unseen += !is_seen;
    }}"""
