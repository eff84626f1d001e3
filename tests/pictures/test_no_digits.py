"""What shows no digit must not come back as one: letters of fonts that training never saw, noise, gradients, blank pages."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from edgesoft.inference.batches import UNKNOWN, classify
from scripts.draw_characters import FONTS
from tests.pictures.disguises import encoded

LETTERS = "AEFHKMNPRTWXYadefhkmnprtwxy@#&%"
STIX = ("STIXGeneral", "STIXGeneralItalic", "STIXGeneralBol", "STIXGeneralBolIta")


@pytest.fixture(scope="module")
def fonts():
    assert not set(STIX) & set(FONTS)  # else this would prove little
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    return [*(ImageFont.truetype(folder / f"{name}.ttf", 90) for name in STIX), ImageFont.load_default(90)]


def grey(values):
    return encoded(Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)))


def printed(character, font):
    page = Image.new("L", (160, 160), 255)
    ImageDraw.Draw(page).text((80, 80), character, fill=0, font=font, anchor="mm")
    return encoded(page)


def answered(classifier, pictures):
    """Share of the pictures that get another answer than "unknown"."""
    readings = list(classify(classifier, (("", picture) for picture in pictures)))
    return np.mean([reading.label != UNKNOWN for reading in readings])


def test_letters(ready, fonts):
    assert answered(ready, [printed(letter, font) for font in fonts for letter in LETTERS]) < 0.12


def test_digits_of_the_same_fonts_are_answered(ready, fonts):
    # The negative control.
    assert answered(ready, [printed(digit, font) for font in fonts for digit in "0123456789"]) > 0.9


def test_noise(ready, rng):
    pages = [grey(rng.integers(0, 256, (side, side))) for side in (28, 40, 64, 200) for _ in range(8)]
    pages += [grey(128 + rng.normal(0, 30, (side, side))) for side in (28, 64, 200) for _ in range(8)]
    for side in (28, 64, 200):
        for radius in (1, 3, 6):
            soft = Image.fromarray(rng.integers(0, 256, (side, side)).astype(np.uint8))
            soft = np.asarray(soft.filter(ImageFilter.GaussianBlur(radius)), np.float64)
            pages.append(grey((soft - soft.min()) / (soft.max() - soft.min()) * 255))
    assert answered(ready, pages) < 0.15


def test_gradients_and_blank_pages(ready):
    pages = [grey(np.full((side, side), tone)) for side in (28, 100) for tone in (0, 128, 255)]
    for side in (28, 64, 300):
        for across, down in ((0, 255), (255, 0), (-80, 120)):
            pages.append(grey(100 + np.add.outer(np.linspace(0, across, side), np.linspace(0, down, side))))
    assert answered(ready, pages) == 0
