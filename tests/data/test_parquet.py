"""Parquet files: every type of column, and files that promise more than anybody can read."""

import base64
import datetime as dt
import decimal
import os
import resource
import zlib
from contextlib import nullcontext

import numpy as np
import pytest

from edgesoft.data import arrow
from edgesoft.data import parquet as reader
from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError
from edgesoft.tables.text import LONGEST_CELL

pa = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow: pip install pyarrow")
from pyarrow import parquet  # noqa: E402

ROWS = 30
KIND = ["abc"[index % 3] for index in range(ROWS)]


def load(path, **options):
    return load_dataset(DataSettings(source=str(path), target="kind", **options))


def write(folder, column, **options):
    path = folder / "plants.parquet"
    table = pa.table({"x": column, "width": [float(index % 7) for index in range(ROWS)], "kind": KIND})
    parquet.write_table(table, path, **options)
    return path


def column(values, kind=None):
    return pa.array([values[index % len(values)] for index in range(ROWS)], kind)


NUMERIC = {
    "int8": column([1, -2, 3], pa.int8()),
    "uint64": column([1, 2, 2**63], pa.uint64()),
    "float16": column([np.float16(1.5), np.float16(2)], pa.float16()),
    "float64": column([1.5, 2.5]),
    "decimal": column([decimal.Decimal("1.25"), decimal.Decimal("2.50")]),
}
TEXT = {
    "string": column(["red", "green"]),
    "large string": column(["red", "green"], pa.large_string()),
    "dictionary": column(["red", "green"]).dictionary_encode(),
    "bool": column([True, False]),
    "date": column([dt.date(2020, 1, 2), dt.date(2021, 1, 2)]),
    "a date that Python does not have": column([2**30, 5], pa.int32()).cast(pa.date32()),
    "a time that Python does not have": column([2**52, 5], pa.int64()).cast(pa.timestamp("ms")),
}
# Six rows, with one number of the footer changed, by which pyarrow 26 ends the process: a histogram has another size than it says.
BREAKS_PYARROW = (
    "c-jka3^EjD5X}+I(GleVGT21fWF$BkAix2}`d}}{pn*kHP!LEl0Wl9FObDik5Fcolho}d_QZoh(#v}>GL?k0YW+sA&By22E7D*dZ1_`#}<c!qZL{Sz7Q7$zm3"
    "C0QrQ65z$36|{4ycAUi9~q!hF&;@7NgXu?8Bs1tRW=4mpdwMApx7%$AX4M7A<4gzGC&72h%zzQXtGJFG4KGzK_>G+Oa@yEHoS=uh}1qY+8}uhp%>^Rm~OE*"
    "OkzB096*XeL!ltCsIWA(L^rvhKsT|dD8F2xEVZaOGe1wk$V|^b&rnha=pm4w{sD0SFzx`<t2lW"
)
REFUSED = {
    "list": column([[1], [2, 3]]),
    "struct": column([{"a": 1}, {"a": 2}]),
    "binary": column([b"a", b"\xff"]),
    "map": column([[("a", 1)]], pa.map_(pa.string(), pa.int32())),
}


@pytest.mark.parametrize("values", NUMERIC.values(), ids=NUMERIC)
def test_numbers_of_every_type_are_numbers(tmp_path, values):
    data = load(write(tmp_path, values))
    assert data.input.features == ("x", "width")
    seen = np.concatenate([split.inputs[:, 0] for split in data.splits.values()])
    assert sorted(set(seen.tolist())) == sorted({float(np.float32(float(value))) for value in values.to_pylist()})


@pytest.mark.parametrize("values", TEXT.values(), ids=TEXT)
def test_text_of_every_type_is_text(tmp_path, values):
    known = load(write(tmp_path, values), categorical=("x",)).input.columns[0].vocabulary
    assert known is not None
    assert len(known) == 2


def test_dates_and_truth_values_are_read_as_such(tmp_path):
    assert load(write(tmp_path, TEXT["bool"])).input.features == ("x", "width")
    assert load(write(tmp_path, TEXT["date"])).input.features[0] == "x year"


@pytest.mark.parametrize("values", REFUSED.values(), ids=REFUSED)
def test_other_types_are_refused_unless_they_are_left_out(tmp_path, values):
    path = write(tmp_path, values)
    with pytest.raises(EdgesoftError, match="column 'x' holds .*--ignore-columns x") as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert load(path, ignore_columns=("x",)).input.features == ("width",)


