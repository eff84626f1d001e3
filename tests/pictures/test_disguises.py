"""MNIST's test digits in the disguises that people's pictures wear, read by the ready model with its own limits of rejection."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from edgesoft.inference.batches import classify
from tests.pictures.disguises import DISGUISES, disguised, encoded

COUNT = 80


@pytest.fixture(scope="module")
def files(mnist):
    return {name: disguised(name, mnist.test.inputs[:COUNT]) for name in DISGUISES}


def test_disguised_digits_are_read(ready, files, mnist):
    right = {}
    for name, pictures in files.items():
        readings = classify(ready, ((name, picture) for picture in pictures))
        labels = [reading.label for reading in readings]
        right[name] = np.mean([label == str(target) for label, target in zip(labels, mnist.test.targets, strict=False)])
    assert np.mean(list(right.values())) >= 0.99, right
    assert min(right.values()) >= 0.95, right


@pytest.mark.parametrize("side", [8, 16, 64])
def test_digits_of_other_hands_in_few_pixels(ready, side):
    # UCI's optical recognition of handwritten digits, 8x8 with 17 greys, which scikit-learn brings; nothing was chosen by them.
    digits = load_digits()
    greys = [Image.fromarray(np.rint(255 - page * 255 / 16).astype(np.uint8)) for page in digits.images[:200]]
    pictures = [encoded(grey.resize((side, side), Image.Resampling.BICUBIC)) for grey in greys]
    readings = classify(ready, ((str(side), picture) for picture in pictures))
    assert np.mean([r.label == str(target) for r, target in zip(readings, digits.target, strict=False)]) >= 0.93


def test_without_the_normaliser_they_are_not(ready, files, mnist):
    # The negative control: as most programs feed them, grey and scaled to 28x28.
    raw = [Image.open(BytesIO(picture)).convert("L").resize((28, 28)) for name in DISGUISES for picture in files[name]]
    indices = ready(np.stack([np.asarray(picture, np.uint8) for picture in raw])).indices
    assert (indices == np.tile(mnist.test.targets[:COUNT], len(DISGUISES))).mean() < 0.5
