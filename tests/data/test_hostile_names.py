"""Hostile names in what is learned from: refused when the data are read, with the file and the line, in one sentence."""

import csv
import sys

import numpy as np
import pytest
from PIL import Image

from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError
from edgesoft.escape import unsafe
from tests.test_names import HOSTILE, IN_FILE_NAMES


def refused(path, **options):
    """The message of data that are refused when they are read."""
    with pytest.raises(EdgesoftError) as caught:
        load_dataset(DataSettings(source=str(path), **options))
    message = str(caught.value)
    assert message.startswith(str(path)) and len(message) < 700
    assert not list(unsafe(message.removeprefix(str(path))))
    return message


def write(path, rows):
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return path


def table(heading=("x", "shade", "kind"), shade="red", label="b"):
    rows = [[str(index % 7), "green", "ab"[index % 2]] for index in range(30)]
    rows[9] = ["1", shade, label]
    return [list(heading), *rows]


IN_TEXT = sorted(name for name in HOSTILE if "\ud800" not in name and name.strip(" \xa0\u2003") == name and name)


@pytest.mark.parametrize("name", IN_TEXT, ids=lambda name: ascii(name)[:30])
def test_tables_are_refused_with_the_line(tmp_path, name):
    if "\0" in name:
        assert "binary" in refused(write(tmp_path / "a.csv", table(label=name)), target="kind")
        return
    assert "line 1: column " in refused(write(tmp_path / "a.csv", table(heading=("x", name, "kind"))), target="kind")
    lines = 12 if "\n" in name or "\r" in name else 11  # a quoted cell may hold line breaks
    for where, rows in (("label", table(label=name)), ("value", table(shade=name))):
        message = refused(write(tmp_path / "a.csv", rows), target="kind")
        utf8 = "not UTF-8" in message
        assert f"line {11 if utf8 else lines}: " in message and (utf8 or f": {where} " in message)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (table(heading=("é", "e\u0301", "kind")), "columns 'é' and 'e\u0301' look alike"),
        (table(heading=("x", "x", "kind")), "two columns are named 'x'"),
        (table(heading=("x", "", "kind")), "column 2 has no name"),
        ([*table(), ["1", "red", "é"], ["1", "red", "e\u0301"]], "look alike"),
        ([*table(), ["1", "é", "a"], ["1", "e\u0301", "b"]], "look alike"),
        (
            [["x", "kind"], *[[str(index), ("1", "1.0", "2")[index % 3]] for index in range(60)]],
            "'1' and '1.0' are the same number",
        ),
    ],
    ids=ascii,
)
def test_columns_labels_and_values_that_look_alike(tmp_path, rows, message):
    assert message in refused(write(tmp_path / "a.csv", rows), target="kind")


@pytest.mark.parametrize("name", [name for name in IN_TEXT if "\udce9" not in name], ids=lambda name: ascii(name)[:30])
def test_parquet_is_refused_with_the_row(tmp_path, name):
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow: pip install pyarrow")
    from pyarrow import parquet

    def saved(rows):
        columns = dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True))
        parquet.write_table(
            pyarrow.table({key: list(values) for key, values in columns.items()}), tmp_path / "a.parquet"
        )
        return tmp_path / "a.parquet"

    assert "column " in refused(saved(table(heading=("x", name, "kind"))), target="kind")
    for where, rows in (("label", table(label=name)), ("value", table(shade=name))):
        assert f"line 10: {where} " in refused(saved(rows), target="kind")


@pytest.mark.parametrize("name", [name for name in HOSTILE if "\0" not in name], ids=lambda name: ascii(name)[:30])
def test_npz_files_are_refused(tmp_path, name):
    x, numbers = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2
    for arrays in (
        {"y": np.array(["good", name])[numbers]},
        {"y": numbers, "class_names": np.array([name, "b"])},
        {"y": numbers, "feature_names": np.array([name, "b"])},
    ):
        np.savez(tmp_path / "a.npz", x=x, **arrays)
        refused(tmp_path / "a.npz")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
@pytest.mark.parametrize("name", IN_FILE_NAMES, ids=lambda name: ascii(name)[:30])
def test_folders_are_refused(tmp_path, name):
    for folder in ("good", name):
        (tmp_path / folder).mkdir()
        Image.new("L", (4, 4)).save(tmp_path / folder / "a.png")
    assert "class " in refused(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere these are one name")
def test_folders_that_look_alike(tmp_path):
    for folder in ("é", "e\u0301"):
        (tmp_path / folder).mkdir()
    assert "look alike" in refused(tmp_path)


@pytest.mark.parametrize(
    "name", [name for name in HOSTILE if name not in (" a", "a\xa0")], ids=lambda name: ascii(name)[:30]
)
def test_settings_are_refused(name):
    for settings in ({"target": name}, {"ignore_columns": (name,)}):
        with pytest.raises(EdgesoftError, match="expected"):
            DataSettings(**settings)
    with pytest.raises(EdgesoftError, match="expected a name or a path"):
        DataSettings(source="a\0b")
