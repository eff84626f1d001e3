import numpy as np
import onnx
import pytest

from edgesoft.errors import EdgesoftError
from edgesoft.inference.inspect import inspect
from tests import edits


def test_it_says_what_onnx_says(model):
    ours, theirs = inspect(model), edits.read(model)
    assert ours.file_bytes == model.stat().st_size
    assert ours.opset == theirs.opset_import[0].version
    assert ours.ir_version == theirs.ir_version
    assert sum(ours.operators.values()) == len(theirs.graph.node)
    assert ours.operators["Gemm"] == 2
    assert ours.weight_bytes == sum(len(tensor.raw_data) for tensor in theirs.graph.initializer)
    assert ours.parameters == 784 * 32 + 32 + 32 * 10 + 10
    assert ours.activation_bytes == (784 + 32) * (1 if "int8" in model.name else 4)
    assert ours.golden_examples >= 64
    assert [tensor.name for tensor in ours.outputs] == ["logits", "probabilities", "label"]
    assert ours.oldest_runtime == "1.15"
    assert ours.changed_parts == ()
    onnx.checker.check_model(theirs, full_check=True)


def test_the_golden_examples_add_less_than_a_twentieth_to_a_full_model(exported):
    """A 784-520-320-240-120-10 in INT8 has 690 kB."""
    block = edits.metadata(edits.read(exported / "mnist.int8.onnx"))["edgesoft.golden"]
    assert len(block) < 0.05 * 690_000


def test_a_changed_file_is_shown_with_what_changed(model, tmp_path):
    path = edits.edited(
        model, tmp_path / "m.onnx", lambda model: edits.set_constant(model, "pixel_scale", np.float32(1)), reseal=False
    )
    assert inspect(path).changed_parts == ("weights",)


def test_what_is_no_model(tmp_path):
    with pytest.raises(EdgesoftError, match="no such file"):
        inspect(tmp_path / "missing.onnx")
