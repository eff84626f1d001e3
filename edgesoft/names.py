"""What a class, a column, a category, a feature or a model may be called: decided here, whether it is read from data or from a model file.

A name is one line that a reader can see and tell from its neighbours. Letters of every script are welcome, emoji too. A name is kept as
it came, byte for byte, so that it leads back to the data; where two are compared, the two ways to write an accented letter are one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from edgesoft.escape import printable, unsafe, without_shaping

LONGEST = 500
"""Characters of a name."""
LONGEST_STEM = 200
"""Bytes of a model's name: files are called after it, and the longest that a file system takes is 255 with all that is added."""
INT8_ENDING = ".int8"
"""At the end of a stem it marks the INT8 file, so that no model's name ends so."""
BLANKS = " \t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""What may stand around the cells of a table without being part of them."""
_SHOWN = 40  # characters of a refused name in a message


def flaw(name: object) -> str | None:
    """What is wrong with a name, to follow it in a sentence: "holds a line break (U+000A)"; None for a good one."""
    if not isinstance(name, str):
        return f"is {'nothing' if name is None else type(name).__name__}, expected text"
    if not name.strip(f"{BLANKS}\u2800"):  # the last is Braille's blank
        return "is empty" if not name else "is blank"
    if len(name) > LONGEST:
        return f"has {len(name):,} characters, more than {LONGEST}"
    place = next(unsafe(name), None)
    if place is not None:
        return _described(name[place])
    if name.strip(BLANKS) != name:
        return "begins or ends with a blank"
    return None


def _described(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:
        return f"is not UTF-8 (byte {code - 0xDC00:02X})"
    if letter in "\n\r\x0b\x0c\x85\u2028\u2029":
        kind = "a line break"
    elif unicodedata.category(letter) == "Cc":
        kind = "a control character"
    elif unicodedata.category(letter) == "Cs":
        kind = "half a character"
    elif letter in "\u061c\u200e\u200f" or "\u202a" <= letter <= "\u202e" or "\u2066" <= letter <= "\u2069":
        kind = "a mark that turns the direction of text"
    else:
        kind = "a character that shows nothing"
    return f"holds {kind} (U+{code:04X})"


def same(name: str) -> str:
    """What names are compared by: an accented letter may be written as one character or as two (Unicode's NFC and NFD)."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def twins(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two names that are equal, or that a reader cannot tell apart because they differ in invisible ways only."""
    seen: dict[str, str] = {}
    for name in names:
        looks = name if name.isascii() else same(without_shaping(name))
        if "  " in looks or not name.isascii():
            looks = " ".join(looks.split())  # a page shows every blank alike
        if looks in seen:
            return seen[looks], name
        seen[looks] = name
    return None


def fault(names: Sequence[object], what: str, plural: str | None = None) -> str | None:
    """The first thing that is wrong with a list of names, in a sentence; None for a good one.

    Parameters
    ----------
    names
        What may be names.
    what, plural
        What they are: "class", "classes".
    """
    for name in names:
        wrong = flaw(name)
        if wrong is not None:
            return f"{what} {quoted(name)} {wrong}"
    double = twins(map(str, names))
    if double is None:
        return None
    first, second = double
    if first == second:
        return f"two {plural or f'{what}s'} are named {quoted(first)}"
    return (
        f"{plural or f'{what}s'} {quoted(first)} and {quoted(second)} look alike: {_codes(first)} and {_codes(second)}"
    )


def quoted(name: object) -> str:
    """A name in a message, cut where it is long."""
    text = printable(repr(name[: _SHOWN + 1] if isinstance(name, str | bytes) else name))
    return text if len(text) <= _SHOWN + 2 else f"{text[:_SHOWN]}...{text[0]}"


def _codes(name: str) -> str:
    codes = [f"{ord(letter):04X}" for letter in name if not letter.isascii() or letter == " "]
    return f"U+{' '.join(codes[:8])}{' ...' if len(codes) > 8 else ''}" if codes else "ASCII only"


def stem(text: str) -> str:
    """A model's name made of a file's or a folder's: what no file may be called after becomes a dash."""
    letters = unicodedata.normalize("NFC", without_shaping(text))
    made = re.sub("\0+", "-", "".join(letter if _in_stem(letter) else "\0" for letter in letters)).strip("-.")
    made = made.encode()[:LONGEST_STEM].decode(errors="ignore").rstrip("-.")
    while made.endswith(INT8_ENDING):
        made = f"{made.removesuffix(INT8_ENDING)}-int8".lstrip("-.")
    return made or "model"


def served_name(file: str) -> str:
    """What a model is called where it is served, after its file: without ".onnx", and whether it is INT8 is not in the name."""
    return stem(file.removesuffix(".onnx").removesuffix(INT8_ENDING))


def stem_flaw(name: object) -> str | None:
    """What is wrong with a model's name, to follow it in a sentence; None for a good one."""
    wrong = flaw(name)
    if wrong is not None or not isinstance(name, str):
        return wrong
    if len(name.encode()) > LONGEST_STEM:
        return f"has {len(name.encode())} bytes, more than {LONGEST_STEM}: files are named after it"
    is_stem = all(map(_in_stem, name)) and name[0] not in "-." and not name.endswith(INT8_ENDING)
    return (
        None
        if is_stem
        else f"is none for files: expected letters, digits, '.', '_' and '-', and no '{INT8_ENDING}' at the end"
    )


def _in_stem(letter: str) -> bool:
    return letter in "_-." or (unicodedata.category(letter)[0] in "LMN" and next(unsafe(letter), None) is None)
