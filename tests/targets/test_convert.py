"""Converted folders: what is written, replaced and left alone; and their replay."""

import hashlib
import json
import shutil

import pytest

import edgesoft
from edgesoft.errors import EdgesoftError, GateMissedError, UsageError
from edgesoft.targets.folder import MANIFEST, read_manifest
from edgesoft.targets.replay import replay
from tests.targets.test_c import need


@pytest.fixture
def folder(exported, tmp_path):
    """A converted folder."""
    edgesoft.convert(exported / "mnist.int8.onnx", "c", tmp_path / "out")
    return tmp_path / "out"


def test_the_command(cli, exported, tmp_path):
    need("gcc")
    done = cli("convert", exported / "mnist.int8.onnx", "--to", "c", "--output", "out")
    assert done.code == 0
    assert "out/mnist.c" in done.out.splitlines()
    assert done.err == "next:  edgesoft verify out\n"
    again = cli("convert", exported / "mnist.int8.onnx", "--to", "c", "--output", "out")
    assert again.code == 1
    assert again.one_line() == (
        "error: out: is not empty. Choose another folder, or replace what edgesoft wrote there: --overwrite"
    )
    checked = cli("verify", "out", "--json")
    assert json.loads(checked.out)["said"] == "mnist: 64 of 64 golden examples: the same bits as ONNX Runtime"


def test_overwriting_replaces_what_edgesoft_wrote_and_nothing_else(folder, exported):
    (folder / "mine.txt").write_text("mine")
    converted = edgesoft.convert(exported / "mnist.onnx", "c", folder, overwrite=True)
    assert (folder / "mine.txt").read_text() == "mine"
    assert read_manifest(folder).model == "mnist.onnx"
    assert {path.name for path in converted[0].files} == set(read_manifest(folder).files)


def test_files_of_another_model_go(folder, exported, tmp_path):
    other = tmp_path / "other.onnx"
    shutil.copy(exported / "mnist.onnx", other)
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / "old.c").write_text("old")
    manifest["files"]["old.c"] = hashlib.sha256(b"old").hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest))
    edgesoft.convert(other, "c", folder, overwrite=True)
    assert not (folder / "old.c").exists()


def test_a_file_that_was_changed_is_not_replaced(folder, exported):
    (folder / "main.c").write_text("int main(void) { return 0; }")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(EdgesoftError, match="main.c: was not written by edgesoft, or was changed since"):
        edgesoft.convert(exported / "mnist.onnx", "c", folder, overwrite=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_somebodys_makefile_is_not_replaced(exported, tmp_path):
    (tmp_path / "Makefile").write_text("all:")
    with pytest.raises(EdgesoftError, match="Makefile: was not written by edgesoft"):
        edgesoft.convert(exported / "mnist.onnx", "c", tmp_path, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Makefile"]


@pytest.mark.parametrize("targets", ["", "d", "c,d", "c,c", ["c", ""], "C"])
def test_what_is_no_target(targets, exported, tmp_path):
    with pytest.raises(UsageError, match="target"):
        edgesoft.convert(exported / "mnist.onnx", targets, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_none(tmp_path, digit):
    with pytest.raises(EdgesoftError):
        edgesoft.convert(digit, "c", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_a_file(exported, digit):
    with pytest.raises(EdgesoftError, match="is a file"):
        edgesoft.convert(exported / "mnist.onnx", "c", digit, overwrite=True)


@pytest.mark.parametrize(
    "damage",
    ["", "[]", "{}", '{"edgesoft": 1}', "\x00", '{"files": {"../x": ""}}', "[" * 60000],
    ids=["empty", "list", "object", "keys", "nul", "path", "deep"],
)
def test_a_damaged_manifest(damage, folder):
    (folder / MANIFEST).write_text(damage)
    with pytest.raises(EdgesoftError, match="not written by edgesoft"):
        replay(folder)


def test_a_manifest_that_names_files_elsewhere(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["../evil.c"] = "0" * 64
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(EdgesoftError, match="not written by edgesoft"):
        replay(folder)


def test_changed_and_missing_files_are_found_before_anything_is_run(folder):
    code = folder / "mnist.c"
    code.write_text(code.read_text() + "\n")
    with pytest.raises(GateMissedError, match="mnist.c: was changed"):
        replay(folder)
    code.unlink()
    with pytest.raises(GateMissedError, match="mnist.c: is missing"):
        replay(folder)


def test_the_sha256_of_the_model(folder):
    need("gcc")
    sha256 = read_manifest(folder).sha256
    assert replay(folder, sha256=sha256.upper()).passed
    with pytest.raises(GateMissedError, match="was made from a model with"):
        replay(folder, sha256="0" * 64)


def test_no_compiler(folder, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler -O9")
    with pytest.raises(EdgesoftError, match=r"no C compiler \(no-such-compiler -O9\) .* apt install gcc"):
        replay(folder)


def test_a_compiler_that_fails(folder, monkeypatch):
    monkeypatch.setenv("CC", "false")
    with pytest.raises(EdgesoftError, match="false does not compile it"):
        replay(folder)


def test_a_folder_takes_no_provider(cli, folder):
    done = cli("verify", folder, "--threads", "2")
    assert done.code == 2
    assert "only --sha256 and --json go with one" in done.one_line()


def test_a_folder_that_was_not_converted(cli, exported):
    done = cli("verify", exported)
    assert done.code == 1
    assert "edgesoft.json" in done.one_line()


def test_export_converts_in_the_same_breath(tiny_run, tmp_path):
    exported = edgesoft.export(tiny_run.path, quantize=False, output=tmp_path / "out", to="c")
    (converted,) = exported.converted
    assert converted.folder == tmp_path / "out" / "mnist-c"
    assert read_manifest(converted.folder).model == "mnist.onnx"
    with pytest.raises(EdgesoftError, match="mnist-c: is not empty"):
        edgesoft.export(tiny_run.path, quantize=False, output=tmp_path / "out", to=["c"])
    with pytest.raises(UsageError, match="no target 'd'"):
        edgesoft.export(tiny_run.path, output=tmp_path / "other", to="c,d")
    assert not (tmp_path / "other").exists()
