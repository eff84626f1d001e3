"""Foreign text where it is shown: nothing raw, and JSON and CSV lead back to it."""

import csv
import io
import json
import os
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgesoft.escape import csv_cell, json_text, printable, unsafe

ANY = st.text(st.characters(exclude_categories=[])) | st.text(
    st.sampled_from(
        "ab \0\t\n\r\x1b\x7f\x85\x9b\u2028\u202e\u2066\u200b\u200d\ufe0f\ud800\udcff\ufffe\U000e0041👩é\u0301=+-@;\"'\\,1"
    )
)
NEVER_RAW = ("Cc", "Cs", "Zl", "Zp")
TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def is_raw(text, keep=""):
    return [
        letter
        for letter in text
        if letter not in keep and (unicodedata.category(letter) in NEVER_RAW or letter in TURNING)
    ]


@given(ANY)
@example("\ufe00\u200c")
def test_shown_text_is_one_line_without_control_codes(text):
    shown = printable(text)
    assert not is_raw(shown)
    assert len(shown.splitlines()) <= 1
    shown.encode()
    assert printable(shown) == shown
    assert not is_raw(printable(text, lines=True), keep="\n")


@given(st.dictionaries(ANY, ANY | st.lists(ANY), max_size=3), st.sampled_from([None, 2]))
def test_json_is_json_and_leads_back(value, indent):
    text = json_text(value, indent=indent)
    assert not is_raw(text, keep="\n" if indent else "")
    text.encode()
    back = json.loads(text)
    assert back == json.loads(json.dumps(value))  # in JSON, two halves of a character side by side are that character


@given(st.binary(max_size=20))
def test_a_files_name_leads_back_to_the_file(name):
    path = os.fsdecode(name)
    assert os.fsencode(json.loads(json_text({"path": path}))["path"]) == name
    cell = csv_cell(path)
    assert os.fsencode(json.loads(cell) if cell.startswith('"') else cell) == name


@given(ANY)
def test_a_cell_is_no_formula_and_leads_back(text):
    cell = csv_cell(text)
    assert not is_raw(cell)
    back = json.loads(cell) if cell.startswith('"') else cell
    assert back.encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")
    is_number = re.fullmatch("[+-]?[0-9.]+([eE][+-]?[0-9]+)?", cell)
    assert is_number or not [part for part in cell.split(";") if part.strip()[:1] in tuple("=+-@")]
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow([cell, "x"])
    assert next(csv.reader(io.StringIO(written.getvalue()))) == [cell, "x"]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("plain", "plain"),
        ("-1.5e3", "-1.5e3"),
        ("=1+2", r'"\u003d1+2"'),
        ("  @SUM(1)", r'"  \u0040SUM(1)"'),
        ("-1+1|' /C calc'!A1", r'''"\u002d1+1|' /C calc'!A1"'''),
        ("a;=1", r'"a;\u003d1"'),
        ("\uff1d1", r'"\uff1d1"'),
        ("caf\udce9", r'"caf\udce9"'),
        ('"quoted"', r'"\"quoted\""'),
        ("a\n", r'"a\n"'),
    ],
)
def test_cells(text, cell):
    assert csv_cell(text) == cell


def test_how_the_unsafe_is_shown():
    assert printable("a\x1b[31m\n\x9b\u202e\udcff\ud800\U000e0041") == r"a\x1b[31m\x0a\u009b\u202e\xff\ud800\U000e0041"
    assert printable("a\nb\tc", lines=True) == "a\nb\\x09c"
    assert list(unsafe("é👩\u200d⚕\ufe0f")) == []
