"""`--teacher`: what a small network is taught, and whom it refuses to learn from."""

import json

import numpy as np
import pytest
import torch

import edgesoft
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.training.teacher import SHARE, TEMPERATURE, taught


@pytest.fixture(scope="module")
def data():
    """Three classes, a third of whose labels are wrong: whoever has seen more examples knows better."""
    rng = np.random.default_rng(0)
    targets = np.arange(600) % 3
    pixels = rng.integers(0, 120, (600, 8, 8), dtype=np.uint8)
    for place, target in enumerate(targets):
        pixels[place, 2 * target : 2 * target + 3] += 60
    return pixels, targets


@pytest.fixture(scope="module")
def teacher(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher") / "run"
    edgesoft.train(*data, hidden=(32,), epochs=6, augment=False, threads=1, output=folder)
    return folder


def test_the_loss_is_that_of_the_formula():
    rng = np.random.default_rng(1)
    logits, wanted = (torch.from_numpy(rng.normal(size=(5, 3)) * 3) for _ in range(2))
    p, q = (torch.softmax(item / TEMPERATURE, 1) for item in (wanted, logits))
    divergence = (p * (p / q).log()).sum(1).mean() * TEMPERATURE**2
    found = taught(torch.tensor(2.0), logits, wanted)
    assert float(found) == pytest.approx((1 - SHARE) * 2 + SHARE * float(divergence))
    assert float(taught(torch.tensor(0.0), wanted, wanted)) == pytest.approx(0, abs=1e-12)
    one = torch.tensor([[0.7]])
    two = torch.tensor([[0.0, 0.7]])
    assert float(taught(torch.tensor(0.0), one, -one)) == pytest.approx(float(taught(torch.tensor(0.0), two, -two)))


def test_it_answers_more_like_its_teacher(data, teacher, tmp_path):
    """Next to the same network on its own: closer in what it gives the classes that are not right."""
    settings = {"network": "conv", "channels": "3", "epochs": 6, "augment": False, "threads": 1}
    distances = []
    for name, more in (("alone", {}), ("taught", {"teacher": teacher})):
        run = edgesoft.train(*data, output=tmp_path / name, **settings, **more)
        inputs = run.dataset.validation.inputs
        own, its = (_probabilities(folder, inputs) for folder in (tmp_path / name, teacher))
        distances.append(float((its * np.log(its / own)).sum(axis=1).mean()))
    assert distances[1] < 0.7 * distances[0]
    config = json.loads((tmp_path / "taught" / "config.json").read_text())
    assert config["training"]["teacher"] == str(teacher)


def _probabilities(folder, inputs):
    from edgesoft.training.checkpoint import Checkpoint
    from edgesoft.training.network import SoftmaxNetwork, reference_logits

    logits = reference_logits(SoftmaxNetwork(Checkpoint.load(folder / "checkpoint.npz").layers), inputs).astype(
        np.float64
    )
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_resumed_to_the_bit_and_only_with_the_same_teacher(data, teacher, tmp_path):
    settings = {"network": "conv", "channels": "2", "epochs": 3, "augment": False, "threads": 1}
    another = tmp_path / "another"
    another.mkdir()
    (another / "checkpoint.npz").write_bytes((teacher / "checkpoint.npz").read_bytes())
    whole = edgesoft.train(*data, teacher=another, output=tmp_path / "whole", **settings)

    def stop(epoch):
        if epoch.number == 1:
            raise KeyboardInterrupt

    from edgesoft.training.runs import RunFolder
    from edgesoft.training.train import train

    parts = RunFolder(tmp_path / "parts")
    train(whole.dataset, whole.settings, parts, on_epoch=stop)
    resumed = train(whole.dataset, whole.settings, parts, resume=True)
    for mine, its in zip(resumed.checkpoint.linears, whole.checkpoint.linears, strict=True):
        assert mine.weight.tobytes() == its.weight.tobytes()
    (another / "checkpoint.npz").write_bytes((tmp_path / "whole" / "checkpoint.npz").read_bytes())
    with pytest.raises(EdgesoftError, match="holds a run with another teacher. Start"):
        train(whole.dataset, whole.settings, parts, resume=True)


def test_a_teacher_that_may_have_seen_what_is_held_out_is_told_of(data, teacher, tmp_path):
    for seed, told in ((0, 0), (5, 1)):
        settings = {"network": "conv", "channels": "2", "epochs": 1, "threads": 1, "seed": seed}
        run = edgesoft.train(*data, teacher=teacher, output=tmp_path / str(seed), **settings)
        assert (
            sum("learned from other data, or from the same divided otherwise" in it for it in run.dataset.warnings)
            == told
        )


def test_whom_it_does_not_learn_from(data, teacher, tmp_path):
    pixels, targets = data
    (tmp_path / "no.npz").write_bytes(b"no")
    for x, y, path, message in (
        (pixels, targets % 2, teacher, "other classes"),
        (pixels[:, 1:], targets, teacher, "other inputs"),
        (pixels, targets, tmp_path / "missing", "no such file"),
        (pixels, targets, tmp_path / "no.npz", "no checkpoint|not a|damaged"),
        (pixels, targets, tmp_path, "no such file"),
    ):
        with pytest.raises((UsageError, EdgesoftError), match=message):
            edgesoft.train(x, y, teacher=path, epochs=1, output=tmp_path / "run")
        assert not (tmp_path / "run").exists()
