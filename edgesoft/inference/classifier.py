"""One model file on one provider."""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError, ProviderUnavailableError, UsageError
from edgesoft.inference.cpu import usable_cores
from edgesoft.inference.find_model import find_model
from edgesoft.inference.fork import after_fork, leave_alone
from edgesoft.inference.prediction import Prediction
from edgesoft.inference.providers import ProviderName, choose, one_line, open_session
from edgesoft.model.card import ModelCard
from edgesoft.model.file import ModelFile, open_model
from edgesoft.model.network import FLOAT32_MAX, examples_at_once, read_network
from edgesoft.settings import MOST, MOST_THREADS, brief
from edgesoft.tables.frames import has_names
from edgesoft.tables.rows import shortened

OUTPUTS = ("logits", "probabilities", "label")
LARGE = 16
"""From this batch size on, a second core shortens a call by a quarter or more (measured, INT8 and float)."""

Runner = Callable[[Sequence[str], Mapping[str, NDArray[Any]]], Sequence[Any]]


class Classifier:
    """Classifies arrays with one model file; made by `edgesoft.load`. Many threads may share one.

    It can be copied, pickled and sent to another process: what travels is the file's path and SHA-256, and the options. The file is opened
    again there, and must be the same. A process that was forked opens its sessions again when it needs them.

    Parameters
    ----------
    model
        An opened model file.
    provider
        Where it runs: a short name, as `edgesoft.inference.providers.choose` gives it.
    threads
        CPU threads. None takes one for small batches, which is quickest, and every usable core for large ones.
    device_id
        Which of several GPUs.
    tf32
        Let CUDA compute with TF32: faster on large batches, logits differ by about 1e-3.

    Examples
    --------
    >>> import edgesoft, numpy
    >>> classifier = edgesoft.load("exported/mnist.int8.onnx")
    >>> classifier(numpy.zeros((2, 28, 28), numpy.uint8)).probabilities.shape
    (2, 10)
    """

    def __init__(
        self,
        model: ModelFile,
        provider: ProviderName,
        *,
        threads: int | None = None,
        device_id: int = 0,
        tf32: bool = False,
    ) -> None:
        threads = None if threads is None else _whole_number("threads", threads, MOST_THREADS)
        self._card = model.card
        self.provider: ProviderName = provider
        self.path = model.path
        network = read_network(model)  # refuses a graph that edgesoft does not write, before ONNX Runtime sees it
        shape, is_picture = model.card.input.shape, model.card.input.is_picture
        self._largest = None if is_picture else network.largest_input(shape)  # bytes need no check
        self._largest_square = None if self._largest is None else min(self._largest**2, FLOAT32_MAX)
        self._open = partial(open_session, model.content, provider, origin=model.path, device_id=device_id, tf32=tf32)
        self._small = self._runner(threads or 1)
        one_for_all = threads is not None or provider != "cpu"
        self._large = self._small if one_for_all else None  # made when the first large batch comes
        self._lock = Lock()
        self._input = model.inputs[0].name
        self._dtype = np.dtype(model.inputs[0].dtype)
        self._shape: tuple[int, ...] = tuple(size for size in model.inputs[0].shape[1:] if isinstance(size, int))
        self._ndim = 1 + len(self._shape)
        self._names = model.card.labels
        self._at_once = examples_at_once(network.layers, shape)
        self._model = model
        self._place = model.path.absolute()  # wherever the process goes later
        self._options: dict[str, Any] = {"threads": threads, "device_id": device_id, "tf32": tf32}
        after_fork(self)

    @property
    def card(self) -> ModelCard:
        """What the file says about its model. It cannot be changed."""
        return self._card

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns that the model takes, in the order of a row's values; none of pictures."""
        return self.card.input.columns_taken

    def __call__(self, inputs: Any) -> Prediction:
        """Classify a batch, or a single input: a numpy array, quickest in the type that the model takes, a tensor or nested lists.

        Parameters
        ----------
        inputs
            For pictures uint8 or other integers `[n, height, width]` or `[height, width]`, raw grey levels from 0 to 255 (colour: a last
            axis of 3); no fractions or booleans, because nobody knows which of them is white.
            For tables float32 `[n, features]` or `[features]`, in the units of the training data; or one value for each of
            `feature_names`; or a data frame or a dict, in which columns are found by their names. Scaling is part of the model.

        Raises
        ------
        EdgesoftError
            The inputs have another type or shape, or a column is missing. Or a feature is NaN, infinite, or so large that the
            network would leave float32: the message names the first such row.
        ProviderUnavailableError
            The provider failed while it ran.
        """
        # Everything around `run` counts: at batch 1 an INT8 model answers in 20 us. ONNX Runtime checks the other sizes itself.
        if (
            type(inputs) is not np.ndarray
            or inputs.ndim != self._ndim
            or inputs.dtype is not self._dtype
            or not len(inputs)
        ):
            inputs = self._batch(inputs)
        # One pass tells that every number is finite and small enough: NaN is not < anything, and a square no larger than the sum.
        if self._largest_square is not None and not np.vdot(inputs, inputs) < self._largest_square:
            self._refuse(inputs)
        size = len(inputs)
        run = self._small if size < LARGE else self._large or self._open_large()
        try:
            logits, probabilities, indices = run(OUTPUTS, {self._input: inputs})
        except Exception as error:  # as in open_session: ONNX Runtime's errors have no common base
            self._batch(inputs)  # raises when the input is to blame
            raise self._failure(error) from error
        names = self._names
        labels = (names[indices.item()],) if size == 1 else tuple([names[index] for index in indices.tolist()])
        return Prediction(labels, probabilities, logits, indices)

    def stream(self, inputs: Any, *, batch_size: int = 1024) -> Iterator[Prediction]:
        """Classify any number of inputs in batches, in order, within the memory of one batch.

        Parameters
        ----------
        inputs
            One array `[n, ...]` (a memory map may be larger than the memory), a data frame, or any iterable of single inputs and
            batches, which are gathered until a batch is full.
        batch_size
            Inputs a batch.

        Yields
        ------
        Prediction
            One for each batch; the last may be shorter.

        Raises
        ------
        EdgesoftError
            As for a call, when the array at fault is reached.
        """
        if not has_names(inputs) and not isinstance(inputs, Iterable):
            raise UsageError(f"stream of {brief(inputs)}: expected an array, or arrays one after the other")
        return self._batches(inputs, _whole_number("batch_size", batch_size, MOST))

    def _batches(self, inputs: Any, batch_size: int) -> Iterator[Prediction]:
        if has_names(inputs):
            inputs = self._batch(inputs)
        if isinstance(inputs, np.ndarray):
            for start in range(0, len(inputs), batch_size):
                batch = self._batch(inputs[start : start + batch_size])
                self._refuse(batch, first=start)
                yield self(batch)
            return
        held = np.empty((batch_size, *self._shape), self._dtype)
        first = count = 0
        for item in inputs:
            batch = self._batch(item)
            while len(batch):
                taken = min(len(batch), batch_size - count)
                held[count : count + taken] = batch[:taken]
                count, batch = count + taken, batch[taken:]
                if count == batch_size:
                    self._refuse(held, first=first)
                    yield self(held)
                    first, count = first + count, 0
        if count:
            self._refuse(held[:count], first=first)
            yield self(held[:count])

    def logits(self, inputs: NDArray[Any], *, batch_size: int | None = None) -> NDArray[np.float32]:
        """Logits float32 `[n, classes]` of any number of inputs, in batches that fit into memory; raises EdgesoftError for none."""
        parts = [
            prediction.logits
            for prediction in self.stream(inputs, batch_size=self._at_once if batch_size is None else batch_size)
        ]
        if not parts:
            raise self._other_than_expected("no input at all")
        return np.concatenate(parts)

    def _batch(self, inputs: Any) -> NDArray[Any]:
        """What a caller has, as a batch in the type that the model takes."""
        try:
            given = self.card.input.batch(inputs)
        except EdgesoftError as error:
            raise EdgesoftError(f"{self.path}: {error}") from None
        for note in given.notes:
            warnings.warn(f"{self.path}: {note}", stacklevel=3)
        batch = given.values[np.newaxis] if given.values.shape == self._shape else given.values
        if batch.dtype != self._dtype or batch.shape[1:] != self._shape or not batch.shape[0]:
            is_array = given.values.ndim > 0 or isinstance(inputs, np.ndarray)
            got = f"{batch.dtype} {list(given.values.shape)}" if is_array else f"{type(inputs).__name__}, no array"
            raise self._other_than_expected(f"{got}. {given.advice}" if given.advice else got)
        return batch

    def complaint(self, rows: NDArray[Any], *, first: int = 0) -> str | None:
        """What is wrong with the numbers of a batch `[n, features]` whose first row has the number `first`; None where nothing is."""
        if self._largest is None:
            return None
        is_wrong = ~(np.abs(rows) <= self._largest)
        if not is_wrong.any():
            return None
        row, feature = np.argwhere(is_wrong)[0].tolist()
        count = int(is_wrong.any(axis=1).sum())
        where = f"row {first + row}: " if len(rows) > 1 or first else ""
        others = f" ({count:,} such rows of {len(rows):,})" if count > 1 else ""
        return (
            f"{where}feature {self.card.input.names[feature]!r} is {rows[row, feature]:g}{others}: expected a number from "
            f"{-self._largest:.1e} to {self._largest:.1e}. Fill it in or leave the row out"
        )

    def _refuse(self, rows: NDArray[Any], *, first: int = 0) -> None:
        if (complaint := self.complaint(rows, first=first)) is not None:
            raise EdgesoftError(f"{self.path}: {complaint}")

    def _runner(self, threads: int) -> Runner:
        session = self._open(threads=threads)
        return partial(run_bound, session) if self.provider == "cuda" else session.run

    def _open_large(self) -> Runner:
        with self._lock:  # two threads may come with their first large batch at once
            if self._large is None:
                cores = usable_cores()
                self._large = self._runner(cores) if cores > 1 else self._small
            return self._large

    def __reduce__(self) -> tuple[Any, ...]:
        content = sha256(self._model.content).hexdigest()
        return _open_again, (self._place, content, self.provider, self._options)

    def after_fork(self) -> None:
        """Threads do not survive a fork: a session that has some is left alone, and another opened when it is needed."""
        self._lock = Lock()
        if (self._options["threads"] or 1) > 1:
            leave_alone(self._small)
            self._small = self._large = self._open_at_first_call
        elif self._large is not self._small:
            leave_alone(self._large)
            self._large = None

    def _open_at_first_call(self, *arguments: Any) -> Sequence[Any]:
        self._small = self._large = self._runner(self._options["threads"])
        return self._small(*arguments)

    def _failure(self, error: Exception) -> EdgesoftError:
        cause = f"{self.path}: ONNX Runtime fails on {self.provider} ({one_line(error)})"
        if self.provider == "cpu":
            return EdgesoftError(cause)
        return ProviderUnavailableError(f"{cause}. See what is wrong: edgesoft doctor")

    def _other_than_expected(self, got: str) -> EdgesoftError:
        inner = ", ".join(str(size) for size in self._shape)
        hint = f". Or hand over columns by name: {shortened(self.feature_names)}" if self.feature_names else ""
        return EdgesoftError(
            f"{self.path}: expected {self._dtype} [{inner}] or [n, {inner}] with n >= 1, got {got}{hint}"
        )

    def __repr__(self) -> str:
        return f"Classifier({str(self.path)!r}, {self.card.precision} on {self.provider}, {len(self._names)} classes)"


