import dataclasses
import json
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch

from edgesoft.errors import EdgesoftError, ProviderUnavailableError, UsageError
from edgesoft.npz import write_npz
from edgesoft.training.checkpoint import Checkpoint, read_arrays
from edgesoft.training.network import LearningNetwork, SoftmaxNetwork, reference_logits
from edgesoft.training.resume import stored_settings
from edgesoft.training.runs import RunFolder
from edgesoft.training.schedule import one_cycle
from edgesoft.training.settings import TrainSettings
from edgesoft.training.train import train
from tests.conftest import TINY

CONFIG = dataclasses.replace(TINY, hidden=(16,), epochs=3, augment=True)


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


def weights(folder):
    return [array for layer in Checkpoint.load(folder.checkpoint).linears for array in (layer.weight, layer.bias)]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


class Stop:
    """Ctrl-C after so many epochs or steps."""

    def __init__(self, after):
        self.left = after

    def __call__(self, *_):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_it_learns(tiny_run, mnist):
    metrics = json.loads(tiny_run.metrics.read_text())
    assert metrics["test"]["accuracy"] > 0.88
    assert metrics["test"]["examples"] == 10_000
    assert metrics["validation"]["examples"] == 5_000
    trained = Checkpoint.load(tiny_run.checkpoint)
    predicted = reference_logits(SoftmaxNetwork(trained.layers), mnist.test.inputs).argmax(axis=1)
    assert (predicted == mnist.test.targets).mean() == metrics["test"]["accuracy"]
    assert trained.card.training.data_sha256 == mnist.digest
    assert "seconds" not in json.dumps(trained.card.metrics)


def test_its_folder(tiny_run):
    metrics = json.loads(tiny_run.metrics.read_text())
    assert [epoch["number"] for epoch in metrics["history"]] == [1]
    assert set(metrics["history"][0]) == {
        "number",
        "loss",
        "validation_loss",
        "validation_accuracy",
        "seconds",
        "flips",
    }
    for picture in (tiny_run.learning_curve, tiny_run.confusion_matrix):
        assert ET.parse(picture).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert sorted(item.name for item in tiny_run.path.iterdir()) == [
        "checkpoint.npz", "config.json", "confusion-matrix.svg", "last.npz", "learning-curve.svg", "metrics.csv", "metrics.json"
    ]  # fmt: skip


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(small, tmp_path):
    folders = [RunFolder(tmp_path / name) for name in "abc"]
    torch.manual_seed(1)
    train(small, CONFIG, folders[0])
    torch.manual_seed(2)  # whatever the caller did with the global generator
    train(small, CONFIG, folders[1])
    train(small, dataclasses.replace(CONFIG, seed=1), folders[2])
    assert same(folders[0], folders[1])
    assert folders[0].checkpoint.read_bytes() == folders[1].checkpoint.read_bytes()
    assert not same(folders[0], folders[2])


def test_it_leaves_the_callers_generator_and_threads_alone(small, folder):
    torch.manual_seed(7)
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    train(small, dataclasses.replace(CONFIG, epochs=1), folder)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("stop", [{"on_epoch": 1}, {"on_epoch": 2}, {"on_batch": 13}], ids=str)
def test_resumed_it_ends_with_the_same_bits(small, tmp_path, stop):
    whole, parts = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts")
    uninterrupted = train(small, CONFIG, whole)
    ((name, after),) = stop.items()
    result = train(small, CONFIG, parts, **{name: Stop(after)})
    assert result.interrupted
    assert len(result.epochs) < CONFIG.epochs
    assert not same(whole, parts) or result.best.number == uninterrupted.best.number
    resumed = train(small, stored_settings(parts), parts, resume=True)
    assert not resumed.interrupted
    assert same(whole, parts)
    assert whole.checkpoint.read_bytes() == parts.checkpoint.read_bytes()
    np.testing.assert_equal([epoch.loss for epoch in resumed.epochs], [epoch.loss for epoch in uninterrupted.epochs])


def test_interrupted_it_keeps_the_best_and_leaves_the_test_split_unseen(small, folder):
    result = train(small, CONFIG, folder, on_epoch=Stop(2))
    assert result.interrupted
    metrics = json.loads(folder.metrics.read_text())
    assert "test" not in metrics
    assert metrics["epochs"] == 2
    assert metrics["best_epoch"] == result.best.number
    peak = max(epoch.validation_accuracy for epoch in result.epochs)
    assert result.best.validation_accuracy >= peak - (peak * (1 - peak) / len(small.validation)) ** 0.5
    assert not folder.confusion_matrix.exists()


def test_interrupted_in_the_first_epoch_there_is_nothing_to_keep(small, folder):
    with pytest.raises(KeyboardInterrupt):
        train(small, CONFIG, folder, on_batch=Stop(3))
    assert not folder.path.exists()


def test_a_loss_that_is_no_number_stops_and_says_why(small, folder):
    with pytest.raises(
        EdgesoftError,
        match=r"training stopped: the .*loss became (nan|inf) in epoch 1, and there are no earlier weights",
    ) as caught:
        train(small, dataclasses.replace(CONFIG, lr=1e30), folder)
    assert caught.value.exit_code == 1
    assert not folder.path.exists()


