"""Rows that have no answer, and rows whose answer should not be trusted."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgesoft
from edgesoft.data.arrays import from_arrays
from edgesoft.errors import EdgesoftError
from edgesoft.exporting.export import export
from edgesoft.exporting.gate import Gate
from edgesoft.exporting.publish import publish
from edgesoft.exporting.settings import QuantizeSettings
from edgesoft.inference.batches import Reading, Unreadable, classify
from edgesoft.model.heads import Sigmoid, Softmax
from edgesoft.model.layers import Linear, Relu
from edgesoft.model.network import FLOAT32_MAX, Network
from edgesoft.model.scaling import Scale, SmoothClip
from edgesoft.tables.rows import Row
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.runs import RunFolder
from edgesoft.training.train import train
from tests.conftest import TINY

NAMES = ("width", "height", "same")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A float and an INT8 file of a small table: two features that tell the classes apart and one that never changes."""
    generator = np.random.default_rng(0)
    x = generator.uniform(0, 10, (240, 3)).astype(np.float32)
    x[:, 2] = 0.1
    y = np.array(["low", "middle", "high"])[(x[:, 0] // 3.4).astype(int)]
    data = from_arrays({"train": (x, y)}, name="rows", feature_names=NAMES)
    run = RunFolder(tmp_path_factory.mktemp("run"))
    train(data, dataclasses.replace(TINY, epochs=20, batch_size=16), run)
    folder = tmp_path_factory.mktemp("exported")
    publish(export(Checkpoint.load(run.checkpoint), data, int8=QuantizeSettings(), gate=Gate(100)), data, folder)
    return folder


@pytest.fixture(params=["rows.onnx", "rows.int8.onnx"], ids=["float", "int8"])
def classifier(request, folder):
    return edgesoft.load(folder / request.param, threads=1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, FLOAT32_MAX, -FLOAT32_MAX])
def test_what_is_no_number_or_would_leave_float32_is_refused_by_row_and_feature(classifier, value):
    rows = np.full((20, 3), 5, np.float32)
    rows[3, 1] = rows[7, 0] = rows[7, 2] = value
    calls = [
        (lambda: classifier(rows), r"row 3: feature 'height' is .* \(2 such rows of 20\)"),
        (lambda: classifier(rows[3]), r"onnx: feature 'height' is "),
        (lambda: classifier.logits(rows), "row 3: feature 'height'"),
        (lambda: list(classifier.stream(rows, batch_size=2)), "row 3: feature 'height'"),
        (lambda: list(classifier.stream(list(rows), batch_size=2)), "row 3: feature 'height'"),
        (lambda: list(classifier.stream(rows[4:], batch_size=2)), "row 3: feature 'width'"),
    ]
    for call, message in calls:
        with pytest.raises(EdgesoftError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


@given(st.lists(st.floats(width=32), min_size=3, max_size=3))
@settings(max_examples=80, deadline=None)
def test_every_answer_is_a_number_whatever_the_row(folder, values):
    for name in ("rows.onnx", "rows.int8.onnx"):
        classifier = loaded(folder / name)
        try:
            probabilities = classifier(np.array(values, np.float32)).probabilities
        except EdgesoftError:
            assert not all(abs(value) < 1e30 for value in values)
            continue
        assert np.isfinite(probabilities).all()
        assert probabilities.sum() == pytest.approx(1, abs=1e-5)


_LOADED = {}


def loaded(path):
    return _LOADED.setdefault(path, edgesoft.load(path, threads=1))


@pytest.mark.parametrize("head", [Softmax(), Softmax(0.05), Sigmoid(0.05, 0.01)])
@pytest.mark.parametrize("size", [1e-20, 1.0, 1e20, 1e36])
@pytest.mark.parametrize("clip", [[], [SmoothClip(np.asarray(np.float32(3)))]], ids=["scaled", "clipped"])
def test_the_largest_input_is_safe_and_not_much_too_small(rng, head, size, clip):
    """A float32 forward pass in numpy is the judge: finite at the limit for any signs, infinite or NaN far beyond it for some."""
    features = rng.normal(size=(50, 6)).astype(np.float32) * np.float32(size)
    features[:, 2] = features[0, 2]
    layers = [Scale.robust(features, is_numeric=np.ones(6, bool)), *clip]
    for before, after in ((6, 64), (64, 64), (64, head.outputs(2))):
        layers += [
            Linear(rng.normal(size=(after, before)).astype(np.float32), rng.normal(size=after).astype(np.float32)),
            Relu(),
        ]
    network = Network(tuple(layers[:-1]), head)
    limit = network.largest_input((6,))
    assert limit > np.abs(features).max()

    def computed(rows):
        with np.errstate(all="ignore"):
            x = (rows - layers[0].offset) * layers[0].factor
            if clip:
                x = x.clip(-1e9, 1e9) / np.sqrt((x.clip(-1e9, 1e9) / 3) ** 2 + 1)
            for layer in layers[1 + len(clip) : -1]:
                x = x @ layer.weight.T + layer.bias if isinstance(layer, Linear) else np.maximum(x, 0)
            return x * np.float32(1 / head.temperature)

    signs = rng.choice([-1, 1], (500, 6)).astype(np.float32)
    assert np.isfinite(computed(signs * np.float32(limit))).all()
    if limit < 2.0**100 and not clip:  # which nothing leaves
        assert not np.isfinite(computed(signs * np.float32(limit * 2.0**20))).all()


def answers(classifier, rows, **options):
    return list(classify(classifier, [(str(place), Row(place, row)) for place, row in enumerate(rows)], **options))


def test_a_number_far_outside_the_training_range_is_unknown_and_named(classifier):
    near, far, other, above = answers(
        classifier, [("5", "5", "0.1"), ("900", "5", "0.1"), ("5", "5", "7"), ("11", "5", "0.1")]
    )
    assert not near.rejected
    assert near.warnings == ()
    assert (far.label, far.rejected) == ("unknown", True)
    assert far.warnings[0].startswith("width 900: training saw 0.")
    assert not other.rejected  # no weight depends on it
    assert other.warnings == ("same 7: training saw only 0.1, so the model ignores it",)
    assert not above.rejected
    assert above.warnings == ()
    (always,) = answers(classifier, [("900", "5", "0.1")], reject=0)
    assert always.label != "unknown"
    assert always.warnings[0].startswith("width 900: training saw")


def test_a_row_that_cannot_be_computed_does_not_stop_the_others(classifier):
    found = answers(classifier, [("5", "5", "0.1"), ("5", "3.4e38", "0.1"), ("nan", "5", "0.1"), ("6", "5", "0.1")])
    assert [type(answer) for answer in found] == [Reading, Unreadable, Unreadable, Reading]
    assert "feature 'height' is 3.4e+38" in found[1].error
    assert "no number in column 'width'" in found[2].error


def test_pictures_are_not_checked(ready):
    assert ready.complaint(np.zeros((1, 28, 28), np.uint8)) is None
