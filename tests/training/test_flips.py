"""Flips from left to right: which classes allow them, when they begin, and that a run with them is resumed to the bit."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from edgesoft.data.arrays import from_arrays
from edgesoft.data.dataset import Dataset, Split
from edgesoft.errors import EdgesoftError
from edgesoft.model.heads import Sigmoid, Softmax
from edgesoft.model.layers import Linear
from edgesoft.model.scaling import GreyLevels
from edgesoft.npz import write_npz
from edgesoft.training.checkpoint import read_arrays
from edgesoft.training.flips import MOST_ASKED, half_flipped, keeps_classes
from edgesoft.training.network import SoftmaxNetwork
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings
from edgesoft.training.train import train

CONFIG = TrainSettings(hidden=(8,), outliers=0.0, epochs=10, batch_size=16, threads=1, precision="float32")
ABOVE_OR_BELOW, LEFT_OR_RIGHT = 1, 2


def halves(axis: int, count: int = 160, *, colours: tuple[int, ...] = ()) -> Dataset:
    """Noise with one bright half: class 0 has it above or at the left, class 1 below or at the right."""
    targets = np.arange(count) % 2
    x = np.random.default_rng(7).integers(0, 60, (count, 8, 8, *colours), dtype=np.uint8)
    for picture, target in zip(np.moveaxis(x, axis, 1), targets, strict=True):
        picture[4 * target : 4 * target + 4] += 150
    return from_arrays({"train": (x, targets)}, name="halves", labels=["first", "second"])


def knows(*patterns: np.ndarray) -> SoftmaxNetwork:
    """The network that has one linear layer with these rows."""
    rows = np.stack(patterns).astype(np.float32)
    return SoftmaxNetwork((GreyLevels(), Linear(rows, np.zeros(len(rows), np.float32))))


def second_half(axis: int) -> np.ndarray:
    """Weights that find the second half bright."""
    steps = np.repeat([-1.0, 1.0], 4)
    return np.broadcast_to(steps[:, np.newaxis] if axis == ABOVE_OR_BELOW else steps, (8, 8)).reshape(64)


@pytest.mark.parametrize(("axis", "expected"), [(ABOVE_OR_BELOW, True), (LEFT_OR_RIGHT, False)])
def test_classes_decide(axis, expected):
    split, pattern = halves(axis).train, second_half(axis)
    assert keeps_classes(knows(-pattern, pattern), Softmax(), split, 2) is expected
    assert keeps_classes(knows(pattern), Sigmoid(0.5), split, 2) is expected


def test_a_network_that_does_not_know_its_classes_cannot_tell():
    split, pattern = halves(ABOVE_OR_BELOW).train, second_half(ABOVE_OR_BELOW)
    for unknowing in (knows(0 * pattern, 0 * pattern), knows(pattern, -pattern)):
        assert not keeps_classes(unknowing, Softmax(), split, 2)
    first = split.targets == 0  # of the second class it has no picture
    assert not keeps_classes(knows(-pattern, pattern), Softmax(), Split(split.inputs[first], split.targets[first]), 2)


def test_two_rare_classes_forbid_it_to_all():
    upright, sideways = halves(ABOVE_OR_BELOW, 2000).train, halves(LEFT_OR_RIGHT, 40).train
    network = knows(*(sign * second_half(axis) for axis in (ABOVE_OR_BELOW, LEFT_OR_RIGHT) for sign in (-1, 1)))
    both = Split(
        np.concatenate((upright.inputs, sideways.inputs)), np.concatenate((upright.targets, sideways.targets + 2))
    )
    assert not keeps_classes(network, Softmax(), both, 4)


def test_of_many_pictures_some_are_asked(monkeypatch):
    split, pattern = halves(ABOVE_OR_BELOW, 3 * 160).train, second_half(ABOVE_OR_BELOW)
    monkeypatch.setattr("edgesoft.training.flips.MOST_ASKED", 100)
    assert len(split) < MOST_ASKED
    assert keeps_classes(knows(-pattern, pattern), Softmax(), split, 2)


def test_half_of_the_pictures_are_flipped():
    planes = torch.rand(200, 3, 8, 9, generator=torch.Generator().manual_seed(1))
    changed = half_flipped(planes, torch.Generator().manual_seed(2))
    flipped = (changed == planes.flip(-1)).flatten(1).all(1)
    assert ((changed == planes).flatten(1).all(1) ^ flipped).all()
    assert 70 < flipped.sum() < 130
    assert torch.equal(changed, half_flipped(planes, torch.Generator().manual_seed(2)))


@pytest.mark.parametrize(
    ("axis", "colours", "begin"), [(ABOVE_OR_BELOW, (), 3), (ABOVE_OR_BELOW, (3,), 3), (LEFT_OR_RIGHT, (3,), None)]
)
def test_after_a_fifth_of_the_epochs_they_begin_and_stay(tmp_path, axis, colours, begin):
    result = train(halves(axis, colours=colours), CONFIG, RunFolder(tmp_path))
    assert [epoch.flips for epoch in result.epochs] == [
        begin is not None and epoch.number >= begin for epoch in result.epochs
    ]
    assert result.accuracy == 1
    history = json.loads((tmp_path / "metrics.json").read_text())["history"]
    assert history[-1]["flips"] is (begin is not None)


def test_handwriting_and_what_is_not_distorted_are_never_flipped(small, tmp_path):
    zeros = np.flatnonzero(small.train.targets % 8 == 0)[:200]  # 0 and 8: they look alike from behind
    ink = dataclasses.replace(small, train=Split(small.train.inputs[zeros], small.train.targets[zeros]))
    plain = dataclasses.replace(CONFIG, augment=False)
    for name, dataset, config in (("ink", ink, CONFIG), ("plain", halves(ABOVE_OR_BELOW), plain)):
        result = train(dataset, config, RunFolder(tmp_path / name))
        assert not any(epoch.flips for epoch in result.epochs)


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_resumed_to_the_bit(tmp_path, stop):
    def interrupt(epoch):
        if epoch.number == stop:
            raise KeyboardInterrupt

    dataset = halves(ABOVE_OR_BELOW)
    whole, parts = (RunFolder(tmp_path / name) for name in ("whole", "parts"))
    assert train(dataset, CONFIG, whole).epochs[2].flips
    assert train(dataset, CONFIG, parts, on_epoch=interrupt).interrupted
    assert train(dataset, CONFIG, parts, resume=True).epochs[2].flips
    assert whole.checkpoint.read_bytes() == parts.checkpoint.read_bytes()


def test_a_damaged_history_is_refused(tmp_path):
    dataset, folder = halves(ABOVE_OR_BELOW), RunFolder(tmp_path)
    train(dataset, dataclasses.replace(CONFIG, epochs=1), folder)
    arrays = read_arrays(folder.last)
    document = json.loads(arrays["run"].tobytes())
    document["epochs"][0]["flips"] = 1
    write_npz(folder.last, {**arrays, "run": np.frombuffer(json.dumps(document).encode(), np.uint8)})
    with pytest.raises(EdgesoftError, match="epoch 1 is damaged"):
        train(dataset, dataclasses.replace(CONFIG, epochs=1), folder, resume=True)
