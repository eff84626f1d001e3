"""`runs`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesoft.errors import EdgesoftError

if TYPE_CHECKING:
    from edgesoft.training.checkpoint import Checkpoint


@dataclass(frozen=True)
class Run:
    """What a training run has left behind."""

    path: Path
    """Its folder."""
    data: str
    data_sha256: str
    """Runs of the same data have the same."""
    network: str
    """Its hidden layers in one line."""
    head: str
    settings: Mapping[str, Any]
    epochs: int
    best_epoch: int
    validation_accuracy: float
    """Fraction of the validation split that the checkpoint labels rightly."""
    test_accuracy: float | None
    """The same of the test split; None for a run that was interrupted."""
    test_examples: int | None
    parameters: int
    flash: int
    """Bytes of constants of its INT8 form in C."""
    modified: dt.datetime
    """When the checkpoint was written, with this machine's time zone."""


def runs(
    folders: str | Path | Sequence[str | Path] = ("runs",),
    *,
    on_unreadable: Callable[[EdgesoftError], object] | None = None,
) -> list[Run]:
    """Tell what was trained, as `edgesoft runs` does.

    Parameters
    ----------
    folders
        Runs, or folders of runs; or a single one.
    on_unreadable
        Called with the error of a run that cannot be read, and the others follow; None raises it.

    Returns
    -------
    list of Run
        The newest first.

    Raises
    ------
    EdgesoftError
        There is no such folder, or no run in it, or one that cannot be read.
    """
    found = []
    folders = [folders] if isinstance(folders, str | Path) else folders
    for folder in dict.fromkeys(place for name in folders for place in _runs_in(Path(name))):
        try:
            found.append(_run(folder))
        except EdgesoftError as error:
            if on_unreadable is None:
                raise
            on_unreadable(error)
    return sorted(found, key=lambda run: run.modified, reverse=True)


def _runs_in(folder: Path) -> Iterator[Path]:
    from edgesoft.training.runs import RunFolder
    from edgesoft.transaction import JOURNAL, settle

    if not folder.is_dir():
        raise EdgesoftError(f"{folder}: no such folder. Name a run, or a folder of runs; train one: edgesoft train")
    for place in (folder, *sorted(folder.iterdir())):
        if (place / JOURNAL).exists():
            settle(place)
    if RunFolder(folder).checkpoint.exists():
        yield folder
        return
    inside = [place for place in sorted(folder.iterdir()) if RunFolder(place).checkpoint.exists()]
    if not inside:
        raise EdgesoftError(f"{folder}: holds no run. Train one: edgesoft train")
    yield from inside


def _run(folder: Path) -> Run:
    from edgesoft.exporting.budget import int8_cost
    from edgesoft.training.checkpoint import Checkpoint
    from edgesoft.training.runs import RunFolder

    path = RunFolder(folder).checkpoint
    checkpoint = Checkpoint.load(path)
    card = checkpoint.card
    try:
        training, metrics = card.training, card.metrics
        if training is None:
            raise KeyError("training")
        test = metrics.get("test", {})
        return Run(
            path=folder,
            data=training.data,
            data_sha256=training.data_sha256,
            network=card.architecture.describe(),
            head=card.head.kind,
            settings=dict(training.settings),
            epochs=int(metrics["epochs"]),
            best_epoch=int(metrics["best_epoch"]),
            validation_accuracy=float(metrics["validation"]["accuracy"]),
            test_accuracy=test.get("accuracy"),
            test_examples=test.get("examples"),
            parameters=card.architecture.parameters,
            flash=int8_cost(card.architecture, _first(checkpoint)).constant_bytes,
            modified=dt.datetime.fromtimestamp(path.stat().st_mtime).astimezone(),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EdgesoftError(
            f"{path}: does not say how it was trained ({error}). Train again: edgesoft train"
        ) from error


def _first(checkpoint: Checkpoint) -> list[Any]:
    """What brings raw inputs into the network's range."""
    from edgesoft.model.scaling import GreyLevels, Scale, SmoothClip

    return [layer for layer in checkpoint.layers if isinstance(layer, GreyLevels | Scale | SmoothClip)]