def load(
    path: str | Path,
    *,
    provider: str = "cpu",
    threads: int | None = None,
    device_id: int | None = None,
    tf32: bool = False,
) -> Classifier:
    """Open a model file that edgesoft exported.

    Parameters
    ----------
    path
        The `.onnx` file; or a folder with one exported model, of which `provider` takes the file that the export recommends.
    provider
        A provider's name, short or full ("cpu", "cuda", "CoreMLExecutionProvider"), or "auto" (CUDA when it can run here,
        else the CPU).
    threads, device_id, tf32
        See `Classifier`.

    Raises
    ------
    EdgesoftError
        The file is missing, damaged, changed after export, or not one that edgesoft wrote.
    UsageError
        There is no such provider, or it takes no such option.
    ProviderUnavailableError
        The provider cannot run here.
    """
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"{brief(path)}: expected the path of a model file")
    choice = choose(provider, device_id=device_id, tf32=tf32)
    is_folder = os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises where a name is too long to be one
    model = find_model(Path(path), provider=choice.provider) if is_folder else path
    return Classifier(open_model(model), choice.provider, threads=threads, device_id=choice.device_id, tf32=choice.tf32)


def _open_again(path: Path, content: str, provider: ProviderName, options: Mapping[str, Any]) -> Classifier:
    """What unpickling calls."""
    model = open_model(path)
    if sha256(model.content).hexdigest() != content:
        raise EdgesoftError(
            f"{path}: is no longer the model that was copied or pickled (its SHA-256 is another). "
            f"Put that file back, or open this one: edgesoft.load({str(path)!r})"
        )
    return Classifier(model, provider, **options)


def _whole_number(name: str, value: object, most: int) -> int:
    """An integer from 1 to `most`, also numpy's; True is none."""
    try:
        number = 0 if isinstance(value, bool | np.bool_) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if not 1 <= number <= most:
        raise UsageError(f"{name} must be a whole number from 1 to {most:,}, not {brief(value)}")
    return number


def run_bound(session: Any, outputs: Sequence[str], feed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """Like `session.run`, with outputs that stay on the device until all are computed, then come back together."""
    binding = session.io_binding()
    for name, value in feed.items():
        binding.bind_cpu_input(name, np.ascontiguousarray(value))
    for name in outputs:
        binding.bind_output(name, "cpu")
    session.run_with_iobinding(binding)
    return list(binding.copy_outputs_to_cpu())
