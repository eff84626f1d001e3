"""Numbers, texts and names as C and C++ both read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.model.graph import Array

LINE = 100
"""Columns that a line of numbers may take."""
# Of C99, C++20, and the names that the written files use themselves.
_TAKEN = frozenset(
    """alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class co_await co_return
    co_yield compl concept const const_cast consteval constexpr constinit continue decltype default delete do double dynamic_cast else
    enum explicit export extern false float for friend goto if inline int long main mutable namespace new noexcept not not_eq nullptr
    operator or or_eq private protected public register reinterpret_cast requires restrict return short signed sizeof static
    static_assert static_cast struct switch template this thread_local throw true try typedef typeid typename union unsigned using
    virtual void volatile wchar_t while xor xor_eq golden linux unix""".split()  # noqa: SIM905 - ninety words
)


def identifier(name: str) -> str:
    """A name as C can have it, in lower case; the same name gives the same one, and it also names files and macros."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40].strip("_")
    if not plain or not plain[0].isalpha() or plain in _TAKEN:
        plain = f"model_{plain}".strip("_")
    return plain


def text(value: str) -> str:
    """A string literal of the UTF-8 bytes; only letters, digits and harmless marks stand for themselves.

    No byte can end the string, begin a trigraph or an escape sequence that goes on, or look like the end of a comment.
    """
    plain = b" !#$%&'()+,-.:;<=>@[]^_`{|}~"
    return (
        '"'
        + "".join(chr(byte) if bytes([byte]).isalnum() or byte in plain else f"\\{byte:03o}" for byte in _utf8(value))
        + '"'
    )


def comment(value: str) -> str:
    """A text inside a comment: one line, which cannot end the comment or go on in the next line."""
    shown = "".join(mark if mark.isprintable() else "?" for mark in value)
    return shown.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?").rstrip("\\")


def number(value: float | np.float32) -> str:
    """A float literal that every compiler reads as the very same float32."""
    digits = f"{float(value):.9g}"
    return f"{digits}f" if any(mark in digits for mark in ".e") else f"{digits}.0f"


def array(kind: str, name: str, values: Array) -> Iterator[str]:
    """The lines of a constant array of one or two dimensions.

    Parameters
    ----------
    kind
        Type of an element.
    name
        Of the array.
    values
        Integers or float32.
    """
    yield f"static const {kind} {name}{''.join(f'[{size}]' for size in values.shape)} = {{"
    if values.ndim == 1:
        yield from _numbers(values, "    ")
    else:
        for row in values:
            yield "    {"
            yield from _numbers(row, "        ")
            yield "    },"
    yield "};"


def _numbers(values: NDArray[Any], indent: str) -> Iterator[str]:
    words = map(number, values.tolist()) if values.dtype.kind == "f" else map(str, values.tolist())
    line = indent
    for word in words:
        if len(line) + len(word) > LINE:
            yield line.rstrip()
            line = indent
        line += f"{word}, "
    yield line.rstrip()


def _utf8(value: str) -> bytes:
    return value.encode("utf-8", "backslashreplace")
