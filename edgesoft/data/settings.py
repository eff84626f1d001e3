"""Which data, and how to read them. Imports nothing heavy, so that --help is quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgesoft.errors import UsageError

LARGEST_SIDE = 1024


@dataclass(frozen=True)
class DataSettings:
    """Settings of one data set; None takes what suits the source.

    Raises
    ------
    UsageError
        A number is out of its range.
    """

    source: str = "mnist"
    """Name of a known set, folder of pictures, or file: .csv, .tsv, .npz, .parquet."""
    target: str | None = None
    """The column of a table that holds the labels."""
    ignore_columns: tuple[str, ...] = ()
    """Columns of a table to leave out."""
    size: tuple[int, int] | None = None
    """Height and width that pictures are scaled to, in pixels."""
    colour: bool | None = None
    """Whether pictures from a folder are read in colour."""
    val_split: float | None = None
    """Share of the training examples that is held out to choose the best epoch, where the data bring no validation split."""
    test_split: float | None = None
    """Share of all examples that is held out to judge the model, where the data bring no test split."""
    split_seed: int = 0
    """Decides which examples are held out."""
    root: str = "data"
    """Folder of the files of torchvision's sets."""
    download: bool = False
    """Whether torchvision may fetch missing files."""

    def __post_init__(self) -> None:
        for name, share in (("val-split", self.val_split), ("test-split", self.test_split)):
            if share is not None and not 0 < share < 1:
                raise UsageError(f"--{name} {share}: expected a share between 0 and 1, such as 0.15")
        if self.size is not None and not all(1 <= side <= LARGEST_SIDE for side in self.size):
            raise UsageError(f"--size {self.size[1]}x{self.size[0]}: expected 1 to {LARGEST_SIDE} pixels a side")

    def to_json(self) -> dict[str, Any]:
        """The settings as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> DataSettings:
        """Read `to_json`'s object back; raises TypeError when it is not one."""
        values = dict(document)
        for name in ("ignore_columns", "size"):
            if values.get(name) is not None:
                values[name] = tuple(values[name])
        return cls(**values)

    def refuse(self, what: str, *names: str) -> None:
        """Refuse settings that mean nothing for this kind of source.

        Raises
        ------
        UsageError
            One of `names` was set.
        """
        for name in names:
            if getattr(self, name) != getattr(DataSettings, name):
                option = "grey or --colour" if name == "colour" else name.replace("_", "-")
                raise UsageError(f"--{option} means nothing for {what}. Leave it out")


def parse_size(text: str) -> tuple[int, int]:
    """Read a picture size, "32" or "WIDTHxHEIGHT", as (height, width).

    Raises
    ------
    UsageError
        The text has another form.
    """
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f'--size {text!r}: expected pixels, such as "32", or "64x48" (width x height)')
    return int(parts[-1]), int(parts[0])
