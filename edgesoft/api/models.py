"""`export` and `convert`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from edgesoft.errors import UsageError

if TYPE_CHECKING:
    from edgesoft.data.dataset import Dataset
    from edgesoft.exporting.results import Exported
    from edgesoft.targets.convert import Converted
    from edgesoft.training.results import TrainResult


def export(
    run: TrainResult | str | Path | EllipsisType = ...,
    data: Dataset | str | Path | None = None,
    *,
    quantize: bool = True,
    output: str | Path = "exported",
    name: str | None = None,
    to: str | Sequence[str] = (),
    on_start: Callable[[Path], object] = lambda _: None,
    **settings: Any,
) -> Exported:
    """Export a trained model to ONNX, prove that it answers like PyTorch, and publish it, as `edgesoft export` does.

    Parameters
    ----------
    run
        What `train` returned; or a run's folder, or a checkpoint in it. Left out, the newest run in `runs/`; None is refused.
    data
        The data that it was trained on, where they have moved; None takes them from `run`.
    quantize
        Whether to make an INT8 file too.
    output
        Folder for the files.
    name
        Stem of the files; None takes the data set's name.
    to
        Convert it too, as `convert` does: "c" writes `<name>-c` beside the files, "web" `<name>-web`, "triton" `<name>-triton`, of the
        INT8 file where one was published.
    on_start
        Called with the checkpoint, before anything is read.
    settings
        Everything else that `edgesoft export --help` lists, under the same name: `max_drop=0.5`, `per_channel=True`, `overwrite=True`.

    Raises
    ------
    EdgesoftError
        The checkpoint cannot be read or belongs to other data; the folder cannot be written, or files in it must not be replaced.
    UsageError
        A setting is unknown or out of its range.
    GateMissedError
        The float file does not answer like PyTorch, or a better model stands there, and nothing was published; or no INT8 file holds
        its gate, and only the float file was published (`Int8MissedError`).
    """
    from edgesoft.data.dataset import Dataset
    from edgesoft.data.load import load_dataset
    from edgesoft.exporting.gate import Gate
    from edgesoft.exporting.replace import check_replaceable
    from edgesoft.exporting.results import Exported, Int8MissedError
    from edgesoft.exporting.settings import PublishSettings, QuantizeSettings
    from edgesoft.inference.find_model import INT8_SUFFIX
    from edgesoft.settings import read_settings
    from edgesoft.targets.convert import check_targets
    from edgesoft.targets.folder import check_free
    from edgesoft.training.checkpoint import Checkpoint
    from edgesoft.training.results import TrainResult
    from edgesoft.training.runs import RunFolder, checkpoint_in, newest_checkpoint
    from edgesoft.training.settings_file import stored_data_settings
    from edgesoft.transaction import check_writable

    if run is None:
        raise UsageError(
            "the run is None: expected a run, its folder or its checkpoint. Left out, it is the newest one"
        )
    chosen = read_settings([Gate, QuantizeSettings, PublishSettings], settings)
    gate = Gate(chosen.pop("max_drop", Gate.max_drop))
    overwrite = chosen.pop("overwrite", PublishSettings.overwrite)
    int8 = QuantizeSettings(**chosen)
    targets = _targets(to)
    check_targets(targets)
    if isinstance(run, TrainResult):
        path = run.folder.checkpoint
        data = run.dataset if data is None else data
    else:
        path = newest_checkpoint() if run is ... else checkpoint_in(Path(run))
    on_start(path)
    # What cannot be read or written is said before the data are looked for, and before torch is imported.
    checkpoint, folder = Checkpoint.load(path), Path(output)
    check_writable(folder)
    from edgesoft.exporting import export as exporting
    from edgesoft.exporting.publish import publish

    stem = exporting.stem_of(checkpoint, name)
    places = {target: folder / f"{stem}-{target}" for target in targets}
    for place in places.values():
        check_free(place, overwrite=overwrite)
    if not overwrite:
        check_replaceable(folder, stem, checkpoint.card)
    if not isinstance(data, Dataset):
        data = load_dataset(stored_data_settings(RunFolder(path.parent), None if data is None else os.fspath(data)))
    result = exporting.export(checkpoint, data, gate=gate, int8=int8 if quantize else None, name=stem)
    earlier = folder / f"{stem}{INT8_SUFFIX}"
    has_earlier = earlier.exists()
    paths = publish(result, data, folder, overwrite=overwrite)
    removed = earlier if has_earlier and earlier not in paths else None
    model = paths[0] if result.int8_model is None else paths[1]
    converted = [
        converted
        for target, place in places.items()
        for converted in convert(model, target, place, overwrite=overwrite)
    ]
    exported = Exported(result, data.input.kind, tuple(paths), removed, tuple(converted))
    if quantize and result.int8_model is None:
        raise Int8MissedError(exported)
    return exported


def convert(
    model: str | Path, to: str | Sequence[str], output: str | Path, *, overwrite: bool = False
) -> tuple[Converted, ...]:
    """Turn a model into folders that run where there is no Python, or on a server, as `edgesoft convert` does.

    Parameters
    ----------
    model
        The `.onnx` file.
    to
        What for: "c", "web", "triton" or "triton-gpu"; several as a list, or with commas between them.
    output
        The folder to write; several targets get a folder each in it.
    overwrite
        Replace what edgesoft wrote there before; what it did not write stays.

    Returns
    -------
    tuple of Converted
        A folder and its files for each target.

    Raises
    ------
    EdgesoftError
        The model cannot be read, was changed after export, or has no such form; or the folder holds something already.
    UsageError
        There is no such target.
    """
    from edgesoft.targets.convert import convert as write

    return write(Path(model), _targets(to), Path(output), overwrite=overwrite)


def _targets(names: str | Sequence[str]) -> list[str]:
    """Names of targets, from a list or with commas between them."""
    return [word.strip() for word in names.split(",")] if isinstance(names, str) else list(names)
