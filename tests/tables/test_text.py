"""Text files with separated cells: a bad line costs itself, and everything has a limit."""

import csv
import io
import os
import threading
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgesoft.names import BLANKS
from edgesoft.tables import text
from edgesoft.tables.spec import TableError
from edgesoft.tables.text import LONGEST_CELL, LONGEST_RECORD, MOST_CELLS, read_records, split_cells


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("text") / "rows.csv"


def read(path, content: bytes):
    path.write_bytes(content)
    return list(read_records(path))


# A cell with a comma and a line break may look like rows between stray quotes, and is then refused.
CELL = st.one_of(
    *(
        st.text(st.characters(codec="utf-8", exclude_characters=f"\0\r{other}", exclude_categories=["Cs"]), max_size=8)
        for other in "\n,"
    )
)
TABLE = st.integers(2, 5).flatmap(
    lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=8)
)


@given(TABLE, st.sampled_from(["\n", "\r\n"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_what_pythons_csv_writes_is_read_back(path, rows, ending, quoting, has_mark):
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator=ending, quoting=quoting).writerows([["a"] * len(rows[0]), *rows])
    records = read(path, b"\xef\xbb\xbf" * has_mark + buffer.getvalue().encode())
    assert [record.error for record in records] == [None] * len(records)
    assert [record.cells for record in records[1:]] == [[cell.strip(BLANKS) for cell in row] for row in rows]


BAD_LINES = {
    "a quote that never closes": b'1,"2,3',
    "text after a quote": b'1,"2"x,3',
    "two quotes too many": b'"1,2,3"',
    "a cell missing": b"1,2",
    "a cell too many": b"1,2,3,4",
    "not UTF-8": b"1,\xff,3",
    "half a character": b"1,2,\xc3",
    "a zero byte": b"1,\0,3",
    "a long cell": b"1," + b"2" * (LONGEST_CELL + 1) + b",3",
    "a long line": b"1,2," + b"3" * (LONGEST_RECORD + 1),
    "many cells": b"1," * (MOST_CELLS + 1),
    "spaces": b"   ",
    "a quote alone": b'"',
}


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_costs_itself_wherever_it_stands(path, bad, ending):
    good = [f"{number},{number + 0.5},x{number}".encode() for number in range(150)]
    for place in (0, 100, 150):
        lines = [b"a,b,c", *good[:place], bad, *good[place:]]
        records = read(path, ending.join(lines) + ending)
        assert [record.line for record in records] == list(range(1, 153))
        wrong = [record for record in records if record.error is not None]
        assert [record.line for record in wrong] == [place + 2]
        assert wrong[0].cells == []
        assert [record.cells for record in records if record.error is None] == [
            line.decode().split(",") for line in (b"a,b,c", *good)
        ]


@given(
    st.lists(st.sampled_from([b"1,2", b'"1",2', *(line for line in BAD_LINES.values() if len(line) < 99)]), max_size=30)
)
@settings(max_examples=80, deadline=None)
def test_good_rows_among_any_bad_ones_are_all_read(path, lines):
    records = read(path, b"\n".join([b"a,b", *lines]))
    assert sum(record.cells == ["1", "2"] for record in records) >= sum(line in (b"1,2", b'"1",2') for line in lines)


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_rows_or_one_line_of_error(path, content):
    try:
        records = read(path, content)
    except TableError as error:
        assert "\n" not in str(error)
        return
    assert all((record.error is None) != (record.cells == []) for record in records)
    assert len({len(record.cells) for record in records if record.error is None}) <= 1


def test_two_stray_quotes_do_not_swallow_the_rows_between_them(path):
    rows = [f"{number},2,3" for number in range(20)]
    rows[5], rows[12] = '5,"2,3', '12,2",3'
    records = read(path, "\n".join(["a,b,c", *rows]).encode())
    assert [record.line for record in records if record.error is not None] == [7]
    assert records[13].cells == ["12", '2"', "3"]


def test_a_cell_may_hold_line_breaks_and_the_row_has_the_line_where_it_begins(path):
    records = read(path, b'a,b\n1,"two\nlines"\n3,4\n')
    assert [(record.line, record.cells) for record in records[1:]] == [(2, ["1", "two\nlines"]), (4, ["3", "4"])]


def test_time_grows_with_the_file_even_when_every_quote_is_bad(path):
    """Each bad quote looks for its end in the lines after it."""
    content = b"a,b\n" + b'x,"y\nz,w\nz,w\n' * 5_000
    started = time.process_time()
    records = read(path, content)
    assert time.process_time() - started < 10
    assert sum(record.error is None for record in records) == 10_001


def test_memory_is_that_of_one_row(path):
    with path.open("wb") as file:
        file.write(b"a,b\n")
        for _ in range(40):
            file.write(b"1" * 2**20)
        file.write(b"\n1,2\n" + b"1,2\n" * 10_000)
    tracemalloc.start()
    good = sum(record.error is None for record in read_records(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert good == 10_002
    assert peak < 30 * 2**20


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_read_when_somebody_writes_and_refused_when_nobody_does(tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    with pytest.raises(TableError, match="a pipe that nobody writes to"):
        next(read_records(pipe))

    def write():
        with pipe.open("w") as file:
            time.sleep(0.2)
            file.write("a,b\n1,2\n")

    held = os.open(pipe, os.O_RDWR)  # so that the writer is there before the reader looks
    try:
        writer = threading.Thread(target=write)
        writer.start()
        records = read_records(pipe)
        assert next(records).cells == ["a", "b"]
        writer.join()
    finally:
        os.close(held)
    assert [record.cells for record in records] == [["1", "2"]]


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_has_no_rows(path, content):
    assert read(path, content) == []


def test_patience_ends(path, monkeypatch):
    monkeypatch.setattr(text, "PATIENCE", 3)
    records = read(path, b'a,b\n1,"x\n1,2\n1,2\n1,2\n1,"two\nlines"\n')
    assert [record.error is None for record in records] == [True, False, True, True, True, False, False]


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("1, red ,2", ["1", "red", "2"]),
        ('"a, b",2', ["a, b", "2"]),
        ('"say ""x""",1', ['say "x"', "1"]),
        ('5" pipe,2', ['5" pipe', "2"]),
    ],
)
def test_cells_of_one_row(row, cells):
    assert split_cells(row) == cells
