"""What a model takes: pictures or rows of a table. Everything that depends on which of the two is asked here, and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError
from edgesoft.model.given import as_array, picture_advice
from edgesoft.model.layers import Layer
from edgesoft.model.scaling import GreyLevels, Scale, SmoothClip
from edgesoft.pictures import PictureSpec, read_picture
from edgesoft.pictures.spec import BLANK
from edgesoft.tables.frames import encode_cells, encode_frame, has_names
from edgesoft.tables.rows import Row
from edgesoft.tables.spec import TableError, TableSpec

Strokes = Literal["handwriting", "picture"]
"""What training pictures are distorted as."""

CLIP_LIMIT = np.float32(3)
"""Where features end, in distances between their quartiles. Source: as of `Scale.robust`."""
ROWS_AT_ONCE = 256
PICTURES_AT_ONCE = 64
"""Decoding pushes the weights out of the cache, so that a call for each picture takes three times as long as it should."""
MEMORY_AT_ONCE = 2**24
"""Most bytes of pixels that are classified in one call."""


class Sample(NamedTuple):
    """One input as a device has it, read."""

    values: NDArray[Any]
    """What the model takes, of its kind's shape."""
    warnings: tuple[str, ...]
    is_unfamiliar: bool
    """Whether it is so unlike the training data that the answer should not be trusted, however sure the model is."""


class Batch(NamedTuple):
    """Inputs as a caller has them, as an array."""

    values: NDArray[Any]
    """In the kind's type where the meaning was plain, else as they came."""
    notes: tuple[str, ...] = ()
    """What is odd about them, one sentence each."""
    advice: str = ""
    """What to do where the meaning is not plain."""


class InputKind(Protocol):
    """What every kind of input knows about itself."""

    kind: ClassVar[str]
    """Name of the graph's input, and of this kind in the card."""
    dtype: ClassVar[str]
    """Element type of the graph's input."""
    is_picture: ClassVar[bool]
    """Whether people can look at an input."""
    noun: ClassVar[str]
    """What one input is called."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch."""

    @property
    def names(self) -> tuple[str, ...]:
        """What each number of an input is called; none of a picture's."""

    @property
    def columns_taken(self) -> tuple[str, ...]:
        """The names of the columns that an input is made of; none of a picture's."""

    @property
    def at_once(self) -> int:
        """How many inputs are best classified in one call."""

    @property
    def augmentation(self) -> Strokes | None:
        """As what training inputs are distorted; None where they are not."""

    @property
    def has_outliers(self) -> bool:
        """Whether inputs of no class can be drawn for training."""

    def read(self, source: Any) -> Sample:
        """What a device has, as the model takes it; raises EdgesoftError when it cannot be read."""

    def batch(self, values: Any) -> Batch:
        """What a caller has (arrays, tensors, nested lists, data frames) as an array; raises EdgesoftError when it cannot be made one."""

    def first_layers(self, inputs: NDArray[Any]) -> tuple[Layer, ...]:
        """The layers that bring raw inputs into the network's range, fitted to the training split `[n, ...]`."""

    def page(self, example: NDArray[Any]) -> NDArray[np.uint8] | None:
        """A source that `read` must turn into something like `example`, as pixels; None where there is no such thing."""

    def describe(self) -> str:
        """The preprocessing in one line."""

    def to_card(self) -> dict[str, Any]:
        """Everything as plain JSON values."""


