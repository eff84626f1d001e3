"""Divides examples into training, validation and test, and says what is odd about them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgesoft.data.dataset import Split
from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.15
MANY = 10_000
VALIDATION_SHARE_OF_MANY = 0.1
MOST_CLASSES = 1000
"""Classes that a classifier may have; more different labels than that are a quantity or a number of the example."""
UNBALANCED = 2.0
"""From this ratio between the largest and the smallest class on, the difference is reported."""
UNEQUAL = "the classes differ in size"
"""How that report begins."""
BY_CHANCE = 0.001
"""Expected copies of a row in the training split, below which a copy is no chance."""
WORTH_TELLING = 0.01
"""Share of a table's split from which on copies are reported: columns do have to do with each other, and fewer flatter little."""

HASHED_AT_ONCE = 1024
"""Examples that are copied to be hashed."""

Indices = NDArray[np.int64]


def hold_out(targets: NDArray[np.int64], share: float, seed: int) -> tuple[Indices, Indices]:
    """Choose the same share of every class by chance.

    A class with two or more examples is on both sides; a single example is never held out.

    Parameters
    ----------
    targets
        int64 `[n]`.
    share
        Fraction to hold out.
    seed
        The same seed chooses the same examples.

    Returns
    -------
    tuple
        Indices of the examples that are kept, and of those held out, both ascending.
    """
    generator = np.random.default_rng(seed)
    held: list[Indices] = []
    for label in np.unique(targets):
        members = np.flatnonzero(targets == label)
        count = min(max(round(share * len(members)), 1), len(members) - 1)
        held.append(generator.permutation(members)[:count])
    chosen = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(targets)), chosen), chosen


def divide(
    targets: NDArray[np.int64], options: DataSettings, *, has_validation: bool, has_test: bool
) -> dict[str, Indices]:
    """Divide the examples that have no split of their own.

    Returns
    -------
    dict
        "train", and "validation" and "test" where the data bring none, -> indices into `targets`.
    """
    parts = {"train": np.arange(len(targets))}
    if not has_test:
        kept, parts["test"] = hold_out(targets, options.test_split or TEST_SHARE, options.split_seed)
        parts["train"] = kept
    if not has_validation:
        usual = VALIDATION_SHARE if len(parts["train"]) < MANY else VALIDATION_SHARE_OF_MANY
        kept, held = hold_out(targets[parts["train"]], options.val_split or usual, options.split_seed + 1)
        parts["train"], parts["validation"] = parts["train"][kept], parts["train"][held]
    return parts


def check_classes(splits: Mapping[str, NDArray[np.int64]], labels: Sequence[str], origin: object) -> list[str]:
    """Count the examples of every class.

    Parameters
    ----------
    splits
        Name of the split -> int64 `[n]` targets.
    labels
        The class names.
    origin
        Where the data came from, for the messages.

    Returns
    -------
    list
        One sentence for each thing that is odd.

    Raises
    ------
    EdgesoftError
        There are fewer than two classes or too many, or one of them is not in the training split, or a split is empty.
    """
    check_class_count(labels, origin)
    for name, targets in splits.items():
        if not len(targets):
            raise EdgesoftError(f"{origin}: no example is left for the {name} split. Add more examples of every class")
    counts = {name: np.bincount(targets, minlength=len(labels)) for name, targets in splits.items()}
    untrained = [label for label, count in zip(labels, counts["train"], strict=True) if not count]
    if untrained:
        raise EdgesoftError(
            f"{origin}: the training split has no example of {_listed(untrained)}. Add some, or remove the class"
        )
    notes = []
    for name, count in counts.items():
        absent = [label for label, members in zip(labels, count, strict=True) if not members]
        if absent:
            notes.append(f"the {name} split has no example of {_listed(absent)}")
    low, high = int(counts["train"].argmin()), int(counts["train"].argmax())
    if counts["train"][high] >= UNBALANCED * counts["train"][low]:
        notes.append(
            f"{UNEQUAL}: {labels[high]!r} has {counts['train'][high]:,} training examples, {labels[low]!r} has "
            f"{counts['train'][low]:,}"
        )
    return notes


def check_class_count(labels: Sequence[str], origin: object) -> None:
    """Hold the number of classes to its range; cheap, so that it comes before the examples are read.

    Raises
    ------
    EdgesoftError
        There are fewer than two, or more than `MOST_CLASSES`.
    """
    if len(labels) < 2:
        only = f" ({labels[0]!r})" if labels else ""
        raise EdgesoftError(f"{origin}: holds {len(labels)} class{only}. A classifier needs examples of at least two")
    if len(labels) > MOST_CLASSES:
        raise EdgesoftError(
            f"{origin}: holds {len(labels):,} classes, and a classifier may have {MOST_CLASSES:,}. Put classes together, or train on "
            "a part of them"
        )


def check_doubles(splits: Mapping[str, Split], origin: object, widths: Sequence[int] | None = None) -> list[str]:
    """Count the examples of the other splits that stand in the training split too, byte for byte, where chance does not explain it.

    Short rows of few values repeat by chance. A row counts when not even `BY_CHANCE` training rows are expected to be like it, if its
    columns had nothing to do with each other.

    Parameters
    ----------
    splits
        Name -> split.
    origin
        Whose they are, for the message.
    widths
        How many features each column of a table has; None for pictures, which are too long to repeat.

    Returns
    -------
    list
        One sentence for each split with such examples.

    Raises
    ------
    EdgesoftError
        All training examples are the same.
    """
    training = splits["train"].inputs
    known = set(_hashes(training))
    if len(known) == 1:
        raise EdgesoftError(f"{origin}: all training examples hold the same values: nothing tells the classes apart")
    notes = []
    for name in ("validation", "test"):
        found = [place for place, value in enumerate(_hashes(splits[name].inputs)) if value in known]
        doubles = len(found)
        if widths is not None and found:
            doubles = int((_expected(training, splits[name].inputs[found], widths) < BY_CHANCE).sum())
            doubles = doubles if doubles >= WORTH_TELLING * len(splits[name]) else 0
        if doubles:
            notes.append(
                f"{doubles:,} of {len(splits[name]):,} examples of the {name} split stand in the training split too: "
                "its accuracy flatters"
            )
    return notes


def _expected(training: NDArray[np.float32], rows: NDArray[np.float32], widths: Sequence[int]) -> NDArray[np.float64]:
    """How many training rows would be like each of `rows`, all of which stand among them, if the columns were independent."""
    expected = np.full(len(rows), float(len(training)))
    start = 0
    for width in widths:
        columns = slice(start, start + width)
        together = np.ascontiguousarray(np.concatenate([training[:, columns], rows[:, columns]])).view(f"V{4 * width}")
        _, places, counts = np.unique(together[:, 0], return_inverse=True, return_counts=True)
        expected *= (counts[places[len(training) :]] / len(together)).reshape(-1)
        start += width
    return expected


def _hashes(examples: NDArray[np.generic]) -> Iterator[int]:
    """Python's 64-bit hash of the bytes of each example, which two of a million that differ do not share."""
    size = math.prod(examples.shape[1:]) * examples.itemsize
    for start in range(0, len(examples), HASHED_AT_ONCE):
        some = np.ascontiguousarray(examples[start : start + HASHED_AT_ONCE])
        yield from map(hash, some.reshape(len(some), -1).view(f"V{size}")[:, 0].tolist())


def _listed(words: Sequence[str]) -> str:
    shown = ", ".join(map(repr, words[:5]))
    return shown if len(words) <= 5 else f"{shown} and {len(words) - 5} other classes"
