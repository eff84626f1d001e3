"""Writes the pages and pictures of docs/ that are made from the code: python scripts/write_docs.py.

docs/settings.md comes from the descriptions of the settings, docs/reference/commands.md from the command line (by Typer's own writer),
docs/reference/python.md from the docstrings (api_page.py), docs/lesson/*.svg from a model of the repository (lesson_pictures.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer
from api_page import api_page
from lesson_pictures import PICTURES
from typer.cli import MARKUP_MODE_KEY, get_docs_for_click

from edgesoft.cli import COMMANDS, app
from edgesoft.data.settings import DataSettings
from edgesoft.exporting.gate import Gate
from edgesoft.exporting.settings import QuantizeSettings
from edgesoft.settings import markdown
from edgesoft.training.settings import TrainSettings

DOCS = Path(__file__).resolve().parent.parent / "docs"
MADE = "Made from the code by `python scripts/write_docs.py`."


def settings() -> bytes:
    return f"""# All settings

Each is described once, in the code; this page, `--help`, the settings files and the Python API follow from that description
(`python scripts/write_docs.py` makes the page again). On the command line `val_split` is `--val-split`;
in Python it is `edgesoft.train(..., val_split=0.15)`; in a settings file for `edgesoft train --config` it stands under `[data]`
or `[training]`, as the headings say. A setting without a default is off, or takes what suits the data.

## `edgesoft train`, `[data]`

{markdown(DataSettings)}

## `edgesoft train`, `[training]`

{markdown(TrainSettings)}

## `edgesoft export`

{markdown(Gate, QuantizeSettings)}
""".encode()


def commands() -> bytes:
    group = typer.main.get_command(app)
    context = typer.Context(group, obj={MARKUP_MODE_KEY: app.rich_markup_mode})
    page = get_docs_for_click(obj=group, ctx=context, name="edgesoft", title="Commands")
    page = page.replace("&#x27;", "'").replace("&quot;", '"').replace("```console\n$ ", "```text\n")
    page = page.replace("# Commands\n", f"# Commands\n\n{MADE}\n", 1)
    # Typer's list of commands cuts their sentences in the middle; the headings below it have them whole.
    start, end = page.index("**Commands**"), page.index("\n## ")
    listed = ", ".join(f"[{name}](#edgesoft-{name})" for name in COMMANDS)
    return f"{page[:start]}**Commands**: {listed}\n{page[end:].rstrip()}\n".encode()


FILES: dict[str, Callable[[], bytes]] = {
    "settings.md": settings,
    "reference/commands.md": commands,
    "reference/python.md": lambda: api_page(MADE).encode(),
    **{f"lesson/{name}": draw for name, draw in PICTURES.items()},
}
"""What is made, below docs/."""

if __name__ == "__main__":
    for name, make in FILES.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_bytes(make())