class PictureInput(PictureSpec):
    """Pictures: raw grey levels or colours, uint8."""

    is_picture: ClassVar[bool] = True
    noun: ClassVar[str] = "picture"

    @property
    def names(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def columns_taken(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def at_once(self) -> int:
        """As many as the caches like, and the memory."""
        return min(PICTURES_AT_ONCE, max(1, MEMORY_AT_ONCE // math.prod(self.shape)))

    @property
    def augmentation(self) -> Strokes | None:
        """Strokes are distorted more than photographs and icons."""
        return "handwriting" if self.normaliser == "ink" else "picture"

    @property
    def has_outliers(self) -> bool:
        """Of handwriting: letters, scrawls and blots."""
        return self.normaliser == "ink"

    def read(self, source: Any) -> Sample:
        """A picture file or its bytes -> uint8 of `shape`."""
        seen = read_picture(source, self)
        return Sample(seen.pixels, seen.warnings, BLANK in seen.warnings)

    def batch(self, values: Any) -> Batch:
        """Integers from 0 to 255 are grey levels; of other numbers nobody knows which of them is white."""
        if has_names(values):
            raise EdgesoftError(f"expected pictures, not the columns of a {type(values).__name__}")
        array = as_array(values)
        if array.dtype.kind in "iu" and array.size and array.min() >= 0 and array.max() <= 255:
            array = array.astype(np.uint8, copy=False)
        return Batch(array, advice=picture_advice(array, self.shape))

    def first_layers(self, inputs: NDArray[Any]) -> tuple[Layer, ...]:  # noqa: ARG002 - 0 to 255, whatever the pictures show
        """Grey levels become 0 to 1."""
        return (GreyLevels(),)

    def page(self, example: NDArray[Any]) -> NDArray[np.uint8] | None:
        """A picture of a model input as people have them: enlarged, dark on light, off the centre of a page.

        Parameters
        ----------
        example
            uint8 `[height, width]` or `[height, width, 3]`, a model input.

        Returns
        -------
        NDArray
            uint8 `[4 * height, 5 * width]`, or the same in colour.
        """
        large = 255 - example.repeat(2, axis=0).repeat(2, axis=1)
        height, width = example.shape[:2]
        margins = ((height, height), (width // 2, 3 * width - width // 2))
        return np.pad(large, (*margins, *[(0, 0)] * (example.ndim - 2)), constant_values=255)

    def describe(self) -> str:
        """Every number of the normaliser."""
        return ", ".join(f"{key} {value}" for key, value in self.to_card().items())


class TableInput(TableSpec):
    """Rows of a table: features in the units of the file, float32."""

    is_picture: ClassVar[bool] = False
    noun: ClassVar[str] = "row"

    @property
    def names(self) -> tuple[str, ...]:
        """The features'."""
        return self.features

    @property
    def columns_taken(self) -> tuple[str, ...]:
        """In the model's order."""
        return tuple(column.name for column in self.columns)

    @property
    def at_once(self) -> int:
        """Rows are read as quickly as they are classified."""
        return ROWS_AT_ONCE

    @property
    def augmentation(self) -> Strokes | None:
        """None."""
        return None

    @property
    def has_outliers(self) -> bool:
        """No."""
        return False

    def read(self, source: Any) -> Sample:
        """A `Row` -> float32 of `shape`."""
        if not isinstance(source, Row):
            raise TableError("this model takes rows of a table, not pictures")
        if source.error is not None:
            raise TableError(source.error)
        return Sample(*self.encode(source.cells))

    def batch(self, values: Any) -> Batch:
        """Numbers of any type are features; columns with names, and rows of words in the model's order, are encoded."""
        if has_names(values):
            encoded, notes = encode_frame(values, self)
            return Batch(encoded, tuple(notes))
        array = as_array(values)
        has_columns = array.ndim in (1, 2) and array.shape[-1] == len(self.columns)
        if has_columns and (array.dtype.kind in "OUT" or array.shape[-1:] != self.shape):
            encoded, notes = encode_cells(array, self)
            return Batch(encoded, tuple(notes))
        if array.dtype.kind not in "fiub":
            return Batch(array)
        with np.errstate(over="ignore"):  # what becomes infinite is refused by its row and feature
            return Batch(array.astype(np.float32, copy=False))

    def first_layers(self, inputs: NDArray[Any]) -> tuple[Layer, ...]:
        """Numeric features are scaled by their quartiles, and clipped where few of them lie."""
        return Scale.robust(inputs, is_numeric=self.is_quantity), SmoothClip(np.asarray(CLIP_LIMIT))

    def page(self, example: NDArray[Any]) -> NDArray[np.uint8] | None:  # noqa: ARG002 - no row is a picture
        """None."""
        return None

    def describe(self) -> str:
        """The first features."""
        more = ", ..." if len(self.features) > 12 else ""
        return f"scaled in the graph: {', '.join(self.features[:12])}{more}"


INPUTS: Mapping[str, type[PictureInput] | type[TableInput]] = {kind.kind: kind for kind in (PictureInput, TableInput)}
"""Kind -> what its card describes."""
