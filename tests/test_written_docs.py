"""The pages and pictures of docs/ that are made from the code are what the code makes now."""

import re
import sys

import pytest

from edgesoft.cli import COMMANDS
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def files():
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from write_docs import FILES
    finally:
        sys.path.pop(0)
    return FILES


def test_they_are_what_the_code_makes(files):
    for name, make in files.items():
        written = (ROOT / "docs" / name).read_bytes()
        assert written == make(), f"docs/{name}: make it again: python scripts/write_docs.py"
        assert re.search(rb"/(home|work|tmp|root)/", written) is None


def test_nothing_else_lies_there(files):
    for folder in ("reference", "lesson"):
        there = {f"{folder}/{path.name}" for path in (ROOT / "docs" / folder).iterdir()}
        assert there == {name for name in files if name.startswith(f"{folder}/")}


def test_they_say_what_there_is(files):
    settings, commands, python = (
        (ROOT / "docs" / name).read_text(encoding="utf-8")
        for name in ("settings.md", "reference/commands.md", "reference/python.md")
    )
    for name in ("target", "hidden", "max_drop", "calibration_samples"):
        assert f"| `{name}` |" in settings
    assert re.findall(r"^## `edgesoft (\w+)`$", commands, flags=re.MULTILINE) == list(COMMANDS)
    assert "* `--top-k <int range>`: Show this many classes." in commands
    for name in ("load", "train", "export", "evaluate", "verify", "convert", "resume", "runs", "Classifier"):
        assert f"### `edgesoft.{name}`\n" in python
    assert "- `accuracy_interval`: `tuple[float, float]`. Its 95 % interval, after Wilson." in python
