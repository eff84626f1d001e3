"""How a command's result is shown: as lines for people, or as one JSON document with a schema version."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from edgesoft.cli.console import write, write_json
from edgesoft.escape import json_text
from edgesoft.terminal import Block

SCHEMA_VERSION = 1
"""Of the JSON documents that `--json` prints: it rises when a key goes or changes its meaning."""


def show(document: Mapping[str, Any], blocks: Iterable[Block], *, as_json: bool) -> None:
    """Print a result.

    Parameters
    ----------
    document
        Its JSON keys, each written down by the command: they are a contract.
    blocks
        The same for people.
    as_json
        Which of the two.
    """
    if as_json:
        write_json(to_json({"schema_version": SCHEMA_VERSION, **document}))
    else:
        write(*blocks)


def to_json(value: Any) -> str:
    """One JSON document; paths become text, and NaN and infinity, which JSON does not know, null."""
    return json_text(_plain(value), indent=2)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
