"""Rows of a table as a device reads them."""

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest

from edgesoft.errors import EdgesoftError
from edgesoft.model.card import ModelCard
from edgesoft.model.inputs import TableInput
from edgesoft.tables.rows import RowFile, named_rows, parse_row
from edgesoft.tables.spec import Column, TableError
from edgesoft.tables.text import LONGEST_RECORD

SPEC = TableInput((Column("width"), Column("colour", ("green", "red")), Column("height")))


def features(row):
    """The numbers that a row becomes for the model."""
    return SPEC.read(row).values.tolist()


def write(folder: Path, content: str | bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_row_becomes_numbers_and_one_hot_values():
    features, notes, _ = SPEC.encode(["1.5", "red", "-2e3"])
    assert features.dtype == np.float32
    assert features.tolist() == [1.5, 0, 1, -2000]
    assert notes == ()
    assert SPEC.features == ("width", "colour=green", "colour=red", "height")
    assert SPEC.shape == (4,)


def test_an_unseen_category_is_none_of_the_known_and_says_so():
    features, notes, _ = SPEC.encode(["1", "mauve", "2"])
    assert features.tolist() == [1, 0, 0, 2]
    assert notes == ("'mauve' in column 'colour' is not among the values seen in training: read as none of them",)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "no number in column 'width'"),
        ("NaN", "no number in column 'width'"),
        ("inf", "is not a finite float32 number"),
        ("1e39", "is not a finite float32 number"),
        ("5,1", "'5,1' in column 'width' is no number"),
    ],
)
def test_wrong_numbers_are_refused(cell, message):
    with pytest.raises(TableError, match=message):
        SPEC.encode([cell, "red", "1"])


def test_the_card_carries_the_columns():
    card = ModelCard("t", ("a", "b"), SPEC, ())
    again = ModelCard.from_json(card.to_json(), "card")
    assert again == card
    assert again.input.to_card()["columns"][1] == {"name": "colour", "kind": "text", "vocabulary": ["green", "red"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": []}, "without feature columns"),
        ({"columns": "width"}, "must have a list of columns"),
        ({"columns": [{"kind": "numeric"}]}, "must have a name"),
        ({"columns": [{"name": "a", "kind": "date"}]}, "must be numeric, or text"),
        ({"columns": [{"name": "a", "kind": "numeric", "range": None}] * 2}, "two columns are named 'a'"),
        ({"columns": [{"name": "a", "kind": "text", "vocabulary": ["x", "x"]}]}, "two values are named 'x'"),
        ({"columns": [{"name": "a", "kind": "numeric", "range": None}], "extra": 1}, "nothing else"),
        ({"columns": [{"name": "a", "kind": "numeric"}]}, "must be numeric, or text"),
        *(
            ({"columns": [{"name": "a", "kind": "numeric", "range": ends}]}, "must have a range of two numbers")
            for ends in ([1.0], [2.0, 1.0], [0.0, float("nan")], [0.0, True], ["0", "1"], {}, 3.0)
        ),
        ({"rows": -1}, "must count its training rows"),
        ({"rows": True}, "must count its training rows"),
    ],
)
def test_a_damaged_card_is_refused(change, message):
    text = ModelCard("t", ("a", "b"), SPEC, ()).to_json()
    document = json.loads(text)
    document["input"] |= change
    with pytest.raises(EdgesoftError, match=message):
        ModelCard.from_json(json.dumps(document), "card")


def test_a_heading_may_have_any_order_and_more_columns(tmp_path):
    path = write(tmp_path, "height,label,colour,width\n1,x,red,2\n\n3,y,green,4\n")
    file = RowFile(path, SPEC)
    assert file.unused == ["label"]
    assert [(row.line, row.cells) for row in file] == [(2, ("2", "red", "1")), (4, ("4", "green", "3"))]
    assert [name for name, _ in named_rows(RowFile(path, SPEC))] == [f"{path}:2", f"{path}:4"]


def test_rows_without_a_heading_stand_in_the_models_order(tmp_path):
    file = RowFile(write(tmp_path, "1,red,2\n3,green,4\n"), SPEC)
    assert not file.has_heading
    assert [features(row) for row in file] == [[1, 0, 1, 2], [3, 1, 0, 4]]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.tsv", "width\tcolour\theight\n1\tred\t2\n"), ("a.csv", "width;colour;height\n1;red;2\n")],
)
def test_separators(tmp_path, name, content):
    assert [features(row) for row in RowFile(write(tmp_path, content, name), SPEC)] == [[1, 0, 1, 2]]


