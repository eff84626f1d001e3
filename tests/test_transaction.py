"""Files that change together: all old or all new, whatever happens to whom writes them."""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgesoft.errors import EdgesoftError
from edgesoft.transaction import JOURNAL, LOCK, locked, replace_together, settle
from tests.conftest import environment
from tests.strikes import KILLED, STRIKES, struck

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
OLD = {"a": b"old a", "b": b"old b", "gone": b"old"}
NEW = {"a": b"new a", "b": b"new b", "more": b"new"}
CHANGES = {**NEW, "gone": None, "never": None}
FOREIGN = {"notes.txt": b"mine", ".hidden": b"mine"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # it is for power cuts; here it only takes time
    path = tmp_path / "folder"
    path.mkdir()
    for name, content in (OLD | FOREIGN).items():
        (path / name).write_bytes(content)
    return path


def content(folder):
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def change(folder):
    with locked(folder):
        replace_together(folder, CHANGES)


def test_all_change_and_nothing_else_is_left(folder):
    change(folder)
    assert content(folder) == NEW | FOREIGN


@pytest.mark.parametrize("strike", STRIKES)
@pytest.mark.parametrize("recover", [settle, change], ids=["reader", "writer"])
def test_struck_at_each_step_it_is_the_old_set_or_the_new_one(folder, strike, recover):
    seen = set()
    for step in range(1, 200):
        for name in content(folder):
            (folder / name).unlink()
        for name, text in (OLD | FOREIGN).items():
            (folder / name).write_bytes(text)
        code = struck(lambda: change(folder), STRIKES[strike], step)
        if code == 0 and content(folder) == NEW | FOREIGN and step > 20:
            break
        settle(folder)
        settled = {name: text for name, text in content(folder).items() if name in OLD | NEW}
        assert settled in (OLD, NEW), (step, settled)
        seen.add((settled == NEW, code))
        recover(folder)
        change(folder)
        assert content(folder) == NEW | FOREIGN, step
    else:
        pytest.fail("it never got through")
    expected = KILLED if strike == "killed" else 1
    # Struck early it is the old set, late the new one: else the steps were none.
    assert {(False, expected), (True, expected)} <= seen


def test_a_reader_that_is_killed_while_it_mends_is_followed_by_one_that_is_not(folder):
    def mend_twice(first, second):
        struck(lambda: change(folder), STRIKES["killed"], first)
        struck(lambda: settle(folder), STRIKES["killed"], second)
        settle(folder)
        return {name: text for name, text in content(folder).items() if name in OLD | NEW}

    for first in range(24, 45, 4):
        for second in range(2, 20, 4):
            for name in content(folder):
                (folder / name).unlink()
            for name, text in (OLD | FOREIGN).items():
                (folder / name).write_bytes(text)
            assert mend_twice(first, second) in (OLD, NEW)


@pytest.mark.parametrize("limit", [0, 1, 5, 100, 399])
def test_a_full_disk_leaves_the_old_set(folder, limit):
    def fill():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with pytest.raises(EdgesoftError, match="cannot be written .file too large."):
            change(folder)

    assert struck(fill, STRIKES["killed"], 10**9) == 0
    assert content(folder) == OLD | FOREIGN


def unfinished(folder):
    """Kill a writer between its first rename and its last one."""
    for step in range(1, 200):
        struck(lambda: change(folder), STRIKES["killed"], step)
        names = content(folder)
        if JOURNAL in names and names["a"] == NEW["a"] and names["b"] == OLD["b"]:
            return
        settle(folder)
        for name in content(folder):
            (folder / name).unlink()
        for name, text in (OLD | FOREIGN).items():
            (folder / name).write_bytes(text)
    pytest.fail("no such moment")


def test_where_it_cannot_be_finished_nothing_is_read(folder):
    unfinished(folder)
    (folder / "b").write_bytes(b"changed meanwhile")
    for use in (settle, change):
        with pytest.raises(EdgesoftError, match=rf"b is no longer what it was.*remove {JOURNAL}"):
            use(folder)
    assert (folder / "b").read_bytes() == b"changed meanwhile"
    (folder / JOURNAL).unlink()
    change(folder)
    assert content(folder) == NEW | FOREIGN


READ_ONLY = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from edgesoft.errors import EdgesoftError
from edgesoft.transaction import settle
if os.geteuid() == 0: os.setuid(65534)
try:
    settle(Path(sys.argv[1]))
except EdgesoftError as error:
    print(error)
"""


def test_a_reader_that_may_not_write_says_so(folder):
    unfinished(folder)
    (folder / LOCK).unlink()  # of the writer that was killed
    for parent in folder.parents:  # pytest's own folders are closed to others
        if parent.is_relative_to(tempfile.gettempdir()) and parent != Path(tempfile.gettempdir()):
            parent.chmod(0o755)
    folder.chmod(0o555)
    before = content(folder)
    process = subprocess.run(
        [sys.executable, "-c", READ_ONLY, folder], capture_output=True, text=True, env=environment()
    )
    folder.chmod(0o755)
    if "ModuleNotFoundError" in process.stderr or "PermissionError" in process.stderr:
        pytest.skip("another user cannot read this checkout")
    assert process.stdout.startswith(f"{folder}: a command was cut off") and process.stdout.count("\n") == 1
    assert "permission denied" in process.stdout
    assert content(folder) == before


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../outside", "staged": None, "before": "x", "after": None},
        {"name": "/etc/passwd", "staged": None, "before": "x", "after": None},
        {"name": ".hidden", "staged": None, "before": "x", "after": None},
        {"name": "a", "staged": "notes.txt", "before": None, "after": "x"},
        {"name": "a", "staged": ".a./../../x.01234567.staged", "before": None, "after": "x"},
        {"name": "a", "staged": None, "before": None, "after": "x"},
        {"name": "a\0", "staged": None, "before": "x", "after": None},
        {"name": "\ud800", "staged": None, "before": "x", "after": None},
        {"name": 3, "staged": None, "before": None, "after": None},
        {"name": "a"},
        "a",
    ],
    ids=str,
)
def test_a_journal_that_edgesoft_never_wrote_does_nothing(folder, change):
    (folder.parent / "outside").write_bytes(b"mine")
    (folder / JOURNAL).write_text(json.dumps({"schema_version": 1, "changes": [change]}))
    before = content(folder)
    with pytest.raises(EdgesoftError, match=r"damaged, or no journal of edgesoft. Remove it"):
        settle(folder)
    assert content(folder) == before
    assert (folder.parent / "outside").exists()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"[" * 100_000, b'{"changes": 3}', b"\xff"])
def test_a_damaged_journal_is_one_line(folder, text):
    (folder / JOURNAL).write_bytes(text)
    with pytest.raises(EdgesoftError, match="damaged, or no journal"):
        settle(folder)


WRITE_FOR_EVER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from edgesoft.transaction import locked, replace_together
mark = sys.argv[2].encode()
print("ready", flush=True)
for turn in range(int(sys.argv[3])):
    with locked(Path(sys.argv[1])):
        replace_together(Path(sys.argv[1]), {name: mark * 1000 for name in "abc"})
"""


def test_two_writers_never_mix(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, tmp_path, mark, "25"], env=environment())
        for mark in "xy"
    ]
    seen, looks = set(), 0
    while any(writer.poll() is None for writer in writers):
        if not (tmp_path / "c").exists():
            continue
        with locked(tmp_path):
            kinds = {(tmp_path / name).read_bytes() for name in "abc"}
        assert len(kinds) == 1
        seen |= kinds
        looks += 1
    assert [writer.wait() for writer in writers] == [0, 0]
    assert looks and seen <= {b"x" * 1000, b"y" * 1000}
    assert sorted(content(tmp_path)) == ["a", "b", "c"]


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE_FOR_EVER, tmp_path, "x", "1000000"], stdout=subprocess.PIPE, env=environment()
    )
    writer.stdout.readline()
    time.sleep(0.05)
    writer.kill()
    writer.communicate()
    with locked(tmp_path, patience=0):
        pass
    settle(tmp_path)


