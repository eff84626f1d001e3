import os

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
    used("mnist")
    assert new_run("mnist").path == RUNS / "mnist-2"
    used("mnist-2")
    interrupted = RunFolder(RUNS / "mnist-3")
    interrupted.path.mkdir()
    interrupted.last.write_bytes(b"")
    assert new_run("mnist").path == RUNS / "mnist-4"


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
