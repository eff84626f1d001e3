"""Answers that are there already, kept beside the output until all of them are: what a killed run had done is not done again.

One file, `OUTPUT.unfinished`, that only grows: a line that says which run this is, then for each finished block a line with its number,
its size and its SHA-256, and the answers. Each block reaches the disk before it counts. What a kill tore at the end does not fit its
SHA-256, and is cut off. The output appears at once, when every block is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from edgesoft.bulk.worker import Piece
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.files import reason
from edgesoft.transaction import BusyError, is_at, is_locked

SUFFIX = ".unfinished"
HEAD_LIMIT = 2**16
"""Longest line between the answers, in bytes."""
_FORM = "edgesoft-unfinished-1"
_BEGINNING = json.dumps({"form": _FORM}).encode()[:-1]


class _Kept(NamedTuple):
    """A finished block, and where its answers are."""

    start: int
    size: int


class Unfinished:
    """The finished blocks of one output; a context manager, which keeps other runs out.

    Parameters
    ----------
    output
        The file to be made.
    identity
        What two runs must have in common to give the same answers: in words, how it is called -> what it is.
    overwrite
        Replace an output that exists, and forget the finished blocks of another run.

    Raises
    ------
    UsageError
        The output exists, or the finished blocks are another run's.
    EdgesoftError
        The folder cannot be written, another run has the output (`BusyError`), or what is there is not edgesoft's.
    """

    def __init__(self, output: Path, identity: Mapping[str, Any], *, overwrite: bool) -> None:
        self.output, self.path = output, output.with_name(output.name + SUFFIX)
        self._overwrite = overwrite
        self._kept: dict[int, _Kept] = {}
        self.answers = 0
        """How many answers are there."""
        self.unreadable = 0
        """How many of them say that the input cannot be read."""
        check_free(output, overwrite=overwrite)
        self._file = self._opened()
        try:
            check_free(output, overwrite=overwrite)  # whoever had the lock before may have finished it
            self._begin(dict(identity))
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Unfinished:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __contains__(self, block: int) -> bool:
        return block in self._kept

    def add(self, block: int, piece: Piece) -> None:
        """Keep the answers of a block; they are on the disk when this returns. The second time it comes, nothing happens.

        Raises
        ------
        EdgesoftError
            The disk is full, or the like. What was kept before is unharmed.
        """
        if block in self._kept:
            return
        head = _line(
            block=block,
            bytes=len(piece.content),
            sha256=hashlib.sha256(piece.content).hexdigest(),
            answers=piece.answers,
            unreadable=piece.unreadable,
        )
        start = self._append(head + piece.content) + len(head)
        self._count(block, _Kept(start, len(piece.content)), piece.answers, piece.unreadable)

    def publish(self, blocks: int, join: Callable[[Iterator[bytes], BinaryIO], None]) -> None:
        """Write the output from all blocks, in their order; it appears whole, and what was kept goes.

        Parameters
        ----------
        blocks
            How many there are.
        join
            Writes the pieces into a file.

        Raises
        ------
        EdgesoftError
            The output cannot be written, or exists by now. What was kept stays.
        """
        # What a kill left behind in this moment of an earlier run goes; nobody else writes it, we hold the lock.
        temporary = self.output.with_name(f".{self.output.name}.{os.urandom(4).hex()}.partial")
        leftovers = re.compile(rf"\.{re.escape(self.output.name)}\.[0-9a-f]{{8}}\.partial")
        try:
            for entry in self.output.parent.iterdir():
                if leftovers.fullmatch(entry.name):
                    entry.unlink()
            with temporary.open("xb") as file:
                join((self._content(block) for block in range(blocks)), file)
                file.flush()
                os.fsync(file.fileno())
            check_free(self.output, overwrite=self._overwrite)
            temporary.replace(self.output)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            with suppress(OSError):
                temporary.unlink()
        with suppress(OSError):
            self.path.unlink()

    def _opened(self) -> BinaryIO:
        """The file, locked."""
        # A folder may come from anywhere: a link in it must not make a file elsewhere.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        while True:
            try:
                self.output.parent.mkdir(parents=True, exist_ok=True)
                file = os.fdopen(os.open(self.path, flags, 0o666), "r+b")
            except OSError as error:
                raise self._unwritable(error) from error
            if not is_locked(file.fileno()):
                file.close()
                raise BusyError(
                    f"{self.output}: another edgesoft is writing it. Wait until it has ended, or choose another name"
                )
            if is_at(self.path, file.fileno()):
                return file
            file.close()  # a run that has just ended has removed it

    def _content(self, block: int) -> bytes:
        kept = self._kept[block]
        self._file.seek(kept.start)
        return self._file.read(kept.size)

    def _append(self, data: bytes) -> int:
        start = self._file.seek(0, os.SEEK_END)
        try:
            self._file.write(data)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file.fileno(), start)
            raise self._unwritable(error) from error
        return start

    def _begin(self, identity: dict[str, Any]) -> None:
        """Find what is there, and make sure that it is this run's."""
        head = self._file.readline(HEAD_LIMIT)
        if not (head.startswith(_BEGINNING) or _BEGINNING.startswith(head)):
            raise EdgesoftError(f"{self.path}: was not written by edgesoft, and is not replaced. Move it away")
        before = _parsed(head)
        if before is not None and before.get("run") != identity:
            if not self._overwrite:
                raise UsageError(f"{self.path}: {_difference(before.get('run'), identity)}")
            before = None
        if before is None:  # new, torn in its first line, or to be forgotten
            self._file.truncate(0)
            self._append(_line(form=_FORM, run=identity))
            return
        end = self._file.tell()
        while (found := _parsed(self._file.readline(HEAD_LIMIT))) is not None:
            try:
                kept = _Kept(self._file.tell(), int(found["bytes"]))
                block, answers, unreadable = (int(found[key]) for key in ("block", "answers", "unreadable"))
                content = self._file.read(max(0, kept.size))
                if hashlib.sha256(content).hexdigest() != found["sha256"]:
                    break
            except (KeyError, TypeError, ValueError, OverflowError):
                break
            self._count(block, kept, answers, unreadable)
            end = self._file.tell()
        self._file.truncate(end)

    def _count(self, block: int, kept: _Kept, answers: int, unreadable: int) -> None:
        self._kept[block] = kept
        self.answers += answers
        self.unreadable += unreadable

    def _unwritable(self, error: OSError) -> EdgesoftError:
        return EdgesoftError(
            f"{self.output}: cannot be written ({reason(error)}). Choose another folder or free some space"
        )


def check_free(output: Path, *, overwrite: bool) -> None:
    """Refuse an output that is a folder, or that exists and may not be replaced.

    Raises
    ------
    UsageError
        It is one of these.
    """
    if output.is_dir():
        raise UsageError(f"{output}: is a folder. Expected the name of a file to write")
    if os.path.lexists(output) and not overwrite:
        raise UsageError(f"{output}: exists already. Choose another name, or replace it: --overwrite")


def _line(**values: Any) -> bytes:
    return json.dumps(values).encode() + b"\n"


def _parsed(line: bytes) -> dict[str, Any] | None:
    """What stands in a line; None where it is torn."""
    try:
        values = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _difference(before: Any, now: dict[str, Any]) -> str:
    other = [name for name in now if not isinstance(before, dict) or before.get(name) != now[name]]
    return (
        f"was begun with another {' and another '.join(other or ['run'])}. "
        "Repeat that command to go on with it, or begin anew: --overwrite"
    )
