"""Several files of one folder change together: whatever kills the writer, all of them are the old ones or all are the new ones.

The new files are written beside the old ones under hidden names, and reach the disk. Then the journal appears, one small file that
names every rename and removal, with the digests of what stands there and of what comes. From that moment on the change is decided: the
hidden files are renamed into place and the journal goes. Whoever finds a journal finishes what it says before anything else, the next
writer as well as a reader. Without a journal, hidden files are leftovers, which the next writer removes.

Writers hold a lock on the folder, which the operating system takes back from a process that dies. Windows and a few network file systems
know no such lock; there nothing keeps two writers apart.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from edgesoft.errors import EdgesoftError
from edgesoft.files import read_bytes, reason

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows
    flock = None  # type: ignore[assignment]

HAS_LOCKS = flock is not None
JOURNAL = ".edgesoft-journal.json"
JOURNAL_LIMIT = 2**20  # bytes
LOCK = ".edgesoft-lock"
PATIENCE = 10.0
"""Seconds to wait for another writer; publishing takes a fraction of one."""
_ATTEMPTS = 100
"""How often a folder is made that others remove."""
_BUSY = (errno.EAGAIN, errno.EACCES)
_NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)
_STAGED = re.compile(r"\..+\.[0-9a-f]{8}\.staged")


class BusyError(EdgesoftError):
    """Another edgesoft is writing into the folder."""


@dataclass(frozen=True)
class _Change:
    """What becomes of one file; digests are SHA-256 in hex."""

    name: str
    staged: str | None
    """Hidden name of the new file; None: the old one is removed."""
    before: str | None
    """Digest of the old file; None: there was none."""
    after: str | None
    """Digest of the new file; None: there is none."""

    def __post_init__(self) -> None:
        texts = (self.staged, self.before, self.after)
        if not isinstance(self.name, str) or not all(text is None or isinstance(text, str) for text in texts):
            raise ValueError("a change must hold texts")
        # A journal may come from anywhere: it renames what edgesoft staged, in its own folder, and nothing else.
        os.fsencode(self.name)  # raises a ValueError at what no file can be called
        is_staged = self.staged is None or (
            Path(self.staged).parent == Path(self.name).parent
            and Path(self.staged).name.startswith(f".{Path(self.name).name}.")
            and _STAGED.fullmatch(Path(self.staged).name) is not None
        )
        if not is_inside(self.name) or not is_staged or (self.staged is None) != (self.after is None):
            raise ValueError(f"{self.name[:40]!r} is no change of edgesoft's")


def is_inside(name: str) -> bool:
    """Whether a name is one of a file in a folder, or in a folder of it: relative, with nothing hidden and no way out."""
    parts = name.split("/")
    return all(part and Path(part).name == part and not part.startswith(".") for part in parts) and "\0" not in name


@contextmanager
def locked(folder: Path, *, patience: float = PATIENCE) -> Iterator[None]:
    """Make `folder`, keep other writers out of it, and finish what one that was killed has left.

    A folder that was made here and is empty in the end goes again, with those above it.

    Parameters
    ----------
    folder
        The folder to be written.
    patience
        How long to wait for another writer, in seconds.

    Raises
    ------
    EdgesoftError
        It cannot be made or written, or another writer does not end (`BusyError`).
    """
    made: list[Path] = []
    try:
        try:
            descriptor = _enter(folder, patience, made)
        except FileExistsError:
            raise EdgesoftError(f"{folder}: expected a folder, but this is none. Choose another folder") from None
        except OSError as error:
            raise EdgesoftError(f"{folder}: cannot be written ({reason(error)}). Choose another folder") from error
        try:
            _finish_journal(folder)
            _remove_leftovers(folder)
            yield
        finally:
            _release(folder, descriptor)
    finally:
        for place in made:
            with suppress(OSError):  # it holds something
                place.rmdir()


def check_writable(folder: Path) -> None:
    """Try to lock `folder`, so that work of minutes does not end at one that nobody may write.

    Raises
    ------
    EdgesoftError
        It cannot be made or written, or another writer does not end.
    """
    with locked(folder):
        pass


def settle(folder: Path) -> None:
    """Finish what a writer that was killed has left in `folder`, before something is read there. Without a journal it costs one look.

    Raises
    ------
    EdgesoftError
        It cannot be finished, as on a device that nobody may write to: what lies there would be a mix.
    """
    journal = str(folder / JOURNAL)
    if not os.path.exists(journal):  # noqa: PTH110 - Path raises at long names
        return
    try:
        descriptor = _acquire(folder, PATIENCE, wanted=lambda: os.path.exists(journal))  # noqa: PTH110
    except OSError as error:
        raise _unfinished(folder, reason(error)) from error
    if descriptor is None:  # its writer has finished meanwhile
        return
    try:
        _finish_journal(folder)
    finally:
        _release(folder, descriptor)


def replace_together(folder: Path, files: Mapping[str, bytes | None]) -> None:
    """Write and remove files of `folder`, all of them or none; the caller holds its lock.

    Parameters
    ----------
    folder
        Where they are.
    files
        Name -> new content; None removes the file, where there is one. A name may lead into folders, with slashes.

    Raises
    ------
    EdgesoftError
        A file cannot be written; all of them are then as before.
    """
    token = os.urandom(4).hex()
    changes: list[_Change] = []
    places = {folder, *((folder / name).parent for name in files)}
    try:
        for place in places - {folder}:
            _make_inside(folder, place)
            _remove_leftovers(place)
        for name, content in files.items():
            before = _digest(folder / name)
            if content is not None:
                staged = str(Path(name).with_name(f".{Path(name).name}.{token}.staged"))
                _write_new(folder / staged, content, folder / name)
                changes.append(_Change(name, staged, before, hashlib.sha256(content).hexdigest()))
            elif before is not None:
                changes.append(_Change(name, None, before, None))
        _write_journal(folder, changes, token)
    finally:
        # Decided is decided, also when Ctrl-C came just then.
        if (folder / JOURNAL).exists():
            _carry_out(folder, changes)
        else:
            for place in places:
                _remove_leftovers(place)


def _make_inside(folder: Path, place: Path) -> None:
    """Make a folder within `folder`; a link would lead out of it."""
    for each in (*(folder / parent for parent in place.relative_to(folder).parents if parent.name), place):
        if each.is_symlink():
            raise EdgesoftError(f"{each}: expected a folder, but this is a link. Move it away")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EdgesoftError(f"{place}: cannot be written ({reason(error)}). Choose another folder") from error


def _write_journal(folder: Path, changes: list[_Change], token: str) -> None:
    document = {"schema_version": 1, "changes": [asdict(change) for change in changes]}
    staged = folder / f".{JOURNAL}.{token}.staged"
    _write_new(staged, json.dumps(document).encode(), folder / JOURNAL)
    try:
        _sync(folder)
        staged.replace(folder / JOURNAL)
        _sync(folder)
    except OSError as error:
        raise EdgesoftError(f"{folder}: cannot be written ({reason(error)}). Choose another folder") from error


def _carry_out(folder: Path, changes: list[_Change]) -> None:
    """Do what the journal says; what is done already stays so."""

    def do() -> None:
        for change in changes:
            with suppress(FileNotFoundError):
                if change.staged is None:
                    (folder / change.name).unlink()
                else:
                    (folder / change.staged).replace(folder / change.name)
        for place in {folder, *((folder / change.name).parent for change in changes)}:
            with suppress(FileNotFoundError):  # a folder whose files have all gone, and somebody removed it
                _sync(place)
        (folder / JOURNAL).unlink(missing_ok=True)

    try:
        try:
            do()
        except KeyboardInterrupt:  # these few renames take less time than whoever pressed the keys
            do()
            raise
    except OSError as error:
        raise _unfinished(folder, reason(error), changes) from error


def _finish_journal(folder: Path) -> None:
    path = folder / JOURNAL
    if not path.exists():
        return
    try:
        document = json.loads(read_bytes(path, limit=JOURNAL_LIMIT, what="a journal of edgesoft"))
        changes = [_Change(**change) for change in document["changes"]]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise EdgesoftError(
            f"{path}: damaged, or no journal of edgesoft. Remove it, and make the files again"
        ) from error
    for change in changes:
        now = _digest(folder / change.name)
        staged = None if change.staged is None else _digest(folder / change.staged)
        is_done = now == change.after and staged is None
        is_ahead = now in (change.before, change.after) and staged == change.after
        if not (is_done or is_ahead):
            raise _unfinished(folder, f"{change.name} is no longer what it was", changes)
    _carry_out(folder, changes)


def _unfinished(folder: Path, why: str, changes: list[_Change] | None = None) -> EdgesoftError:
    names = ", ".join(change.name for change in changes or ()) or "files"
    return EdgesoftError(
        f"{folder}: a command was cut off while it replaced {names}, and this cannot be finished now ({why}). "
        f"Run it again where the folder can be written; if that fails too, remove {JOURNAL} there first"
    )


def _write_new(path: Path, content: bytes, wanted: Path) -> None:
    try:
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise EdgesoftError(
            f"{wanted}: cannot be written ({reason(error)}). Choose another folder or free some space"
        ) from error


def _digest(path: Path) -> str | None:
    """SHA-256 of a file; None when there is none."""
    try:
        if not path.exists():
            return None
        if not path.is_file():
            raise EdgesoftError(f"{path}: expected a file to replace, but this is none. Move it away")
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while part := file.read(2**20):
                digest.update(part)
        return digest.hexdigest()
    except OSError as error:
        raise EdgesoftError(f"{path}: cannot be read ({reason(error)})") from error


def _remove_leftovers(folder: Path) -> None:
    with suppress(OSError):
        for entry in folder.iterdir():
            if _STAGED.fullmatch(entry.name):
                entry.unlink()


def _sync(folder: Path) -> None:
    """Let renames reach the disk before what comes next; the names are in the folder, not in the files."""
    if os.name == "nt":  # which cannot open a folder
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # a file system that keeps no folders on a disk
            raise
    finally:
        os.close(descriptor)


def _enter(folder: Path, patience: float, made: list[Path]) -> int | None:
    """Make and lock a folder; `made` gets those that were missing."""
    for left in reversed(range(_ATTEMPTS)):
        try:
            made += [place for place in (folder, *folder.parents) if not place.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            return _acquire(folder, patience)
        except (FileNotFoundError, FileExistsError):  # perhaps whoever had made it has removed it meanwhile
            if not left:
                raise
            time.sleep(0.001)
    raise AssertionError("the last attempt ends in one way or the other")


def _acquire(folder: Path, patience: float, wanted: Callable[[], bool] = lambda: True) -> int | None:
    """The descriptor that holds the folder's lock; None when it is wanted no more."""
    path, deadline = folder / LOCK, time.monotonic() + patience
    # A folder may come from anywhere: a link in it must not make a file elsewhere.
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    while wanted():
        descriptor = os.open(path, flags, 0o666)
        try:
            # Whoever held it before has removed the file: a lock on a file that is gone holds nothing.
            if is_locked(descriptor) and is_at(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() >= deadline:
            raise BusyError(
                f"{folder}: another edgesoft is writing there. Wait until it has ended, or choose another folder"
            )
        time.sleep(0.01)
    return None


def is_locked(descriptor: int) -> bool:
    """Lock an open file, if nobody else holds it; True also where the system knows no such lock."""
    if flock is None:
        return True
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        if error.errno not in _NO_LOCKS:
            raise
    return True


def is_at(path: Path, descriptor: int) -> bool:
    """Whether an open file still has this name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _release(folder: Path, descriptor: int | None) -> None:
    if descriptor is None:
        return
    with suppress(OSError):  # Windows removes no open file; an empty one that stays is no harm
        (folder / LOCK).unlink()
    os.close(descriptor)
