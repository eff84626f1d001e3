"""What the commands do, from Python: one function a command. Nothing heavy is imported until it is called."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from edgesoft.errors import UsageError

if TYPE_CHECKING:
    from edgesoft.data.dataset import Dataset
    from edgesoft.data.settings import DataSettings
    from edgesoft.exporting.results import Exported
    from edgesoft.inference.providers import Choice
    from edgesoft.inference.verify import VerifyReport
    from edgesoft.targets.convert import Converted
    from edgesoft.training.results import Epoch, TrainResult, Watcher


def train(
    data: Any = ...,
    y: Any = None,
    *,
    validation: Any = None,
    test: Any = None,
    labels: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    name: str = "model",
    output: str | Path | None = None,
    config: str | Path | None = None,
    verbose: bool = False,
    on_epoch: Callable[[Epoch], object] = lambda _: None,
    watcher: Watcher | None = None,
    **settings: Any,
) -> TrainResult:
    """Train a classifier, as `edgesoft train` does.

    Parameters
    ----------
    data
        What the command line takes as its source (a known name, a folder, a file); or a data frame of pandas, polars or pyarrow, which
        trains as a file of the same values does: `target` names the column of its labels, or `y` holds them. Or the inputs
        themselves, as a numpy array, a torch tensor or nested lists: uint8 `[n, height, width]` or `[n, height, width, 3]` for
        pictures, raw grey levels from 0 to 255; numbers `[n, features]` for tables, in any unit. Left out, what `config` says,
        else MNIST; None, which a variable holds by mistake, is refused.
    y
        With inputs or a frame: `[n]` their labels, words or integers.
    validation, test
        With inputs or a frame: more of the same, pairs `(x, y)` or frames, for choosing the best epoch and for judging it. With a table:
        files of their own. Columns are found by their names. What is missing is held out from `data`.
    labels
        With inputs: the class names, where `y` holds integers from 0 on.
    feature_names
        With inputs: names of the features.
    name
        With inputs: name of the model.
    output
        Folder of the run; None takes `runs/<name>`, or the next free number.
    config
        A settings file; `settings` win over it.
    verbose
        Show on stderr what `edgesoft train` shows: the data, what is odd about them, and how the training goes on.
    on_epoch
        Called after each epoch.
    watcher
        Who wants to know more than `on_epoch` tells.
    settings
        Everything else that `edgesoft train --help` lists, under the same name: `target="species"`, `hidden=(64, 32)`, `epochs=20`,
        `head="sigmoid"`, `seed=1`. What is not given suits the data.

    Returns
    -------
    TrainResult
        The best checkpoint, the epochs, `accuracy` and each class's scores on the test split. A notebook shows it as a table.

    Raises
    ------
    EdgesoftError
        The data cannot be read or do not fit, the loss became NaN or infinite, or the folder holds a run or anything else.
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
    from edgesoft.data.given import load_given
    from edgesoft.data.load import load_dataset
    from edgesoft.training.results import Watcher
    from edgesoft.training.runs import RUNS, RunFolder
    from edgesoft.training.settings import TrainSettings, suited
    from edgesoft.transaction import check_writable

    if data is None:
        raise UsageError("the data are None: expected inputs, a path or a known name. Left out, they are MNIST")
    watcher = Watcher(on_epoch=on_epoch) if watcher is None else watcher
    given = {"y": y, "validation": validation, "test": test, "labels": labels, "feature_names": feature_names}
    if verbose:
        from edgesoft.progress import Talk

        with Talk(settings, sys.stderr) as talk:
            return train(
                data, **given, name=name, output=output, config=config, watcher=talk.watcher(watcher), **settings
            )
    folder = None if output is None else RunFolder(Path(output))
    if folder is not None:
        folder.check_free()
    check_writable(RUNS if folder is None else folder.path)
    chosen, learning = _settings(settings, None if config is None else Path(config))
    TrainSettings(**{"batch_norm": False, **learning})  # a wrong number is refused before the data are read
    chosen.setdefault("split_seed", learning.get("seed", TrainSettings.seed))
    for setting, part in (("val", "validation"), ("test", "test")):
        if isinstance(given[part], str | os.PathLike):
            chosen[setting], given[part] = os.fspath(given[part]), None
    if data is ... or isinstance(data, str | os.PathLike):
        if data is not ...:
            chosen["source"] = os.fspath(data)
        wanted = _data_settings(chosen)
        foreign = [argument for argument, value in given.items() if value is not None]
        if foreign:
            raise UsageError(f"{wanted.source}: brings its own labels and splits. Leave out {', '.join(foreign)}")
        dataset = load_dataset(wanted, on_picture=watcher.on_picture)
    else:
        dataset = load_given(data, _data_settings(chosen), name=name, **given)
    resolved = TrainSettings(**{**suited(len(dataset.train), dataset.input.kind), **learning})
    from edgesoft.training import train as training  # only now: importing torch takes longer than all of the above

    watcher.on_start(dataset, resolved)
    return training.train(dataset, resolved, folder, on_batch=watcher.on_batch, on_epoch=watcher.on_epoch)


