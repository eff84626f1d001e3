"""The float graph against two things that share no code with it: ten lines of numpy, and PyTorch's own exporter."""

import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from edgesoft.exporting.graph import IR_VERSION, OPSET
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.network import SoftmaxNetwork, reference_logits


def operators_after_fusion(content, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]


def test_ten_lines_of_numpy_give_the_same_logits(deep):
    path, dataset, result = deep
    arrays = np.load(path)
    x = dataset.test.inputs.reshape(10_000, 784).astype(np.float64) / 255
    for index in range(5):
        x = x @ arrays[f"weight{index}"].T + arrays[f"bias{index}"]
        x = np.maximum(x, 0) if index < 4 else x
    assert np.abs(result.float_model.logits - x).max() < 1e-4
    assert np.abs(result.reference - x).max() < 1e-4
    assert np.array_equal(result.float_model.logits.argmax(axis=1), x.argmax(axis=1))


def test_pytorchs_own_exporter_gives_the_same_logits(deep, tmp_path, capfd):
    path, dataset, result = deep

    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = SoftmaxNetwork(Checkpoint.load(path).layers)

        def forward(self, pixels):
            logits = self.network(pixels.float() / 255)
            return logits, torch.softmax(logits, dim=1), logits.argmax(dim=1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Whole().eval(),
            (torch.zeros(2, 28, 28, dtype=torch.uint8),),
            tmp_path / "oracle.onnx",
            dynamo=True,
            external_data=False,
            verbose=False,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
    capfd.readouterr()  # it prints
    oracle = onnxruntime.InferenceSession(tmp_path / "oracle.onnx", providers=["CPUExecutionProvider"])
    inputs = dataset.test.inputs[:2000]
    logits, _, labels = oracle.run(None, {oracle.get_inputs()[0].name: inputs})
    assert np.abs(result.float_model.logits[:2000] - logits).max() <= 2e-5
    assert np.array_equal(result.float_model.logits[:2000].argmax(axis=1), labels)


def test_the_reference_is_pytorch_itself(deep):
    path, dataset, result = deep
    network = SoftmaxNetwork(Checkpoint.load(path).layers)
    with torch.no_grad():
        logits = network(torch.from_numpy(dataset.test.inputs[:100]).float() / 255).numpy()
    np.testing.assert_allclose(result.reference[:100], logits, atol=1e-5)
    np.testing.assert_array_equal(reference_logits(network, dataset.test.inputs), result.reference)


def test_onnx_finds_nothing_to_complain_about(deep):
    for candidate in (deep[2].float_model, *deep[2].attempts):
        model = onnx.load_model_from_string(candidate.content)
        onnx.checker.check_model(model, full_check=True)
        assert (model.opset_import[0].version, model.ir_version) == (OPSET, IR_VERSION) == (13, 8)
        assert not any(tensor.external_data for tensor in model.graph.initializer)
        dims = model.graph.input[0].type.tensor_type.shape.dim
        assert dims[0].dim_param == "batch"


def test_int8_becomes_one_qgemm_a_layer_and_nothing_else(deep, tmp_path):
    found = operators_after_fusion(deep[2].attempts[0].content, tmp_path)
    assert sorted(found) == sorted(["Flatten", *["QGemm"] * 5, "ArgMax", "Mul", "Softmax"])


def test_float_becomes_one_gemm_a_layer(deep, tmp_path):
    found = operators_after_fusion(deep[2].float_model.content, tmp_path)
    assert sum(operator in ("Gemm", "FusedGemm") for operator in found) == 5
    assert set(found) <= {"Flatten", "DequantizeLinear", "Gemm", "FusedGemm", "ArgMax", "Mul", "Softmax"}


@pytest.mark.parametrize("kind", ["float_model", "int8"])
def test_the_temperature_changes_probabilities_only(deep, kind):
    candidate = deep[2].float_model if kind == "float_model" else deep[2].attempts[0]
    session = onnxruntime.InferenceSession(candidate.content, providers=["CPUExecutionProvider"])
    logits, probabilities, label = session.run(None, {"pixels": deep[1].test.inputs[:500]})
    scaled = logits.astype(np.float64) / candidate.temperature
    expected = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    np.testing.assert_allclose(probabilities, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_array_equal(label, logits.argmax(axis=1))
