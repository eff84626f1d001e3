"""HTML from templates: the report of an export, and what a notebook shows of a result. Whatever is filled in is text, never markup."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

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
        keep_trailing_newline=True,
    )
