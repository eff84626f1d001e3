"""HTML from Python, without a template engine: the pages that edgesoft writes as files, and what a notebook shows of a result.

What is put into an element is text, never markup, unless it is an element itself; what would turn or hide its neighbours stands there as
an escape.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edgesoft.errors import EdgesoftError
from edgesoft.escape import printable
from edgesoft.files import read_bytes
from edgesoft.pages import GENERATOR
from edgesoft.transaction import check_writable

PAGE_LIMIT = 2**28
"""Bytes of a page that may be replaced."""
WORDS = 24
"""Letters from which on a cell may be broken into lines."""
_EMPTY = frozenset({"img", "br", "line", "rect", "circle", "polyline", "path"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: object) -> Markup:
    """An element; a dash in an attribute's name is written as an underscore, and `class_` is `class`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(printable(str(value)))}"'
        for key, value in attributes.items()
    )
    if name in _EMPTY and not children:
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
    head = element("thead", element("tr", *(element("th", foreign(cell), scope="col") for cell in heading)))
    lines = (element("tr", *map(_cell, row)) for row in rows)
    return element("table", head, element("tbody", *lines), **attributes)


def _cell(cell: str) -> Markup:
    if isinstance(cell, Markup):
        return element("td", cell)
    return element("td", foreign(cell), **({"class": "words"} if len(cell) > WORDS else {}))


def scrolling(name: str, *children: str, is_tall: bool = False) -> Markup:
    """What may be wider than a phone: it scrolls by itself, with the keyboard too, and the page does not."""
    attributes = {"class": "scroll tall" if is_tall else "scroll", "tabindex": 0, "role": "region", "aria-label": name}
    return element("div", *children, **attributes)


def section(heading: str, *children: str) -> Markup:
    """A part of a page."""
    return element("section", element("h2", heading), *children)


def note(*children: str) -> Markup:
    """A paragraph that explains."""
    return element("p", *children, class_="note")


def terms(words: Mapping[str, str]) -> Markup:
    """What words mean: term -> one sentence."""
    return element("dl", *(part for word, says in words.items() for part in (element("dt", word), element("dd", says))))


def page(title: str, *sections: str) -> str:
    """A whole page: self-contained, no scripts, no fonts, nothing from elsewhere, and a policy that says so."""
    style = "".join(map(read_style, ("colours.css", "drawings.css", "style.css")))
    policy = f"default-src 'none'; style-src {digest(style)}; img-src data:; base-uri 'none'; form-action 'none'"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{GENERATOR}'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width">\n{element("title", title)}<style>{style}</style></head><body>'
        f"{element('main', *sections)}</body></html>\n"
    )


def notebook(name: str, lines: Sequence[str], heading: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """What a notebook shows of a result: its name, what there is to say of it line by line, and a table where there are rows."""
    breaks = (part for line in lines[1:] for part in (element("br"), foreign(line)))
    words = [": ", lines[0], *breaks] if lines else []
    return joined([element("b", foreign(name)), *words, *([table(heading, rows)] if rows else [])])


def read_style(name: str) -> str:
    """A style sheet of this folder: the colours that all pages have, those of drawings, or what else a page of `page` has."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def digest(text: str) -> str:
    """How a Content-Security-Policy names an inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


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
