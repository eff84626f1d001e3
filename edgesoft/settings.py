"""Settings, described once.

A dataclass of settings gives every field its default, its range and a sentence of help. That description is all there is: the command
line's options, the checks of settings files and of the Python API, and docs/settings.md are made from it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from edgesoft.errors import UsageError

MOST = 1_000_000
"""Most epochs, examples, rounds or whatever else is counted: more is a slip of the finger."""
MOST_THREADS = 1024
MOST_DEVICES = 1024
LONGEST_SHOWN = 80
"""Characters of a value in a message."""


@dataclass(frozen=True)
class Setting:
    """What there is to know about one field."""

    help: str
    """One sentence, with the unit, and without a full stop."""
    takes: tuple[type, ...]
    """The types that a settings file or a caller may give; the first is the command line's."""
    expected: str
    """The range, in words."""
    holds: Callable[[Any], bool]
    """Whether a value is in the range."""
    convert: Callable[[Any], Any]
    """What was given -> the value; raises ValueError when it has another form."""
    default: str
    """The default, in words."""
    flags: str | None
    """How the option is written; None: "--" and the name."""
    is_option: bool
    """Whether the command line has it."""

    def option(self, name: str) -> str:
        """What messages call the setting of this name: its option, where it has one; "--colour or --grey" of two."""
        if not self.is_option:
            return name
        return f"--{name.replace('_', '-')}" if self.flags is None else " or ".join(self.flags.split("/"))

    def takes_type(self, value: object) -> bool:
        """Whether a value has a type that a settings file or a caller may give; an integer is a number, and True is none."""
        if type(value) is int and float in self.takes:
            return True
        return isinstance(value, self.takes) and isinstance(value, bool) == (bool in self.takes)


def setting(
    default: Any,
    sentence: str,
    *,
    takes: type | tuple[type, ...],
    expected: str = "",
    holds: Callable[[Any], bool] = lambda _: True,
    convert: Callable[[Any], Any] = lambda value: value,
    shown: str | None = None,
    flags: str | None = None,
    is_option: bool = True,
) -> Any:
    """A field of a settings dataclass; see `Setting`.

    `sentence` is its help, and `shown` its default in words, where the value does not say it.
    """
    default_words = f"{default:g}" if isinstance(default, float) else str(default)
    taken = takes if isinstance(takes, tuple) else (takes,)
    range_words = expected or "true or false"
    item = Setting(
        sentence, taken, range_words, holds, convert, default_words if shown is None else shown, flags, is_option
    )
    return field(default=default, metadata={"setting": item})


def count(low: int, high: int = MOST, *, zero: str | None = None) -> dict[str, Any]:
    """What `setting` takes for a whole number from `low` to `high`; `zero` says what a 0 below that means."""
    return {
        "takes": int,
        "expected": f"a whole number from {low} to {high:,}" + (f", or 0 {zero}" if zero else ""),
        "holds": lambda value: low <= value <= high or (zero is not None and value == 0),
    }


def described(kind: type) -> dict[str, Setting]:
    """Name -> what there is to know, in the order of the fields."""
    return {item.name: item.metadata["setting"] for item in fields(kind)}


def check(settings: Any) -> None:
    """Hold every field to its range; None is always a default.

    Raises
    ------
    UsageError
        A value is out of its range.
    """
    for name, item in described(type(settings)).items():
        value = getattr(settings, name)
        if value is not None and not item.holds(value):
            raise _wrong(item.option(name), item, value)


def read_settings(kinds: Sequence[type], given: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Settings from outside, checked and in the form that the dataclasses take; what is None was not given.

    Parameters
    ----------
    kinds
        The dataclasses that they may belong to.
    given
        Name -> value. A dash in a name stands for an underscore.
    where
        What the messages begin with.

    Raises
    ------
    UsageError
        A name is unknown, or a value has a wrong type or form, or is out of its range.
    """
    known = {name: item for kind in kinds for name, item in described(kind).items()}
    found: dict[str, Any] = {}
    for spelt, value in given.items():
        name = spelt.replace("-", "_")
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(known)}"
            raise UsageError(f"{where}unknown setting {brief(spelt)}. {hint}")
        if value is None:
            continue
        item, value = known[name], _plain(value)
        # Checked here too, where a message can still show what was given.
        try:
            if not item.takes_type(value):
                raise ValueError
            found[name] = float(value) if item.takes == (float,) else item.convert(value)
            if not item.holds(found[name]):
                raise ValueError
        except (ValueError, OverflowError):
            raise _wrong(f"{where}{spelt}" if where else item.option(name), item, value) from None
    return found


def _plain(value: Any) -> Any:
    """The numbers of numpy, alone or in lists, as Python's own: searches over settings hand them over."""
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    return value.tolist() if hasattr(value, "tolist") else value


def markdown(*kinds: type) -> str:
    """A table of all settings of some dataclasses, for the documentation."""
    rows = ["| setting | what it does | takes | default |", "|---|---|---|---|"]
    for kind in kinds:
        rows += [
            f"| `{name}`{'' if item.is_option else ' (no option)'} | {item.help} | {item.expected} | {item.default} |"
            for name, item in described(kind).items()
        ]
    return "\n".join(rows)


def brief(value: Any) -> str:
    """Any value, in so few characters that a message stays a line."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        text = "a number of thousands of digits"
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."


def whole_number(text: str) -> int:
    """Read a whole number as everybody writes it: ASCII digits behind a sign or none.

    Raises
    ------
    ValueError
        It is none. Python's own `int` takes 1_000 and the digits of other scripts too.
    """
    if not re.fullmatch("[+-]?[0-9]{1,20}", text):
        raise ValueError
    return int(text)


def _wrong(what: str, item: Setting, value: Any) -> UsageError:
    is_text = isinstance(value, str) and str not in item.takes
    return UsageError(f"{what} {brief(value)}: expected {item.expected}{', not text' if is_text else ''}")
