import re

import numpy as np
import pytest
import torch

import edgesoft
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.inference.classifier import Classifier
from tests import edits


def test_it_answers_with_labels_probabilities_and_logits(model, mnist):
    classifier = edgesoft.load(str(model))
    assert isinstance(classifier, edgesoft.Classifier)
    prediction = classifier(mnist.test.inputs[:100])
    assert prediction.logits.shape == prediction.probabilities.shape == (100, 10)
    assert prediction.logits.dtype == prediction.probabilities.dtype == np.float32
    assert prediction.indices.dtype == np.int64
    np.testing.assert_allclose(prediction.probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(prediction.indices, prediction.logits.argmax(axis=1))
    assert prediction.labels == tuple(str(index) for index in prediction.indices)
    assert (prediction.indices == mnist.test.targets[:100]).mean() > 0.8


def test_alone_in_a_batch_and_over_threads_the_answer_is_the_same(model, mnist):
    one, four = edgesoft.load(model), edgesoft.load(model, threads=4)
    together = one(mnist.test.inputs[:64]).logits
    alone = np.concatenate([one(picture).logits for picture in mnist.test.inputs[:64]])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, four(mnist.test.inputs[:64]).logits)
    np.testing.assert_array_equal(together, one.logits(mnist.test.inputs[:64], batch_size=7))


def test_arrays_that_are_not_contiguous_are_read_rightly(model, mnist):
    classifier = edgesoft.load(model)
    wide = np.zeros((3, 28, 56), np.uint8)
    wide[:, :, ::2] = mnist.test.inputs[:3]
    np.testing.assert_array_equal(classifier(wide[:, :, ::2]).logits, classifier(mnist.test.inputs[:3]).logits)


@pytest.mark.parametrize(
    "inputs",
    [
        np.zeros((2, 28, 28), np.float32),
        np.full((2, 28, 28), 256),
        np.full((2, 28, 28), -1),
        np.zeros((2, 28, 28), complex),
        np.zeros((2, 28, 28), bool),
        np.zeros((28, 27), np.uint8),
        np.zeros((2, 784), np.uint8),
        np.zeros(784, np.uint8),
        np.zeros((0, 28, 28), np.uint8),
        np.zeros((1, 2, 28, 28), np.uint8),
        np.zeros((), np.uint8),
    ],
    ids=lambda inputs: f"{inputs.dtype}{list(inputs.shape)}",
)
def test_another_shape_or_a_type_without_plain_meaning_is_never_converted(model, inputs):
    with pytest.raises(EdgesoftError, match=r"expected uint8 \[28, 28\] or \[n, 28, 28\] with n >= 1, got") as caught:
        edgesoft.load(model)(inputs)
    assert str(model) in str(caught.value)


@pytest.mark.parametrize(
    "form",
    [
        np.ndarray.tolist, torch.from_numpy, lambda x: x.astype(np.int64), lambda x: x.astype(">u2"), list,
        lambda x: np.ma.masked_array(x, mask=False),
    ],
    ids=["nested lists", "torch", "int64", "big endian", "list of arrays", "masked, nothing hidden"],
)  # fmt: skip
def test_whatever_plainly_means_grey_levels_gives_the_same_bits(model, mnist, form):
    classifier, pictures = edgesoft.load(model), mnist.test.inputs[:3]
    np.testing.assert_array_equal(classifier(form(pictures)).logits, classifier(pictures).logits)
    streamed = list(classifier.stream(form(pictures), batch_size=2))
    assert [len(part.labels) for part in streamed] == [2, 1]
    np.testing.assert_array_equal(np.concatenate([part.logits for part in streamed]), classifier(pictures).logits)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (lambda x: x / 255, "numpy.rint(255 * x).astype(numpy.uint8)"),
        (lambda x: x.astype(np.float32), "numpy.rint(x).astype(numpy.uint8)"),
        (lambda x: (x / 255).reshape(3, 784), "numpy.rint(255 * x).astype(numpy.uint8).reshape(-1, 28, 28)"),
        (lambda x: x.reshape(3, 784), "x.reshape(-1, 28, 28)"),
        (lambda x: x > 99, "(255 * x).astype(numpy.uint8)"),
    ],
)
def test_the_advice_for_other_pictures_is_code_that_runs(model, mnist, wrong, code):
    classifier, pictures = edgesoft.load(model), mnist.test.inputs[:3]
    with pytest.raises(EdgesoftError, match=r"Perhaps it is (.*)$") as caught:
        classifier(wrong(pictures))
    assert str(caught.value).endswith(f"Perhaps it is {code}")
    right = eval(code, {"x": wrong(pictures), "numpy": np})
    assert classifier(right).labels == classifier(pictures).labels


def test_what_is_no_picture_at_all_is_one_line(model):
    classifier = edgesoft.load(model)
    for wrong, message in (
        ([[1], [2, 3]], "cannot be made an array"),
        ({"a": [1, 2]}, "expected pictures, not the columns of a dict"),
        (np.ma.masked_equal(np.zeros((28, 28), np.uint8), 0), "784 values are masked"),
        (torch.zeros(28, 28).to_sparse(), "cannot be made an array"),
    ):
        with pytest.raises(EdgesoftError, match=message) as caught:
            classifier(wrong)
        assert "\n" not in str(caught.value)


def test_a_prediction_shows_a_few_answers(model, mnist):
    shown = repr(edgesoft.load(model)(mnist.test.inputs[:700]))
    assert re.fullmatch(r"Prediction\(('\d' [\d.]+ %, ){3}and 697 more\)", shown)


def test_unknown_providers_are_usage_errors(model):
    with pytest.raises(UsageError, match="unknown provider 'gpu'"):
        edgesoft.load(model, provider="gpu")


def test_a_graph_that_is_not_the_cards_is_refused(model, tmp_path):
    def one_label_more(model):
        edits.edit_card(model, labels=[*edits.card(model)["labels"], "ten"])

    def other_size(model):
        edits.edit_card(model, input={**edits.card(model)["input"], "height": 30})

    def other_name(model):
        model.graph.input[0].name = "x"

    for change, match in (
        (one_label_more, "its outputs are"),
        (other_size, "its inputs are"),
        (other_name, "its inputs are x"),
    ):
        path = edits.edited(model, tmp_path / "m.onnx", change)
        with pytest.raises(EdgesoftError, match=match):
            edgesoft.load(path)


def test_its_repr_says_what_runs_where(model):
    assert "on cpu, 10 classes" in repr(edgesoft.load(model))
    assert isinstance(edgesoft.load(model), Classifier)
