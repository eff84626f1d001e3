"""Training and export from Python: what `edgesoft.train` and `edgesoft.export` are."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from edgesoft.data.arrays import from_arrays
from edgesoft.data.dataset import Dataset
from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings, parse_size
from edgesoft.errors import EdgesoftError, GateMissedError, UsageError
from edgesoft.exporting import export as exporting
from edgesoft.exporting.export import QuantizeSettings
from edgesoft.exporting.gate import Gate
from edgesoft.exporting.publish import publish
from edgesoft.exporting.results import ExportResult
from edgesoft.training import train as training
from edgesoft.training.results import Epoch, TrainResult
from edgesoft.training.runs import RunFolder, checkpoint_in, new_run
from edgesoft.training.settings import TrainSettings, parse_hidden, suited
from edgesoft.training.settings_file import stored_options

_DATA = frozenset(field.name for field in fields(DataSettings)) - {"source", "split_seed"}
_TRAINING = frozenset(field.name for field in fields(TrainSettings))


def train(
    data: Any,
    y: Any = None,
    *,
    validation: tuple[Any, Any] | None = None,
    test: tuple[Any, Any] | None = None,
    labels: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    name: str = "model",
    output: str | Path | None = None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    **settings: Any,
) -> TrainResult:
    """Train a classifier, as `edgesoft train` does.

    Parameters
    ----------
    data
        What the command line takes as its source (a known name, a folder, a file); or the inputs themselves, as a numpy array, a
        torch tensor or nested lists: uint8 `[n, height, width]` or `[n, height, width, 3]` for pictures, raw grey levels from 0 to
        255; numbers `[n, features]` for tables, in any unit.
    y
        With inputs: `[n]` their labels, words or integers.
    validation, test
        With inputs: more of both, for choosing the best epoch and for judging it. What is missing is held out from `data`.
    labels
        With inputs: the class names, where `y` holds integers from 0 on.
    feature_names
        With inputs: names of the features.
    name
        With inputs: name of the model.
    output
        Folder of the run; None takes `runs/<name>`, or the next free number.
    on_epoch
        Called after each epoch.
    settings
        Everything else that `edgesoft train --help` lists, under the same name: `target="species"`, `hidden=(64, 32)`, `epochs=20`,
        `head="sigmoid"`, `seed=1`. What is not given suits the data.

    Returns
    -------
    TrainResult
        The best checkpoint, the epochs, and each class's scores on the test split. A notebook shows it as a table.

    Raises
    ------
    EdgesoftError
        The data cannot be read or do not fit, the loss became NaN or infinite, or the folder already holds a run.
    UsageError
        A setting is unknown or out of its range.
    ProviderUnavailableError
        `device="cuda"` was asked for and PyTorch cannot use it.

    Examples
    --------
    >>> import edgesoft, numpy
    >>> x = numpy.random.default_rng(0).normal(size=(60, 2))
    >>> run = edgesoft.train(x, x[:, 0] > 0, epochs=5, output="runs/example")  # doctest: +SKIP
    """
    chosen = _checked(settings)
    data_settings = {key: value for key, value in chosen.items() if key in _DATA}
    config = {key: value for key, value in chosen.items() if key in _TRAINING}
    TrainSettings(**{"batch_norm": False, **config})  # a wrong number is refused before the data are read
    seed = config.get("seed", TrainSettings.seed)
    if isinstance(data, str | os.PathLike):
        if (
            y is not None
            or validation is not None
            or test is not None
            or labels is not None
            or feature_names is not None
        ):
            raise UsageError(
                f"{data}: brings its own labels and splits. Leave out y, validation, test, labels and feature_names"
            )
        dataset = load_dataset(DataSettings(**{"source": os.fspath(data), "split_seed": seed, **data_settings}))
    else:
        if y is None:
            raise UsageError("inputs without labels: expected train(x, y), or the name of a data set")
        given = {"train": (data, y), "validation": validation, "test": test}
        options = DataSettings(**{"split_seed": seed, **data_settings})
        options.refuse("arrays", "target", "ignore_columns", "size", "colour", "root", "download")
        splits = {part: pair for part, pair in given.items() if pair is not None}
        dataset = from_arrays(splits, options, name=name, labels=labels, feature_names=feature_names)
    folder = new_run(dataset.name) if output is None else RunFolder(Path(output))
    if folder.is_used():
        raise EdgesoftError(f"{output}: already holds a run. Choose another output")
    resolved = TrainSettings(**{**suited(len(dataset.train), dataset.input.kind), **config})
    return training.train(dataset, resolved, folder, on_epoch=on_epoch)


@dataclass(frozen=True)
class Exported:
    """Files that were published, and what was measured on them."""

    result: ExportResult
    paths: tuple[Path, ...]
    """Float model, INT8 model where one was made, report as JSON and as a page."""

    @property
    def model(self) -> Path:
        """The file for devices: INT8 where there is one, else float. `edgesoft.load` opens it."""
        return self.paths[1] if self.result.int8_model is not None else self.paths[0]

    def _repr_html_(self) -> str:
        return self.result._repr_html_()


def export(
    run: TrainResult | str | Path,
    data: Dataset | str | Path | None = None,
    *,
    quantize: bool = True,
    output: str | Path = "exported",
    name: str | None = None,
    max_drop: float = 0.1,
) -> Exported:
    """Export a trained model to ONNX, prove that it answers like PyTorch, and publish it, as `edgesoft export` does.

    Parameters
    ----------
    run
        What `train` returned; or a run's folder, or a checkpoint in it.
    data
        The data that it was trained on, where they have moved; None takes them from `run`.
    quantize
        Whether to make an INT8 file too.
    output
        Folder for the files.
    name
        Stem of the files; None takes the data set's name.
    max_drop
        Accuracy that INT8 may lose, in percentage points.

    Raises
    ------
    EdgesoftError
        The checkpoint cannot be read, belongs to other data, or the folder cannot be written.
    GateMissedError
        The float file does not answer like PyTorch, and nothing was published; or no INT8 file holds its gate, and only the float
        file was published.
    """
    if isinstance(run, TrainResult):
        checkpoint, dataset = run.folder.checkpoint, run.dataset
    else:
        checkpoint, dataset = checkpoint_in(Path(run)), None
    if isinstance(data, Dataset):
        dataset = data
    elif dataset is None or data is not None:
        dataset = load_dataset(stored_options(RunFolder(checkpoint.parent), None if data is None else os.fspath(data)))
    int8 = QuantizeSettings() if quantize else None
    result = exporting.export(checkpoint, dataset, gate=Gate(max_drop), int8=int8, name=name)
    exported = Exported(result, tuple(publish(result, dataset, Path(output))))
    if quantize and result.int8_model is None:
        raise GateMissedError(
            f"no INT8 file holds the gate; {exported.model} is float. Allow more with max_drop, or train longer"
        )
    return exported


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    for name in settings:
        if name not in _DATA | _TRAINING:
            close = difflib.get_close_matches(name, sorted(_DATA | _TRAINING), 1)
            hint = f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(sorted(_DATA | _TRAINING))}"
            raise UsageError(f"unknown setting {name!r}. {hint}")
    checked = {name: value for name, value in settings.items() if value is not None}
    if "size" in checked:
        size = checked["size"]
        checked["size"] = parse_size(str(size)) if isinstance(size, int | str) else tuple(size)
    if "ignore_columns" in checked:
        columns = checked["ignore_columns"]
        checked["ignore_columns"] = (columns,) if isinstance(columns, str) else tuple(columns)
    if "hidden" in checked:
        hidden = checked["hidden"]
        checked["hidden"] = parse_hidden(hidden if isinstance(hidden, str) else ",".join(map(str, hidden)) or "none")
    return checked
