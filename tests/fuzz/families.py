"""All families of inputs, and how many of them are tried."""

from __future__ import annotations

from collections.abc import Mapping

from tests.fuzz.files import FILES, Family
from tests.fuzz.options import COMMAND_LINES

FAMILIES: Mapping[str, Family] = {**FILES, **COMMAND_LINES}
SHARES = {
    "model": 0.10,
    "checkpoint": 0.10,
    "arrays": 0.12,
    "rows": 0.10,
    "parquet": 0.08,
    "settings": 0.10,
    "picture": 0.15,
    "option": 0.20,
    "name": 0.05,
}
