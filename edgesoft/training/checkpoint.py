"""A trained network on disk: weights and card in one `.npz` file, without pickle."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError
from edgesoft.files import read_bytes, write_atomically
from edgesoft.model.card import ModelCard
from edgesoft.model.scaling import Scaling
from edgesoft.tables.spec import TableSpec
from edgesoft.training.network import SoftmaxMLP

FILE_NAME = "checkpoint.npz"
SIZE_LIMIT = 2**30  # bytes

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Layer:
    """One linear layer: `output = input @ weight.T + bias`."""

    weight: NDArray[np.float32]
    """float32 `[outputs, inputs]`."""
    bias: NDArray[np.float32]
    """float32 `[outputs]`."""


@dataclass(frozen=True)
class Checkpoint:
    """The trained layers and what they are."""

    card: ModelCard
    layers: tuple[Layer, ...]
    scaling: Scaling | None = None
    """What precedes the first layer of a model of tables; None for pictures, whose grey levels are divided by 255."""

    @property
    def knows_outliers(self) -> bool:
        """Whether the network also learned from pictures of none of its classes."""
        config = self.card.training.get("config")
        return isinstance(config, Mapping) and bool(config.get("outliers"))

    @classmethod
    def from_network(cls, network: SoftmaxMLP, card: ModelCard) -> Checkpoint:
        """Copy the weights out of a PyTorch network."""
        layers = tuple(Layer(_array(layer.weight), _array(layer.bias)) for layer in network.linears())
        if network.offset is None or network.factor is None:
            return cls(card, layers)
        return cls(card, layers, Scaling(_array(network.offset), _array(network.factor)))

    def to_network(self) -> SoftmaxMLP:
        """A PyTorch network with these weights, on the CPU, in evaluation mode."""
        network = SoftmaxMLP(self.layers[0].weight.shape[1], self.card.hidden, self.card.outputs, self.scaling)
        with torch.no_grad():
            for linear, layer in zip(network.linears(), self.layers, strict=True):
                linear.weight.copy_(torch.from_numpy(layer.weight))
                linear.bias.copy_(torch.from_numpy(layer.bias))
        return network.eval()

    def to_arrays(self) -> Arrays:
        """The checkpoint as named arrays."""
        arrays: Arrays = {"card": np.frombuffer(self.card.to_json().encode(), np.uint8)}
        for index, layer in enumerate(self.layers):
            arrays[f"weight{index}"], arrays[f"bias{index}"] = layer.weight, layer.bias
        if self.scaling is not None:
            arrays["offset"], arrays["factor"] = self.scaling.offset, self.scaling.factor
        return arrays

    def save(self, path: Path) -> None:
        """Write the checkpoint; raises EdgesoftError when the file cannot be written."""
        save_arrays(path, self.to_arrays())

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a checkpoint.

        Raises
        ------
        EdgesoftError
            The file cannot be read, is damaged, or is no checkpoint of edgesoft.
        """
        arrays = load_arrays(path)
        try:
            card = ModelCard.from_json(arrays["card"].tobytes(), path)
            layers = tuple(
                Layer(arrays[f"weight{index}"], arrays[f"bias{index}"]) for index in range(len(card.hidden) + 1)
            )
            scaling = None
            if isinstance(card.input, TableSpec):
                scaling = Scaling(arrays["offset"].astype(np.float32), arrays["factor"].astype(np.float32))
        except KeyError as error:
            raise EdgesoftError(
                f"{path}: no checkpoint of edgesoft (it has no array {error}). Train again: edgesoft train"
            ) from None
        if scaling is not None:
            _check_scaling(scaling, card.input.shape, path)
        inputs = int(np.prod(card.input.shape))
        if any(array.dtype != np.float32 for layer in layers for array in (layer.weight, layer.bias)):
            raise EdgesoftError(
                f"{path}: no checkpoint of edgesoft (weights are not float32). Train again: edgesoft train"
            )
        for index, (layer, outputs) in enumerate(zip(layers, (*card.hidden, card.outputs), strict=True)):
            if layer.weight.shape != (outputs, inputs) or layer.bias.shape != (outputs,):
                raise EdgesoftError(
                    f"{path}: layer {index} has weights {list(layer.weight.shape)} and bias {list(layer.bias.shape)}, "
                    f"but the card promises [{outputs}, {inputs}] and [{outputs}]. Train again: edgesoft train"
                )
            if not (np.isfinite(layer.weight).all() and np.isfinite(layer.bias).all()):
                raise EdgesoftError(
                    f"{path}: layer {index} has weights that are not finite (NaN or infinity). Train again: edgesoft train"
                )
            inputs = outputs
        return cls(card, layers, scaling)


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().numpy().copy()


def _check_scaling(scaling: Scaling, shape: tuple[int, ...], path: Path) -> None:
    for name, values in (("offset", scaling.offset), ("factor", scaling.factor)):
        if values.shape != shape or not np.isfinite(values).all():
            raise EdgesoftError(
                f"{path}: the {name} of the features must be {list(shape)} finite numbers. Train again: edgesoft train"
            )


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write named arrays as one `.npz` file, atomically."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_atomically(path, buffer.getvalue())


def load_arrays(path: Path) -> Arrays:
    """Read an `.npz` file of plain arrays; its CRC sums are checked on the way.

    Raises
    ------
    EdgesoftError
        The file cannot be read, is damaged, or would unpack to more than a checkpoint may have.
    """
    content = read_bytes(path, limit=SIZE_LIMIT, what="a checkpoint (.npz)")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(item.file_size for item in archive.infolist()) > SIZE_LIMIT:
                raise EdgesoftError(
                    f"{path}: unpacks to more than {SIZE_LIMIT / 1e6:.0f} MB, no checkpoint of edgesoft does"
                )
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (
        zipfile.BadZipFile,
        ValueError,
        OSError,
        EOFError,
        KeyError,
        NotImplementedError,
        RuntimeError,
        MemoryError,  # the header of an array promises more than there is
        zlib.error,
    ) as error:
        raise EdgesoftError(
            f"{path}: damaged, or no checkpoint of edgesoft ({error}). Train again: edgesoft train"
        ) from error