def test_missing_values_are_filled_and_columns_of_them_left_out(tmp_path):
    data = load(write(tmp_path, column([1.0, 2.0, 4.0, 5.0, None])))
    assert data.input.columns[0].fill is not None
    assert set(data.train.inputs[:, 0].tolist()) == {1, 2, 4, 5, *data.input.columns[0].fill}
    data = load(write(tmp_path, pa.nulls(ROWS)))
    assert data.input.features == ("width",)
    assert "columns that hold no value are left out: x" in data.warnings


def test_text_that_is_not_utf8_is_one_line(tmp_path):
    raw = pa.array([b"\xff\xfe", b"ok"] * (ROWS // 2), pa.binary()).view(pa.string())
    with pytest.raises(EdgesoftError, match="(?i)cannot be read as Parquet.*utf-?8") as caught:
        load(write(tmp_path, raw))
    assert "\n" not in str(caught.value)


def test_a_folder_and_a_pipe_are_no_file(tmp_path):
    (tmp_path / "x.parquet").mkdir()
    with pytest.raises(EdgesoftError, match="expected a file, but this is a folder"):
        load(tmp_path / "x.parquet")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "y.parquet")
        with pytest.raises(EdgesoftError, match="folder, pipe or device"):
            load(tmp_path / "y.parquet")


def test_many_rows_in_a_kilobyte_are_refused_before_they_are_read(tmp_path, monkeypatch):
    path = tmp_path / "bomb.parquet"
    zeros = pa.array(np.zeros(2**20, np.int8))
    parquet.write_table(pa.table({"x": zeros, "kind": zeros}), path, compression="zstd")
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(arrow, "MOST_NUMBERS", 2**20)
    monkeypatch.setattr(reader, "_records", None)
    with pytest.raises(EdgesoftError, match=r"1,048,576 rows of 2 columns are more than .* Take a sample"):
        load(path)


def test_a_long_text_many_times_is_never_unpacked(tmp_path):
    """2,000 rows of a cell of 120,000 characters, stored once: 240 MB as plain text."""
    path = tmp_path / "long.parquet"
    words = pa.DictionaryArray.from_arrays(pa.array(np.arange(2000) % 2, pa.int32()), ["r" * 120_000, "g" * 120_000])
    parquet.write_table(pa.table({"x": words, "kind": (KIND * 67)[:2000]}), path, store_schema=False)
    assert path.stat().st_size < 50_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(EdgesoftError, match="has 120,000 characters, more than 500"):
        load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_file_that_breaks_pyarrow_is_refused_in_one_line(tmp_path):
    path = tmp_path / "odd.parquet"
    path.write_bytes(zlib.decompress(base64.b85decode(BREAKS_PYARROW)))
    with pytest.raises(EdgesoftError, match="odd.parquet: cannot be read as Parquet") as error:
        load(path)
    assert "\n" not in str(error.value)


def test_a_reader_that_dies_by_a_signal_is_told_from_one_that_finds_an_error(tmp_path, monkeypatch):
    path = write(tmp_path, NUMERIC["int8"])
    for code, is_fatal in (("exit(0)", False), ("raise ValueError", False), ("import os; os.abort()", True)):
        (tmp_path / "sitecustomize.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        found = pytest.raises(EdgesoftError, match="pyarrow breaks down over it") if is_fatal else nullcontext()
        with found:
            load(path)


def test_long_cells_and_large_row_groups_are_refused(tmp_path, monkeypatch):
    path = write(tmp_path, column(["r" * (LONGEST_CELL + 1), "g"]))
    with pytest.raises(EdgesoftError, match=r"column 'x' has a cell of 131,073 bytes"):
        load(path)
    monkeypatch.setattr(reader, "LARGEST_CHUNK", 10_000)
    with pytest.raises(EdgesoftError, match=r"column 'x' takes .* in one row group"):
        load(path)


def test_damaged_files_are_one_line(tmp_path, rng):
    path = write(tmp_path, column([1.5, 2.5]))
    content = path.read_bytes()
    refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        damaged[int(rng.integers(len(content)))] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged[: int(rng.integers(4, len(content) + 1))] if rng.random() < 0.3 else damaged)
        try:
            load(path)
        except EdgesoftError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused


def test_names_that_begin_alike_are_told_apart(tmp_path):
    path = tmp_path / "plants.parquet"
    numbers = np.arange(ROWS, dtype=float)
    parquet.write_table(pa.table({"a.b": numbers * 100, "a": numbers, "kind": KIND}), path)
    data = load(path)
    assert data.input.features == ("a.b", "a")
    np.testing.assert_array_equal(data.train.inputs[:, 0], data.train.inputs[:, 1] * 100)
