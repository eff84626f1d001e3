"""What may stand around the rows of a text file: packing, encodings, comments, and what says how the cells are separated."""

import bz2
import codecs
import gzip
import lzma
import tracemalloc

import pytest

from edgesoft.tables import lines
from edgesoft.tables.spec import TableError
from edgesoft.tables.text import read_records

ROWS = "width,colour,kind\n1.5,grün,a\n2.5,red,b\n"
CELLS = [line.split(",") for line in ROWS.splitlines()]


def read(folder, content: bytes, name: str = "rows.csv"):
    path = folder / name
    path.write_bytes(content)
    return list(read_records(path))


def cells(folder, content: str | bytes, name: str = "rows.csv"):
    records = read(folder, content if isinstance(content, bytes) else content.encode(), name)
    assert [record.error for record in records] == [None] * len(records)
    return [record.cells for record in records]


WRITTEN = {
    "gzip": gzip.compress(ROWS.encode()),
    "gzip in two parts and padding": gzip.compress(ROWS[:20].encode()) + gzip.compress(ROWS[20:].encode()) + bytes(99),
    "UTF-16": ROWS.encode("utf-16"),
    "UTF-16, the other way round": codecs.BOM_UTF16_BE + ROWS.encode("utf-16-be"),
    "UTF-16 in gzip": gzip.compress(ROWS.replace("\n", "\r\n").encode("utf-16")),
    "a mark of UTF-8": ROWS.encode("utf-8-sig"),
    "the line ends of old Macs": ROWS.replace("\n", "\r").encode(),
    "semicolons": ROWS.replace(",", ";").encode(),
    "pipes": ROWS.replace(",", "|").encode(),
    "tabs": ROWS.replace(",", "\t").encode(),
    "what Excel says": b"sep=;\r\n" + ROWS.replace(",", ";").encode(),
    "what Excel says, saved again": b'"sep=|"||\n' + ROWS.replace(",", "|").encode(),
    "comments": b"# made by hand\n#\n\n# 2024, in May\n" + ROWS.encode(),
    "a comment divided like a heading of its own": b"# a, b, c, d\n" + ROWS.encode(),
}


@pytest.mark.parametrize("content", WRITTEN.values(), ids=WRITTEN)
def test_what_stands_around_the_rows_does_not_change_them(tmp_path, content):
    assert cells(tmp_path, content) == CELLS


@pytest.mark.parametrize(
    ("content", "first"),
    [
        ("# width,colour,kind\n1,red,a\n", ["# width", "colour", "kind"]),  # as numpy.savetxt writes a heading
        ("#1,red\n#2,red\n3,green\n", ["#1", "red"]),
        ("#1,red\n#2,red\n", ["#1", "red"]),
        ("#1\n#2\n3\n", ["#1"]),
        ('"size (a;b;c)";kind\n1;a\n', ["size (a;b;c)", "kind"]),
        ("size (a, b, c);kind\n1,5;a\n", ["size (a, b, c)", "kind"]),
        ("a;b,c\n1,2\n", ["a;b", "c"]),  # the next line decides
        ("a;b,c\n1;2\n", ["a", "b,c"]),
    ],
)
def test_comments_and_separators_that_could_be_taken_for_others(tmp_path, content, first):
    assert read(tmp_path, content.encode())[0].cells == first


def test_the_lines_are_those_of_the_file(tmp_path):
    records = read(tmp_path, b"sep=,\n\n# two\na,b\n1,2\n3\n")
    assert [(record.line, record.error) for record in records] == [
        (4, None),
        (5, None),
        (6, "1 cells where the first line has 2"),
    ]


FOREIGN = {
    "bzip2": (bz2.compress(b"a,b\n"), "packed with bzip2: unpack it first, or pack it with gzip"),
    "xz": (lzma.compress(b"a,b\n"), "packed with xz"),
    "Zstandard": (b"\x28\xb5\x2f\xfd\x04", "packed with Zstandard"),
    "an .xlsx": (b"PK\x03\x04\x14", "a zip file or spreadsheet: unpack it, or save the spreadsheet as CSV"),
    "an .xls": (b"\xd0\xcf\x11\xe0\xa1", "a spreadsheet: save it as CSV"),
    "Feather": (b"ARROW1\0\0", "Feather: training reads it under the name .feather"),
    "UTF-32": ("a,b\n".encode("utf-32"), "UTF-32"),
    "UTF-16 without its mark": ("a,b\n".encode("utf-16-be"), "UTF-16 without its mark"),
    "a JSON list": (b'[{"a": 1},\n{"a": 2}]\n', "a JSON list: save it as JSON lines"),
    "a page": (b"<!DOCTYPE html>\n<html>", "a page of HTML or XML"),
    "a cut gzip": (gzip.compress(ROWS.encode())[:-9], "is packed with gzip and ends too early"),
    "a gzip of nothing but its header": (gzip.compress(b"")[:10], "ends too early"),
    "a damaged gzip": (gzip.compress(ROWS.encode())[:-8] + b"12345678", "cannot be unpacked"),
    "a gzip with more after it": (gzip.compress(ROWS.encode()) + b"and more", "cannot be unpacked"),
    "gzip in gzip": (gzip.compress(gzip.compress(ROWS.encode())), "packed with gzip twice"),
    "a spreadsheet in gzip": (gzip.compress(b"PK\x03\x04"), "a zip file or spreadsheet"),
}


@pytest.mark.parametrize(("content", "message"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_text_is_one_line_that_helps(tmp_path, content, message):
    with pytest.raises(TableError, match=message) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("heading", ["PAR1,PAR2", "ARROW1,b", "FEA1,FEA2", "BZh1,b"])
def test_names_that_begin_like_a_signature_are_names(tmp_path, heading):
    assert cells(tmp_path, f"{heading}\n1,2\n")[0] == heading.split(",")


def test_other_encodings_cost_their_rows_and_say_what_was_perhaps_meant(tmp_path):
    records = read(tmp_path, "a,stadt\n1,München\n2,Rom\n".encode("cp1252"))
    assert [record.error for record in records] == [
        None,
        "not UTF-8: save the file as UTF-8 (if 'München' is meant: iconv -f cp1252 -t utf-8)",
        None,
    ]
    assert read(tmp_path, b"a,b\n1,\x81\n")[1].error == "not UTF-8: save the file as UTF-8"


def test_half_a_character_of_utf16_costs_its_row(tmp_path):
    content = "a,b\n1,2\n3,".encode("utf-16-le")
    for end in (b"4", b"\x00\xd8\n\x00", b"\x00\xd8"):
        records = read(tmp_path, codecs.BOM_UTF16_LE + content + end)
        assert [record.cells for record in records] == [["a", "b"], ["1", "2"], []]
        assert records[2].error.startswith("not UTF-8")


def test_a_small_file_that_unpacks_to_much_is_read_in_little_memory_up_to_its_limit(tmp_path, monkeypatch):
    content = gzip.compress(b"a,b\n" + bytes(2**25))
    assert len(content) < 50_000
    (tmp_path / "bomb.csv.gz").write_bytes(content)
    monkeypatch.setattr(lines, "UNPACKED_LIMIT", 2**24)
    records = read_records(tmp_path / "bomb.csv.gz")
    tracemalloc.start()
    with pytest.raises(TableError, match=r"unpacks to more than .* GB. Unpack it first"):
        sum(1 for _ in records)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


def test_the_suffix_says_what_is_inside(tmp_path):
    assert cells(tmp_path, gzip.compress(b"a, b\tc\n1, 2\t3\n"), "rows.TSV.gz") == [["a, b", "c"], ["1, 2", "3"]]
