"""scikit-learn's small tables: as accurate as its own models, on the same splits and standardised alike."""

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import edgesoft
from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
from edgesoft.training import settings
from edgesoft.training.probe import best_of
from edgesoft.training.results import Watcher
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings, suited
from edgesoft.training.train import train

# Small test splits: their accuracies scatter by whole points, so the means over several splits are compared.
SPLITS = {"iris": 8, "wine": 6, "breast_cancer": 5, "digits": 2}


def write_csv(folder: Path, name: str) -> Path:
    bunch = getattr(datasets, f"load_{name}")()
    path = folder / f"{name}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*bunch.feature_names, "kind"])
        writer.writerows(
            [*map(float, x), str(bunch.target_names[y])] for x, y in zip(bunch.data, bunch.target, strict=True)
        )
    return path


@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_within_a_point_of_scikit_learn(name, tmp_path):
    path = write_csv(tmp_path, name)
    ours, mlp, regression = [], [], []
    for seed in range(SPLITS[name]):
        data = load_dataset(DataSettings(source=str(path), target="kind", split_seed=seed))
        config = TrainSettings(**suited(len(data.train), "features"), seed=seed, threads=1)
        result = train(data, config, RunFolder(tmp_path / str(seed)))
        ours.append(result.checkpoint.card.metrics["test"]["accuracy"])
        for scores, model in (
            (mlp, MLPClassifier(max_iter=500, random_state=seed)),
            (regression, LogisticRegression(max_iter=1000)),
        ):
            fitted = make_pipeline(StandardScaler(), model).fit(data.train.inputs, data.train.targets)
            scores.append(fitted.score(data.test.inputs, data.test.targets))
    assert np.mean(ours) >= np.mean(mlp) - 0.01, (np.mean(ours), np.mean(mlp), np.mean(regression))
    assert np.mean(ours) >= np.mean(regression) - 0.01, (np.mean(ours), np.mean(mlp), np.mean(regression))


def test_auto_asks_the_validation_split_between_an_mlp_a_wider_one_and_regression(tmp_path):
    """Classes that lie crosswise are nothing for regression; whatever was given stays as it was given."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(400, 2))
    y = (x[:, 0] > 0) ^ (x[:, 1] > 0)
    probes = []
    watcher = Watcher(on_probe=lambda settings, epoch: probes.append((settings, epoch.validation_loss)))
    settings = {"epochs": 12, "threads": 1, "watcher": watcher}
    run = edgesoft.train(x, y, output=tmp_path / "all", **settings)
    tried = [(probe.network, probe.hidden, probe.weight_decay, probe.epochs) for probe, _ in probes]
    assert tried == [("mlp", (64, 32), 1.0, 12), ("mlp", (128, 64), 0.1, 12), ("mlp", (), 1.0, 12)]
    losses = {(probe.hidden, probe.weight_decay): loss for probe, loss in probes}
    chosen = (run.settings.hidden, run.settings.weight_decay)
    assert chosen in [((64, 32), 1.0), ((128, 64), 0.1)]
    assert losses[chosen] <= losses[(64, 32), 1.0]
    assert len(run.epochs) == 12
    for name, given in (("mlp", {"network": "mlp"}), ("hidden", {"hidden": "8"}), ("flash", {"flash": "2k"})):
        probes.clear()
        edgesoft.train(x, y, output=tmp_path / name, **settings, **given)
        assert not probes
    settings["network"] = "auto"
    probes.clear()
    edgesoft.train(x, y, output=tmp_path / "given", hidden="8", **settings)
    assert [(probe.hidden, probe.weight_decay) for probe, _ in probes] == [((8,), 1.0), ((8,), 0.1)]
    probes.clear()
    edgesoft.train(x, y, output=tmp_path / "none", hidden="8", weight_decay=0.3, **settings)
    assert len(probes) < 2


def test_what_the_data_are_is_told_before_networks_are_tried(capsys, tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2))
    edgesoft.train(x, x[:, 0] > 0, name="halves", epochs=2, threads=1, output=tmp_path / "run", verbose=True)
    said = [line.split()[0] for line in capsys.readouterr().err.splitlines()]
    assert said[:5] == ["halves:", "tried", "tried", "tried", "network:"]
    assert said.count("halves:") == 1


def test_many_rows_are_learned_once(monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "FEW", 100)
    x, probes = np.random.default_rng(0).normal(size=(200, 2)), []
    watcher = Watcher(on_probe=lambda *probe: probes.append(probe))
    edgesoft.train(x, x[:, 0] > 0, epochs=1, threads=1, output=tmp_path / "run", watcher=watcher)
    assert not probes


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ([[-0.1] * 20, [-0.2] * 20], 0),
        ([[0.1, -0.09] * 10, [2.0] + [-0.01] * 19], 0),  # chance, and one example that was lucky
        ([[0.1, 0.2] * 10, [0.0, 0.1] * 10], 1),
        ([[0.1, 0.2] * 10, [0.2, 0.3] * 10], 2),
        ([[0.1, 0.2] * 10, [4.0] + [-0.01] * 19], 1),  # the larger mean is the less certain one
    ],
)
def test_another_network_must_be_clearly_better(gains, expected):
    usual = np.linspace(0, 1, 20)
    assert best_of([usual, *(usual - gain for gain in gains)]) == expected
