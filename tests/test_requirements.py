"""What CI installs: the tested set, each file by its digest."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def lines(path: str) -> list[str]:
    return [line for line in (ROOT / path).read_text().splitlines() if not line.startswith("#")]


def test_ci_installs_the_tested_set() -> None:
    """The CPU build of PyTorch names itself so: `2.13.0+cpu`."""
    pins = {line.split(" ")[0].replace("+cpu", "").lower() for line in lines(".ci/requirements.txt")}
    assert pins == {line.lower() for line in lines("constraints.txt")}, "run .ci/lock"


def test_every_file_has_its_digest() -> None:
    for line in lines(".ci/requirements.txt"):
        assert re.fullmatch(r"\S+==\S+ --hash=sha256:[0-9a-f]{64}", line), line
