"""One data set, by what its source is: a known name, a folder, or a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgesoft.errors import EdgesoftError
from edgesoft.workshop.datasets import Dataset
from edgesoft.workshop.datasets.mnist import load_mnist
from edgesoft.workshop.datasets.options import DataOptions
from edgesoft.workshop.datasets.tables import load_table

TABLE_FILES = (".csv", ".tsv", ".parquet", ".pq")


def load_dataset(options: DataOptions) -> Dataset:
    """Load the data set that `options.source` names.

    A known name wins over a folder of that name: write ``./mnist`` for the folder.

    Raises
    ------
    EdgesoftError
        There is no such set, folder or file, or its content is wrong.
    UsageError
        A setting means nothing for this kind of source.
    """
    path = Path(options.source).expanduser()
    if options.source == "mnist":
        dataset = load_mnist(options)
    elif path.suffix.lower() in TABLE_FILES and not path.is_dir():
        options = replace(options, source=str(path.resolve()))  # so that it is found from any folder
        dataset = load_table(path, options)
    else:
        raise EdgesoftError(
            f"{options.source}: no data set known here. Expected mnist or a table ({', '.join(TABLE_FILES)})"
        )
    return replace(dataset, options=options)
