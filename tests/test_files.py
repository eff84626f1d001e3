import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgesoft.errors import EdgesoftError
from edgesoft.files import full_path, read_bytes, write_atomically
from tests.conftest import environment


def test_there_and_back(tmp_path):
    path = tmp_path / "new" / "folder" / "file.bin"
    write_atomically(path, b"content")
    assert read_bytes(path, limit=7, what="a test") == b"content"
    assert [item.name for item in path.parent.iterdir()] == ["file.bin"]


def test_one_byte_too_many(tmp_path):
    (tmp_path / "file").write_bytes(b"12345678")
    with pytest.raises(EdgesoftError, match="more than a test may have"):
        read_bytes(tmp_path / "file", limit=7, what="a test")


def open_files():
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_reading_never_leaves_a_file_open(tmp_path):
    (tmp_path / "file").write_bytes(b"12345678")
    before = open_files()
    for path in (tmp_path, tmp_path / "file", tmp_path / "missing"):
        with pytest.raises(EdgesoftError):
            read_bytes(path, limit=1, what="a test")
    assert before == open_files()


@pytest.mark.parametrize("place", ["file/below", "file/far/below", "folder"])
def test_where_nothing_can_be_written(tmp_path, place):
    """A path under a file fails for root as well."""
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "folder").mkdir()
    with pytest.raises(EdgesoftError, match="cannot be written .*Choose another folder or free some space"):
        write_atomically(tmp_path / place, b"content")
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert sorted(item.name for item in tmp_path.rglob("*")) == ["file", "folder"]


DISK_FULL = """
import resource, signal, sys
from pathlib import Path
from edgesoft.errors import EdgesoftError
from edgesoft.files import write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(Path(sys.argv[1]), bytes(5000))
except EdgesoftError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    process = subprocess.run(
        [sys.executable, "-c", DISK_FULL, path], capture_output=True, text=True, env=environment(), check=True
    )
    assert process.stdout == f"{path}: cannot be written (file too large). Choose another folder or free some space\n"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "file"
    versions = [bytes([number]) * 300_000 for number in range(2)]
    write_atomically(path, versions[0])
    done = threading.Event()

    def write():
        for turn in range(100):
            write_atomically(path, versions[turn % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    reads = 0
    while not done.is_set():
        assert path.read_bytes() in versions
        reads += 1
    writer.join()
    assert reads > 0


def fifo(folder):
    os.mkfifo(folder / "odd")


def listener(folder):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(folder / "odd"))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (fifo, "this is a pipe that nobody writes to"),
        (listener, "this is a socket"),
        (lambda folder: (folder / "odd").mkdir(), "this is a folder"),
        (lambda folder: (folder / "odd").symlink_to("/dev/zero"), "this is a device"),
        (lambda folder: (folder / "odd").symlink_to("odd"), "cannot be read"),
        (lambda folder: (folder / "odd").symlink_to("nowhere"), "no such file"),
    ],
)
def test_what_holds_no_bytes_is_said_at_once(tmp_path, make, match):
    make(tmp_path)
    before = open_files()
    with pytest.raises(EdgesoftError, match=match):
        read_bytes(tmp_path / "odd", limit=9, what="a test")
    assert open_files() == before


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no /dev/fd here")
@pytest.mark.parametrize("size", [1, 5_000_000])
def test_a_pipe_with_a_writer_is_read_like_a_file(size):
    """As a shell's `<(...)`; the writer is slow, and a pipe holds 64 KB."""
    reading, writing = os.pipe()

    def write():
        time.sleep(0.1)
        with os.fdopen(writing, "wb") as file:
            file.write(b"x" * size)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert read_bytes(Path(f"/dev/fd/{reading}"), limit=size, what="a test") == b"x" * size
    finally:
        writer.join()
        os.close(reading)


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no /dev/fd here")
def test_a_pipe_without_end_is_refused():
    reading, writing = os.pipe()
    os.write(writing, b"x" * 2000)
    try:
        with pytest.raises(EdgesoftError, match="more than a test may have"):
            read_bytes(Path(f"/dev/fd/{reading}"), limit=1000, what="a test")
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("~nouser/x", "there is no such user"),
        ("loop", "its links go round in circles"),
        ("loop/x", "its links go round in circles"),
        ("a\0b", "null"),
        ("\ud800", "half of a character"),
        ("x" * 5000, "file name too long"),
        ("y/" * 2500, "file name too long"),
    ],
)
def test_what_is_no_path_is_said(tmp_path, monkeypatch, text, match):
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    with pytest.raises(EdgesoftError, match=match) as caught:
        full_path(text)
    assert "\n" not in str(caught.value)
    assert full_path("new/file") == tmp_path.resolve() / "new" / "file"  # negative control: it need not exist
