"""Pictures of none of the classes, and what a network learns from them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from edgesoft.data.dataset import Split
from edgesoft.inference.rejection import energy_score
from edgesoft.model.heads import Softmax
from edgesoft.model.inputs import PictureInput
from edgesoft.training import train as training
from edgesoft.training.compute import resolve
from edgesoft.training.network import SoftmaxNetwork, reference_logits
from edgesoft.training.objective import loss_of, with_none_of_them
from edgesoft.training.outliers import CHARACTERS, PAGE, SHEET, _other_characters, draw_outliers
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings
from edgesoft.training.train import train
from scripts import draw_characters
from tests.conftest import TINY

DIGITS = tuple("0123456789")


@pytest.fixture(scope="module")
def outliers():
    return draw_outliers(PictureInput(), DIGITS, seed=0)


def test_they_look_like_what_the_normaliser_makes(outliers):
    assert outliers.dtype == np.uint8 and outliers.shape[1:] == (28, 28) and len(outliers) > 1000
    assert outliers.reshape(len(outliers), -1).max(axis=1).min() > 200
    ink = outliers > 127
    sides = np.maximum(ink.any(axis=2).sum(axis=1), ink.any(axis=1).sum(axis=1))
    assert (np.abs(sides - 20) <= 2).mean() > 0.85
    assert len(np.unique(outliers.reshape(len(outliers), -1), axis=0)) > 0.98 * len(outliers)


def test_the_seed_decides(outliers):
    np.testing.assert_array_equal(draw_outliers(PictureInput(), DIGITS, seed=0), outliers)
    assert (draw_outliers(PictureInput(), DIGITS, seed=1) != outliers).any()


def test_the_sheet_holds_every_character_as_its_fonts_draw_it():
    sheet = np.asarray(Image.open(SHEET), np.float64)
    again = np.asarray(draw_characters.sheet(), np.float64)  # another FreeType may round otherwise
    assert sheet.shape == again.shape == (10 * PAGE, len(CHARACTERS) * PAGE)
    assert np.abs(sheet - again).mean() < 0.5
    pages = sheet.reshape(10, PAGE, len(CHARACTERS), PAGE)
    assert (pages.max(axis=(1, 3)) > 200).all()
    assert (pages[:, 0] == 0).all() and (pages[..., 0] == 0).all()  # nothing is cut off


def test_they_have_the_size_that_the_model_takes():
    spec = PictureInput(height=20, width=32, ink_box=16)
    assert draw_outliers(spec, ("yes", "no"), seed=0).shape[1:] == (20, 32)


def test_no_outlier_is_one_of_the_classes_or_written_like_one():
    others = _other_characters(DIGITS)
    assert set("AKkx#") <= set(others)
    assert not set("0123456789OoIlZSsgqbB") & set(others)
    letters = _other_characters(tuple("abcdefghijklmnopqrstuvwxyz"))
    assert set("347#") <= set(letters)
    assert not set("AaZz0125689") & set(letters)
    assert set("Aa0") <= set(_other_characters(("cat", "dog")))


def test_none_of_them_is_a_class_whose_logit_is_0(rng):
    logits = torch.from_numpy(rng.normal(size=(5, 3)).astype(np.float32))
    targets, weights = torch.tensor([2, 0, 1]), torch.tensor([1.0, 2.0, 3.0])
    wide, all_targets, all_weights = with_none_of_them(logits, targets, weights)
    assert all_targets.tolist() == [2, 0, 1, 3, 3] and all_weights.tolist() == [1, 2, 3, 1]
    chance = np.exp(logits.double().numpy())
    none = 1 / (1 + chance.sum(axis=1))
    right = np.array([chance[row, target] * none[row] for row, target in enumerate(targets)])
    expected = -np.log(np.concatenate([right, none[3:]]))
    assert loss_of(Softmax(), wide, all_targets).item() == pytest.approx(expected.mean(), rel=1e-5)
    assert with_none_of_them(logits, targets, None)[2] is None


def test_a_network_that_saw_outliers_knows_what_it_does_not_know(mnist, tmp_path):
    config = dataclasses.replace(TINY, hidden=(128,), epochs=2)
    unseen = draw_outliers(PictureInput(), DIGITS, seed=99)[-1000:]  # scrawls and blots that no training saw
    told_apart = {}
    for share in (0.0, 0.3):
        result = train(mnist, dataclasses.replace(config, outliers=share), RunFolder(tmp_path / str(share)))
        network = SoftmaxNetwork(result.checkpoint.layers)
        known = energy_score(reference_logits(network, mnist.test.inputs[:1000]))
        foreign = energy_score(reference_logits(network, unseen))
        told_apart[share] = (known[:, None] > foreign).mean()
        assert result.checkpoint.card.training.outliers == (share > 0)
        if share:
            assert (known > 0).mean() > 0.95
            assert (foreign < 0).mean() > 0.6
    assert told_apart[0.3] > 0.95 > told_apart[0.0]


def test_only_ink_with_a_softmax_head_has_outliers():
    assert resolve(TrainSettings(), PictureInput(), 1).outliers == 0.1
    assert resolve(TrainSettings(), PictureInput(normaliser="resize"), 1).outliers == 0
    assert resolve(TrainSettings(head="sigmoid"), PictureInput(), 1).outliers == 0


def test_a_small_step_has_an_outlier_too(small, tmp_path, monkeypatch):
    seen = []

    def spy(logits, targets, weights):
        seen.append(len(logits) - len(targets))
        return with_none_of_them(logits, targets, weights)

    monkeypatch.setattr(training, "with_none_of_them", spy)
    few = dataclasses.replace(small, train=Split(small.train.inputs[:40], small.train.targets[:40]))
    train(few, dataclasses.replace(TINY, batch_size=4, outliers=0.05, batch_norm=False), RunFolder(tmp_path))
    assert set(seen) == {1}
