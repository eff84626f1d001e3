"""`train` and `resume`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesoft.errors import UsageError

if TYPE_CHECKING:
    from edgesoft.data.dataset import Dataset
    from edgesoft.data.settings import DataSettings
    from edgesoft.training.results import Epoch, TrainResult, Watcher
    from edgesoft.training.settings import TrainSettings


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
    from edgesoft.training.settings import TrainSettings, alternatives, check_early
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
    check_early(learning)
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
    candidates = [
        _fitted(dataset, settings, learning) for settings in alternatives(len(dataset.train), dataset.input, learning)
    ]
    from edgesoft.training import train as training  # only now: importing torch takes longer than all of the above

    watcher.on_data(dataset)
    resolved = candidates[0]
    if len(candidates) > 1:
        from edgesoft.training.probe import choose

        resolved = choose(dataset, candidates, watcher.on_probe, watcher.on_probe_batch)
    if resolved.teacher:
        from edgesoft.training.teacher import warned

        dataset = warned(dataset, resolved.teacher)
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
    watcher.on_data(dataset)
    watcher.on_start(dataset, settings)
    return training.train(dataset, settings, run, resume=True, on_batch=watcher.on_batch, on_epoch=watcher.on_epoch)


def _fitted(dataset: Dataset, settings: TrainSettings, given: Mapping[str, Any]) -> TrainSettings:
    """The settings, with what fits into the device."""
    from edgesoft.training.size import check_size

    check_size(settings.architecture(dataset.input.shape, len(dataset.labels)))
    if not settings.flash and not settings.ram:
        return settings
    from edgesoft.exporting.budget import fitted

    return fitted(settings, dataset, is_chosen=not {"channels", "hidden"}.isdisjoint(given))


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
