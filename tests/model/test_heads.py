"""What logits mean, against scipy and against a runtime that knows nothing of our heads."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from scipy.special import expit, log_softmax, softmax

from edgesoft.model.graph import GraphWriter
from edgesoft.model.heads import HEADS, Sigmoid, Softmax, cross_entropy, head_from_json, probabilities

CASES = [Softmax(), Softmax(0.25), Sigmoid(), Sigmoid(3.0), Sigmoid(0.5, 0.2), Sigmoid(2.0, 0.9)]


def some_logits(head, rng, count=500):
    return (rng.normal(size=(count, head.outputs(2))) * 4).astype(np.float32)


def expected(head, logits):
    exact = logits.astype(np.float64) / head.temperature
    return np.column_stack([expit(-exact), expit(exact)]) if isinstance(head, Sigmoid) else softmax(exact, axis=1)


@pytest.mark.parametrize("head", CASES, ids=str)
def test_probabilities_are_scipys(head, rng):
    logits = some_logits(head, rng)
    np.testing.assert_allclose(probabilities(head, logits), expected(head, logits), atol=1e-6)


@pytest.mark.parametrize("head", CASES, ids=str)
def test_the_answer_is_what_the_threshold_says(head, rng):
    logits = some_logits(head, rng)
    second = expected(head, logits)[:, 1]
    threshold = getattr(head, "threshold", 0.5)
    clear = np.abs(second - threshold) > 1e-6
    np.testing.assert_array_equal(head.predict(logits)[clear], (second > threshold).astype(int)[clear])
    assert head.is_even == (threshold == 0.5)


@pytest.mark.parametrize("head", CASES, ids=str)
def test_the_graph_says_the_same(head, rng):
    writer = GraphWriter(1)
    head.write(writer)
    assert {node.operator for node in writer.nodes} <= set(head.operators)
    nodes = [
        helper.make_node(node.operator, node.inputs, node.outputs, None, None, None, None, **node.attributes)
        for node in writer.nodes
    ]
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, None),
        helper.make_tensor_value_info("label", TensorProto.INT64, None),
    ]
    taken = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", head.outputs(2)])]
    constants = [numpy_helper.from_array(value, name) for name, value in writer.constants.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "head", taken, outputs, constants),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    logits = some_logits(head, rng)
    chances, label = session.run(None, {"logits": logits})
    np.testing.assert_allclose(chances, probabilities(head, logits), atol=1e-6)
    np.testing.assert_array_equal(label, head.predict(logits))


@pytest.mark.parametrize("head", [Softmax(), Sigmoid()], ids=str)
def test_the_loss_is_scipys(head, rng):
    logits, targets = some_logits(head, rng), rng.integers(0, 2, 500)
    pair = np.column_stack([np.zeros(500), logits[:, 0]]) if isinstance(head, Sigmoid) else logits
    right = log_softmax(pair.astype(np.float64), axis=1)[np.arange(500), targets]
    np.testing.assert_allclose(cross_entropy(head.class_logits(logits), targets), -right, atol=1e-9)


@pytest.mark.parametrize("head", CASES, ids=str)
def test_there_and_back(head):
    assert head_from_json(head.to_json()) == head
    assert head.at(7.5).temperature == 7.5
    assert head.at(head.temperature) == head


@pytest.mark.parametrize(
    ("head", "nodes", "constants"),
    [
        (Softmax(), ["Softmax logits", "ArgMax logits"], []),
        *(
            (Softmax(value), ["Mul logits inverse_temperature", "Softmax scaled_logits", "ArgMax logits"], ["inverse_temperature"])
            for value in (0.95, 1.05)
        ),
        (
            Sigmoid(),
            ["Mul logits signs", "Sigmoid scaled_logits", "Sub logits logit_threshold", "Mul above_threshold votes_signs", "ArgMax votes"],
            ["signs", "logit_threshold", "votes_signs"],
        ),
    ],
    ids=str,
)  # fmt: skip
def test_the_names_in_a_file_stay(head, nodes, constants):
    """They are part of the format: a file whose names are others is refused, also one that an older edgesoft wrote."""
    writer = GraphWriter(1)
    head.write(writer)
    assert [" ".join((node.operator, *node.inputs)) for node in writer.nodes] == nodes
    assert list(writer.constants) == constants
    assert [node.outputs for node in writer.nodes if node.operator in ("Softmax", "Sigmoid")] == [("probabilities",)]
    assert [node.attributes for node in writer.nodes if node.operator == "Softmax"] == [{"axis": 1}] * (
        head.kind == "softmax"
    )
    assert writer.nodes[-1].outputs == ("label",)
    assert writer.nodes[-1].attributes == {"axis": 1, "keepdims": 0}


@pytest.mark.parametrize("head", CASES, ids=str)
def test_answers_are_indices(head, rng):
    assert head.predict(some_logits(head, rng)).dtype == np.int64


def test_probabilities_of_logits_far_from_each_other():
    """Neither does a row see another, nor does anything overflow, nor is a digit of float64 lost."""
    logits = np.array([[1e4, 1e4 - 1], [-1e4, -1e4 - 1], [0, -1]], np.float32)
    found = probabilities(Softmax(), logits)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, softmax(logits.astype(np.float64), axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-15)


def test_how_many_logits():
    assert Softmax().outputs(7) == 7
    assert Sigmoid().outputs(2) == 1
    with pytest.raises(ValueError, match="head 'sigmoid' with 3 labels"):
        Sigmoid().outputs(3)


def test_ties():
    assert Softmax().predict(np.array([[1, 1], [0, 2]], np.float32)).tolist() == [0, 1]
    assert Sigmoid().predict(np.array([[0.0], [1e-6]], np.float32)).tolist() == [0, 1]  # at one half, the first


def test_every_head_names_itself():
    assert {kind: head.kind for kind, head in HEADS.items()} == {"softmax": "softmax", "sigmoid": "sigmoid"}
    assert [head().describe() for head in HEADS.values()] == ["softmax", "sigmoid, threshold 0.5"]


@pytest.mark.parametrize("value", [0.0, -1.0, 1, True, "1", None, float("nan"), float("inf")])
def test_a_temperature_that_is_none(value):
    for head in HEADS.values():
        with pytest.raises(ValueError, match="temperature must be a positive number"):
            head(value)


@pytest.mark.parametrize("value", [0.0, 1.0, -0.5, 1, None, float("nan")])
def test_a_threshold_that_is_none(value):
    with pytest.raises(ValueError, match="threshold must be a number between 0 and 1"):
        Sigmoid(threshold=value)