def test_a_bad_row_does_not_stop_the_next(tmp_path):
    path = write(tmp_path, b"width,colour,height\nx,red,2\n1,red\n1,r\xffd,2\n1,red,2\n")
    rows = list(RowFile(path, SPEC))
    errors = [
        "2 cells where the first line has 3",
        "not UTF-8: save the file as UTF-8 (if 'rÿd' is meant: iconv -f cp1252 -t utf-8)",
    ]
    assert [row.error for row in rows] == [None, *errors, None]
    for row, error in zip(
        rows, ["'x' in column 'width' is no number: expected one such as 5.1", *errors], strict=False
    ):
        with pytest.raises(TableError, match=re.escape(error)):
            SPEC.read(row)
    assert features(rows[-1]) == [1, 0, 1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("a,b,c\n1,2,3\n", "the first line has no column 'width'"),
        ("width,colour,height,height\n1,red,2,3\n", "two columns are named 'height'"),
        ("w\0idth,colour,height\n", "a binary file"),
        ('"width,colour,height\n1,red,2\n', "line 1: a quote is opened and never closed"),
        ("width," * 2**16 + "\n", "line 1: more than 65,536 cells"),
        ("x" * (LONGEST_RECORD + 1), "line 1: a line of more than"),
        (b"PK\x03\x04", "a zip file or spreadsheet"),
        (b"\x1f\x8b\x08", "packed with gzip and ends too early"),
        (b"PAR1\x15\x04", "this is Parquet: call it .parquet"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a binary file"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content, message):
    with pytest.raises(TableError, match=message):
        list(RowFile(write(tmp_path, content), SPEC))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TableError, match=r"none\.csv: no such file"):
        RowFile(tmp_path / "none.csv", SPEC)


def test_features_on_the_command_line():
    assert features(parse_row("1, red ,2", SPEC)) == [1, 0, 1, 2]
    with pytest.raises(TableError, match=r"2 values: expected 3, for width, colour, height"):
        parse_row("1,red", SPEC)
    with pytest.raises(TableError, match="'x' in column 'width' is no number"):
        parse_row("x,red,2", SPEC)


def test_the_ranges_are_those_of_the_training_rows_and_travel_in_the_card():
    inputs = np.array([[0.1, 0, 1, 7], [2.5, 1, 0, 7]], np.float32)
    fitted = SPEC.fitted(inputs)
    assert [column.range for column in fitted.columns] == [(0.1, 2.5), None, (7.0, 7.0)]
    assert fitted.rows == 2
    assert type(fitted).from_card(fitted.to_card()) == fitted


@pytest.mark.parametrize(("rows", "familiar", "far"), [(30, 7.2, 7.4), (3000, 4.9, 5.0), (3, 28.8, 29.0)])
def test_the_fewer_rows_the_farther_reaches_what_is_familiar(rows, familiar, far):
    """0.1 to 2.5, and beyond either end 1 + 30 / rows times 2.4."""
    inputs = np.linspace(0.1, 2.5, rows, dtype=np.float32)[:, np.newaxis]
    spec = TableInput((Column("width"),)).fitted(inputs)
    for value, is_far in ((familiar, False), (2.6 - familiar, False), (far, True), (2.6 - far, True)):
        _, notes, is_unfamiliar = spec.encode([str(value)])
        assert is_unfamiliar == is_far
        assert notes == ((f"width {np.float32(value):g}: training saw 0.1 to 2.5",) if is_far else ())


def test_nothing_is_far_where_no_range_is_known():
    assert TableInput((Column("width"),)).encode(["1e30"])[1:] == ((), False)


def test_unseen_words_are_unfamiliar_when_they_are_half_of_the_row():
    one_of_three = SPEC.encode(["1", "mauve", "2"])
    assert not one_of_three[2]
    one_of_two = TableInput(SPEC.columns[:2]).encode(["1", "mauve"])
    assert one_of_two[2]


def test_many_odd_features_are_counted_not_listed():
    spec = TableInput(tuple(Column(f"x{place}") for place in range(100))).fitted(np.eye(100, dtype=np.float32))
    _, notes, is_unfamiliar = spec.encode(["50"] * 100)
    assert is_unfamiliar
    assert len(notes) == 6
    assert notes[-1] == "and 95 more such features"


@pytest.mark.parametrize(
    "cell", ["1_000", "\u0661\u0662", "0x10", "1e", "--1", "1,5", "9" * 1001, "five", "1 000", "\u22125"]
)
def test_what_other_programs_do_not_read_as_a_number_is_none(cell):
    with pytest.raises(TableError, match="is no number") as caught:
        SPEC.encode([cell, "red", "1"])
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("cell", ["9" * 400, "-1e39", "infinity", "1e999", "-inf"])
def test_numbers_beyond_float32_are_refused(cell):
    with pytest.raises(TableError, match="is not a finite float32 number"):
        SPEC.encode([cell, "red", "1"])


@pytest.mark.parametrize(
    "text", ["", "1,red", "1,red\n,2", '1,"red,2', '1,"red"x,2', "1,red,2\0", "1," * 10**6, "x" * 10**7, "\udcff,red,2"]
)
def test_features_of_any_form_are_one_line_of_error(text):
    with pytest.raises(TableError) as caught:
        parse_row(text, SPEC)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_twenty_thousand_columns_take_time_in_proportion(tmp_path):
    names = [f"x{place}" for place in range(20_000)]
    spec = TableInput(tuple(map(Column, names)))
    path = write(tmp_path, ",".join(names[::-1]) + "\n" + ",".join(["1"] * 20_000) + "\n")
    started = time.process_time()
    (row,) = RowFile(path, spec)
    assert SPEC.shape == (4,)
    assert spec.read(row).values.sum() == 20_000
    assert time.process_time() - started < 3


def test_another_heading_over_words_is_no_row(tmp_path):
    """Any word may be a value that training never saw."""
    spec = TableInput((Column("q1", ("agree", "disagree")), Column("q2", ("agree", "disagree"))), rows=10)
    path = tmp_path / "t.csv"
    for text in ("Q2,Q1\nagree,disagree\n", "first,second\nagree,agree\n"):
        path.write_text(text)
        with pytest.raises(TableError, match="the first line has no column 'q1'"):
            RowFile(path, spec)
    path.write_text("agree,perhaps\nagree,agree\n")
    assert [row.cells for row in RowFile(path, spec)] == [("agree", "perhaps"), ("agree", "agree")]
