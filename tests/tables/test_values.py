"""Forms of cells: what is read, what is refused, and what the card says of them."""

import json

import pytest

from edgesoft.errors import EdgesoftError
from edgesoft.model.card import ModelCard
from edgesoft.model.inputs import TableInput
from edgesoft.tables.spec import Column
from edgesoft.tables.values import DateForm, NumberForm, TruthForm, is_missing

SPEC = TableInput(
    (
        Column("age", None, ((0.5, 80.0),), fill=(28.0,), marks_missing=True),
        Column("fare", None, ((0.0, 512.0),), NumberForm("$", "", ",", ".")),
        Column("sure", None, None, TruthForm(), (1.0,)),
        Column("when", None, ((2019.0, 2021.0), (1.0, 12.0)), DateForm("dmy", ("year", "month")), (2020.0, 6.5), True),
        Column("colour", ("green", "red"), marks_missing=True),
    ),
    rows=100,
)


def test_every_form_travels_in_the_card():
    card = ModelCard("t", ("a", "b"), SPEC, ())
    assert ModelCard.from_json(card.to_json(), "card") == card
    assert [column.describe() for column in SPEC.columns] == [
        "a number; training saw 0.5 to 80; missing: 28, and marked",
        "a number such as $1,205.1; training saw 0 to 512",
        "true or false, yes or no, 1 or 0; missing: 1",
        "a date such as 30/04/2021 (year, month); training saw 2019 to 2021, 1 to 12; missing: 2020, 6.5, and marked",
        "one of 'green', 'red'; missing: marked",
    ]


def test_a_row_of_every_form_and_one_of_gaps():
    features, notes, is_unfamiliar = SPEC.encode(["30", "$1,000", "Yes", "3 Feb 2020", "red"])
    assert features.tolist() == [30, 0, 1000, 1, 2020, 2, 0, 0, 1, 0]
    assert (notes, is_unfamiliar) == ((), False)
    assert SPEC.features[-3:] == ("colour=green", "colour=red", "colour is missing")
    features, notes, is_unfamiliar = SPEC.encode(["", "$1", "NA", "null", "?"])
    assert features.tolist() == [28, 1, 1, 1, 2020, 6.5, 1, 0, 0, 1]
    assert (notes, is_unfamiliar) == ((), False)


@pytest.mark.parametrize(
    ("place", "cell", "message"),
    [
        (1, "", r"no number in column 'fare' \(''\): fill it in or leave the row out"),
        (1, "1000", r"'1000' in column 'fare' is no number as training saw it: expected a number such as \$1,205\.1"),
        (1, "$1,00", "is no number as training saw it"),
        (1, "$1" + "0" * 60, "is not a finite float32 number"),
        (2, "maybe", "'maybe' in column 'sure' is no boolean as training saw it: expected true or false"),
        (3, "2020-02-03", "is no date as training saw it: expected a date such as 30/04/2021"),
        (3, "31/02/2020", "is no date"),
        (0, "old", "'old' in column 'age' is no number: expected one such as 5.1"),
    ],
)
def test_another_form_than_in_training_is_an_error(place, cell, message):
    row = ["30", "$1,000", "Yes", "3 Feb 2020", "red"]
    row[place] = cell
    with pytest.raises(EdgesoftError, match=message):
        SPEC.encode(row)


def test_a_missing_word_that_training_never_saw_is_said():
    _, notes, _ = TableInput((Column("c", ("a", "b")), Column("x"), Column("y"))).encode(["", "1", "2"])
    assert notes == ("'' in column 'c' is not among the values seen in training: read as none of them",)


@pytest.mark.parametrize(
    "change",
    [
        (0, {"missing": {"fill": [1.0, 2.0], "is_marked": True}}),
        (0, {"missing": {"fill": None, "is_marked": False}}),
        (0, {"missing": {"fill": ["1"], "is_marked": True}}),
        (0, {"missing": {"fill": [float("nan")], "is_marked": True}}),
        (0, {"missing": []}),
        (0, {"ranges": [[0.0, 1.0]]}),
        (1, {"form": {"prefix": "$"}}),
        (1, {"form": {"prefix": "1", "suffix": "", "thousands": ",", "decimal": "."}}),
        (1, {"form": {"prefix": "$", "suffix": "", "thousands": ",", "decimal": ","}}),
        (1, {"form": {"prefix": "", "suffix": "", "thousands": "", "decimal": "."}}),
        (2, {"range": [0.0, 1.0]}),
        (3, {"order": "ydm"}),
        (3, {"parts": ["month", "year"]}),
        (3, {"parts": []}),
        (3, {"parts": [[]]}),
        (3, {"ranges": [[2019.0, 2021.0]]}),
        (4, {"missing": {"fill": [1.0], "is_marked": True}}),
        (4, {"kind": "numeric"}),
    ],
)
def test_a_damaged_form_is_refused(change):
    place, values = change
    document = json.loads(ModelCard("t", ("a", "b"), SPEC, ()).to_json())
    document["input"]["columns"][place] |= values
    with pytest.raises(EdgesoftError, match="in the card's input must"):
        ModelCard.from_json(json.dumps(document), "card")


@pytest.mark.parametrize(
    "cell", ["2021-04-03", "2021-4-3 1:30 pm", "2021/04", "2021-04-03T23:59:59.123Z", "2021 Apr 3"]
)
def test_dates(cell):
    assert DateForm("ymd", ("year", "month")).read(cell) == (2021, 4)


@pytest.mark.parametrize(
    "cell", ["2021-13-01", "2021-02-30", "21-04-03", "2021-04/03", "2021-04-03 25:00", "2021-04-03 13:00 pm", "0000-01-01", ""]
)  # fmt: skip
def test_no_dates(cell):
    with pytest.raises(ValueError):
        DateForm().read(cell)


@pytest.mark.parametrize("cell", ["", "NA", "#N/A", "<NA>", "NaN", "NaT", "null", "?", ".", "None", "-1.#IND"])
def test_what_pandas_and_others_write_where_nothing_is(cell):
    assert is_missing(cell)


@pytest.mark.parametrize("cell", ["0", "-", "missing", "x" * 10**6])
def test_what_is_not_missing(cell):
    assert not is_missing(cell)
