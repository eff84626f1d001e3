import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edgesoft.errors import EdgesoftError
from edgesoft.files import read_bytes, write_atomically
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
