"""HTML from Python, where no template engine is: on a device.

What is put into an element is text, never markup, unless it is an element itself; what would turn or hide its neighbours stands there as
an escape.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgesoft.errors import EdgesoftError
from edgesoft.escape import printable
from edgesoft.files import read_bytes
from edgesoft.pages import GENERATOR
from edgesoft.transaction import check_writable

PAGE_LIMIT = 2**28
"""Bytes of a page that may be replaced."""
_EMPTY = frozenset({"img", "br", "line", "rect", "circle", "polyline"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: object) -> Markup:
    """An element; a dash in an attribute's name is written as an underscore, and `class_` is `class`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(printable(str(value)))}"'
        for key, value in attributes.items()
    )
    if name in _EMPTY:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def joined(children: Iterable[str]) -> Markup:
    """Elements and text, one after the other."""
    return Markup("".join(child if isinstance(child, Markup) else html.escape(printable(child)) for child in children))


def foreign(text: str) -> Markup:
    """Foreign text, apart from what stands beside it, whatever direction it is written in."""
    return element("bdi", text)


def table(heading: Sequence[str], rows: Iterable[Sequence[str]], **attributes: object) -> Markup:
    """A table; cells that are foreign text keep to themselves."""
    head = element("thead", element("tr", *(element("th", foreign(cell)) for cell in heading)))
    lines = (
        element("tr", *(cell if isinstance(cell, Markup) else element("td", foreign(cell)) for cell in row))
        for row in rows
    )
    return element("table", head, element("tbody", *lines), **attributes)


def page(title: str, *sections: str) -> str:
    """A whole page: self-contained, no scripts, no fonts, nothing from elsewhere."""
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{GENERATOR}'
        f'<meta name="viewport" content="width=device-width">\n{element("title", title)}<style>\n{style}</style></head><body>'
        f"{element('main', *sections)}</body></html>\n"
    )


def check_page(path: Path) -> None:
    """See whether a page may be written to `path`, before there is one.

    Raises
    ------
    EdgesoftError
        The folder cannot be written, or something stands there that edgesoft did not write.
    """
    check_writable(path.parent)
    if path.is_dir() or (
        path.exists() and GENERATOR.encode() not in read_bytes(path, limit=PAGE_LIMIT, what="a page")[:2048]
    ):
        raise EdgesoftError(f"{path}: was not written by edgesoft, and is not replaced. Choose another file")
