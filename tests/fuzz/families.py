"""All families of inputs, and how many of each are tried."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.fuzz.case import Case
from tests.fuzz.corpus import Corpus
from tests.fuzz.files import checkpoint, model, settings
from tests.fuzz.options import name, option
from tests.fuzz.pictures import picture
from tests.fuzz.tables import data_arrays, parquet, rows

Family = Callable[[random.Random, Corpus, Path], Case]
"""Makes one odd input in a folder, and the command line that reads it."""
FAMILIES: Mapping[str, Family] = {
    "model": model,
    "checkpoint": checkpoint,
    "arrays": data_arrays,
    "rows": rows,
    "parquet": parquet,
    "settings": settings,
    "picture": picture,
    "option": option,
    "name": name,
}
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
