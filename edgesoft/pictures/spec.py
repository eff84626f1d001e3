"""What a model takes as a picture, and what came out of one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, ClassVar

from edgesoft.errors import EdgesoftError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NORMALISERS = ("ink", "resize")
CENTRINGS = ("mass", "box")

BLANK = "the picture is blank"
FAINT = "there is hardly any contrast"
SEVERAL = "the picture holds several characters; the largest was read"
CUT_OFF = "the character touches the edge of the picture and may be cut off"
TINY = "the character is only a few pixels high"
ANIMATED = "the file holds several frames; only the first was read"
SHALLOW = "the file has 16 bits of grey, of which the picture uses 12 or fewer; it was read as one of 12 or 8 bits"


class PictureError(EdgesoftError):
    """A file that cannot be read as a picture: one line says what came and what to do."""


@dataclass(frozen=True)
class PictureSpec:
    """What the model takes; it lives in the model's card as JSON.

    Raises
    ------
    PictureError
        If a number makes no sense, such as an ink box larger than the picture.
    """

    height: int = 28
    """Height of the model's input in pixels."""
    width: int = 28
    """Width of the model's input in pixels."""
    channels: int = 1
    """1 (grey) or 3 (RGB)."""
    normaliser: str = "ink"
    """"ink": one dark or bright glyph on a background becomes white on black, boxed and centred. "resize": the whole picture is scaled
    to the model's size."""
    ink_box: int = 20
    """Longest side of the ink in pixels. MNIST: 20 (LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
    recognition", 1998, section III.A)."""
    centring: str = "mass"
    """What goes to pixel (height/2, width/2): "mass": the centre of mass, MNIST's rule of the same section; "box": the middle of the
    ink's box."""
    stroke_low: float = 2.0
    """Thinnest mean stroke in pixels that is left as it was written. MNIST: about the 15th percentile of its training set."""
    stroke_high: float = 3.2
    """Thickest one: about the 85th percentile; 0 leaves every width."""

    kind: ClassVar[str] = "pixels"  # name of the graph's input, and of this form of input in the card
    dtype: ClassVar[str] = "uint8"

    def __post_init__(self) -> None:
        """Refuse numbers that no picture can have."""
        if not (1 <= self.height <= 1024 and 1 <= self.width <= 1024):
            raise PictureError(f"a model input of {self.height} x {self.width} pixels: expected 1 to 1024 a side")
        if self.channels not in (1, 3):
            raise PictureError(f"a model input with {self.channels} channels: expected 1 (grey) or 3 (RGB)")
        if self.normaliser not in NORMALISERS:
            raise PictureError(f"unknown normaliser {self.normaliser!r}: expected one of {', '.join(NORMALISERS)}")
        if self.centring not in CENTRINGS:
            raise PictureError(f"unknown centring {self.centring!r}: expected one of {', '.join(CENTRINGS)}")
        if self.normaliser == "ink" and self.channels != 1:
            raise PictureError("the ink normaliser makes grey pictures: use channels 1, or the resize normaliser")
        if self.normaliser == "ink" and not 4 <= self.ink_box <= min(self.height, self.width):
            raise PictureError(
                f"an ink box of {self.ink_box} pixels in {self.height} x {self.width}: expected 4 to the shorter side"
            )
        if self.stroke_high and not 0 < self.stroke_low <= self.stroke_high <= self.ink_box / 2:
            raise PictureError(
                f"stroke widths {self.stroke_low} to {self.stroke_high}: expected 0 < low <= high <= half the ink box"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input: `(height, width)`, or `(height, width, channels)` in colour."""
        return (self.height, self.width) if self.channels == 1 else (self.height, self.width, self.channels)

    def to_card(self) -> dict[str, int | float | str]:
        """Return the numbers as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_card(cls, card: Mapping[str, object]) -> PictureSpec:
        """Build the specification from a card's JSON object.

        Raises
        ------
        PictureError
            If a name is unknown or a value has the wrong type: a misspelt number must not
            silently fall back to MNIST's.
        """
        kinds = {field.name: type(field.default) for field in fields(cls)}
        values: dict[str, object] = {}
        for name, value in card.items():
            kind = kinds.get(name)
            if kind is None:
                raise PictureError(f"unknown name {name!r} in the card's preprocessing: expected {', '.join(kinds)}")
            if kind is float and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            if type(value) is not kind:
                raise PictureError(f"{name} in the card's preprocessing is {value!r}: expected {kind.__name__}")
            values[name] = value
        return cls(**values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Seen:
    """One normalised picture."""

    pixels: NDArray[np.uint8] = field(repr=False)
    """uint8 `[height, width]`, or `[height, width, 3]` for a colour model."""
    warnings: tuple[str, ...] = ()
    """Short sentences with stable wording, for text and JSON."""
