"""Which pictures are meant: files, folders, patterns, and lists of paths. Names are yielded one by one; only a pattern's are collected."""

from __future__ import annotations

import glob
import os
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from typing import BinaryIO

PATTERN_CHARACTERS = frozenset("*?[")


def expand(names: Iterable[str]) -> Iterator[str]:
    """The files that `names` stand for, in the order given; within folders and patterns sorted by name.

    Parameters
    ----------
    names
        Files; folders, which are searched to any depth, hidden files and linked folders left out; and patterns with `*`, `?`, `[...]`
        and `**`. A name that exists is never taken as a pattern. What does not exist is yielded as it is, so that whoever reads
        it can say so.
    """
    for name in names:
        if os.path.isdir(name):  # noqa: PTH112 - of a small picture's 100 microseconds, pathlib would take ten
            yield from _files_below(name)
        elif is_pattern(name):
            found = sorted(glob.iglob(name, recursive=True))  # noqa: PTH207 - pathlib's glob has no absolute patterns
            if name.endswith("**"):  # which finds the files in the folders that it finds, too
                found = [path for path in found if not os.path.isdir(path)]  # noqa: PTH112
            yield from expand(found) if found else [name]
        else:
            yield name


def is_pattern(name: str) -> bool:
    """Whether a name stands for those that match it, because none is called so itself."""
    return not PATTERN_CHARACTERS.isdisjoint(name) and not os.path.lexists(name)


def _files_below(folder: str) -> Iterator[str]:
    empty = True
    closed: list[str] = []
    for root, folders, files in os.walk(folder, onerror=lambda error: closed.append(error.filename)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                empty = False
                yield os.path.join(root, name)  # noqa: PTH118
    yield from closed  # whoever reads them can say so
    if empty and not closed:
        yield folder


def listed(stream: BinaryIO) -> Iterator[str]:
    """The paths in a list, one a line; empty lines are left out. Any bytes that a file name may have come through unharmed."""
    for number, line in enumerate(stream):
        # Windows' editors begin a file with a mark of their own.
        name = (line.removeprefix(BOM_UTF8) if number == 0 else line).rstrip(b"\r\n")
        if name:
            yield os.fsdecode(name)
