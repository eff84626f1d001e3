import re

import numpy as np
import pytest

from edgesoft.pages.matrix import confusion


def cells(drawn):
    return re.findall(
        r'<rect x="([\d.]+)" y="([\d.]+)" width="\d+" height="\d+" fill-opacity="([\d.]+)" class="(\w+)"', drawn
    )


def test_rows_are_right_classes_and_columns_answers():
    drawn = confusion(np.array([[5, 1], [0, 3]]), ["yes", "no"], "test")
    assert re.findall("<title>(.*?)</title>", drawn)[1:] == [
        "yes answered as yes: 5",
        "yes answered as no: 1",
        "no answered as no: 3",
    ]
    found = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)".*?class="(right|wrong)"', drawn)
    (x0, y0, first), (x1, y1, second), (x2, y2, third) = [(float(x), float(y), style) for x, y, style in found]
    assert (first, second, third) == ("right", "wrong", "right")
    assert x1 == x2 > x0 and y0 == y1 < y2
    assert "1 of 9 answered wrongly" in drawn


def test_a_class_without_examples_is_no_division_by_zero():
    assert "nan" not in confusion(np.array([[0, 0], [0, 3]]), ["a", "b"], "test")


@pytest.mark.parametrize(
    ("classes", "is_drawn", "has_list"), [(2, True, False), (20, True, True), (40, True, True), (41, False, True)]
)
def test_many_classes(classes, is_drawn, has_list):
    counts = np.ones((classes, classes), np.int64) + 9 * np.eye(classes, dtype=np.int64)
    drawn = confusion(counts, [f"class {number}" for number in range(classes)], "test")
    assert ("<svg" in drawn, "<table" in drawn) == (is_drawn, has_list)
    assert len(drawn) < 300_000
    if has_list:
        assert "The most frequent 20 of" in drawn


def test_many_classes_without_a_mistake():
    assert "No class is taken for another" in confusion(np.eye(41, dtype=np.int64), [*map(str, range(41))], "test")


def test_long_names_are_known_by_their_ends():
    names = ["the same long beginning of a name " + end for end in ("one", "two")]
    drawn = confusion(np.eye(2, dtype=np.int64), names, "test")
    assert re.findall(r">(the sa[^<]*…[^<]* (?:one|two))</text>", drawn)
    assert "日本日本日本日…本日本日本日本" in confusion(np.eye(2, dtype=np.int64), ["日本" * 30, "b"], "test")
