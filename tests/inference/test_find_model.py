import json
import os
import shutil
from pathlib import Path

import pytest

import edgesoft
from edgesoft.errors import EdgesoftError
from edgesoft.inference.find_model import find_model


@pytest.fixture
def folder(exported, tmp_path, monkeypatch):
    shutil.copytree(exported, tmp_path / "exported")
    monkeypatch.chdir(tmp_path)
    return Path("exported")


def test_a_folder_or_a_stem_or_nothing(folder):
    for model in (None, folder, folder / "mnist", Path("./exported/"), Path("exported/../exported")):
        assert find_model(model, provider="cpu").resolve() == (folder / "mnist.int8.onnx").resolve()
        assert find_model(model, provider="cuda").resolve() == (folder / "mnist.onnx").resolve()


def test_the_working_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert find_model(Path(), provider="cpu").name == "mnist.int8.onnx"


def test_a_file_is_taken_as_it_is(folder):
    assert find_model(folder / "mnist.onnx", provider="cpu") == folder / "mnist.onnx"
    assert find_model(Path("missing.onnx"), provider="cpu") == Path("missing.onnx")


def test_the_only_file_serves_both(folder):
    (folder / "mnist.int8.onnx").unlink()
    assert find_model(None, provider="cpu") == folder / "mnist.onnx"
    shutil.move(folder / "mnist.onnx", folder / "mnist.int8.onnx")
    assert find_model(None, provider="cuda") == folder / "mnist.int8.onnx"


def test_the_report_says_which_is_better(folder):
    report = json.loads((folder / "mnist.report.json").read_text())
    assert report["recommended"] == "int8"
    (folder / "mnist.report.json").write_text(json.dumps({**report, "recommended": "float32"}))
    assert find_model(None, provider="cpu").name == "mnist.onnx"
    assert find_model(None, provider="cuda").name == "mnist.onnx"


@pytest.mark.parametrize(
    "damage", [None, "", "{", "[]", "null", '{"recommended": "float32"}', "changed", "unknown", "list"]
)
def test_without_a_report_of_these_files_the_smaller_one_is_taken(folder, damage):
    path = folder / "mnist.report.json"
    report = {**json.loads(path.read_text()), "recommended": "float32"}
    changes = {
        "changed": {**report, "int8": {**report["int8"], "bytes": 5}},
        "unknown": {**report, "recommended": "int4"},
        "list": {**report, "recommended": []},
    }
    if damage is None:
        path.unlink()
    else:
        path.write_text(json.dumps(changes[damage]) if damage in changes else damage)
    assert find_model(None, provider="cpu").name == "mnist.int8.onnx"
    with (folder / "mnist.int8.onnx").open("ab") as file:
        file.write(bytes(10**6))
    assert find_model(None, provider="cpu").name == "mnist.onnx"


def test_several_models_must_be_chosen_from(folder):
    shutil.copy(folder / "mnist.onnx", folder / "other.onnx")
    with pytest.raises(
        EdgesoftError, match="holds several models. Choose one with --model: exported/mnist, exported/other"
    ):
        find_model(None, provider="cpu")
    assert find_model(folder / "other", provider="cpu") == folder / "other.onnx"


@pytest.mark.parametrize("model", [None, Path(), Path(".."), Path("/"), Path("nothing"), Path("nothing/here")])
def test_no_model_is_one_clear_error(tmp_path, monkeypatch, model):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(EdgesoftError, match="no exported model here. Make one: edgesoft export --quantize"):
        find_model(model, provider="cpu")


def test_a_pipe_is_taken_for_the_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert find_model(tmp_path / "pipe", provider="cpu") == tmp_path / "pipe"


def test_the_api_takes_a_folder_too(folder):
    assert edgesoft.load(folder).path == find_model(folder, provider="cpu")
    assert edgesoft.load(str(folder / "mnist.onnx")).path == folder / "mnist.onnx"
