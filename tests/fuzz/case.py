"""One input, and what is wrong with how a command took it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.server import BYTES, PATIENCE, SECONDS, Ended

CODES = range(5)
"""0 good, 1 an error of input, file or data, 2 usage, 3 a gate was missed, 4 the provider is not available."""
RAW = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]")
"""What must not reach a terminal: control codes and bidirectional overrides, as UTF-8."""
READ = b"head sigmoid: one logit tells two classes apart"
"""How a training ends that was given a head for two classes and data of three, so that it reads all of them and goes no further."""
LONGEST_LINE = 20_000


@dataclass(frozen=True)
class Case:
    """A command line in a folder of its own."""

    arguments: list[str]
    given: bytes = b""
    """What stands on standard input."""
    is_wrong: bool = False
    """Whether no command may accept this input."""


def faults(case: Case, ended: Ended) -> list[str]:
    """What must not happen, whatever the input was."""
    found = []
    if ended.code not in CODES:
        found.append(f"exit code {ended.code}")
    if b"Traceback" in ended.err or b"Error:" in ended.err.replace(b"OSError:", b""):
        found.append("a traceback")
    if case.is_wrong and (ended.code == 0 or READ in ended.err):
        found.append("accepted")
    # Of a picture or row that cannot be read, JSON and CSV hold the error.
    in_answers = b'"error": ' in ended.out or ("--csv" in case.arguments and ended.out.count(b"\n") > 1)
    if ended.code in (1, 2) and b"error: " not in ended.err and b"Usage: " not in ended.err and not in_answers:
        found.append("failed without a word")
    if ended.code == 0 and ended.err.startswith(b"error: "):
        found.append("exit code 0 with an error")
    if sum(line.startswith(b"error: ") for line in ended.err.splitlines()) > 1 and case.arguments[0] not in (
        "infer",
        "runs",
    ):
        found.append("an error of more than one line")
    if ended.seconds > SECONDS - 1:
        found.append(f"{ended.seconds:.0f} s of a core")
    if ended.code == -14:
        found.append(f"no end within {PATIENCE} s")
    if ended.peak > BYTES:
        found.append(f"{ended.peak / 1e6:.0f} MB")
    if (raw := RAW.search(ended.out) or RAW.search(ended.err)) is not None:
        found.append(f"{raw[0]!r} on the terminal")
    if any(len(line) > LONGEST_LINE for line in ended.err.splitlines()):
        found.append("a line without end")
    return found
