import json

import pytest

from tests import edits


def test_the_json_contract(cli, model):
    ended = cli("inspect", model, "--json")
    assert (ended.code, ended.err) == (0, "")
    document = json.loads(ended.out)
    assert list(document) == [
        "schema_version", "path", "card", "precision", "file_bytes", "weight_bytes", "parameters", "activation_bytes", "cost",
        "boards", "golden_examples", "inputs",
        "outputs", "operators", "opset", "ir_version", "producer", "oldest_runtime", "changed_parts",
    ]  # fmt: skip
    assert set(document["card"]) >= {
        "name", "labels", "input", "hidden", "head", "rejection", "training", "metrics", "quantization", "parity"
    }  # fmt: skip
    assert document["inputs"] == [{"name": "pixels", "dtype": "uint8", "shape": ["batch", 28, 28]}]
    assert document["changed_parts"] == []


def test_boards(cli, model):
    """The MLP of the tests is small, but a float one is not small enough for every board."""
    document = json.loads(cli("inspect", model, "--json").out)
    flash = document["cost"]["constant_bytes"]
    assert flash > document["parameters"] * (1 if "int8" in model.name else 4)
    ended = cli("inspect", model, "--boards")
    lines = ended.out.splitlines()
    rows = lines[lines.index("") + 3 : -1]
    assert [row.split("  ")[0] for row in rows if row.endswith("yes")] == document["boards"]
    assert {row.rsplit(maxsplit=1)[1] for row in rows} <= {"yes", "no"}
    assert ("STM32 Blue Pill" in document["boards"]) == (flash + 8192 <= 65536)
    assert f"in C            {flash:,} bytes of flash" in ended.out


def test_text_for_people(cli, model):
    ended = cli("inspect", model)
    assert (ended.code, ended.err) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in ended.out.splitlines())
    assert set(lines) >= {"name", "labels", "input", "outputs", "precision", "operators", "format", "size", "versions"}
    assert "ONNX Runtime 1.15 or newer" in ended.out
    assert "golden examples 64" in ended.out


def test_a_changed_file_is_shown_with_a_warning(cli, model, tmp_path):
    path = edits.edited(
        model, tmp_path / "m.onnx", lambda model: edits.edit_card(model, name="other"), fresh_digests=False
    )
    ended = cli("inspect", path)
    assert ended.code == 0
    assert ended.out
    assert "changed after export: the labels and preprocessing" in ended.one_line()


@pytest.mark.parametrize("settings", [{}, {"seed": "\x1b[31m\n"}, {"seed": [{}]}])
def test_settings_and_versions_may_be_anything(cli, model, tmp_path, settings):
    def change(model):
        training = {**edits.card(model)["training"], "settings": settings, "versions": {"\x1b": []}}
        edits.edit_card(model, training=training)

    path = edits.edited(model, tmp_path / "m.onnx", change)
    for options in ((), ("--json",)):
        ended = cli("inspect", path, *options)
        assert ended.code == 0
        assert "Traceback" not in ended.err
        assert "\x1b" not in ended.out


def test_a_model_that_does_not_say_where_it_came_from(cli, model, tmp_path):
    path = edits.edited(model, tmp_path / "m.onnx", lambda model: edits.edit_card(model, training=None, parity=None))
    ended = cli("inspect", path)
    assert (ended.code, ended.err) == (0, "")
    assert "provenance      incomplete" in ended.out


@pytest.mark.parametrize("training", [{}, {"data": 3, "data_sha256": "4"}, {"data": "\x1b[31m\n", "data_sha256": "x"}])
def test_provenance_that_is_none_is_one_clear_error(cli, model, tmp_path, training):
    path = edits.edited(
        model, tmp_path / "m.onnx", lambda model: edits.edit_card(model, training=training), fresh_digests=False
    )
    ended = cli("inspect", path)
    assert (ended.code, ended.out) == (1, "")
    assert "the model card is damaged" in ended.one_line()
    assert "\x1b" not in ended.err
