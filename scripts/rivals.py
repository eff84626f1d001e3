"""What edgesoft is measured against: scikit-learn's models on the same splits of a table, PyTorch, numpy and OpenVINO on the same file."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import edgesoft
from edgesoft.data.dataset import Dataset


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


def rivals_on(data: Dataset, seed: int) -> dict[str, float]:
    """Accuracy of each rival on the test rows, as a fraction.

    They learn from the validation rows too, because they choose nothing by them.
    """
    inputs = np.concatenate([data.train.inputs, data.validation.inputs])
    targets = np.concatenate([data.train.targets, data.validation.targets])
    found = {}
    for rival, make in RIVALS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an MLP that would still like to learn
            fitted = make(seed).fit(inputs, targets)
        found[rival] = float(fitted.score(data.test.inputs, data.test.targets))
    return found


def on_table(name: str, *, splits: int) -> tuple[list[float], dict[str, list[float]]]:
    """Seconds of each training, and every model's accuracies as fractions."""
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
        for rival, accuracy in rivals_on(run.dataset, seed).items():
            found[rival].append(accuracy)
    return seconds, found


def network_of(path: Path) -> tuple[object, list[tuple[np.ndarray, np.ndarray]]]:
    """A float file's weights, as a PyTorch network and as arrays."""
    from edgesoft.model.file import open_model
    from edgesoft.model.network import read_network
    from edgesoft.training.network import SoftmaxNetwork

    network = read_network(open_model(path))
    return SoftmaxNetwork(network.layers), [(layer.weight, layer.bias) for layer in network.products]


def openvino(path: Path, batch: int) -> Callable[[np.ndarray], object] | None:
    """OpenVINO on an INT8 file, where it is installed (pip install openvino)."""
    try:
        from openvino import Core
    except ImportError:
        return None
    core = Core()
    model = core.read_model(str(path))
    model.reshape([batch, 28, 28])
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda inputs: request.infer([inputs])
