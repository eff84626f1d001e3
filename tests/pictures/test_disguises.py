"""MNIST's test digits in the disguises that people's pictures wear, read by the ready model with its own limits of doubt."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import edgesoft
from edgesoft.device.reading import read_pictures
from tests.conftest import ROOT
from tests.pictures.disguises import DISGUISES, disguised

COUNT = 80


@pytest.fixture(scope="module")
def classifier():
    return edgesoft.load(ROOT / "exported" / "mnist.int8.onnx")


@pytest.fixture(scope="module")
def files(mnist):
    return {name: disguised(name, mnist.test.inputs[:COUNT]) for name in DISGUISES}


def test_disguised_digits_are_read(classifier, files, mnist):
    right = {}
    for name, pictures in files.items():
        readings = read_pictures(classifier, ((name, picture) for picture in pictures))
        labels = [reading.label for reading in readings]
        right[name] = np.mean([label == str(target) for label, target in zip(labels, mnist.test.targets, strict=False)])
    assert np.mean(list(right.values())) >= 0.99, right
    assert min(right.values()) >= 0.95, right


def test_without_the_normaliser_they_are_not(classifier, files, mnist):
    # The negative control: as most programs feed them, grey and scaled to 28x28.
    raw = [Image.open(BytesIO(picture)).convert("L").resize((28, 28)) for name in DISGUISES for picture in files[name]]
    indices = classifier(np.stack([np.asarray(picture, np.uint8) for picture in raw])).indices
    assert (indices == np.tile(mnist.test.targets[:COUNT], len(DISGUISES))).mean() < 0.5
