"""Which data, and how to read them. Imports nothing heavy, so that --help is quick."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from typing import Any

from edgesoft.errors import UsageError
from edgesoft.names import flaw
from edgesoft.settings import check, described, setting, whole_number

LARGEST_SIDE = 1024


def _size(given: str | int | list[int] | tuple[int, ...]) -> tuple[int, int]:
    """Height and width: of "32", of "WIDTHxHEIGHT", or as they are."""
    if isinstance(given, list | tuple):
        if len(given) != 2 or not all(type(side) is int for side in given):
            raise ValueError
        return given[0], given[1]
    sides = [whole_number(part) for part in str(given).lower().split("x")]
    if len(sides) > 2:
        raise ValueError
    return sides[-1], sides[0]


def _columns(given: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Names, or one text with commas between them; a name with a comma of its own stands in double quotes, as in CSV."""
    if isinstance(given, str):
        try:
            names = next(csv.reader([given], skipinitialspace=True, strict=True), [""])
        except csv.Error:
            raise ValueError from None
        return tuple(name.strip() for name in names)
    if not all(isinstance(name, str) for name in given):
        raise ValueError
    return tuple(given)


def _is_path(text: str) -> bool:
    """Whether a file may be called so; its bytes need not be UTF-8."""
    return bool(text) and "\0" not in text


def _share(value: float) -> bool:
    return 0 < value < 1


@dataclass(frozen=True)
class DataSettings:
    """Settings of one data set; None takes what suits the source.

    Raises
    ------
    UsageError
        A value is out of its range.
    """

    source: str = setting(
        "mnist",
        "A known set (mnist, fashion-mnist, ...), a folder with one subfolder a class, or a table (.csv, .jsonl, .npz, .parquet, ...)",
        takes=str,
        expected="a name or a path",
        holds=_is_path,
        is_option=False,
    )
    target: str | None = setting(
        None,
        "The column that holds the labels",
        takes=str,
        expected="the name of a column",
        holds=lambda name: flaw(name) is None,
        shown="",
    )
    ignore_columns: tuple[str, ...] = setting(
        (),
        "Columns to leave out, with commas between them",
        takes=(str, list, tuple),
        expected="names of columns",
        holds=lambda names: all(flaw(name) is None for name in names),
        convert=_columns,
        shown="",
    )
    categorical: tuple[str, ...] = setting(
        (),
        "Columns whose numbers are codes, not quantities, with commas between them: every number becomes a category",
        takes=(str, list, tuple),
        expected="names of columns",
        holds=lambda names: all(flaw(name) is None for name in names),
        convert=_columns,
        shown="",
    )
    val: str | None = setting(
        None,
        "A second table, whose rows choose the best epoch",
        takes=str,
        expected="a path",
        holds=_is_path,
        shown="rows held out",
    )
    test: str | None = setting(
        None,
        "A second table, whose rows judge the model",
        takes=str,
        expected="a path",
        holds=_is_path,
        shown="rows held out",
    )
    size: tuple[int, int] | None = setting(
        None,
        'Pixels that pictures are scaled to: "32" or "64x48" (width x height)',
        takes=(str, int, list, tuple),
        expected=f'1 to {LARGEST_SIDE} pixels a side, such as "32", or "64x48" (width x height)',
        holds=lambda size: all(1 <= side <= LARGEST_SIDE for side in size),
        convert=_size,
        shown="32",
    )
    colour: bool | None = setting(
        None, "Read pictures from a folder in colour", takes=bool, shown="grey", flags="--colour/--grey"
    )
    val_split: float | None = setting(
        None,
        "Share of the training examples held out to choose the best epoch",
        takes=float,
        expected="a share between 0 and 1, such as 0.15",
        holds=_share,
        shown="0.15; 0.1 of 10,000 or more",
    )
    test_split: float | None = setting(
        None,
        "Share of all examples held out to judge the model",
        takes=float,
        expected="a share between 0 and 1, such as 0.15",
        holds=_share,
        shown="0.2",
    )
    split_seed: int = setting(
        0,
        "Decides which examples are held out",
        takes=int,
        expected="a whole number from 0 to 2^63 - 1",
        holds=lambda value: 0 <= value < 2**63,
        shown="the seed of the training",
        is_option=False,
    )
    root: str = setting("data", "Folder of the archives of known sets", takes=str, expected="a path", holds=_is_path)
    download: bool = setting(
        False, "Fetch the archives of a known set that are missing", takes=bool, shown="", flags="--download"
    )

    def __post_init__(self) -> None:
        check(self)

    def to_json(self) -> dict[str, Any]:
        """The settings as a JSON object, which `read_settings` reads back."""
        return asdict(self)

    def refuse(self, what: str, *names: str) -> None:
        """Refuse settings that mean nothing for this kind of source.

        Raises
        ------
        UsageError
            One of `names` was set.
        """
        for name in names:
            if getattr(self, name) != getattr(DataSettings, name):
                option = described(DataSettings)[name].option(name)
                raise UsageError(f"{option} means nothing for {what}. Leave it out")
