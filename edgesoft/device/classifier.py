"""One model file on one provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgesoft.card import ModelCard
from edgesoft.device.modelfile import ModelFile, Port, open_model
from edgesoft.device.providers import ProviderName, choose, open_session
from edgesoft.device.structure import check_structure
from edgesoft.errors import EdgesoftError

OUTPUTS = ("logits", "probabilities", "label")


class Prediction(NamedTuple):
    """What a model answers for a batch of n inputs."""

    labels: tuple[str, ...]
    """The name of the most probable class of each input."""
    probabilities: NDArray[np.float32]
    """float32 `[n, classes]`, each row sums to 1."""
    logits: NDArray[np.float32]
    """float32 `[n, classes]`, the scores before softmax."""
    indices: NDArray[np.int64]
    """int64 `[n]`, `labels` as indices into the card's labels."""


class Classifier:
    """Classifies arrays with one model file; made by `edgesoft.load`.

    Examples
    --------
    >>> import edgesoft, numpy
    >>> classifier = edgesoft.load("exported/mnist.int8.onnx")
    >>> classifier(numpy.zeros((2, 28, 28), numpy.uint8)).probabilities.shape
    (2, 10)
    """

    def __init__(self, model: ModelFile, provider: ProviderName, *, threads: int = 1) -> None:
        self.card: ModelCard = model.card
        self.provider: ProviderName = provider
        self.path = model.path
        _check_ports(model)
        check_structure(model)
        self._session: Any = open_session(model.content, provider, threads=threads, origin=model.path)
        self._input = model.inputs[0].name
        self._dtype = np.dtype(model.inputs[0].dtype)
        self._shape = tuple(model.inputs[0].shape[1:])
        self._names = model.card.labels

    def __call__(self, inputs: NDArray[Any]) -> Prediction:
        """Classify a batch, or a single input.

        Parameters
        ----------
        inputs
            For pictures uint8 `[n, height, width]` or `[height, width]`, raw grey levels from 0 to 255 (colour: a last axis of 3).
            Scaling is part of the model.

        Raises
        ------
        EdgesoftError
            The array has another dtype or shape. Nothing is converted silently.
        """
        if inputs.shape == self._shape:
            inputs = inputs[np.newaxis]
        if inputs.dtype != self._dtype or inputs.shape[1:] != self._shape or not inputs.shape[0]:
            raise EdgesoftError(
                f"{self.path}: expected {self._dtype} {self._describe_shape()}, got {inputs.dtype} {list(inputs.shape)}"
            )
        try:
            logits, probabilities, indices = self._session.run(OUTPUTS, {self._input: inputs})
        except Exception as error:  # one class a status code, without a common base of its own
            cause = " ".join(str(error).split())
            raise EdgesoftError(f"{self.path}: ONNX Runtime could not run it on {self.provider} ({cause})") from error
        names = self._names
        return Prediction(tuple([names[index] for index in indices.tolist()]), probabilities, logits, indices)

    def logits(self, inputs: NDArray[Any], *, batch_size: int = 1000) -> NDArray[np.float32]:
        """Logits float32 `[n, classes]` of any number of inputs, computed in batches."""
        return np.concatenate(
            [self(inputs[start : start + batch_size]).logits for start in range(0, len(inputs), batch_size)]
        )

    def _describe_shape(self) -> str:
        inner = ", ".join(str(size) for size in self._shape)
        return f"[{inner}] or [n, {inner}] with n >= 1"

    def __repr__(self) -> str:
        return f"Classifier({str(self.path)!r}, {self.card.precision} on {self.provider}, {len(self._names)} classes)"


def load(path: str | Path, *, provider: str = "cpu", threads: int = 1) -> Classifier:
    """Open a model file that edgesoft exported.

    Parameters
    ----------
    path
        The `.onnx` file.
    provider
        "cpu", "cuda", or "auto" (CUDA when it can run here, else the CPU).
    threads
        CPU threads. One is fastest for single inputs of a small model.

    Raises
    ------
    EdgesoftError
        The file is missing, damaged, changed after export, or not one that edgesoft wrote.
    ProviderUnavailableError
        The provider cannot run here.
    """
    return Classifier(open_model(path), choose(provider).provider, threads=threads)


def _check_ports(model: ModelFile) -> None:
    """Hold the graph to the contract, so that `Classifier` can rely on it."""
    classes = len(model.card.labels)
    expected_inputs = (Port("pixels", "uint8", ("batch", *model.card.input.shape)),)
    expected_outputs = (
        Port("logits", "float32", ("batch", classes)),
        Port("probabilities", "float32", ("batch", classes)),
        Port("label", "int64", ("batch",)),
    )
    for what, found, expected in (
        ("inputs", model.inputs, expected_inputs),
        ("outputs", model.outputs, expected_outputs),
    ):
        if found != expected:
            raise EdgesoftError(
                f"{model.path}: its {what} are {_describe(found)}, but its card promises {_describe(expected)}. "
                "Export it again: edgesoft export"
            )


def _describe(ports: tuple[Port, ...]) -> str:
    return "; ".join(f"{port.name} {port.dtype} {list(port.shape)}" for port in ports)
