"""Early stopping, resuming, class weights, settings files, scores."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from edgesoft.data.arrays import from_arrays
from edgesoft.data.dataset import Dataset, Split
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.exporting.export import export
from edgesoft.model.heads import Sigmoid, Softmax
from edgesoft.model.inputs import PictureInput
from edgesoft.npz import write_npz
from edgesoft.training import train as training
from edgesoft.training.checkpoint import Checkpoint, read_arrays
from edgesoft.training.network import SoftmaxNetwork
from edgesoft.training.objective import balanced_weights, evaluate, loss_of
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings, settings_for, suited
from edgesoft.training.settings_file import read_settings_file, stored_data_settings
from edgesoft.training.train import train

SMALL = {"hidden": (8,), "batch_size": 16, "threads": 1}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    generator = np.random.default_rng(0)
    targets = np.repeat([0, 1], [180, 20])
    x = generator.normal(size=(200, 4)) + 1.2 * targets[:, np.newaxis]
    return from_arrays({"train": (x, targets)}, name="uneven", labels=["many", "few"])


def weights(checkpoint: Checkpoint) -> list[bytes]:
    return [array.tobytes() for layer in checkpoint.linears for array in (layer.weight, layer.bias)]


def test_patience_stops_after_epochs_without_a_better_one(dataset, tmp_path):
    result = train(dataset, TrainSettings(epochs=200, patience=3, **SMALL), RunFolder(tmp_path))
    peak = max(result.epochs, key=lambda epoch: epoch.rank)
    assert result.stopped_early
    assert len(result.epochs) == peak.number + 3
    assert json.loads((tmp_path / "metrics.json").read_text())["epochs"] == len(result.epochs)


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_a_resumed_run_ends_with_the_same_bits(dataset, tmp_path, head):
    config = TrainSettings(epochs=6, head=head, class_weights=True, **SMALL)
    whole = train(dataset, config, RunFolder(tmp_path / "whole"))

    def stop(epoch):
        if epoch.number == 3:
            raise KeyboardInterrupt

    part = RunFolder(tmp_path / "part")
    assert train(dataset, config, part, on_epoch=stop).interrupted
    resumed = train(dataset, config, part, resume=True)
    assert weights(resumed.checkpoint) == weights(whole.checkpoint)
    last = [read_arrays(folder.last) for folder in (part, RunFolder(tmp_path / "whole"))]
    assert set(last[0]) == set(last[1])
    assert all(last[0][name].tobytes() == last[1][name].tobytes() for name in last[0] if name != "run")
    other = TrainSettings(epochs=7, head=head, class_weights=True, **SMALL)
    with pytest.raises(EdgesoftError, match="holds a run with other settings. Start"):
        train(dataset, other, part, resume=True)


def test_a_run_that_scaled_features_otherwise_is_not_resumed(dataset, tmp_path):
    config, folder = TrainSettings(epochs=2, **SMALL), RunFolder(tmp_path)

    def stop(_):
        raise KeyboardInterrupt

    train(dataset, config, folder, on_epoch=stop)
    arrays = read_arrays(folder.last)
    write_npz(folder.last, {name: array for name, array in arrays.items() if name != "limit"})
    with pytest.raises(EdgesoftError, match="scales features otherwise"):
        train(dataset, config, folder, resume=True)


def test_the_last_epoch_can_be_exported_like_the_best(dataset, tmp_path):
    folder = RunFolder(tmp_path)
    train(dataset, TrainSettings(epochs=3, **SMALL), folder)
    best, last = Checkpoint.load(folder.checkpoint), Checkpoint.load(folder.last)
    assert last.card.labels == best.card.labels
    assert export(last, dataset).float_model.passed


def test_metrics_and_curve_are_written_while_training(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SAVE_SECONDS", -1)
    folder, seen = RunFolder(tmp_path), []

    def look(epoch):
        document = json.loads(folder.metrics.read_text())
        seen.append((epoch.number, len(document["history"]), folder.learning_curve.stat().st_size > 1000))

    train(dataset, TrainSettings(epochs=2, **SMALL), folder, on_epoch=look)
    assert seen == [(1, 1, True), (2, 2, True)]


def standard_error(accuracy, examples):
    likely = (accuracy * examples + 2) / (examples + 4)
    return (likely * (1 - likely) / (examples + 4)) ** 0.5


def test_the_checkpoint_is_as_good_as_the_best_within_a_standard_error(dataset, tmp_path):
    result = train(dataset, TrainSettings(epochs=12, **SMALL), RunFolder(tmp_path))
    top = max(epoch.validation_accuracy for epoch in result.epochs)
    error = standard_error(top, len(dataset.validation))
    good = [epoch.number for epoch in result.epochs if epoch.validation_accuracy >= top - error]
    assert result.best.number == good[-1]


@pytest.mark.parametrize(
    ("below", "best"),
    # How many standard errors each epoch's accuracy lies below 0.9, and the epoch whose weights are kept.
    [
        ([0, 0.97], 2),
        ([0, 1.03], 1),
        ([0.97, 0, 1.03], 2),
        ([5, 0.5, 0], 3),
    ],
)
def test_a_later_epoch_may_be_one_standard_error_worse(dataset, tmp_path, monkeypatch, below, best):
    error = standard_error(0.9, len(dataset.validation))
    accuracies = iter([0.9 - error * count for count in below])
    monkeypatch.setattr(training, "evaluate", lambda *_, **__: (1.0, next(accuracies)))
    result = train(dataset, TrainSettings(epochs=len(below), **SMALL), RunFolder(tmp_path))
    assert result.best.number == best
    kept_the_last = weights(result.checkpoint) == weights(Checkpoint.load(result.folder.last))
    assert kept_the_last == (best == len(below))


def test_of_epochs_without_a_mistake_the_last_is_kept(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "evaluate", lambda *_, **__: (1.0, 1.0))
    assert train(dataset, TrainSettings(epochs=3, **SMALL), RunFolder(tmp_path)).best.number == 3


def test_one_mistake_among_few_does_not_choose_an_epoch(dataset, tmp_path, monkeypatch):
    few = dataclasses.replace(
        dataset, validation=Split(dataset.validation.inputs[:18], dataset.validation.targets[:18])
    )
    for mistakes, best in ((1, 2), (2, 1)):
        accuracies = iter([1.0, 1 - mistakes / 18])
        monkeypatch.setattr(training, "evaluate", lambda *_, found=accuracies, **__: (1.0, next(found)))
        folder = RunFolder(tmp_path / str(mistakes))
        assert train(few, TrainSettings(epochs=2, **SMALL), folder).best.number == best


def test_class_weights_find_the_rare_class(dataset, tmp_path):
    recalls = []
    for flag in (False, True):
        config = TrainSettings(epochs=10, class_weights=flag, hidden=(), lr=0.05, batch_size=16, threads=1)
        recalls.append(train(dataset, config, RunFolder(tmp_path / str(flag))).scores[1].recall)
    assert recalls[1] > recalls[0]


def test_balanced_weights_sum_to_the_examples():
    weight = balanced_weights(np.array([0, 0, 0, 1]), 2)
    assert weight.tolist() == pytest.approx([4 / 6, 2.0])


def test_losses_are_torchs():
    logits, targets = torch.randn(7, 3), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    weight = torch.tensor([1.0, 2.0, 0.5])
    assert loss_of(Softmax(), logits, targets, weights=weight) == functional.cross_entropy(
        logits, targets, weight=weight
    )
    z, two = torch.randn(7, 1), targets.clamp(max=1)
    pair = torch.cat([torch.zeros_like(z), z], dim=1)
    for smoothing in (0.0, 0.1):
        expected = functional.cross_entropy(
            pair, two, weight=weight[:2] if smoothing == 0 else None, label_smoothing=smoothing
        )
        ours = loss_of(Sigmoid(), z, two, weights=weight[:2] if smoothing == 0 else None, label_smoothing=smoothing)
        assert ours.item() == pytest.approx(expected.item(), rel=1e-6)


def test_weighted_validation_is_the_mean_over_classes(dataset, tmp_path):
    result = train(dataset, TrainSettings(epochs=3, **SMALL), RunFolder(tmp_path))
    network = SoftmaxNetwork(result.checkpoint.layers)
    weight = balanced_weights(dataset.validation.targets, 2)
    _, accuracy = evaluate(network, Softmax(), dataset.validation, weights=weight)
    x = network(network.prepare(torch.from_numpy(dataset.validation.inputs))).argmax(dim=1).numpy()
    right = x == dataset.validation.targets
    per_class = [right[dataset.validation.targets == label].mean() for label in (0, 1)]
    assert accuracy == pytest.approx(np.mean(per_class))


def test_settings_suit_the_size_of_the_data():
    iris, mnist = suited(105, "features"), suited(55_000, "pixels")
    assert (mnist["batch_size"], mnist["epochs"]) == (256, 30)
    assert "hidden" not in mnist
    assert iris["batch_size"] == 8
    assert iris["epochs"] * -(-105 // 8) >= 1500
    for examples in (1, 2, 17, 1000, 10**7):
        TrainSettings(**suited(examples, "features"))
    assert (iris["weight_decay"], iris["hidden"]) == (1, (64, 32))
    assert suited(50_000, "features")["weight_decay"] == 0.05
    assert suited(50_000, "features")["hidden"] == (128, 64)


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_few_photographs_are_distorted_most_and_handwriting_as_before():
    photograph, ink = PictureInput(normaliser="resize"), PictureInput()

    def distortion(examples, kind, **given):
        return settings_for(examples, kind, given).distortion

    assert distortion(600, photograph) == distortion(600, photograph, network="conv") == 1
    assert distortion(50_000, photograph) == distortion(50_000, photograph, network="conv") == 0.5
    assert distortion(600, ink) == distortion(50_000, ink) == 1 and distortion(600, ink, network="conv") == 0.5
    assert distortion(600, photograph, distortion=0.25) == 0.25


def test_settings_files(tmp_path):
    toml = '[data]\nsource = "x.csv"\ntarget = "kind"\nsize = "64x48"\nignore-columns = ["id"]\n[training]\nhidden = [16, 8]\nlr = 1\n'
    found = read_settings_file(write(tmp_path, "a.toml", toml))
    assert found["data"] == {"source": "x.csv", "target": "kind", "size": (48, 64), "ignore_columns": ("id",)}
    assert found["training"] == {"hidden": (16, 8), "lr": 1.0}
    other = read_settings_file(write(tmp_path, "a.json", '{"training": {"hidden": "none", "epochs": 3}}'))
    assert other == {"data": {}, "training": {"hidden": (), "epochs": 3}}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "[training\n", "is no TOML"),
        ("a.json", "{", "is no JSON"),
        ("a.json", "[]", "expected the tables data and training"),
        ("a.json", '{"train": {}}', "unknown table 'train'"),
        ("a.json", '{"training": {"epoch": 3}}', "unknown setting 'epoch'. Did you mean 'epochs'"),
        (
            "a.json",
            '{"training": {"epochs": "3"}}',
            "training: epochs '3': expected a whole number from 1 to 1,000,000, not text",
        ),
        ("a.json", '{"training": {"epochs": true}}', "training: epochs True: expected a whole number"),
        ("a.json", '{"training": {"hidden": ["a"]}}', r"training: hidden \['a'\]: expected widths"),
        ("a.json", '{"data": {"size": [1, 2, 3]}}', "expected 1 to 1024 pixels a side"),
        ("a.json", '{"data": 3}', "data: expected a table"),
        ("a.json", '{"training": {"epochs": 3, "epochs": 4}}', r"is no JSON \('epochs' is given twice\)"),
        ("a.json", '{"schema_version": 2}', "schema version 2, this edgesoft reads version 1"),
        ("a.toml", "[training]\0", "expected settings in UTF-8, but this is another encoding or no text"),
    ],
)
def test_wrong_settings_files_are_refused(tmp_path, name, text, message):
    with pytest.raises(EdgesoftError, match=message):
        read_settings_file(write(tmp_path, name, text))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_settings_in_another_encoding_are_told(tmp_path, encoding):
    path = tmp_path / "a.toml"
    path.write_text("[training]\nepochs = 3\n", encoding=encoding)
    with pytest.raises(EdgesoftError, match="a.toml: expected settings in UTF-8, but this is UTF-16. Save it as UTF-8"):
        read_settings_file(path)


def test_a_run_leaves_its_resolved_settings(dataset, tmp_path):
    config = TrainSettings(epochs=1, **SMALL)
    train(dataset, config, RunFolder(tmp_path))
    settings = read_settings_file(tmp_path / "config.json")["training"]
    assert TrainSettings(**settings).epochs == 1
    assert settings["precision"] in ("float32", "bfloat16")
    with pytest.raises(EdgesoftError, match=r"does not say which data it was trained on. Name them: --data"):
        stored_data_settings(RunFolder(tmp_path))


def test_wrong_numbers_are_refused():
    with pytest.raises(
        UsageError, match="--patience -1: expected a whole number from 1 to 1,000,000, or 0 to never stop early"
    ):
        TrainSettings(patience=-1)
