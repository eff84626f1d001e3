"""HTML from templates: the report of an export, and what a notebook shows of a result.

Whatever is filled in is text, never markup, and what would turn or hide its neighbours stands there as an escape.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from edgesoft.escape import printable

if TYPE_CHECKING:
    from jinja2 import Environment

GENERATOR = '<meta name="generator" content="edgesoft">'
"""Stands near the beginning of every page that edgesoft writes as a file: by it edgesoft knows what it may replace."""


def render(template: str, **values: Any) -> str:
    """Fill in a template of this folder; raises jinja2's UndefinedError when a value is missing."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("edgesoft", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
        keep_trailing_newline=True,
    )
