"""Thousands of inputs that nobody thought of, over everything that edgesoft reads.

Whatever comes: an answer, or one line and the right exit code; no traceback, no hang, no more than 500 MB, nothing raw on the terminal.
The suite runs 1,000 inputs; `NIGHTLY=1` runs 10,000 (`FUZZ_INPUTS=N` runs N), and `FUZZ_FIRST=N` begins with others. A failure names its input:
`python -m tests.fuzz FAMILY NUMBER` makes it again and keeps it.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz.case import faults
from tests.fuzz.corpus import Corpus, build
from tests.fuzz.families import FAMILIES, SHARES
from tests.server import shared

INPUTS = int(os.environ.get("FUZZ_INPUTS", "10000" if os.environ.get("NIGHTLY") else "1000"))
FIRST = int(os.environ.get("FUZZ_FIRST", "0"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    return build(tmp_path_factory.mktemp("corpus"), shared())


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_goes_wrong_in_silence(family: str, corpus: Corpus, tmp_path: Path) -> None:
    codes, failed = Counter[int](), []
    slowest = largest = 0.0
    for number in range(FIRST, FIRST + round(INPUTS * SHARES[family])):
        folder = tmp_path / "case"
        folder.mkdir()
        case = FAMILIES[family](random.Random(f"{family} {number}"), corpus, folder)
        ended = shared().run(case.arguments, folder, case.given)
        shutil.rmtree(folder)
        codes[ended.code] += 1
        slowest, largest = max(slowest, ended.seconds), max(largest, ended.peak)
        if found := faults(case, ended):
            last = ended.err.decode(errors="replace").strip().splitlines()[-1:]
            failed.append(f"python -m tests.fuzz {family} {number}: {', '.join(found)}: {str(last)[:300]}")
    print(
        f"{family}: {codes.total()} inputs, exit codes {dict(sorted(codes.items()))}, at most {slowest:.1f} s, {largest / 1e6:.0f} MB"
    )
    assert not failed, f"{len(failed)} of {codes.total()}:\n" + "\n".join(failed)
