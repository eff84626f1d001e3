import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from edgesoft.errors import EdgesoftError
from edgesoft.training import runs
from edgesoft.training.runs import RUNS, RunFolder, checkpoint_in, new_run, newest_checkpoint
from edgesoft.transaction import LOCK


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def used(name, time=None):
    folder = RunFolder(RUNS / name)
    folder.path.mkdir(parents=True)
    folder.checkpoint.write_bytes(b"")
    if time is not None:
        os.utime(folder.checkpoint, (time, time))
    return folder


def keep(folder):
    folder.checkpoint.write_bytes(b"")


def test_a_run_never_overwrites_another():
    with new_run("mnist") as first, new_run("mnist") as second:  # the name is taken from the first moment on
        assert first.path == RUNS / "mnist"
        assert second.path == RUNS / "mnist-2"
        keep(first)
    assert not second.path.exists()  # it has kept nothing
    with new_run("mnist") as third:
        assert third.path == RUNS / "mnist-2"
        keep(third)
    used("mnist-3")
    interrupted = RunFolder(RUNS / "mnist-4")
    interrupted.path.mkdir()
    interrupted.last.write_bytes(b"")
    (RUNS / "mnist-5").write_bytes(b"mine")
    (RUNS / "mnist-6").symlink_to("nowhere")
    with new_run("mnist") as folder:
        assert folder.path == RUNS / "mnist-7"


def test_what_a_killed_training_left_is_used_again():
    abandoned = RUNS / "mnist"
    abandoned.mkdir(parents=True)
    (abandoned / LOCK).write_bytes(b"")
    (abandoned / ".last.npz.0123abcd.staged").write_bytes(b"half")
    with new_run("mnist") as folder:
        assert folder.path == abandoned
        assert list(abandoned.glob("*.staged")) == []
    assert list(abandoned.iterdir()) == []


def test_where_there_are_no_locks_nothing_is_used_again(monkeypatch):
    monkeypatch.setattr(runs, "HAS_LOCKS", False)
    (RUNS / "mnist").mkdir(parents=True)
    with new_run("mnist") as folder:
        assert folder.path == RUNS / "mnist-2"


def test_many_who_start_together_get_a_folder_each():
    taken = []

    def run(_):
        with new_run("iris") as folder:
            taken.append(folder.path.name)
            keep(folder)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(run, range(32)))
    assert len(taken) == len(set(taken)) == 32


@pytest.mark.parametrize("make", [lambda: RUNS.write_bytes(b"mine"), lambda: RUNS.symlink_to("nowhere/at/all")])
def test_no_runs_can_be_kept(make):
    make()
    with pytest.raises(EdgesoftError, match="^runs.*Choose another folder"), new_run("mnist"):
        raise AssertionError


@pytest.mark.parametrize("name", ["config.json", "metrics.json", "learning-curve.svg", "notes", "skipped.txt"])
def test_a_folder_that_holds_anything_else_is_refused_by_name(tmp_path, name):
    folder = RunFolder(tmp_path / "mine")
    folder.check_free()
    folder.path.mkdir()
    (folder.path / ".hidden").write_bytes(b"no file of a run is hidden")
    folder.check_free()
    (folder.path / name).write_bytes(b"mine")
    with pytest.raises(EdgesoftError, match=f"mine: holds {name}, which no training wrote. Choose an empty folder"):
        folder.check_free()


def test_the_newest_checkpoint_is_the_one_written_last():
    used("b", 2000)
    used("a", 3000)
    used("c", 1000)
    assert newest_checkpoint() == RUNS / "a" / "checkpoint.npz"


def test_no_run_yet():
    with pytest.raises(EdgesoftError, match="holds no trained model. Train one first: edgesoft train"):
        newest_checkpoint()


def test_a_folder_means_the_checkpoint_in_it():
    folder = used("a")
    assert checkpoint_in(folder.path) == folder.checkpoint
    assert checkpoint_in(folder.checkpoint) == folder.checkpoint
    assert checkpoint_in(RUNS / "missing") == RUNS / "missing"
