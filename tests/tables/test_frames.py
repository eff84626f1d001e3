"""Frames become the words that a text file of them would hold, and then the same features, whoever made the frame."""

import csv
import datetime as dt
import decimal
import io

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from edgesoft.tables.frames import encode_cells, encode_frame, is_frame, read_frame
from edgesoft.tables.spec import Column, TableError, TableSpec

SPEC = TableSpec((Column("width"), Column("kind", ("a", "b")), Column("7")), rows=100)
COLUMNS = {"kind": ["b", "a", "a"], "width": [1.5, 2.0, 3.25], "7": [4, 5, 6]}
ROWS = np.array([[1.5, 0, 1, 4], [2, 1, 0, 5], [3.25, 1, 0, 6]], np.float32)


class Stream:
    """What any other library hands over: its columns' names, and the data as Arrow has them."""

    columns = tuple(COLUMNS)

    def __arrow_c_stream__(self, requested_schema=None):
        return pa.table(COLUMNS).__arrow_c_stream__(requested_schema)


FORMS = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow table": pa.table,
    "pyarrow batch": pa.RecordBatch.from_pydict,
    "dict": dict,
    "dict of arrays": lambda columns: {name: np.array(column) for name, column in columns.items()},
    "pandas of categories": lambda columns: pd.DataFrame(columns).astype({"kind": "category"}),
    "pandas of Arrow": lambda columns: pd.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow"),
    "polars of categories": lambda columns: pl.DataFrame(columns).with_columns(pl.col("kind").cast(pl.Categorical)),
    "Arrow's stream": lambda _: Stream(),
    "pandas of objects": lambda columns: pd.DataFrame(columns).astype(object),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_columns_are_found_by_name_in_every_kind_of_frame(form):
    frame = form(COLUMNS)
    assert is_frame(frame)
    features, notes = encode_frame(frame, SPEC)
    np.testing.assert_array_equal(features, ROWS)
    assert features.dtype == np.float32
    assert notes == []


def test_one_row_by_name_and_rows_in_order():
    np.testing.assert_array_equal(encode_frame({"7": 4, "width": 1.5, "kind": "b"}, SPEC)[0], ROWS[:1])
    np.testing.assert_array_equal(encode_frame(pd.DataFrame(COLUMNS).iloc[1], SPEC)[0], ROWS[1:2])
    np.testing.assert_array_equal(encode_cells(np.array([[1.5, "b", 4], [2, "a", 5]]), SPEC)[0], ROWS[:2])
    np.testing.assert_array_equal(encode_cells(np.array([1.5, "b", 4], object), SPEC)[0], ROWS[:1])


@pytest.mark.parametrize("other", [np.zeros((2, 2)), [1], "a", pd.Series([1]).to_numpy(), None, 3.0], ids=repr)
def test_what_is_no_frame(other):
    assert not is_frame(other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="width"), "the frame has no column 'width'. It has 'kind', '7'"),
        (lambda frame: frame.assign(width=[1, None, 2]), "row 1: no number in column 'width'"),
        (lambda frame: frame.assign(width=[1, 2, "three"]), "row 2: 'three' in column 'width' is no number"),
        (lambda frame: frame.assign(width=[[1], [2], [3]]), r"column 'width' cannot be read \(it holds list, such as '\[1\]'\)"),
        (lambda frame: frame.assign(kind=[b"a", b"b", b"b"]), "it holds bytes"),
        (lambda frame: frame.assign(width=pd.Series([1, 2, 10**5000], dtype=object)), "column 'width' cannot be read .Exceeds the limit"),
        (lambda frame: frame.rename(columns={"kind": ("kind", 1)}), "the name of column .* is tuple, expected text"),
        (lambda frame: pd.concat([frame, frame[["width"]]], axis=1), "the frame has two columns 'width'"),
        (lambda _: pl.LazyFrame(COLUMNS), "this frame is lazy. Collect it first"),
        (lambda _: {**COLUMNS, "width": [1, 2]}, "column 'kind' has 3 values and column 'width' has 2"),
        (lambda _: {}, "the frame has no column"),
        (lambda frame: frame.T, "the frame has no column"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_line(change, message):
    with pytest.raises(TableError, match=message) as caught:
        encode_frame(change(pd.DataFrame(COLUMNS)), SPEC)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_what_is_odd_is_told_shortly():
    frame = pd.DataFrame({**COLUMNS, "kind": ["c"] * 3, "index": [1, 2, 3]})
    frame = pd.concat([frame] * 3)
    features, notes = encode_frame(frame, SPEC)
    assert not features[:, 1:3].any()
    assert notes[0] == "columns that the model does not take: 'index'"
    assert notes[1].startswith("row 0: 'c' in column 'kind' is not among the values seen in training")
    assert notes[-1] == "and 6 more such rows of 9"


VALUES = pd.DataFrame(
    {
        "float": [0.1, np.nan, 1e-30, 12345678.9],
        "int": pd.array([1, None, 3, 2**60], "Int64"),
        "float of ints": [1.0, np.nan, 3.0, 4.0],
        "bool": [True, False, True, True],
        "maybe": pd.array([True, None, False, True], "boolean"),
        "text": ["a", None, "c, d", 'e "f"'],
        "mixed": [1, "two", None, 3.5],
        "category": pd.Categorical(["x", None, "y", "x"]),
        "interval": pd.cut([1, 2, 3, 9], 3),
        "day": pd.to_datetime(["2024-01-05", None, "2023-12-31", "1999-01-01"]),
        "time": pd.to_datetime(["2024-01-05 10:30", None, "2023-12-31", "1999-01-01 00:00:01"], format="ISO8601"),
        "zone": pd.to_datetime(["2024-01-05 10:30", None, "2023-12-31", "1999-01-01"], utc=True, format="ISO8601"),
        "date": [dt.date(2024, 1, 5), None, dt.date(2023, 12, 31), dt.date(1999, 1, 1)],
        "period": pd.PeriodIndex(["2024-01", None, "2023-12", "1999-01"], freq="M"),
        "decimal": [decimal.Decimal("1.10"), None, decimal.Decimal(2), decimal.Decimal("-3.5")],
        "nothing": [None] * 4,
    }
)


@pytest.mark.parametrize("name", VALUES.columns)
def test_values_of_pandas_are_the_words_of_its_csv_file(name):
    written = list(csv.reader(io.StringIO(VALUES[[name]].to_csv(index=False, lineterminator="\n"))))
    assert read_frame(VALUES, "").cells(list(VALUES).index(name)) == [row[0] if row else "" for row in written[1:]]


def test_missing_values_of_every_library_are_empty():
    for missing in (None, np.nan, float("nan"), pd.NA, pd.NaT, np.datetime64("NaT"), np.float32("nan")):
        assert read_frame({"a": [missing, 1]}, "").cells(0) == ["", "1"]
    assert read_frame(pl.DataFrame({"a": [None, 1.5], "b": [float("nan"), 2]}), "").cells(1) == ["", "2.0"]
    days = np.array(["2024-01-05", "NaT"], "datetime64[ns]")
    assert read_frame({"a": days}, "").cells(0) == ["2024-01-05", ""]
    assert read_frame({"a": list(days)}, "").cells(0) == ["2024-01-05 00:00:00", ""]


def test_dates_that_python_does_not_have_are_refused():
    far = pa.array([2**62], pa.timestamp("us"))
    with pytest.raises(TableError, match="column 'day' cannot be read"):
        read_frame(pa.table({"day": far}), "the frame").cells(0)
