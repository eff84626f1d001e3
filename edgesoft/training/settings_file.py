"""The settings of a run as a file: what `--config` reads, and what every run leaves behind with all defaults resolved.

TOML or JSON with two tables, `data` (see `DataSettings`) and `training` (see `TrainSettings`). Imports nothing heavy.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.escape import json_text
from edgesoft.files import is_utf16, read_bytes
from edgesoft.settings import brief, read_settings
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings
from edgesoft.transaction import settle

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SCHEMA_VERSION = 1
SIZE_LIMIT = 2**20  # bytes
TABLES = {"data": DataSettings, "training": TrainSettings}


def read_settings_file(path: Path) -> dict[str, dict[str, Any]]:
    """Read a settings file.

    Returns
    -------
    dict
        "data" and "training" -> the settings that stand in the file, in the form that the dataclasses take.

    Raises
    ------
    EdgesoftError
        The file cannot be read, or is neither TOML nor JSON.
    UsageError
        A name is unknown, or a value has the wrong type.
    """
    content = read_bytes(path, limit=SIZE_LIMIT, what="settings (.toml or .json)")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        encoding = "UTF-16" if is_utf16(content) else "another encoding or no text"
        raise EdgesoftError(f"{path}: expected settings in UTF-8, but this is {encoding}. Save it as UTF-8")
    is_toml = path.suffix.lower() == ".toml"
    try:
        document = tomllib.loads(text) if is_toml else json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise EdgesoftError(f"{path}: is no {'TOML' if is_toml else 'JSON'} ({error})") from error
    if not isinstance(document, dict):
        raise UsageError(f"{path}: expected the tables data and training")
    version = document.pop("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise EdgesoftError(
            f"{path}: has schema version {brief(version)}, this edgesoft reads version {SCHEMA_VERSION}"
        )
    unknown = set(document) - set(TABLES)
    if unknown:
        raise UsageError(f"{path}: unknown table {brief(min(unknown))}. Expected data and training")
    found = {}
    for name, kind in TABLES.items():
        table = document.get(name) or {}
        if not isinstance(table, dict):
            raise UsageError(f"{path}: {name}: expected a table of settings")
        found[name] = read_settings([kind], table, f"{path}: {name}: ")
    if found["data"].pop("download", False):
        raise UsageError(
            f"{path}: data: download: a file may not reach the network, only --download on the command line may. Take it out"
        )
    return found


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object of which no name is given twice, as in TOML."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{brief(next(name for name in names if names.count(name) > 1))} is given twice")
    return found


def settings_file(settings: TrainSettings, data: DataSettings | None) -> bytes:
    """The file that holds the resolved settings of a run."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "data": None if data is None else data.to_json(),
        "training": settings.to_json(),
    }
    return (json_text(document, indent=2) + "\n").encode()


def stored_data_settings(folder: RunFolder, source: str | None = None) -> DataSettings:
    """Where the data of a run came from: what to read, never what to fetch.

    Parameters
    ----------
    folder
        The run's.
    source
        Where they are now, if they have moved (of a known set: the folder of its archives); what else the run says about them stays.
        The tables of further splits are where they were, or have moved with it.

    Raises
    ------
    EdgesoftError
        The run does not say, because its folder has no settings file or because it was trained on arrays.
    """
    settle(folder.path)
    data = read_settings_file(folder.config)["data"] if folder.config.exists() else {}
    given = {}
    if source is not None:
        from edgesoft.data.named_sets import SETS

        is_root = data.get("source") in SETS and source not in SETS and Path(source).is_dir()
        given = {"root" if is_root else "source": source}
        given |= {name: _beside(data[name], data, source) for name in ("val", "test") if data.get(name) is not None}
    data |= given
    for name in {"source", "val", "test", "root"} - set(given):
        if _is_remote(data.get(name)):
            raise EdgesoftError(
                f"{folder.path}: its data are on another machine ({data[name]}). To read them there: --data PATH"
            )
    if "source" not in data:
        raise EdgesoftError(f"{folder.path}: does not say which data it was trained on. Name them: --data SOURCE")
    return DataSettings(**data)


def _beside(file: str, data: Mapping[str, Any], source: str) -> str:
    """Where the table of a further split is: where it was, or as far from the source as it was before that moved."""
    if _is_remote(file) or not Path(file).exists():
        return str(Path(source).parent / os.path.relpath(file, Path(data.get("source", "")).parent))
    return file


def _is_remote(path: object) -> bool:
    return str(path).startswith(("//", "\\\\"))
