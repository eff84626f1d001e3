"""Which pictures are meant: files, folders, patterns, and lists of paths. Names are yielded one by one; only a pattern's are collected."""

from __future__ import annotations

import glob
import os
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from edgesoft.files import is_utf16
from edgesoft.pictures.spec import PictureError

NO_PICTURES = frozenset({"thumbs.db", "desktop.ini"})
"""What file managers leave everywhere, in lower case."""
PATTERN_CHARACTERS = frozenset("*?[")
DEEPEST_PATTERN = 100
"""Most folders within each other that a pattern names; `**` stands for any number of them."""
LONGEST_PATH = 2**15
"""Longest line of a list of paths, in bytes: no system has longer paths."""


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
            below = files_below(name)
            yield next(below, name)
            yield from below
        elif is_pattern(name):
            found = sorted(_matching(name))
            yield from dict.fromkeys(expand(found)) if found else [name]  # a file may match by itself and by its folder
        else:
            yield name


def is_pattern(name: str) -> bool:
    """Whether a name stands for those that match it, because none is called so itself."""
    if PATTERN_CHARACTERS.isdisjoint(name) or name.count("/") > DEEPEST_PATTERN or "\0" in name:
        return False
    return not os.path.lexists(name)


def files_below(folder: str) -> Iterator[str]:
    """The files in a folder and, to any depth, in those within it, in one order everywhere.

    Hidden files, those of file managers and linked folders are left out.

    A folder that may not be read is yielded itself, after all files, so that whoever reads it can say so.
    """
    closed: list[str] = []
    for place, names in _walk(folder, closed):
        yield from (os.path.join(place, name) for name in names)  # noqa: PTH118 - as for isdir
    yield from closed


def is_ignored(name: str) -> bool:
    """Whether a file of this name is nobody's input: a hidden one, or a file manager's."""
    return name.startswith(".") or name.lower() in NO_PICTURES


def _walk(folder: str, closed: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Every folder from `folder` on with the names of its files; those that may not be read go to `closed`.

    `os.walk` calls itself for each folder, and Python does not call itself a thousand times.
    """
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        files, folders = [], []
        try:
            with os.scandir(place or os.curdir) as entries:
                for entry in entries:
                    if is_ignored(entry.name):
                        continue
                    if not _is_folder(entry):
                        files.append(entry.name)
                    elif not entry.is_symlink():
                        folders.append(entry.name)
        except OSError:
            closed.append(place)
            continue
        yield place, sorted(files)
        waiting += [os.path.join(place, name) for name in sorted(folders, reverse=True)]  # noqa: PTH118


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _matching(pattern: str) -> Iterator[str]:
    """What matches a pattern, in any order; unlike in `glob`, `**` does not follow links, which may lead in circles."""
    parts = pattern.replace(os.sep, "/").split("/")
    if "**" not in parts:
        yield from glob.iglob(pattern)  # noqa: PTH207 - pathlib's glob has no absolute patterns
        return
    place = parts.index("**")
    start, tail = "/".join(parts[:place]) or "/"[:place], "/".join(parts[place + 1 :])
    for folder in glob.iglob(start) if start else [""]:  # noqa: PTH207
        if not tail.strip("*/"):
            yield from files_below(folder)
            continue
        for inner, _ in _walk(folder, []):
            yield from _matching(os.path.join(glob.escape(inner), tail))  # noqa: PTH118


def listed(stream: BinaryIO) -> Iterator[str]:
    """The paths in a list, one a line; empty lines are left out. Any bytes that a file name may have come through unharmed.

    Raises
    ------
    PictureError
        A line is longer than any path, or the list is UTF-16.
    """
    number = 0
    while line := stream.readline(LONGEST_PATH + 1):
        number += 1
        if len(line) > LONGEST_PATH:
            raise PictureError(
                f"line {number} of the list is longer than {LONGEST_PATH:,} bytes: expected the paths of pictures, one a line"
            )
        if number == 1 and is_utf16(line):
            raise PictureError("the list is UTF-16: expected the paths of pictures in UTF-8, one a line")
        # Windows' editors begin a file with a mark of their own.
        name = (line.removeprefix(BOM_UTF8) if number == 1 else line).rstrip(b"\r\n")
        if name:
            yield os.fsdecode(name)
