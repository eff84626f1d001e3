"""A trained network on disk: weights and card in one `.npz` file, without pickle."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgesoft.errors import EdgesoftError
from edgesoft.files import read_bytes
from edgesoft.model.card import ModelCard
from edgesoft.model.layers import GreyLevels, Layer, Linear, Relu, Scale
from edgesoft.npz import Arrays, parse_npz, read_npz, write_npz
from edgesoft.transaction import settle

FILE_NAME = "checkpoint.npz"
SIZE_LIMIT = 2**30  # bytes
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
        for index, layer in enumerate(self.linears):
            arrays[f"weight{index}"], arrays[f"bias{index}"] = layer.weight, layer.bias
        first = self.layers[0]
        if isinstance(first, Scale):
            arrays["offset"], arrays["factor"] = first.offset, first.factor
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
        try:
            card = ModelCard.from_json(arrays["card"].tobytes(), path)
            linears = [
                Linear(arrays[f"weight{index}"], arrays[f"bias{index}"]) for index in range(len(card.hidden) + 1)
            ]
            first: Layer = GreyLevels()
            if not card.input.is_picture:
                first = Scale(arrays["offset"].astype(np.float32), arrays["factor"].astype(np.float32))
        except KeyError as error:
            raise EdgesoftError(
                f"{path}: no checkpoint of edgesoft (it has no array {error}). Train again: edgesoft train"
            ) from None
        if isinstance(first, Scale):
            _check_scale(first, card.input.shape, path)
        _check_linears(linears, card, path)
        return cls(card, stacked(first, linears), path, hashlib.sha256(content).hexdigest())


def read_arrays(path: Path) -> Arrays:
    """The arrays of a checkpoint, or of the state that a run is resumed from; raises EdgesoftError as `read_npz` does."""
    settle(path.parent)
    return read_npz(path, limit=SIZE_LIMIT, what=_WHAT, advice=_ADVICE)


def stacked(first: Layer, linears: Sequence[Linear]) -> tuple[Layer, ...]:
    """A network of linear layers with ReLU between them."""
    layers = [first]
    for linear in linears:
        layers += [linear, Relu()]
    return tuple(layers[:-1])


def _check_linears(linears: Sequence[Linear], card: ModelCard, path: Path) -> None:
    if any(array.dtype != np.float32 for linear in linears for array in (linear.weight, linear.bias)):
        raise EdgesoftError(f"{path}: no checkpoint of edgesoft (weights are not float32). Train again: edgesoft train")
    inputs = math.prod(card.input.shape)
    for index, (linear, outputs) in enumerate(zip(linears, (*card.hidden, card.outputs), strict=True)):
        if linear.weight.shape != (outputs, inputs) or linear.bias.shape != (outputs,):
            raise EdgesoftError(
                f"{path}: layer {index} has weights {list(linear.weight.shape)} and bias {list(linear.bias.shape)}, "
                f"but the card promises [{outputs}, {inputs}] and [{outputs}]. Train again: edgesoft train"
            )
        if not (np.isfinite(linear.weight).all() and np.isfinite(linear.bias).all()):
            raise EdgesoftError(
                f"{path}: layer {index} has weights that are not finite (NaN or infinity). Train again: edgesoft train"
            )
        inputs = outputs


def _check_scale(scale: Scale, shape: tuple[int, ...], path: Path) -> None:
    for name, values in (("offset", scale.offset), ("factor", scale.factor)):
        if values.shape != shape or not np.isfinite(values).all():
            raise EdgesoftError(
                f"{path}: the {name} of the features must be {list(shape)} finite numbers. Train again: edgesoft train"
            )
