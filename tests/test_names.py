"""What a name may be: letters of every script, and nothing that hides, turns or breaks what stands around it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesoft import names
from edgesoft.escape import printable, unsafe

GOOD = (
    "cat", "T-shirt/top", "a b", "日本 ♥", "日本　語", "ünïcode", "e\u0301", "naïve café", "C++", "$x$", "<b>",
    "=1+2", "-1", "unknown", "שָׁלוֹם", "مرحبا", "می\u200cخواهم", "HTML\u200cها", "क्\u200dष",
    "अर्द्ध\u200cचन्द्र", "അവന്\u200d", "தமிழ்", "සිංහල ශ්\u200dරී", "မြန်မာ", "ខ្មែរ", "ไทย", "ᠮᠣᠩᠭᠣᠯ",
    "ሰላም", "한국어", "ｶﾞ", "👨\u200d👩\u200d👧", "👩🏽\u200d⚕️", "❤️\u200d🔥", "🏳️\u200d🌈", "1️⃣", "#️⃣", "©️", "ℹ️",
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "🇸🇳", "\U000130f8", "𝛼",
)  # fmt: skip
HOSTILE = {
    "\x1b[31mred": "a control character (U+001B)",
    "a\x07": "a control character (U+0007)",
    "a\x7f": "a control character (U+007F)",
    "\x9b31mred": "a control character (U+009B)",
    "a\0b": "a control character (U+0000)",
    "a\tb": "a control character (U+0009)",
    "a\nb": "a line break (U+000A)",
    "a\r": "a line break (U+000D)",
    "a\x85b": "a line break (U+0085)",
    "a\u2028b": "a line break (U+2028)",
    "a\u2029": "a line break (U+2029)",
    "\u202egnp.exe": "turns the direction of text (U+202E)",
    "a\u2066b": "turns the direction of text (U+2066)",
    "a\u200f": "turns the direction of text (U+200F)",
    "a\ud800": "half a character (U+D800)",
    "caf\udce9": "is not UTF-8 (byte E9)",
    "a\u200bb": "shows nothing (U+200B)",
    "a\u200db": "shows nothing (U+200D)",
    "\u200dا": "shows nothing (U+200D)",
    "ا\u200d\u200dا": "shows nothing (U+200D)",
    "a\xadb": "shows nothing (U+00AD)",
    "\ufeffa": "shows nothing (U+FEFF)",
    "a\u3164": "shows nothing (U+3164)",
    "a\ufffe": "shows nothing (U+FFFE)",
    "a\ufdd0": "shows nothing (U+FDD0)",
    "a\U000e0062\U000e0063": "shows nothing (U+E0062)",
    "a\ufe0f\ufe0f": "shows nothing (U+FE0F)",
    "": "is empty",
    " \u2003": "is blank",
    "\u2800": "is blank",
    " a": "begins or ends with a blank",
    "a\xa0": "begins or ends with a blank",
    "x" * 501: "has 501 characters",
}
# What a shell can hand over and a file can be called: any bytes but a zero.
IN_FILE_NAMES = [name for name in HOSTILE if name and "\0" not in name and "\ud800" not in name and len(name) < 200]


@pytest.mark.parametrize("name", GOOD)
def test_every_script_is_welcome_and_shown_as_it_is(name):
    assert names.flaw(name) is None
    assert printable(name) == name
    assert names.fault([name, "another"], "class") is None


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_what_hides_turns_or_breaks_is_refused_and_said(name):
    wrong = names.flaw(name)
    assert wrong is not None and HOSTILE[name] in wrong
    said = names.fault(["good", name], "class", "classes")
    assert said is not None and wrong in said
    assert not list(unsafe(said)) and len(said) < 200
    assert names.stem_flaw(name) is not None


@pytest.mark.parametrize("name", [None, 1, True, 1.5, b"cat", ["cat"]], ids=str)
def test_what_is_no_text_is_no_name(name):
    assert "expected text" in names.flaw(name)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a", "a"),
        ("é", "e\u0301"),
        ("Å", "\u212b"),
        ("각", unicodedata.normalize("NFD", "각")),
        ("a b", "a\xa0b"),
        ("a b", "a  b"),
        ("❤", "❤\ufe0f"),
        ("میخواهم", "می‌خواهم"),
    ],
    ids=ascii,
)
def test_names_that_a_reader_cannot_tell_apart_are_refused(first, second):
    assert names.twins(["other", first, second]) == (first, second)
    said = names.fault([first, second], "class", "classes")
    assert ("two classes are named" if first == second else "look alike") in said


def test_names_that_differ_are_no_twins():
    assert names.twins(GOOD) is None
    assert names.fault(GOOD, "class") is None
    assert names.twins(["a", "A", "á", "à", "1", "1.0", "ﬁ", "fi"]) is None


@given(
    st.text() | st.text(st.sampled_from("a-._/\\\0\n é\u0301日👩\u200d\ufe0f\udcff\u202e ")) | st.just("x.int8.int8")
)
def test_of_any_text_a_models_name_is_made(text):
    made = names.stem(text)
    assert names.stem_flaw(made) is None
    assert names.stem(made) == made
    assert len(f"runs/.{made}.report.html.12345678.partial".encode()) - len("runs/") <= 255


@pytest.mark.parametrize(
    "name", ["a b", "a/b", "..", ".hidden", "-x", "a\\b", "a:b", "mnist.int8", "日" * 67, "a\u200d"]
)
def test_what_is_no_name_for_files(name):
    assert names.stem_flaw(name) is not None


def test_a_name_is_kept_in_its_own_script():
    assert [names.stem(text) for text in ("हिन्दी", "e\u0301té 2", "日本", "x.int8", "a--b", "../..", "caf\udce9")] == [
        "हिन्दी", "été-2", "日本", "x-int8", "a--b", "model", "caf"
    ]  # fmt: skip


@given(st.text())
def test_a_good_name_needs_no_escape(text):
    if names.flaw(text) is None:
        assert printable(text) == text
