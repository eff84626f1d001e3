"""Golden examples: recorded inputs with the logits they must give, carried inside the model file.

They let a device prove, without PyTorch and without the data set, that its answers are the ones seen at export. The block
is text (ONNX metadata holds text only): base64 of a zlib stream of the arrays, one after the other, behind a header line.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError
from edgesoft.names import fault

INFLATED_LIMIT = 32 * 2**20
"""Most bytes that a block may decompress to: a hostile file must not fill a device's memory."""
TEXT_LIMIT = INFLATED_LIMIT // 2 * 3
"""Longest text that a block may be, in bytes: base64 of data that do not compress."""
HEADER_LIMIT = 2 * 2**20
"""Longest header line, in bytes: parsed JSON takes many times the memory of its text."""
_DTYPES = ("uint8", "float32", "int64")
_EXAMPLES = ("inputs", "targets", "reference", "expected")
_PAGES = ("page", "page_seen")


@dataclass(frozen=True, repr=False)
class Golden:
    """n recorded examples."""

    labels: tuple[str, ...]
    """The class names at the time of recording; `targets` and the columns of the logits mean these."""
    inputs: NDArray[Any]
    """`[n, ...]` in the dtype and shape that the model takes."""
    targets: NDArray[np.int64]
    """int64 `[n]`, the right class of each."""
    reference: NDArray[np.float32]
    """float32 `[n, classes]`, the logits that PyTorch gave."""
    expected: NDArray[np.float32]
    """float32 `[n, classes]`, the logits that this very file gave on the CPU at export. An INT8 file gives these bits on any CPU."""

    page: NDArray[np.uint8] | None = None
    """uint8 `[height, width]` or `[height, width, 3]`: a picture that is no model input yet; None for tables."""
    page_seen: NDArray[np.uint8] | None = None
    """What the preprocessing made of `page`: uint8 in the shape that the model takes."""

    def encode(self) -> str:
        """The block as text; the same examples give the same text."""
        present = {name: getattr(self, name) for name in (*_EXAMPLES, *_PAGES) if getattr(self, name) is not None}
        arrays = {name: np.ascontiguousarray(array) for name, array in present.items()}
        shapes = {name: [array.dtype.name, *array.shape] for name, array in arrays.items()}
        header = json.dumps({"labels": self.labels, "arrays": shapes}).encode()  # ASCII, without line breaks
        body = b"".join(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays.values())
        return base64.b64encode(zlib.compress(header + b"\n" + body, level=9)).decode()

    @classmethod
    def decode(cls, text: str, origin: object) -> Golden:
        """Read a block back.

        Raises
        ------
        EdgesoftError
            The block is damaged, empty, or would decompress to more than `INFLATED_LIMIT`.
        """
        try:
            stream = zlib.decompressobj()
            content = stream.decompress(base64.b64decode(text, validate=True), INFLATED_LIMIT)
            if stream.unconsumed_tail:
                raise EdgesoftError(
                    f"{origin}: the golden examples unpack to more than {INFLATED_LIMIT / 2**20:.0f} MB. Do not trust this file"
                )
            if not stream.eof:
                raise ValueError("they end too soon")
            return cls(**_unpack(content))
        except (binascii.Error, zlib.error, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            detail = " ".join(str(error).split())[:200]
            raise EdgesoftError(
                f"{origin}: the golden examples are damaged ({detail}). Export the model again: edgesoft export"
            ) from error

    def __len__(self) -> int:
        return len(self.inputs)

    def __repr__(self) -> str:
        return f"Golden({len(self)} x {self.inputs.dtype} {list(self.inputs.shape[1:])}, {len(self.labels)} classes)"


def _unpack(content: bytes) -> dict[str, Any]:
    end = content.find(b"\n", 0, HEADER_LIMIT)
    if end < 0:
        raise ValueError("they have no header")
    header, body = json.loads(content[:end]), memoryview(content)[end + 1 :]
    if not (isinstance(header, dict) and isinstance(header.get("arrays"), dict)):
        raise ValueError("they have no header")  # noqa: TRY004 - damaged data, not a wrong call
    arrays: dict[str, NDArray[Any]] = {}
    position = 0
    for name, (dtype, *shape) in header["arrays"].items():
        if dtype not in _DTYPES or not all(type(size) is int and size > 0 for size in shape):
            raise ValueError("there are none" if 0 in shape else f"{name} has another dtype or shape")
        length = math.prod(shape) * np.dtype(dtype).itemsize
        if position + length > len(body):
            raise ValueError(f"{name} ends too soon")
        arrays[name] = (
            np.frombuffer(body, np.dtype(dtype).newbyteorder("<"), math.prod(shape), position)
            .astype(dtype)
            .reshape(shape)
        )
        position += length
    if position != len(body):
        raise ValueError("bytes are left over")
    labels = tuple(header["labels"])
    if (wrong := fault(labels, "label")) is not None:
        raise ValueError(wrong)
    _check(labels, **{name: arrays[name] for name in _EXAMPLES})
    if any(arrays[name].dtype != np.uint8 for name in _PAGES if name in arrays):
        raise ValueError("the recorded page is no picture")
    return {"labels": labels, **arrays}


def _check(
    labels: tuple[str, ...],
    inputs: NDArray[Any],
    targets: NDArray[Any],
    reference: NDArray[Any],
    expected: NDArray[Any],
) -> None:
    """The arrays must belong together, so that whoever replays them can rely on it."""
    if targets.shape != (len(inputs),) or targets.dtype != np.int64:
        raise ValueError("the right classes are no list as long as the inputs")
    if not ((targets >= 0) & (targets < len(labels))).all():
        raise ValueError("a right class is none of the labels")
    for logits in (reference, expected):
        if logits.ndim != 2 or len(logits) != len(inputs) or logits.dtype != np.float32:
            raise ValueError("the logits are no table as long as the inputs")
