"""A run's folder may come from anybody: what it says about its data is read, and never reaches the network."""

import json

import pytest

import edgesoft
from edgesoft.data import fetch as fetching
from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings_file import read_settings_file, stored_data_settings


@pytest.fixture
def no_call(monkeypatch):
    """The addresses that were asked for; there should be none."""
    asked = []
    monkeypatch.setattr(fetching, "_open", asked.append)
    return asked


def foreign(folder, checkpoint, **data) -> RunFolder:
    """A run of somebody else, with these settings of the data."""
    run = RunFolder(folder / "run")
    run.path.mkdir()
    run.checkpoint.write_bytes(checkpoint.read_bytes())
    run.config.write_text(json.dumps({"schema_version": 1, "data": data, "training": {}}))
    return run


def test_no_file_asks_for_a_download(tiny_checkpoint, tmp_path, no_call, exported):
    run = foreign(tmp_path, tiny_checkpoint, source="kmnist", root=str(tmp_path / "root"), download=True)
    match = r"config.json: data: download: a file may not reach the network, only --download on the command line may"
    for call in (
        lambda: edgesoft.export(run.path, output=tmp_path / "out"),
        lambda: edgesoft.verify(exported / "mnist.onnx", against=run.path),
        lambda: edgesoft.train(config=run.config, output=tmp_path / "new"),
        lambda: stored_data_settings(run),  # resume's
        lambda: stored_data_settings(run, "mnist"),
    ):
        with pytest.raises(UsageError, match=match):
            call()
    settings = tmp_path / "settings.toml"
    settings.write_text('[data]\nsource = "kmnist"\ndownload = true\n')
    with pytest.raises(UsageError, match="settings.toml: data: download"):
        edgesoft.train(config=settings)
    assert no_call == []
    assert not (tmp_path / "root").exists()


def test_the_callers_own_word_reaches_it(tmp_path, no_call):
    """The control: the same place would have been reached."""
    with pytest.raises(TypeError):  # our stand-in answers nothing
        edgesoft.train("kmnist", root=str(tmp_path), download=True)
    assert len(no_call) == 1


def test_a_run_without_a_download_is_followed(tiny_checkpoint, tmp_path, no_call):
    run = foreign(tmp_path, tiny_checkpoint, source="kmnist", root=str(tmp_path / "root"), download=False)
    assert read_settings_file(run.config)["data"] == {"source": "kmnist", "root": str(tmp_path / "root")}
    with pytest.raises(EdgesoftError, match=r"kmnist: no usable files"):
        edgesoft.export(run.path, output=tmp_path / "out")
    assert no_call == []
    assert not (tmp_path / "root").exists()


def test_moved_archives_of_a_known_set_are_named_by_their_folder(tiny_checkpoint, tmp_path):
    run = foreign(tmp_path, tiny_checkpoint, source="usps", root="/nowhere", val_split=0.3)
    moved = stored_data_settings(run, str(tmp_path))
    assert moved == DataSettings(source="usps", root=str(tmp_path), val_split=0.3)
    assert stored_data_settings(run, "kmnist").source == "kmnist"


@pytest.mark.parametrize(
    "data",
    [{"source": "//server/share/x.csv"}, {"source": "\\\\server\\share"}, {"source": "usps", "root": "//server/x"}],
)
def test_data_on_another_machine_take_the_users_word(tiny_checkpoint, tmp_path, data):
    run = foreign(tmp_path, tiny_checkpoint, **data)
    with pytest.raises(
        EdgesoftError, match=r"run: its data are on another machine \(.*server.*\). To read them there: --data"
    ):
        stored_data_settings(run)
    own = str(data.get("root", data["source"]))
    if "root" not in data:
        assert stored_data_settings(run, own).source == own
