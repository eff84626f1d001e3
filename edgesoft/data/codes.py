"""Integers that are no quantities: codes, which the order of numbers tells nothing about, and numbers of the rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgesoft.data.dataset import Split
from edgesoft.tables.spec import Column

FEWEST_CODES = 6
"""Of fewer different numbers a network learns what each means, whatever their order."""
MOST_CODES = 200
FEWEST_ROWS = 5
"""Rows that a number must have on average."""
GAIN = 0.05
"""Share of what there is to know about a row's label that a number must tell, if it is to be called a code."""
NEIGHBOURS = 0.1
"""Of a code's gain, the neighbouring numbers tell less than this share."""
COMMON = 1 / 3
"""Share of the rows that have a number, above which it is left aside."""
REACHES = (1, 2, 4, 8, 16, 32)
"""How many numbers to either side are tried as neighbours."""


def check_codes(split: Split, columns: Sequence[Column], is_whole: Sequence[bool], rows: int) -> list[str]:
    """Say which columns of integers look like codes or like numbers of the rows.

    A quantity's neighbouring numbers go with much the same classes; those of a code do not. So each row's class is foretold twice from
    other rows: from those with the same number, and from those with the next lower and higher ones, however many of these tell most.
    Where the first tells much and the second hardly anything, the number is a code. What a third of the rows have is left aside, as the
    zero of "none at all", and so is what stands for a missing number.

    Parameters
    ----------
    split
        The training split.
    columns
        In the order of the features.
    is_whole
        Whether all numbers of each column are integers.
    rows
        How many the table has.
    """
    codes, identities, start = [], [], 0
    for column, whole in zip(columns, is_whole, strict=True):
        if column.is_plain and whole:
            values = split.inputs[:, start]
            if _are_identities(values, rows):
                identities.append(column.name)
            elif _are_codes(values, split.targets, column.fill):
                codes.append(column.name)
        start += column.width
    notes = []
    if identities:
        names = ",".join(identities)
        notes.append(
            f"columns whose numbers are different in every row, as if they only named it: {names}. If so: --ignore-columns {names}"
        )
    if codes:
        names = ",".join(codes)
        notes.append(
            f"columns whose numbers look like codes, because neighbouring ones have little in common: {names}. If so: --categorical {names}"
        )
    return notes


def _are_identities(values: NDArray[np.float32], rows: int) -> bool:
    """Whether integers lie so close together, and are all different, that they number the rows."""
    return len(values) >= 50 and bool(np.ptp(values) < 1.5 * rows) and len(np.unique(values)) == len(values)


def _are_codes(values: NDArray[np.float32], targets: NDArray[np.int64], fill: tuple[float, ...] | None) -> bool:
    known, places, rows = np.unique(values, return_inverse=True, return_counts=True)
    if len(known) > len(values) // FEWEST_ROWS:
        return False
    usable = (rows <= COMMON * len(values)) & ~np.isin(known, np.array(fill or (), np.float32))
    chosen = usable[places]
    known, places = np.unique(values[chosen], return_inverse=True)
    targets = targets[chosen]
    if not FEWEST_CODES <= len(known) <= MOST_CODES:
        return False
    counts = np.zeros((len(known), int(targets.max()) + 1))
    np.add.at(counts, (places, targets), 1)
    share = counts.sum(axis=0) / len(targets)
    usual = float(-np.log(share[targets]).mean())
    own = counts[places]
    own[np.arange(len(targets)), targets] -= 1
    gain = usual - _surprise(own, targets, share)
    if not gain > GAIN * usual:
        return False
    below = np.concatenate([np.zeros_like(counts[:1]), counts.cumsum(axis=0)])
    place = np.arange(len(known))
    around = [
        below[np.minimum(place + reach + 1, len(known))] - below[np.maximum(place - reach, 0)] - counts
        for reach in REACHES
    ]
    return all(usual - _surprise(near[places], targets, share) < NEIGHBOURS * gain for near in around)


def _surprise(counts: NDArray[np.float64], targets: NDArray[np.int64], share: NDArray[np.float64]) -> float:
    """Mean of -log p of the right class, when a row's class is foretold from some other rows, whose classes are counted `[n, k]`."""
    expected = (counts + share) / (counts.sum(axis=1, keepdims=True) + 1)
    return float(-np.log(expected[np.arange(len(targets)), targets]).mean())
