import json
import shutil

import pytest

from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.history import history_of


@pytest.fixture
def run(tiny_run, tmp_path):
    """A run's checkpoint and what it tells of its epochs."""
    for file in (tiny_run.checkpoint, tiny_run.metrics):
        shutil.copy(file, tmp_path)
    return tmp_path / tiny_run.checkpoint.name, tmp_path / tiny_run.metrics.name


def test_the_epochs_of_a_run(run):
    checkpoint, metrics = run
    (epoch,) = history_of(Checkpoint.load(checkpoint))
    told = json.loads(metrics.read_text())["history"][0]
    assert (epoch.number, epoch.loss, epoch.validation_accuracy) == (1, told["loss"], told["validation_accuracy"])


def test_without_a_folder(run):
    checkpoint, metrics = run
    metrics.unlink()
    assert history_of(Checkpoint.load(checkpoint)) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"best_epoch": 2},
        {"validation": {"accuracy": 0.5}},
        {"history": None},
        {"history": [{"number": 1}]},
        {"history": [{"number": 2, "loss": 1, "validation_loss": 1, "validation_accuracy": 1, "seconds": 1}]},
        {"history": [{"number": 1, "loss": "1", "validation_loss": 1, "validation_accuracy": 1, "seconds": 1}]},
        {
            "history": [
                {"number": 1, "loss": float("nan"), "validation_loss": 1, "validation_accuracy": 1, "seconds": 1}
            ]
        },
        {"history": [{"number": 1, "loss": 1, "validation_loss": 1, "validation_accuracy": 7, "seconds": 1}]},
        {"history": 7},
    ],
)
def test_metrics_of_another_run_or_that_make_no_sense_are_none(run, change):
    checkpoint, metrics = run
    metrics.write_text(json.dumps({**json.loads(metrics.read_text()), **change}))
    assert history_of(Checkpoint.load(checkpoint)) == ()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000])
def test_what_is_no_json_object_is_none(run, text):
    checkpoint, metrics = run
    metrics.write_text(text)
    assert history_of(Checkpoint.load(checkpoint)) == ()
