"""Names become files one by one."""

import io
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from edgesoft.pictures import PictureError
from edgesoft.pictures.sources import expand, files_below, listed


def names(found):
    return [Path(path).name for path in found]


def test_a_folder_is_searched_to_any_depth_in_order_without_hidden_files(tmp_path):
    for name in ("b.png", "a.png", ".hidden", "sub/deep/c.png", ".git/d.png", "Thumbs.db", "sub/desktop.ini"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert names(expand([str(tmp_path)])) == ["a.png", "b.png", "c.png"]


def test_an_empty_folder_is_handed_on_so_that_its_reader_can_say_so(tmp_path):
    assert list(expand([str(tmp_path)])) == [str(tmp_path)]


def test_patterns_match_files_and_folders(tmp_path):
    for name in ("1.png", "2.png", "x/3.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert names(expand([str(tmp_path / "[12].png")])) == ["1.png", "2.png"]
    assert names(expand([str(tmp_path / "**" / "*.png")])) == ["1.png", "2.png", "3.png"]
    assert names(expand([str(tmp_path / "?")])) == ["3.png"]


def test_a_name_that_exists_is_no_pattern(tmp_path):
    (tmp_path / "[1].png").write_bytes(b"")
    (tmp_path / "1.png").write_bytes(b"")
    assert names(expand([str(tmp_path / "[1].png")])) == ["[1].png"]


def test_what_does_not_exist_is_handed_on(tmp_path):
    assert names(expand([str(tmp_path / "missing.png"), str(tmp_path / "no*match")])) == ["missing.png", "no*match"]


def test_a_linked_folder_does_not_lead_in_circles(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert names(expand([str(tmp_path)])) == ["a.png"]


def test_a_pattern_does_not_follow_links_in_circles(tmp_path):
    """Two links back are two choices at each of forty steps: 2^40 paths."""
    (tmp_path / "deep").mkdir()
    for name in ("a.png", "deep/b.png"):
        (tmp_path / name).write_bytes(b"")
    for name in ("one", "two", "deep/three"):
        (tmp_path / name).symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "itself").symlink_to("itself")
    assert names(expand([str(tmp_path / "**" / "*.png")])) == ["a.png", "b.png"]
    assert names(expand([str(tmp_path / "**" / "**" / "b*")])) == ["b.png"]
    assert names(expand([str(tmp_path / "**")])) == ["a.png", "b.png", "itself"]
    assert list(expand([str(tmp_path / "**" / "none")])) == [str(tmp_path / "**" / "none")]
    assert list(expand(["*/" * 2000 + "x"])) == ["*/" * 2000 + "x"]


def test_folders_may_be_deeper_than_python_calls_functions(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("a.png", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    try:
        assert names(expand([str(tmp_path)])) == ["a.png"]
        assert len(list(files_below(str(tmp_path)))) == 1
    finally:
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # Python's own rmtree calls itself


@pytest.mark.parametrize("line", [b"x" * 2**15 + b"y", b"\0" * 10**6])
def test_a_line_that_is_no_path_ends_the_list(line):
    found = listed(io.BytesIO(b"a.png\n" + line))
    assert next(found) == "a.png"
    with pytest.raises(PictureError, match="line 2 of the list is longer than 32,768 bytes"):
        next(found)


def test_a_list_keeps_spaces_and_odd_bytes_and_drops_empty_lines():
    odd = b"\xff\xfe.png"
    assert list(listed(io.BytesIO(b"a b.png\r\n\n" + odd + b"\n last "))) == ["a b.png", os.fsdecode(odd), " last "]


def test_files_are_found_while_earlier_ones_are_used(tmp_path):
    def endless():
        number = 0
        while True:
            yield str(tmp_path / f"{number}.png")
            number += 1

    stream = expand(endless())
    assert names(next(stream) for _ in range(3)) == ["0.png", "1.png", "2.png"]


def test_a_list_of_windows_begins_with_a_mark():
    assert list(listed(io.BytesIO(b"\xef\xbb\xbfa.png\r\nb.png\r\n"))) == ["a.png", "b.png"]


@pytest.fixture
def as_anybody():
    """The administrator may read everything: for the time of a test, nobody in particular."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


def test_a_folder_that_may_not_be_read_is_handed_on(as_anybody):
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        closed = Path(folder) / "closed"
        closed.mkdir(mode=0)
        assert list(expand([folder])) == [str(closed)]