def test_who_comes_second_is_told(tmp_path):
    with locked(tmp_path):
        started = time.monotonic()
        with pytest.raises(EdgesoftError, match="another edgesoft is writing there"), locked(tmp_path, patience=0):
            pass
        assert time.monotonic() - started < 1
    with locked(tmp_path, patience=0):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_made_and_stays_empty_goes_again(tmp_path):
    (tmp_path / "old").mkdir()
    for place in ("old", "old/a/b", "new/c"):
        with locked(tmp_path / place):
            assert (tmp_path / place).is_dir()
    assert [entry.name for entry in tmp_path.iterdir()] == ["old"]
    with locked(tmp_path / "new" / "kept"):
        replace_together(tmp_path / "new" / "kept", {"a": b"1"})
    assert content(tmp_path / "new" / "kept") == {"a": b"1"}


def test_writers_of_a_folder_that_comes_and_goes_do_not_disturb_each_other(tmp_path):
    def write(_):
        with locked(tmp_path / "a" / "b"):
            pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(100)))
    assert not [place for place in tmp_path.rglob("*") if not place.is_dir()]


def test_what_is_no_file_is_not_replaced(folder):
    (folder / "more").mkdir()
    with pytest.raises(EdgesoftError, match=r"more: expected a file to replace, but this is none"):
        change(folder)
    (folder / "more").rmdir()
    assert content(folder) == OLD | FOREIGN


def test_a_lock_that_leads_elsewhere_makes_nothing_there(folder):
    (folder / LOCK).symlink_to(folder.parent / "elsewhere")
    with pytest.raises(EdgesoftError, match="folder: cannot be written"):
        change(folder)
    assert not (folder.parent / "elsewhere").exists()
