"""A trained network on disk: weights and card in one `.npz` file, without pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError
from edgesoft.files import read_bytes
from edgesoft.model.architecture import Architecture
from edgesoft.model.card import ModelCard
from edgesoft.model.layers import Layer, Linear, product_of
from edgesoft.model.scaling import GreyLevels, Scale, SmoothClip
from edgesoft.npz import Arrays, parse_npz, read_npz, write_npz
from edgesoft.transaction import settle

FILE_NAME = "checkpoint.npz"
SIZE_LIMIT = 2**30  # bytes
SCALING = ("offset", "factor", "limit")
"""Names of the arrays of the layers that bring features into the network's range."""
_WHAT, _ADVICE = "a checkpoint of edgesoft", "Train again: edgesoft train"


@dataclass(frozen=True, eq=False, repr=False)
class Checkpoint:
    """The trained layers and what they are."""

    card: ModelCard
    layers: tuple[Layer, ...]
    """Float layers, from the raw inputs to the logits."""
    path: Path | None = None
    """The file that it was read from."""
    sha256: str | None = None
    """Digest of that file."""

    def __repr__(self) -> str:
        where = f", {str(self.path)!r}" if self.path is not None else ""
        return f"Checkpoint({self.card.name!r}, {sum(layer.weight.size + layer.bias.size for layer in self.linears):,} parameters{where})"

    @property
    def linears(self) -> tuple[Linear, ...]:
        """The layers with weights."""
        return tuple(layer for layer in self.layers if isinstance(layer, Linear))

    def to_arrays(self) -> Arrays:
        """The checkpoint as named arrays."""
        arrays: Arrays = {"card": np.frombuffer(self.card.to_json().encode(), np.uint8)}
        for index, linear in enumerate(self.linears):
            arrays[f"weight{index}"], arrays[f"bias{index}"] = linear.weight, linear.bias
        for layer in self.layers:
            if isinstance(layer, Scale):
                arrays["offset"], arrays["factor"] = layer.offset, layer.factor
            if isinstance(layer, SmoothClip):
                arrays["limit"] = layer.limit
        return arrays

    def save(self, path: Path) -> None:
        """Write the checkpoint; raises EdgesoftError when the file cannot be written."""
        write_npz(path, self.to_arrays())

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a checkpoint.

        Raises
        ------
        EdgesoftError
            The file cannot be read, is damaged, or is no checkpoint of edgesoft.
        """
        settle(path.parent)
        content = read_bytes(path, limit=SIZE_LIMIT, what=_WHAT)
        arrays = parse_npz(content, path, limit=SIZE_LIMIT, what=_WHAT, advice=_ADVICE)
        if "card" not in arrays:
            raise _no_checkpoint(path, "it has no array 'card'")
        card = ModelCard.from_json(arrays["card"].tobytes(), path)
        shape = card.input.shape
        first: list[Layer] = [GreyLevels()]
        if not card.input.is_picture:
            first = [Scale(floats(arrays, "offset", shape, path), floats(arrays, "factor", shape, path))]
            if "limit" in arrays:  # an older edgesoft clipped nothing
                first.append(SmoothClip(floats(arrays, "limit", (), path)))
        layers = read_layers(arrays, card.architecture, first, path)
        return cls(card, layers, path, hashlib.sha256(content).hexdigest())


def read_arrays(path: Path) -> Arrays:
    """The arrays of a checkpoint, or of the state that a run is resumed from; raises EdgesoftError as `read_npz` does."""
    settle(path.parent)
    return read_npz(path, limit=SIZE_LIMIT, what=_WHAT, advice=_ADVICE)


def read_layers(
    arrays: Arrays, architecture: Architecture, first: Sequence[Layer], origin: Path, prefix: str = ""
) -> tuple[Layer, ...]:
    """The network whose weights `to_arrays` has named.

    Parameters
    ----------
    arrays
        A checkpoint's.
    architecture
        What the card promises.
    first
        What brings raw inputs into the network's range.
    origin
        Where they came from, for the messages.
    prefix
        What stands before the names.

    Raises
    ------
    EdgesoftError
        An array is missing, or is not what the card promises.
    """
    products = [
        product_of(
            floats(arrays, f"{prefix}weight{index}", shape, origin),
            floats(arrays, f"{prefix}bias{index}", shape[:1], origin),
        )
        for index, shape in enumerate(architecture.weight_shapes)
    ]
    return architecture.layers(architecture.first(first), products)


def floats(arrays: Arrays, name: str, shape: tuple[int, ...], origin: Path) -> NDArray[np.float32]:
    """One array of finite float32 numbers of this shape; raises EdgesoftError when it is missing or something else."""
    array = arrays.get(name)
    if array is None:
        raise _no_checkpoint(origin, f"it has no array {name!r}")
    if array.dtype != np.float32 or array.shape != shape:
        held = f"{name} is {array.dtype} {list(array.shape)}"
        raise _no_checkpoint(origin, f"{held}, but the card promises float32 {list(shape)}")
    if not np.isfinite(array).all():
        raise _no_checkpoint(origin, f"{name} has numbers that are not finite, NaN or infinity")
    return array


def _no_checkpoint(origin: Path, detail: str) -> EdgesoftError:
    return EdgesoftError(f"{origin}: no checkpoint of edgesoft ({detail}). {_ADVICE}")
