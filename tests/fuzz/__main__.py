"""`python -m tests.fuzz FAMILY NUMBER`: makes one input again, runs it, and keeps its folder."""

from __future__ import annotations

import random
import shlex
import sys
import tempfile
from pathlib import Path

from tests.fuzz.case import faults
from tests.fuzz.corpus import build
from tests.fuzz.families import FAMILIES
from tests.server import shared


def main(family: str, *numbers: str) -> None:
    """Make the inputs of these numbers, and show what becomes of them."""
    scratch = Path(tempfile.mkdtemp())
    (scratch / "corpus").mkdir()
    corpus = build(scratch / "corpus", shared())
    for number in numbers:
        folder = scratch / f"{family}-{number}"
        folder.mkdir()
        case = FAMILIES[family](random.Random(f"{family} {number}"), corpus, folder)
        ended = shared().run(case.arguments, folder, case.given)
        print(f"cd {folder}; edgesoft {shlex.join(case.arguments)[:2000]!a}")
        print(
            f"exit code {ended.code}, {ended.seconds:.2f} s, {ended.peak / 1e6:.0f} MB; {', '.join(faults(case, ended)) or 'no fault'}"
        )
        print(ended.err[-3000:].decode(errors="backslashreplace"))


if __name__ == "__main__":
    main(*sys.argv[1:])
