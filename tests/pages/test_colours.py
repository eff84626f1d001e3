"""Contrast after WCAG 2.2, computed from the style sheets."""

import re

import pytest

from edgesoft.pages.markup import read_style
from edgesoft.pages.matrix import STRONGEST

LIGHT, DARK = (dict(re.findall(r"--(\w+): (#[0-9a-f]+)", block)) for block in read_style("colours.css").split("@media"))
PRINT = dict(re.findall(r"--(\w+): (#[0-9a-f]+)", read_style("style.css").split("}\n}")[0]))
THEMES = {"light": LIGHT, "dark": DARK, "print": PRINT}


def rgb(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    return [int(digits[place : place + 2], 16) for place in (0, 2, 4)]


def luminance(colour):
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_formula_against_known_pairs():
    assert contrast(rgb("#000"), rgb("#fff")) == pytest.approx(21)
    assert contrast(rgb("#777"), rgb("#fff")) == pytest.approx(4.48, abs=0.01)  # WebAIM's well-known near miss


@pytest.mark.parametrize("theme", THEMES)
def test_text_is_legible(theme):
    colours = THEMES[theme]
    assert set(colours) == {"text", "note", "ground", "card", "line", "edge", "accent", "second", "good", "bad"}
    for ground in ("card", "ground"):
        for text in ("text", "note", "good", "bad"):
            assert contrast(rgb(colours[text]), rgb(colours[ground])) >= 4.5, (text, ground)


@pytest.mark.parametrize("theme", THEMES)
def test_lines_and_dots_are_seen(theme):
    colours = THEMES[theme]
    for ground in ("card", "ground"):
        for mark in ("accent", "second", "bad", "edge"):
            assert contrast(rgb(colours[mark]), rgb(colours[ground])) >= 3, (mark, ground)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("colour", ["accent", "bad"])
def test_numbers_in_a_confusion_matrix_are_legible(theme, colour):
    colours = THEMES[theme]
    for strength in (0.08, STRONGEST / 2, STRONGEST):
        cell = [
            strength * over + (1 - strength) * under
            for over, under in zip(rgb(colours[colour]), rgb(colours["card"]), strict=True)
        ]
        assert contrast(rgb(colours["text"]), cell) >= 4.5, strength