def resume(folder: str | Path, *, verbose: bool = False, watcher: Watcher | None = None) -> TrainResult:
    """Continue an interrupted run, as `edgesoft train --resume` does: the weights come out as if it had never stopped.

    Parameters
    ----------
    folder
        The run's.
    verbose
        As for `train`.
    watcher
        Who wants to know how it goes on.

    Raises
    ------
    EdgesoftError
        There is nothing to resume, or the data are not those that the run began with.
    """
    from edgesoft.data.load import load_dataset
    from edgesoft.training import train as training
    from edgesoft.training.results import Watcher
    from edgesoft.training.resume import stored_settings
    from edgesoft.training.runs import RunFolder
    from edgesoft.training.settings_file import stored_data_settings
    from edgesoft.transaction import check_writable

    watcher = Watcher() if watcher is None else watcher
    if verbose:
        from edgesoft.progress import Talk

        with Talk({}, sys.stderr) as talk:
            return resume(folder, watcher=talk.watcher(watcher))
    run = RunFolder(Path(folder))
    settings = stored_settings(run)
    check_writable(run.path)
    dataset = load_dataset(stored_data_settings(run), on_picture=watcher.on_picture)
    watcher.on_start(dataset, settings)
    return training.train(dataset, settings, run, resume=True, on_batch=watcher.on_batch, on_epoch=watcher.on_epoch)


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
        Convert it too, as `convert` does: "c" writes `<name>-c` beside the files, of the INT8 file where one was published.
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
    targets = {target: folder / f"{stem}-{target}" for target in _targets(to)}
    for place in targets.values():
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
        for target, place in targets.items()
        for converted in convert(model, target, place, overwrite=overwrite)
    ]
    exported = Exported(result, data.input.kind, tuple(paths), removed, tuple(converted))
    if quantize and result.int8_model is None:
        raise Int8MissedError(exported)
    return exported


def verify(
    model: str | Path,
    *,
    provider: str = "cpu",
    device_id: int | None = None,
    threads: int | None = None,
    tf32: bool = False,
    sha256: str | None = None,
    against: str | Path | None = None,
    data: str | None = None,
    on_start: Callable[[Choice], object] = lambda _: None,
) -> VerifyReport:
    """Prove that a model file is intact and still answers as PyTorch did, as `edgesoft verify` does.

    Parameters
    ----------
    model
        The `.onnx` file.
    provider, device_id, threads, tf32
        Where to replay its examples; see `edgesoft.load`.
    sha256
        What the SHA-256 of the whole file must be, in hexadecimal; nothing of another file is looked at.
    against
        A run's folder or a checkpoint: compare with it in PyTorch over the whole test split too.
    data
        With `against`: where the data are now; None takes them from the run.
    on_start
        Called with the provider that will run, before anything is read.

    Returns
    -------
    VerifyReport
        What was measured and what was found; `passed` says whether nothing was.

    Raises
    ------
    EdgesoftError
        A file cannot be read or is not one that edgesoft wrote.
    UsageError
        There is no such provider, or it takes no such option; or `sha256` is none.
    GateMissedError
        It is not the file with that SHA-256.
    ProviderUnavailableError
        The provider cannot run here.
    """
    from edgesoft.inference.providers import choose
    from edgesoft.inference.verify import verify as replay

    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise UsageError(f"sha256 {sha256[:80]!r}: expected the 64 hexadecimal digits of a file's SHA-256")
    choice = choose(provider, device_id=device_id, tf32=tf32)
    on_start(choice)
    report = replay(Path(model), choice=choice, threads=threads, sha256=sha256)
    if against is None:
        return report
    from edgesoft.data.load import load_dataset
    from edgesoft.exporting.against import verify_against
    from edgesoft.training.checkpoint import Checkpoint
    from edgesoft.training.runs import RunFolder, checkpoint_in
    from edgesoft.training.settings_file import stored_data_settings

    path = checkpoint_in(Path(against))
    checkpoint = Checkpoint.load(path)  # what cannot be read is said before its data are looked for
    dataset = load_dataset(stored_data_settings(RunFolder(path.parent), data))
    return verify_against(report, checkpoint, dataset, threads=threads)


def convert(
    model: str | Path, to: str | Sequence[str], output: str | Path, *, overwrite: bool = False
) -> tuple[Converted, ...]:
    """Turn a model into folders that run where there is no Python, as `edgesoft convert` does.

    Parameters
    ----------
    model
        The `.onnx` file.
    to
        What for: "c"; several as a list, or with commas between them.
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
    """Names of targets, from a list or with commas between them; raises UsageError where one is none or comes twice."""
    from edgesoft.targets.convert import check_targets

    targets = [word.strip() for word in names.split(",")] if isinstance(names, str) else list(names)
    check_targets(targets)
    return targets


def _settings(settings: Mapping[str, Any], config: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of the data and those of the training: the file's, and over them those that were given."""
    from edgesoft.data.settings import DataSettings
    from edgesoft.settings import described, read_settings
    from edgesoft.training.settings import TrainSettings
    from edgesoft.training.settings_file import read_settings_file

    given = read_settings([DataSettings, TrainSettings], settings)
    stored = {"data": {}, "training": {}} if config is None else read_settings_file(config)
    data = {name: value for name, value in given.items() if name in described(DataSettings)}
    training = {name: value for name, value in given.items() if name in described(TrainSettings)}
    return {**stored["data"], **data}, {**stored["training"], **training}


def _data_settings(chosen: Mapping[str, Any]) -> DataSettings:
    from edgesoft.data.settings import DataSettings

    return DataSettings(**chosen)
