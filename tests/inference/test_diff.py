from pathlib import Path

import numpy as np
import pytest

import edgesoft
from edgesoft.errors import EdgesoftError
from edgesoft.inference.diff import diff
from tests import edits


def test_a_file_against_itself(model):
    result = diff(model, model)
    assert result.fields == {}
    assert not result.labels_reordered
    assert result.golden_changes == ()
    assert result.golden_examples == 2 * len(edits.golden(edits.read(model)))


def test_float_against_int8(exported):
    result = diff(exported / "mnist.onnx", exported / "mnist.int8.onnx")
    assert set(result.fields) >= {"precision", "quantization"}
    assert not set(result.fields) & {"labels", "input", "hidden", "training data"}
    for change in result.golden_changes:
        assert change.old != change.new


def test_another_order_of_the_labels_is_noticed(model, tmp_path):
    def change(model):
        labels = edits.card(model)["labels"][::-1]
        edits.edit_card(model, labels=labels)

    other = edits.edited(model, tmp_path / "m.onnx", change)
    result = diff(model, other)
    assert result.labels_reordered
    assert result.fields["labels"][1] == list("9876543210")
    assert len(result.golden_changes) == result.golden_examples
    assert {result.carried_by for result in result.golden_changes} == {"old", "new"}
    assert result.golden_changes[0].right in "0123456789"


def test_other_labels_are_not_a_reordering(model, tmp_path):
    other = edits.edited(
        model, tmp_path / "m.onnx", lambda model: edits.edit_card(model, labels=[f"x{number}" for number in range(10)])
    )
    assert not diff(model, other).labels_reordered


def test_changed_weights_show_in_the_golden_examples(model, tmp_path):
    def change(model):
        name = "weight1_quantized" if edits.has(model, "weight1_quantized") else "weight1"
        edits.set_constant(model, name, -edits.constant(model, name))

    assert len(diff(model, edits.edited(model, tmp_path / "m.onnx", change)).golden_changes) > 50


def test_a_changed_file_is_refused(model, tmp_path):
    other = edits.edited(
        model,
        tmp_path / "m.onnx",
        lambda model: edits.set_constant(model, "pixel_scale", np.float32(1)),
        fresh_digests=False,
    )
    for pair in ((model, other), (other, model)):
        with pytest.raises(EdgesoftError, match="the weights do not match"):
            diff(*pair)


def test_without_golden_examples_there_is_nothing_to_compare(model, tmp_path):
    other = edits.edited(model, tmp_path / "m.onnx", lambda model: edits.set_metadata(model, "edgesoft.golden", None))
    with pytest.raises(EdgesoftError, match="carries no golden examples"):
        diff(model, other)


def test_rows_are_compared_where_both_models_have_the_same_features(tmp_path, monkeypatch):
    """Whatever stands where: a golden example holds numbers, which mean something else in another order."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=200), rng.normal(size=200)
    tables = {"ab": {"a": a, "b": b}, "ba": {"b": b, "a": a}, "uv": {"u": a, "v": b}, "again": {"a": a, "b": b}}
    for name, columns in tables.items():
        run = edgesoft.train({**columns, "kind": a > 0}, target="kind", epochs=1, hidden=(4,), threads=1, output=name)
        edgesoft.export(run, quantize=False, output=f"{name}-out", name=name)
    paths = {name: Path(f"{name}-out/{name}.onnx") for name in tables}
    assert diff(paths["ab"], paths["again"]).golden_examples > 0
    for other in ("ba", "uv"):
        result = diff(paths["ab"], paths[other])
        assert (result.golden_examples, result.golden_changes) == (0, ()) and "input" in result.fields
