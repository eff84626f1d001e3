"""The settings of a run as a file: what `--config` reads, and what every run leaves behind with all defaults resolved.

TOML or JSON with two tables, `data` (see `DataSettings`) and `training` (see `TrainSettings`). Imports nothing heavy.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from edgesoft.data.settings import DataSettings, parse_size
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.files import read_bytes, write_atomically
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings, parse_hidden

SCHEMA_VERSION = 1
SIZE_LIMIT = 2**20  # bytes

Settings = dict[str, Any]

_NUMBERS = (int, float)
_DATA_TYPES: Mapping[str, tuple[type, ...]] = {
    "source": (str,),
    "target": (str,),
    "ignore_columns": (list,),
    "size": (int, str, list),
    "colour": (bool,),
    "val_split": _NUMBERS,
    "test_split": _NUMBERS,
    "split_seed": (int,),
    "root": (str,),
    "download": (bool,),
}
_TRAINING_TYPES: Mapping[str, tuple[type, ...]] = {
    "hidden": (str, list),
    **{
        field.name: _NUMBERS if type(field.default) is float else (type(field.default),)
        for field in fields(TrainSettings)
        if field.name != "hidden"
    },
}


def read_config(path: Path) -> tuple[Settings, Settings]:
    """Read a settings file.

    Returns
    -------
    tuple
        The settings of the data and those of the training that stand in the file, in the form that the dataclasses take.

    Raises
    ------
    EdgesoftError
        The file cannot be read, or is neither TOML nor JSON.
    UsageError
        A name is unknown, or a value has the wrong type.
    """
    content = read_bytes(path, limit=SIZE_LIMIT, what="settings (.toml or .json)")
    is_toml = path.suffix.lower() == ".toml"
    try:
        document = tomllib.loads(content.decode()) if is_toml else json.loads(content)
    except (ValueError, RecursionError) as error:
        raise EdgesoftError(f"{path}: is no {'TOML' if is_toml else 'JSON'} ({error})") from error
    if not isinstance(document, dict):
        raise UsageError(f"{path}: expected the tables data and training")
    version = document.pop("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise EdgesoftError(f"{path}: has schema version {version!r}, this edgesoft reads version {SCHEMA_VERSION}")
    unknown = set(document) - {"data", "training"}
    if unknown:
        raise UsageError(f"{path}: unknown table {min(unknown)!r}. Expected data and training")
    data = _checked(document.get("data") or {}, _DATA_TYPES, f"{path}: data")
    training = _checked(document.get("training") or {}, _TRAINING_TYPES, f"{path}: training")
    if "size" in data:
        size = data["size"]
        data["size"] = tuple(size) if isinstance(size, list) else parse_size(str(size))
    if "ignore_columns" in data:
        data["ignore_columns"] = tuple(data["ignore_columns"])
    if "hidden" in training:
        hidden = training["hidden"]
        training["hidden"] = parse_hidden(hidden if isinstance(hidden, str) else ",".join(map(str, hidden)) or "none")
    return data, training


def _checked(table: object, types: Mapping[str, tuple[type, ...]], where: str) -> Settings:
    if not isinstance(table, dict):
        raise UsageError(f"{where}: expected a table of settings")
    checked: Settings = {}
    for given, value in table.items():
        name = given.replace("-", "_")
        if name not in types:
            close = difflib.get_close_matches(name, types, 1)
            hint = f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(types)}"
            raise UsageError(f"{where}: unknown setting {given!r}. {hint}")
        if value is None:
            continue  # a resolved configuration says so where nothing was chosen
        if type(value) not in types[name]:
            wanted = " or ".join(kind.__name__ for kind in types[name])
            raise UsageError(f"{where}: {given} is {value!r}, expected {wanted}")
        if isinstance(value, list):
            kind = str if name == "ignore_columns" else int
            if not all(type(item) is kind for item in value) or (name == "size" and len(value) != 2):
                raise UsageError(f"{where}: {given} is {value!r}, expected a list of {kind.__name__}")
        checked[name] = float(value) if types[name] is _NUMBERS else value
    return checked


def write_config(folder: RunFolder, config: TrainSettings, options: DataSettings | None) -> None:
    """Leave the resolved settings in the run's folder; raises EdgesoftError when it cannot be written."""
    data = None if options is None else options.to_json()
    document = {"schema_version": SCHEMA_VERSION, "data": data, "training": config.to_json()}
    write_atomically(folder.config, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())


def stored_options(folder: RunFolder, source: str | None = None) -> DataSettings:
    """Where the data of a run came from.

    Parameters
    ----------
    folder
        The run's.
    source
        Where they are now, if they have moved; what else the run says about them stays.

    Raises
    ------
    EdgesoftError
        The run does not say, because its folder has no settings file or because it was trained on arrays.
    """
    data = read_config(folder.config)[0] if folder.config.exists() else {}
    if source is not None:
        data["source"] = source
    if "source" not in data:
        raise EdgesoftError(f"{folder.path}: does not say which data it was trained on. Name them: --data SOURCE")
    return DataSettings(**data)
