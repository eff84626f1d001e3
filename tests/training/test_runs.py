import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from edgesoft.errors import EdgesoftError
from edgesoft.training.runs import RUNS, RunFolder, checkpoint_in, new_run, newest_checkpoint


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


def test_a_run_never_overwrites_another():
    assert new_run("mnist").path == RUNS / "mnist"
    assert new_run("mnist").path == RUNS / "mnist-2"  # the name is taken from the first moment on
    used("mnist-3")
    interrupted = RunFolder(RUNS / "mnist-4")
    interrupted.path.mkdir()
    interrupted.last.write_bytes(b"")
    (RUNS / "mnist-5").write_bytes(b"mine")
    assert new_run("mnist").path == RUNS / "mnist-6"
    RunFolder(RUNS / "mnist-2").remove_if_empty()
    RunFolder(RUNS / "mnist-3").remove_if_empty()
    assert new_run("mnist").path == RUNS / "mnist-2"
    assert used("mnist-7").checkpoint.exists() and (RUNS / "mnist-3").exists()


def test_many_who_start_together_get_a_folder_each():
    with ThreadPoolExecutor(16) as pool:
        folders = list(pool.map(lambda _: new_run("iris").path.name, range(64)))
    assert sorted(folders) == sorted(["iris", *(f"iris-{number}" for number in range(2, 65))])


@pytest.mark.parametrize("make", [lambda: RUNS.write_bytes(b"mine"), lambda: RUNS.symlink_to("nowhere/at/all")])
def test_no_runs_can_be_kept(make):
    make()
    with pytest.raises(EdgesoftError, match="runs: cannot be written .*--output"):
        new_run("mnist")


@pytest.mark.parametrize("name", ["config.json", "metrics.json", "learning-curve.png", "notes", "skipped.txt"])
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
