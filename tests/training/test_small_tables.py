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

from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
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