def test_a_loss_that_is_no_number_later_keeps_the_last_good_weights(small, folder):
    """One training picture's worth of poison that the second epoch meets: weights that become infinite."""

    def poison(epoch):
        if epoch.number == 2:
            small_network["value"].network.products[0].weight.data.fill_(float("inf"))

    small_network = {}
    original = torch.nn.Module.train

    def remember(self, mode=True):
        if isinstance(self, LearningNetwork):
            small_network.setdefault("value", self)
        return original(self, mode)

    torch.nn.Module.train = remember
    try:
        with pytest.raises(
            EdgesoftError,
            match=r"loss became (nan|inf) in epoch 3. The best .* of epoch [12], are kept in .*checkpoint.npz. Try a smaller --lr",
        ):
            train(small, CONFIG, folder, on_epoch=poison)
    finally:
        torch.nn.Module.train = original
    assert all(np.isfinite(array).all() for array in weights(folder))
    assert "test" not in json.loads(folder.metrics.read_text())


def test_a_folder_that_cannot_be_written_is_an_error_before_the_work(small, tmp_path):
    (tmp_path / "file").write_text("mine")
    steps = []
    with pytest.raises(EdgesoftError, match="cannot be written"):
        train(small, CONFIG, RunFolder(tmp_path / "file" / "run"), on_batch=lambda *step: steps.append(step))
    assert not steps


def test_weights_that_no_model_file_holds_are_refused_before_they_are_made(small, folder):
    with pytest.raises(UsageError, match=r"million parameters, expected at most 60 million"):
        train(small, dataclasses.replace(CONFIG, hidden=(65_536, 65_536)), folder)


def test_cuda_where_there_is_none(small, folder):
    if torch.cuda.is_available():
        pytest.skip("there is CUDA here")
    with pytest.raises(ProviderUnavailableError, match="device cuda: PyTorch .* finds no GPU") as caught:
        train(small, dataclasses.replace(CONFIG, device="cuda"), folder)
    assert caught.value.exit_code == 4


def test_plain_softmax_regression_and_a_batch_larger_than_the_data(small, folder):
    result = train(small, dataclasses.replace(CONFIG, hidden=(), batch_size=10**6, epochs=6), folder)
    assert len(result.checkpoint.linears) == 1
    assert result.best.validation_accuracy > 0.2


@pytest.fixture
def interrupted(small, folder):
    train(small, CONFIG, folder, on_epoch=Stop(1))
    return folder


def drop(start):
    def change(arrays):
        del arrays[next(name for name in arrays if name.startswith(start))]

    return change


def misshape(start):
    def change(arrays):
        name = next(name for name in arrays if name.startswith(start) and arrays[name].ndim == 2)
        arrays[name] = np.zeros((3, 3), np.float32)

    return change


def edit_run(**changes):
    def change(arrays):
        document = {**json.loads(arrays["run"].tobytes()), **changes}
        arrays["run"] = np.frombuffer(json.dumps(document).encode(), np.uint8)

    return change


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (drop("run"), "no training state"),
        (drop("learning."), "damaged"),
        (drop("exp_avg."), "damaged"),
        (drop("best_weight"), "damaged"),
        (lambda arrays: arrays.update(generator=np.zeros(3, np.uint8)), "damaged"),
        (misshape("learning."), "damaged"),
        (misshape("exp_avg."), "damaged"),
        (misshape("exp_avg_sq."), "damaged"),
        (misshape("best_weight"), "damaged"),
        (lambda arrays: arrays.update(run=np.frombuffer(b"[]", np.uint8)), "no training state"),
        (lambda arrays: arrays.update(run=np.frombuffer(b"\xff", np.uint8)), "no training state"),
        (edit_run(config=0.5), "does not say how it was trained"),
        (edit_run(data=None), "does not say how it was trained"),
    ],
)
def test_a_damaged_training_state_is_one_clear_error(small, interrupted, change, match):
    arrays = read_arrays(interrupted.last)
    change(arrays)
    write_npz(interrupted.last, arrays)
    with pytest.raises(EdgesoftError, match=match) as caught:
        train(small, stored_settings(interrupted), interrupted, resume=True)
    assert "\n" not in str(caught.value)


def test_a_training_state_of_other_data_or_settings_is_refused(small, mnist, interrupted):
    others = dataclasses.replace(small, test=mnist.validation)
    for dataset, config, differs in (
        (small, TrainSettings(), "other settings"),
        (others, CONFIG, "other data"),
        (others, TrainSettings(), "other settings and other data"),
    ):
        with pytest.raises(EdgesoftError, match=f"holds a run with {differs}. Start"):
            train(dataset, config, interrupted, resume=True)


def test_nothing_to_resume(small, folder):
    with pytest.raises(EdgesoftError, match="no such file"):
        train(small, CONFIG, folder, resume=True)
    with pytest.raises(EdgesoftError, match="no such file"):
        stored_settings(folder)


def test_the_learning_rate_goes_up_and_down():
    rates = [one_cycle(step / 1000) for step in range(1001)]
    top = int(np.argmax(rates))
    assert rates[top] == pytest.approx(1, abs=1e-3)
    assert top == pytest.approx(150, abs=1)
    assert rates[0] == pytest.approx(0.04)
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert np.all(np.diff(rates[: top + 1]) >= 0)
    assert np.all(np.diff(rates[top:]) <= 0)
