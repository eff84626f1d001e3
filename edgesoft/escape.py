"""Foreign text, made safe to show: on a terminal, in a page, as JSON, as CSV.

File names, labels, cells and what a model file says of itself may hold anything. On a terminal, a control code moves the cursor or
colours the screen, a line break forges a line, and a direction mark turns its neighbours around. Such characters are written as
escapes; letters of every script stay as they are.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

# Unicode's default ignorable code points that shape their neighbours: joiners, and selectors of a letter's variant. Right behind or
# before a letter of a script that has them, or an emoji; anywhere else they are hidden text.
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_JOINERS = "\u034f\u180e\u200c\u200d\U0001bca0-\U0001bca3"
# Never part of a name: control codes, halves of characters, line breaks, what turns the direction of text, what shows nothing, and
# noncharacters. Sources: UAX 9 (direction), DerivedCoreProperties.txt (Default_Ignorable_Code_Point), The Unicode Standard 23.7.
_NEVER = (
    "\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\xad\u115f\u1160\u17b4\u17b5\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a"
    "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
    "\ufdd0-\ufdef" + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
)
# A flag such as Scotland's is a black flag and its code in tags, which show nothing by themselves.
_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f"


def unsafe(text: str) -> Iterator[int]:
    """The places of the characters that must not be shown as they are."""
    if text.isascii():  # most text, for which no pattern is made
        yield from (
            (place for place, letter in enumerate(text) if not letter.isprintable()) if not text.isprintable() else ()
        )
        return
    flags: list[range] | None = None
    found = -2
    for match in _one_of(_NEVER + _JOINERS + _SELECTORS).finditer(text):
        place = match.start()
        if _one_of(_JOINERS + _SELECTORS).match(match[0]):
            if _shapes(text, place) and found != place - 1:  # what is unsafe will not be there to be shaped
                continue
        elif "\U000e0020" <= match[0] <= "\U000e007f":
            flags = [range(*flag.span()) for flag in re.finditer(_FLAG, text)] if flags is None else flags
            if any(place in flag for flag in flags):
                continue
        found = place
        yield place


@cache
def _one_of(letters: str) -> re.Pattern[str]:
    """Made when it is first needed: a command that shows ASCII only starts without."""
    return re.compile(f"[{letters}]")


def _shapes(text: str, place: int) -> bool:
    """Whether a joiner or selector has something to shape."""
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    is_selector, follows_selector = (bool(_one_of(_SELECTORS).match(letter)) for letter in (text[place], before))
    follows_joiner = bool(_one_of(_JOINERS).match(before))
    if not before or before.isspace() or follows_joiner or (is_selector and follows_selector):
        return False
    return is_selector or follows_selector or _may_join(before) or _may_join(after)


def _may_join(letter: str) -> bool:
    """Letters of scripts without capitals, marks, and symbols; but no Latin letter, digit or punctuation."""
    is_shown = bool(letter) and not _one_of(_NEVER + _JOINERS + _SELECTORS).match(letter)
    return is_shown and unicodedata.category(letter) in _JOINING


_JOINING = frozenset({"Lo", "Lm", "Mn", "Mc", "Me", "So", "Sk", "Sm", "Sc", "Co", "Cn"})


def without_shaping(text: str) -> str:
    """`text` without joiners and selectors."""
    return _one_of(_JOINERS + _SELECTORS).sub("", text)


def printable(text: str, *, lines: bool = False) -> str:
    r"""`text` in one line that is safe on a terminal and in a page.

    A control code, a line break, a direction mark and a character that shows nothing become `\x1b`, `\u202e` and the like; a byte that
    is no UTF-8, as in a file's name, becomes `\xff`.

    Parameters
    ----------
    text
        Anything.
    lines
        Keep the line breaks.
    """
    return _replaced(text, _escape, keep="\n" if lines else "")


def json_text(value: Any, *, indent: int | None = None, sort_keys: bool = False) -> str:
    r"""JSON that shows letters of every script and nothing unsafe.

    A file's name leads back to the file, whatever its bytes are: a byte that is no UTF-8 stands as `\udcff`, and
    `os.fsencode(json.loads(text))` is the name again.

    Raises
    ------
    ValueError
        A number is NaN or infinite.
    """
    text = json.dumps(value, indent=indent, sort_keys=sort_keys, ensure_ascii=False, allow_nan=False)
    return _replaced(text, _json_escape, keep="\n")  # which JSON has between its values only


def csv_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, and that leads back to `text`.

    Text that begins like a formula (or has such a part behind a semicolon, which separates cells in half of the world), and text with
    unsafe characters, stands as a JSON string; so does text that begins with a double quote, so that a cell that begins with one is
    always JSON. A plain number is no formula.
    """
    is_plain = next(unsafe(text), None) is None and not text.startswith('"')
    if (is_plain and not re.search(rf"(?:^|;)\s*[{_SIGNS}]", text)) or re.fullmatch(_NUMBER, text):
        return text
    return re.sub(rf"((?:^\"|;)\s*)([{_SIGNS}])", lambda match: f"{match[1]}\\u{ord(match[2]):04x}", json_text(text))


_NUMBER = r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"  # the last four are their wide forms, which count too


def escaped_in_json(text: str) -> str:
    r"""`text` in ASCII: `\u00e9`. Where a stream takes no other letters, JSON stays JSON."""
    return "".join(map(_json_escape, text))


def _replaced(text: str, escape: Callable[[str], str], *, keep: str) -> str:
    places = [place for place in unsafe(text) if text[place] not in keep]
    if not places:
        return text
    parts, end = [], 0
    for place in places:
        parts += [text[end:place], escape(text[place])]
        end = place + 1
    return "".join([*parts, text[end:]])


def _escape(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # how Python carries a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(letter: str) -> str:
    return json.dumps(letter)[1:-1] if letter != "\x7f" else "\\u007f"
