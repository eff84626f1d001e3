"""Softmax and sigmoid heads, pictures and tables: from training to the device, held against numpy and scikit-learn's formulas."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edgesoft.data.arrays import from_arrays
from edgesoft.data.dataset import Dataset
from edgesoft.errors import GateMissedError, UsageError
from edgesoft.exporting import export as export_module
from edgesoft.exporting.against import verify_against
from edgesoft.exporting.export import export
from edgesoft.exporting.gate import Gate
from edgesoft.exporting.publish import publish
from edgesoft.exporting.settings import QuantizeSettings
from edgesoft.inference.classifier import Classifier
from edgesoft.inference.inspect import inspect
from edgesoft.inference.parity import compare
from edgesoft.inference.verify import verify
from edgesoft.model.file import open_model
from edgesoft.model.heads import Sigmoid, Softmax, probabilities
from edgesoft.model.network import read_network
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.results import TrainResult
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings
from edgesoft.training.train import train

LOOSE = Gate(max_drop=5.0)


def table(classes: int = 2, count: int = 400) -> Dataset:
    """Raw units of very different sizes; the classes lie well apart."""
    generator = np.random.default_rng(3)
    targets = np.arange(count) % classes
    x = generator.normal(size=(count, 3)) + 4 * targets[:, np.newaxis] * np.array([1, -1, 0.5])
    x = x * np.array([1000, 0.01, 1]) + np.array([5000, 0, -3])
    return from_arrays({"train": (x, targets)}, name="raw", labels=["no", "yes", "maybe"][:classes])


def pictures(channels: int) -> Dataset:
    generator = np.random.default_rng(4)
    targets = np.arange(120) % 2
    shape = (120, 9, 8) if channels == 1 else (120, 9, 8, 3)
    x = np.clip(generator.normal(100, 20, shape) + 60 * targets.reshape(-1, *[1] * (len(shape) - 1)), 0, 255)
    return from_arrays({"train": (x.astype(np.uint8), targets)}, name="pictures", labels=["dark", "bright"])


CASES = {
    "table, softmax": (table(3), TrainSettings(hidden=(16,), epochs=15, batch_size=32, threads=1)),
    "table, softmax regression": (table(3), TrainSettings(hidden=(), epochs=15, lr=0.1, batch_size=32, threads=1)),
    "table, sigmoid": (table(), TrainSettings(hidden=(16,), epochs=15, batch_size=32, threads=1, head="sigmoid")),
    "table, logistic regression": (
        table(),
        TrainSettings(hidden=(), epochs=15, lr=0.1, batch_size=32, threads=1, head="sigmoid", threshold=0.3),
    ),
    "grey pictures, sigmoid": (
        pictures(1),
        TrainSettings(hidden=(8,), epochs=6, batch_size=16, threads=1, head="sigmoid", threshold=0.7),
    ),
    "colour pictures, softmax": (pictures(3), TrainSettings(hidden=(8,), epochs=6, batch_size=16, threads=1)),
    "grey pictures, convolutions": (
        pictures(1),
        TrainSettings(network="conv", channels=((4,), (5, 6)), hidden=(), epochs=6, batch_size=16, threads=1),
    ),
    "colour pictures, convolutions, sigmoid": (
        pictures(3),
        TrainSettings(
            network="conv", channels=((4,),), hidden=(8,), epochs=6, batch_size=16, threads=1, head="sigmoid"
        ),
    ),
}


@pytest.fixture(scope="module", params=CASES)
def published(request, tmp_path_factory) -> tuple[TrainResult, Path, Path]:
    dataset, config = CASES[request.param]
    folder = tmp_path_factory.mktemp("run")
    result = train(dataset, config, RunFolder(folder))
    exported = export(Checkpoint.load(result.folder.checkpoint), dataset, gate=LOOSE, int8=QuantizeSettings())
    paths = publish(exported, dataset, folder / "exported")
    assert exported.int8_model is not None, [attempt.failures for attempt in exported.attempts]
    return result, paths[0], paths[1]


def by_hand(result: TrainResult, inputs: np.ndarray) -> np.ndarray:
    """Logits in float64 from the checkpoint's arrays: ten lines that share nothing with torch or the graph."""
    checkpoint = result.checkpoint
    arrays, stages = checkpoint.to_arrays(), checkpoint.card.channels
    convolutions = sum(map(len, stages))
    x = inputs.astype(np.float64) if convolutions else inputs.reshape(len(inputs), -1).astype(np.float64)
    x = (x - arrays["offset"].astype(np.float64)) * arrays["factor"] if "offset" in arrays else x / 255
    x = x / np.sqrt(1 + (x / 3) ** 2) if "limit" in arrays else x
    ends = np.cumsum([len(stage) for stage in stages]) - 1
    x = x.reshape(*x.shape[:3], -1).transpose(0, 3, 1, 2) if convolutions else x
    for index in range(convolutions):
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
        x = np.einsum("nchwij,ocij->nohw", windows, arrays[f"weight{index}"]) + arrays[f"bias{index}"][:, None, None]
        x = np.maximum(x, 0)
        if index in ends and min(x.shape[2:]) >= 4:
            height, width = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
            x = np.stack([x[:, :, i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]).max(axis=0)
    x = x.reshape(len(x), -1)
    last = convolutions + len(checkpoint.card.hidden)
    for index in range(convolutions, last + 1):
        x = x @ arrays[f"weight{index}"].T.astype(np.float64) + arrays[f"bias{index}"]
        x = x if index == last else np.maximum(x, 0)
    return x


def test_the_float_file_answers_like_numpy(published):
    result, path, _ = published
    inputs = result.dataset.test.inputs
    classifier = Classifier(open_model(path), "cpu")
    prediction, expected = classifier(inputs), by_hand(result, inputs)
    assert np.abs(prediction.logits - expected).max() < 1e-4
    card = classifier.card
    if card.head.kind == "sigmoid":
        p = 1 / (1 + np.exp(-expected[:, 0] / card.head.temperature))
        assert prediction.logits.shape == (len(inputs), 1)
        assert np.abs(prediction.probabilities - np.column_stack([1 - p, p])).max() < 1e-5
        clear = np.abs(p - card.head.threshold) > 1e-4
        assert (prediction.indices == (p > card.head.threshold))[clear].all()
    else:
        scores = np.exp(expected / card.head.temperature)
        assert np.abs(prediction.probabilities - scores / scores.sum(axis=1, keepdims=True)).max() < 1e-5
        assert (prediction.indices == expected.argmax(axis=1)).all()


def test_the_numpy_interpreter_agrees(published):
    result, *paths = published
    inputs = result.dataset.test.inputs
    for path in paths:
        model = open_model(path)
        prediction, network = Classifier(model, "cpu")(inputs), read_network(model)
        logits = network.logits(inputs)
        tolerance = 1e-4 if model.card.precision == "float32" else 0.02 * float(np.abs(prediction.logits).max())
        assert np.abs(logits - prediction.logits).max() <= tolerance
        assert np.abs(probabilities(network.head, prediction.logits) - prediction.probabilities).max() <= 1e-6
        assert (network.head.predict(logits) == prediction.indices).mean() > 0.97


def test_the_contract_of_the_file_holds(published):
    result, *paths = published
    card = result.checkpoint.card
    for path in paths:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        (taken,) = session.get_inputs()
        assert (taken.name, taken.shape) == (card.input.kind, ["batch", *card.input.shape])
        shapes = {output.name: output.shape for output in session.get_outputs()}
        assert shapes == {
            "logits": ["batch", card.outputs],
            "probabilities": ["batch", len(card.labels)],
            "label": ["batch"],
        }


def test_int8_is_integers_all_the_way_and_close(published):
    result, path, int8 = published
    inputs, targets = result.dataset.test.inputs, result.dataset.test.targets
    report = inspect(int8)
    assert report.operators["QuantizeLinear"] == len(result.checkpoint.linears) - (report.card.input.kind == "pixels")
    assert report.parameters == sum(layer.weight.size + layer.bias.size for layer in result.checkpoint.linears)
    reference = Classifier(open_model(path), "cpu")(inputs)
    candidate = Classifier(open_model(int8), "cpu")(inputs)
    parity = compare(reference.logits, candidate.logits, report.card.head, targets)
    assert 0 < parity.max_logit_difference < 0.1 * np.abs(reference.logits).max()
    assert len(parity.label_changes) <= 2


def test_verify_and_verify_against_hold(published):
    result, *paths = published
    for path in paths:
        report = verify(path)
        assert report.findings == ()
        full = verify_against(report, Checkpoint.load(result.folder.checkpoint), result.dataset, LOOSE)
        assert full.findings == ()
        assert full.against.examples == len(result.dataset.test)


def test_a_threshold_moves_the_answers_not_the_probabilities(tmp_path):
    dataset = table()
    recalls, found = [], []
    for threshold in (0.002, 0.5, 0.998):
        config = TrainSettings(
            hidden=(), epochs=6, lr=0.1, batch_size=32, threads=1, head="sigmoid", threshold=threshold
        )
        result = train(dataset, config, RunFolder(tmp_path / str(threshold)))
        path = publish(export(Checkpoint.load(result.folder.checkpoint), dataset), dataset, tmp_path / str(threshold))[
            0
        ]
        prediction = Classifier(open_model(path), "cpu")(dataset.test.inputs)
        assert (prediction.indices == (prediction.probabilities[:, 1] > threshold)).all()
        recalls.append(float((prediction.indices[dataset.test.targets == 1] == 1).mean()))
        found.append(prediction.probabilities)
    assert recalls[0] >= recalls[1] >= recalls[2]
    assert recalls[0] > recalls[2]
    assert (found[0] == found[1]).all()


def test_a_sigmoid_is_a_softmax_over_zero_and_its_logit():
    z = np.array([[-3.0], [0.0], [2.5]], np.float32)
    head = Sigmoid()
    assert np.allclose(probabilities(head, z)[:, 1], 1 / (1 + np.exp(-z[:, 0].astype(np.float64))))
    assert (probabilities(head, z) == probabilities(Softmax(), head.class_logits(z))).all()
    assert head.predict(z).tolist() == [0, 0, 1]
    assert Sigmoid(threshold=0.96).predict(z).tolist() == [0, 0, 0]


def test_a_sigmoid_head_needs_two_classes(tmp_path):
    with pytest.raises(UsageError, match="one logit tells two classes apart, but raw has 3"):
        train(table(3), TrainSettings(head="sigmoid"), RunFolder(tmp_path))
    with pytest.raises(UsageError, match="softmax takes the largest probability; add --head sigmoid"):
        TrainSettings(threshold=0.4)
    with pytest.raises(UsageError, match=r"threshold 1\.0: expected a probability"):
        TrainSettings(head="sigmoid", threshold=1.0)
    with pytest.raises(UsageError, match="head 'relu': expected softmax or sigmoid"):
        TrainSettings(head="relu")


def test_a_table_quantizes_each_feature_over_its_own_range(tmp_path):
    """One feature of the three is five orders of magnitude above another: with one common range the small ones would be lost."""
    dataset = table(3)
    result = train(dataset, TrainSettings(hidden=(16,), epochs=15, batch_size=32, threads=1), RunFolder(tmp_path))
    exported = export(Checkpoint.load(result.folder.checkpoint), dataset, gate=LOOSE, int8=QuantizeSettings())
    parity = exported.int8_model.parity
    assert parity.reference_accuracy - parity.candidate_accuracy <= 0.02


def test_the_gate_decides_for_tables_too(tmp_path, monkeypatch):
    dataset = table(3)
    result = train(dataset, TrainSettings(hidden=(16,), epochs=5, batch_size=32, threads=1), RunFolder(tmp_path))
    monkeypatch.setattr(export_module, "NEGLIGIBLE_DROP", 1.0)  # nothing is finished
    monkeypatch.setattr(export_module, "activation_maxima", lambda *_: [1e-6])  # all activations are cut off
    exported = export(
        Checkpoint.load(result.folder.checkpoint), dataset, gate=Gate(max_drop=0.0), int8=QuantizeSettings()
    )
    assert not exported.attempts[0].passed
    assert GateMissedError.exit_code == 3


def test_a_network_too_large_for_a_file_is_refused_before_training(tmp_path):
    x = np.zeros((20, 300, 300), np.uint8)
    x[::2] = 1
    dataset = from_arrays({"train": (x, np.arange(20) % 2)})
    with pytest.raises(UsageError, match=r"million parameters, expected at most 60 million. Choose a smaller --size"):
        train(dataset, TrainSettings(hidden=(1000,)), RunFolder(tmp_path))
