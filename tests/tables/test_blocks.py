"""Rows read many at a time are those that are read one by one: the same cells, the same lines, the same complaints."""

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgesoft.tables import text
from edgesoft.tables.records import LONGEST_CELL
from edgesoft.tables.spec import TableError
from edgesoft.tables.text import read_blocks, read_records

LINES = [
    b"1,2", b"1,2", b'"1",2', b" 1 ,\t2", b"", b"1", b"1,2,3", b'1,"2', b'2",1', b'"a""b",2', b'"a,b",2', b'1,"2"x', b'1,2"', b"\xff,2",
    b"\xc3\xa9,\xc2\xa0", b"\0,1", b"1;2", b"x" * (LONGEST_CELL + 1) + b",2", b"#1,2", b'""', b'"', b'{"a": 1}',
    b"\x85,\xe2\x80\xa8", b"\x1c,\x0b",
]  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("blocks") / "rows.csv"


def one_by_one(path):
    records = list(read_records(path))[1:]
    good = [(record.line, record.cells) for record in records if record.error is None]
    return good, [record for record in records if record.error is not None]


def many_at_a_time(path):
    good, wrong = [], []
    for block in read_blocks(path):
        good += zip(block.lines, map(list, zip(*block.columns, strict=True)), strict=True)
        wrong += block.wrong
    return good, wrong


@given(st.lists(st.sampled_from(LINES), max_size=40), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.integers(1, 9))
@example([b"1,2"] * 20 + [b'1,"2'] + [b"1,2"] * 20, b"\n", 7)
@example([b'1,"2', b'2",1'] * 9, b"\n", 3)
@settings(max_examples=150, deadline=None)
def test_odd_lines_are_read_alike(path, lines, ending, at_once):
    path.write_bytes(ending.join([b"a,b", *lines]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "rows_at_once", lambda _: at_once)
        assert many_at_a_time(path) == one_by_one(path)


@given(st.binary(max_size=200).map(lambda content: b"a,b\n" + content) | st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_read_alike(path, content):
    path.write_bytes(content)
    try:
        expected = one_by_one(path)
    except TableError as error:
        with pytest.raises(TableError) as caught:
            many_at_a_time(path)
        assert str(caught.value) == str(error)
        return
    assert many_at_a_time(path) == expected


CELL = st.text(st.sampled_from('ab ,;"\n\té\u00a0'), max_size=5)


@given(
    st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=20),
    st.sampled_from(",;\t|"),
    st.booleans(),
    st.integers(1, 9),
)
@settings(max_examples=100, deadline=None)
def test_what_pythons_csv_writes_is_read_alike(path, rows, separator, is_quoted, at_once):
    buffer = io.StringIO()
    quoting = csv.QUOTE_ALL if is_quoted else csv.QUOTE_MINIMAL
    csv.writer(buffer, delimiter=separator, lineterminator="\n", quoting=quoting).writerows([["x", "y", "z"], *rows])
    path.write_text(buffer.getvalue(), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "rows_at_once", lambda _: at_once)
        assert many_at_a_time(path) == one_by_one(path)


def test_json_lines_are_read_alike(path):
    path.write_text('{"a": 1}\n{"b": 2}\nno\n{"a": [1]}\n')
    assert many_at_a_time(path) == one_by_one(path)
    assert len(many_at_a_time(path)[1]) == 2


def test_plain_rows_take_the_quick_way_and_others_do_not(path, monkeypatch):
    asked = []
    record = text._Reader.record
    monkeypatch.setattr(text._Reader, "record", lambda self, width: asked.append(width) or record(self, width))
    path.write_text("a,b\n" + "1,2\n" * 500 + '"1, 2",3\n' * 500)
    assert len(many_at_a_time(path)[0]) == 1000
    assert asked == [None]  # the heading
    path.write_text("a,b\n" + "1,2\n" * 500 + "1\n")
    assert len(many_at_a_time(path)[1]) == 1
    assert len(asked) > 500
