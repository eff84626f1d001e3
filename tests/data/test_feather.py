"""Feather and Arrow files read like CSV, and promise no more than anybody can read."""

import datetime as dt
import resource

import numpy as np
import pytest

from edgesoft.data import arrow, feather
from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError
from edgesoft.tables.records import LONGEST_CELL

pa = pytest.importorskip("pyarrow", reason="Feather needs pyarrow: pip install pyarrow")
from pyarrow.feather import write_feather  # noqa: E402

ROWS = 30
WIDTH = [float(index % 7) for index in range(ROWS)]
KIND = ["abc"[index % 3] for index in range(ROWS)]


def load(path, **options):
    return load_dataset(DataSettings(source=str(path), target="kind", **options))


def table(**columns):
    return pa.table({"width": WIDTH, "kind": KIND, **columns})


def cells(path):
    """The rows as the reader gives them."""
    return [record.cells for record in feather.feather_rows(path)(())]


def text_file(folder):
    path = folder / "plants.csv"
    path.write_text(
        "width,colour,kind\n"
        + "".join(f"{w},{('red', 'green')[i % 2]},{k}\n" for i, (w, k) in enumerate(zip(WIDTH, KIND, strict=True)))
    )
    return path


@pytest.mark.parametrize("compression", ["uncompressed", "zstd"])
@pytest.mark.parametrize("kind", ["string", "large string", "string view", "dictionary", "dictionary of views"])
def test_feather_reads_like_csv(tmp_path, compression, kind):
    words = pa.array([("red", "green")[index % 2] for index in range(ROWS)])
    column = {
        "string": words,
        "large string": words.cast(pa.large_string()),
        "string view": words.cast(pa.string_view()),
        "dictionary": words.dictionary_encode(),
        "dictionary of views": pa.DictionaryArray.from_arrays(
            [0, 1] * (ROWS // 2), pa.array(["red", "green"], pa.string_view())
        ),
    }[kind]
    written = pa.table({"width": WIDTH, "colour": column, "kind": KIND})
    write_feather(written, tmp_path / "plants.feather", compression=compression, chunksize=7)
    assert load(tmp_path / "plants.feather").digest == load(text_file(tmp_path)).digest


def test_a_stream_of_arrow_is_read_too(tmp_path):
    written = table()
    with pa.ipc.new_stream(tmp_path / "plants.arrow", written.schema) as writer:
        writer.write_table(written, max_chunksize=10)
    assert len(load(tmp_path / "plants.arrow").train) == 21


def test_cells_are_those_of_a_text_file_over_batches_and_slices(tmp_path, monkeypatch):
    monkeypatch.setattr(feather, "CELLS_AT_ONCE", 8)
    written = pa.table({
        "n": [1, None, 3, 4, 5],
        "d": [dt.date(2020, 1, day) for day in (1, 2, 3, 4, 5)],
        "b": [True, None, False, True, True],
        "w": pa.array(["x", " y ", None, "x", "z"]).dictionary_encode(),
        "v": pa.array(["x", None, "long enough to lie apart", "", "z"], pa.string_view()),
    })  # fmt: skip
    write_feather(written, tmp_path / "x.feather", chunksize=4)
    assert cells(tmp_path / "x.feather") == [
        ["n", "d", "b", "w", "v"],
        ["1", "2020-01-01", "True", "x", "x"],
        ["", "2020-01-02", "", "y", ""],
        ["3", "2020-01-03", "False", "", "long enough to lie apart"],
        ["4", "2020-01-04", "True", "x", ""],
        ["5", "2020-01-05", "True", "z", "z"],
    ]


def test_nested_columns_are_refused_unless_they_are_left_out(tmp_path):
    write_feather(table(x=[[1]] * ROWS), tmp_path / "x.feather")
    with pytest.raises(EdgesoftError, match=r"column 'x' holds list.*--ignore-columns x"):
        load(tmp_path / "x.feather")
    assert load(tmp_path / "x.feather", ignore_columns=("x",)).input.features == ("width",)


def test_a_small_file_is_not_unpacked_when_it_becomes_large(tmp_path):
    """A gigabyte of zeros in a few kilobytes."""
    path = tmp_path / "bomb.feather"
    zeros = pa.array(np.zeros(2**20))
    batch = pa.table({f"x{place}": zeros for place in range(64)} | {"kind": zeros})
    write_feather(batch, path, compression="zstd", chunksize=2**20)
    del batch, zeros
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(
        EdgesoftError, match=r"one of its batches takes 545 MB, more than 268 MB. Write the file with smaller batches"
    ):
        load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_long_text_many_times_is_never_unpacked(tmp_path):
    """A view costs 16 bytes wherever it points."""
    _, view, text = pa.array(["r" * 100_000], pa.string_view()).buffers()
    views = pa.Array.from_buffers(pa.string_view(), 20_000, [None, pa.py_buffer(view.to_pybytes()[:16] * 20_000), text])
    kinds = pa.array((KIND * 700)[:20_000])
    path = tmp_path / "long.arrow"
    written = pa.table({"x": views, "kind": kinds})
    with pa.ipc.new_stream(path, written.schema) as writer:
        writer.write_table(written)
    assert path.stat().st_size < 2_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(EdgesoftError, match="column 'x' has 2000 MB of text in 20,000 rows: leave the column out"):
        load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    write_feather(table(x=["r" * (LONGEST_CELL + 1)] * ROWS), path)
    with pytest.raises(EdgesoftError, match="column 'x' has a cell of 131,073 bytes"):
        load(path)


def test_many_rows_are_refused_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(arrow, "MOST_NUMBERS", 59)
    write_feather(table(), tmp_path / "x.feather")
    with pytest.raises(EdgesoftError, match="30 rows of 2 columns are more than 59 values"):
        load(tmp_path / "x.feather")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty|cannot be read as Feather"),
        (b"FEA1" + bytes(40), "Feather of version 1"),
        (b"ARROW1\0\0", "cannot be read as Feather"),
        (b"a,b\n1,2\n", "cannot be read as Feather"),
        (b"ARROW1\0\0" + b"\xff" * 4 + b"\xff\xff\xff\x7f", "a message of 2,147,483,647 bytes"),
        (b"ARROW1\0\0" + b"\xff" * 4 + b"\x10\0\0\0" + b"\xff" * 16, "cannot be read as Feather"),
    ],
)
def test_what_is_no_feather_is_one_line(tmp_path, content, message):
    (tmp_path / "x.feather").write_bytes(content)
    with pytest.raises(EdgesoftError, match=message) as caught:
        load(tmp_path / "x.feather")
    assert "\n" not in str(caught.value)


def test_damaged_files_are_one_line(tmp_path, rng):
    path = tmp_path / "x.feather"
    write_feather(
        table(colour=pa.array(["red", "green"] * (ROWS // 2)).dictionary_encode()), path, compression="lz4", chunksize=9
    )
    content, refused = path.read_bytes(), 0
    for _ in range(80):
        damaged = bytearray(content)
        damaged[int(rng.integers(len(content)))] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged[: int(rng.integers(4, len(content) + 1))] if rng.random() < 0.3 else damaged)
        try:
            load(path)
        except EdgesoftError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused
