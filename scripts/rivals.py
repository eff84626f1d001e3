"""edgesoft and scikit-learn's own models on a table that comes with scikit-learn, on the same splits."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import edgesoft


def mlp(seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier

    return _standardised(MLPClassifier(max_iter=500, random_state=seed))


def regression(_: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return _standardised(LogisticRegression(max_iter=2000))


def boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=seed)


def _standardised(model: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model)


RIVALS: dict[str, Callable[[int], Any]] = {
    "MLPClassifier": mlp,
    "LogisticRegression": regression,
    "HistGradientBoosting": boosting,
}


def on_table(name: str, *, splits: int) -> tuple[list[float], dict[str, list[float]]]:
    """Seconds of each training, and every model's accuracies as fractions.

    The rivals learn from the validation rows too, because they choose nothing by them.
    """
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    seconds: list[float] = []
    found: dict[str, list[float]] = {key: [] for key in ("float32", "INT8", *RIVALS)}
    for seed in range(splits):
        with tempfile.TemporaryDirectory() as folder:
            run = edgesoft.train(bunch.data, bunch.target, seed=seed, output=f"{folder}/run", name=name)
            judged = edgesoft.export(run, output=f"{folder}/exported").result.attempts[-1].parity
        seconds.append(run.epochs[-1].seconds)
        found["float32"].append(judged.reference_accuracy)
        found["INT8"].append(judged.candidate_accuracy)
        data = run.dataset
        inputs = np.concatenate([data.train.inputs, data.validation.inputs])
        targets = np.concatenate([data.train.targets, data.validation.targets])
        for rival, make in RIVALS.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an MLP that would still like to learn
                fitted = make(seed).fit(inputs, targets)
            found[rival].append(fitted.score(data.test.inputs, data.test.targets))
    return seconds, found
