"""One data set, by what its source is: a known name, a folder, or a file."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edgesoft.data.arrays import load_npz
from edgesoft.data.dataset import Dataset
from edgesoft.data.folders import load_folder
from edgesoft.data.mnist import load_mnist
from edgesoft.data.named_sets import SETS, load_named_set
from edgesoft.data.settings import DataSettings
from edgesoft.data.tables import load_table
from edgesoft.errors import EdgesoftError
from edgesoft.files import full_path
from edgesoft.tables.lines import kind_of

TABLE_FILES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet", ".pq", ".feather", ".arrow")
"""How tables are named, also with ``.gz`` after it; other files are looked into."""


def load_dataset(options: DataSettings, *, on_picture: Callable[[int, int], object] = lambda *_: None) -> Dataset:
    """Load the data set that `options.source` names.

    A known name wins over a folder of that name: write ``./mnist`` for the folder.

    Parameters
    ----------
    options
        Which data, and how to read them.
    on_picture
        Called while a folder is read, with the number of pictures read so far and the number of all.

    Raises
    ------
    EdgesoftError
        There is no such set, folder or file, or its content is wrong.
    UsageError
        A setting means nothing for this kind of source.
    """
    if options.source == "mnist":
        return replace(load_mnist(options), options=options)
    # Whole paths, so that the run finds its data from any folder.
    if options.source in SETS:
        found = replace(options, root=str(full_path(options.root)))
        dataset = load_named_set(options.source, found)
        return replace(dataset, options=replace(found, download=False))
    val, test = (None if file is None else str(full_path(file)) for file in (options.val, options.test))
    found = replace(options, source=str(full_path(options.source)), val=val, test=test)
    path = Path(options.source).expanduser()
    if path.is_dir() and path.suffix.lower() in (*TABLE_FILES, ".npz", ".gz"):
        raise EdgesoftError(
            f"{path}: expected a file, but this is a folder. Name a file in it; if these are pictures, rename the folder"
        )
    if path.is_dir():
        dataset = load_folder(path, options, on_picture=on_picture)
    elif path.suffix.lower() == ".npz":
        dataset = load_npz(path, options)
    elif kind_of(path) in TABLE_FILES or path.is_file():
        dataset = load_table(path, options)
    else:
        raise _unknown(options.source)
    return replace(dataset, options=found)


def _unknown(source: str) -> EdgesoftError:
    """What to say of a source that does not exist."""
    expected = "Expected a known set, a folder of pictures, or a .csv, .tsv, .jsonl, .npz, .parquet or .feather file"
    names, path = ("mnist", *SETS), Path(source)
    close = difflib.get_close_matches(source, names, 1)
    if not close and (path.suffix or len(path.parts) > 1):
        return EdgesoftError(f"{source}: no such file or folder. {expected}")
    hint = f"Did you mean {close[0]}?" if close else f"Known sets: {', '.join(names)}"
    return EdgesoftError(f"{source}: no such data set. {expected}. {hint}")
