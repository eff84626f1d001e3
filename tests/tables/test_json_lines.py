"""JSON lines: objects become rows, and whatever else stands in a line costs that line."""

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgesoft.model.inputs import TableInput
from edgesoft.names import BLANKS
from edgesoft.tables.rows import RowFile
from edgesoft.tables.spec import Column, TableError
from edgesoft.tables.text import read_records


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("json") / "rows.jsonl"


def read(path, content: str | bytes, columns=None):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_records(path, columns))


def test_keys_are_columns_and_what_is_missing_is_an_empty_cell(path):
    records = read(path, '{"width": 1.50, "kind": " a "}\n\n{"kind": "b", "ok": true}\n{"width": null, "kind": 1e5}\n')
    assert [record.cells for record in records] == [
        ["width", "kind", "ok"],
        ["1.50", "a", ""],
        ["", "b", "True"],
        ["", "1e5", ""],
    ]
    assert [record.line for record in records] == [0, 1, 3, 4]


@pytest.mark.parametrize("name", ["rows.csv", "rows", "rows.ndjson", "rows.jsonl.gz"])
def test_the_content_tells_json_lines_whatever_the_name(tmp_path, name):
    content = b'{"a": 1, "b": "x"}\n'
    assert read(tmp_path / name, gzip.compress(content) if name.endswith("gz") else content)[1].cells == ["1", "x"]


BAD_LINES = {
    "[1, 2]": "no object: expected one object",
    "17": "no object",
    '{"a": 1': "no JSON (",
    '{"a": 01, "b": 1}': "no JSON (",
    '{"a": {"b": 1}}': "'a' holds an object: expected a number, text, true, false or null",
    '{"a": [1]}': "'a' holds a list",
    '{"a": 1, "a": 2}': "'a' stands there twice",
    '{"a": 1, " a": 2}': "' a' stands there twice",
    '{"c": 1}': "an object without any of the columns",
    '{"a": "\\u0000"}': "a zero byte",
    '{"a": "\\ud800"}': "not UTF-8",
    "[" * 100_000: "lists within lists",
    '{"a": "' + "x" * 2**18 + '"}': "a cell of 262,144 characters",
    '{"a": "' + "x" * 2**22 + '"}': "a line of more than",
    "a,b": "no JSON (",
}


@pytest.mark.parametrize(("bad", "error"), BAD_LINES.items(), ids=range(len(BAD_LINES)))
def test_a_bad_line_costs_itself(path, bad, error):
    records = read(path, '{"a": 1, "b": 2}\n' + bad + '\n{"a": 3, "b": 4}\n', ["a", "b"])
    assert [record.cells for record in records] == [["a", "b"], ["1", "2"], [], ["3", "4"]]
    assert records[2].error.startswith(error)
    assert len(records[2].error) < 200


def test_bytes_that_are_no_text_are_told_as_in_other_files(path):
    assert read(path, b'{"a": "M\xfcnchen"}\n', ["a"])[1].error.startswith("not UTF-8: save the file as UTF-8 (if")


VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUE, min_size=1), min_size=1, max_size=8), st.booleans())
@settings(max_examples=60, deadline=None)
def test_what_pythons_json_writes_is_read_back(path, rows, is_ascii):
    records = read(path, "".join(json.dumps(row, ensure_ascii=is_ascii) + "\n" for row in rows))
    names = list(dict.fromkeys(key for row in rows for key in row))
    assert records[0].cells == names
    for record, row in zip(records[1:], rows, strict=True):
        for name, cell in zip(names, record.cells, strict=True):
            value = row.get(name)
            if isinstance(value, float):
                assert str(float(cell)) == str(value)
            else:
                assert cell == ("" if value is None else str(value).strip(BLANKS))


def test_a_model_takes_its_columns_by_their_keys(path):
    spec = TableInput((Column("width"), Column("é")))
    path.write_text(
        '{"id": 7, "e\u0301": 2, "width": 1}\n{"width": 3, "é": 4, "more": 5}\n{"Width": 1}\n', encoding="utf-8"
    )
    file = RowFile(path, spec)
    assert file.unused == ["id"]
    rows = list(file)
    assert [row.cells for row in rows] == [("1", "2"), ("3", "4"), ()]
    assert rows[2].error == "an object without any of the columns"


def test_files_without_an_object_are_empty_or_tell_their_first_line(path):
    assert read(path, "") == read(path, "\n \n") == []
    with pytest.raises(TableError, match=r"rows\.jsonl: line 2: no JSON"):
        read(path, "\na,b\n1,2\n")
