"""What `edgesoft evaluate` does, from Python: a model file on labelled data."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from edgesoft.data.dataset import Dataset
from edgesoft.data.labelled import Wanted, from_arrays, from_dataset, read_labelled
from edgesoft.data.load import load_dataset
from edgesoft.errors import UsageError
from edgesoft.inference.batches import Unreadable
from edgesoft.inference.classifier import Classifier
from edgesoft.inference.evaluate import compare
from edgesoft.inference.evaluate import evaluate as score
from edgesoft.inference.evaluation import Evaluation
from edgesoft.inference.find_model import find_model
from edgesoft.inference.labelled import LabelledData
from edgesoft.inference.providers import choose
from edgesoft.inference.rejection import limits
from edgesoft.model.card import ModelCard
from edgesoft.model.file import open_model
from edgesoft.tables.frames import is_frame


def evaluate(
    model: Classifier | str | Path,
    data: Any,
    y: Any = None,
    *,
    against: Classifier | str | Path | None = None,
    split: str | None = None,
    target: str | None = None,
    root: str = Wanted.root,
    labels: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    reject: float | None = None,
    other_labels: bool = False,
    provider: str = "cpu",
    device_id: int | None = None,
    threads: int | None = None,
    tf32: bool = False,
    on_start: Callable[[Classifier, LabelledData], object] = lambda *_: None,
    on_example: Callable[[int, int | None], object] = lambda *_: None,
    on_unreadable: Callable[[Unreadable], object] = lambda *_: None,
) -> Evaluation:
    """Score a model file on labelled pictures or rows, as `edgesoft evaluate` does. Needs no PyTorch.

    Parameters
    ----------
    model
        A `.onnx` file, or a folder with one exported model; or what `edgesoft.load` gave.
    data
        What the command line takes: a known set, a folder with one subfolder a class, a table, an `.npz` file, a run's folder; or the
        `dataset` of a run; a data frame of pandas, polars or pyarrow, of which `target` or `y` says the labels; or inputs as an array, as
        `edgesoft.train` takes them.
    y
        With inputs or a frame: their labels, words or integers.
    against
        Another model, which is scored on the same examples and compared with pair by pair.
    split
        "train", "validation" or "test" of data that are divided; None takes the test split where there is one, else everything.
    target
        The column of a table or frame that holds the labels; None takes the one that the model was trained with, or the only one
        that it does not take.
    root
        Folder of the archives of known sets.
    labels, feature_names
        With inputs: the class names, where `y` holds integers from 0 on, and the names of the features.
    reject
        Count an answer as unknown below this confidence; 0 always answers, None takes the model's own limits.
    other_labels
        Count examples of labels that the model does not know apart, instead of refusing them.
    provider, device_id, threads, tf32
        Where to run it; see `edgesoft.load`.
    on_start
        Called with the model and the data before any of them is read.
    on_example
        Called after each example with the number so far, and of all where it is known.
    on_unreadable
        Called with each example that cannot be read; the others are scored.

    Returns
    -------
    Evaluation
        The scores, the answers themselves, and the worst mistakes.

    Raises
    ------
    EdgesoftError
        A file cannot be read, there is no example to score, or a label is none of the model's.
    UsageError
        A column, a split or a provider does not exist, or a number is out of its range.
    ProviderUnavailableError
        The provider cannot run here.

    Examples
    --------
    >>> import edgesoft
    >>> edgesoft.evaluate("exported/mnist.onnx", "mnist").accuracy
    0.995
    """
    labelled = _reader(data, y, Wanted(split, target, root), labels=labels, feature_names=feature_names)
    opened = partial(_opened, provider=provider, device_id=device_id, threads=threads, tf32=tf32)
    classifiers = [opened(item) for item in (model, against) if item is not None]
    for classifier in classifiers:
        limits(classifier.card, reject)  # a wrong number is refused before the data are read
    sources = [labelled(classifier.card) for classifier in classifiers]
    reported: set[str] = set()

    def report(example: Unreadable) -> None:
        if example.path not in reported:  # what one model cannot read, the other cannot either, as a rule
            reported.add(example.path)
            on_unreadable(example)

    results = []
    for classifier, source in zip(classifiers, sources, strict=True):
        on_start(classifier, source)
        results.append(
            score(
                classifier,
                source,
                reject=reject,
                other_labels=other_labels,
                on_example=on_example,
                on_unreadable=report,
            )
        )
    return results[0] if against is None else replace(results[0], against=compare(*results))


def _reader(data: Any, y: Any, wanted: Wanted, **names: Any) -> Callable[[ModelCard], LabelledData]:
    """How the examples come to a model, of whatever `data` are."""
    if isinstance(data, str | os.PathLike) and (Path(data) / "config.json").is_file():
        # A device has no runs, and so does not pay for what reads them.
        from edgesoft.training.runs import RunFolder
        from edgesoft.training.settings_file import stored_data_settings

        data = load_dataset(stored_data_settings(RunFolder(Path(data))))
    brought = {"y": y, **names}
    if isinstance(data, Dataset):
        _refuse(data.name, {**brought, "target": wanted.target})
        return partial(from_dataset, data, wanted=wanted)
    if isinstance(data, str | os.PathLike):
        _refuse(data, brought)
        return partial(read_labelled, os.fspath(data), wanted=wanted)
    if is_frame(data):
        from edgesoft.data.frames import labelled_frame

        _refuse("a data frame", {"split": wanted.split, **names})
        return partial(labelled_frame, data, y, target=wanted.target)
    _refuse("arrays", {"split": wanted.split, "target": wanted.target})
    if y is None:
        raise UsageError("inputs without labels: expected evaluate(model, x, y), or the name of a data set")
    return partial(from_arrays, data, y, **names)


def _refuse(data: object, given: Mapping[str, Any]) -> None:
    foreign = [name for name, value in given.items() if value is not None]
    if foreign:
        raise UsageError(f"{data}: {', '.join(foreign)} means nothing for such data. Leave it out")


def _opened(model: Classifier | str | Path, *, provider: str, device_id: int | None, **options: Any) -> Classifier:
    if isinstance(model, Classifier):
        return model
    if not isinstance(model, str | os.PathLike):
        raise UsageError(f"{type(model).__name__}: expected the path of a model file, or what edgesoft.load gives")
    choice = choose(provider, device_id=device_id, tf32=options.pop("tf32"))
    path = find_model(Path(model), provider=choice.provider)
    return Classifier(open_model(path), choice.provider, device_id=choice.device_id, tf32=choice.tf32, **options)
