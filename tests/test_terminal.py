"""What is folded, and how, and what stays whole. The commands themselves: tests/cli/test_terminal.py."""

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgesoft.terminal import Facts, Prose, Screen, Table, bad, cells, good, lines, talk

PIPE = Screen(None, 0)
WORDS = st.lists(st.text("abcé日,", min_size=1, max_size=12), min_size=1, max_size=12)


def on(width, *blocks):
    return list(lines(blocks, Screen(width, 0)))


@settings(max_examples=200, deadline=None)
@given(WORDS, st.integers(1, 40), st.integers(0, 10))
def test_a_sentence_loses_nothing_and_fits_but_for_long_words(words, width, indent):
    folded = on(width, Prose(" ".join(words), indent))
    assert " ".join(folded).split() == words
    assert all(cells(line) <= width or len(line.split()) == 1 for line in folded)
    assert list(lines([Prose(" ".join(words), indent)], PIPE)) == [" ".join(words)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(*[st.text("ab 日", max_size=14)] * 4), min_size=1, max_size=4), st.integers(20, 100))
def test_a_table_keeps_every_cell(rows, width):
    heading = ("name of it", "first one", "second one", "third")
    shown = on(width, Table([heading, *rows]))
    letters = sorted(letter for row in (heading, *rows) for cell in row for letter in cell if letter != " ")
    found = sorted(letter for line in shown for letter in line if letter not in " -")
    # The first column stands in each of several tables.
    assert set(found) == set(letters) and len(found) >= len(letters)
    assert all(cells(line) <= max(width, 16 + 2 + 28) for line in shown)


def test_a_table_is_folded_only_as_far_as_it_must_be():
    table = Table([["", "labels changed", "bytes"], ["INT8, 7-bit weights per tensor", "0 of 10,000", "713,036"]])
    whole = [
        "                                labels changed    bytes",
        "------------------------------  --------------  -------",
        "INT8, 7-bit weights per tensor     0 of 10,000  713,036",
    ]
    assert list(lines([table], PIPE)) == on(table.width, table) == on(200, table) == whole
    assert on(45, table) == [
        "                              labels    bytes",
        "                             changed",
        "-----------------------  -----------  -------",
        "INT8, 7-bit weights per  0 of 10,000  713,036",
        "tensor",
    ]
    assert on(30, table) == [
        "                      labels",
        "                     changed",
        "---------------  -----------",
        "INT8, 7-bit      0 of 10,000",
        "weights per",
        "tensor",
        "",
        "                   bytes",
        "---------------  -------",
        "INT8, 7-bit      713,036",
        "weights per",
        "tensor",
    ]


def test_a_fact_stays_beside_its_name_and_a_long_word_gets_a_line():
    facts = Facts(
        [("sha256", "f" * 30), ("packages", "numpy 2.4.6, pillow 13.0.0"), ("", "and a cure"), ("none", "")], 10
    )
    assert on(30, facts) == [
        "sha256",
        "f" * 30,
        "packages  numpy 2.4.6, pillow",
        "          13.0.0",
        "          and a cure",
        "none",
    ]


def test_a_command_at_the_end_is_never_folded():
    said = "error: nothing was published. Replace it: edgesoft export runs/mnist --quantize --overwrite"
    folded = list(talk(said, Screen(50, 0)))
    assert folded[-1].strip() == "edgesoft export runs/mnist --quantize --overwrite"
    # Inside of a sentence it is words like others.
    assert len(list(talk("the command edgesoft export writes files and more files", Screen(30, 0)))) == 2


def test_emphasis_takes_no_room_and_foreign_codes_are_escaped():
    coloured, plain = Screen(40, 8), Screen(40, 0)
    table = Table([["a", "b"], [bad("x\x1b[31m"), good("1")]])
    painted, bare = (list(lines([table], screen)) for screen in (coloured, plain))
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in painted] == bare
    assert painted[-1].startswith("\x1b[1;31mx\\x1b[31m\x1b[0m")
    assert list(talk("warning: a\x1b[2Jb\nc", coloured)) == ["\x1b[33mwarning:\x1b[0m a\\x1b[2Jb\\x0ac"]
    assert list(talk("a warning: b", coloured)) == ["a warning: b"]


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("日本", 4), ("é", 1), ("e\u0301", 1), ("\uff21", 2), ("", 0)]
)
def test_letters_take_the_room_that_they_take(text, columns):
    assert cells(text) == columns


def test_what_is_no_terminal_has_no_width_and_no_colours(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert Screen.of(io.StringIO()) == PIPE

    class Odd(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("COLORTERM", raising=False)
    assert Screen.of(Odd()) == Screen(20, 256)
    monkeypatch.setenv("COLUMNS", "nonsense")
    assert Screen.of(Odd()).width == 80  # it has no descriptor to ask
