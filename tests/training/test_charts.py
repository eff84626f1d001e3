import io

import numpy as np
import pytest
from PIL import Image

from edgesoft.inference.scores import count_confusion
from edgesoft.training import charts
from edgesoft.training.results import Epoch


def test_a_hand_counted_confusion_matrix():
    matrix = count_confusion(np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 0, 2, 2]), 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]
    assert count_confusion(np.array([0]), np.array([0]), 4).shape == (4, 4)


@pytest.mark.parametrize("labels", [("0", "1"), ("$", "$\\frac{$"), ("日本", "<b>"), ("a_b^c", "x" * 90)], ids=str)
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_any_labels_can_be_drawn(labels, kind):
    content = charts.confusion_matrix(np.array([[5, 1], [0, 3]]), labels, kind=kind)
    if kind == "png":
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    else:
        assert b"</svg>" in content


@pytest.mark.parametrize("classes", [2, 21, 60])
def test_many_classes(classes):
    matrix = np.eye(classes, dtype=np.int64)
    content = charts.confusion_matrix(matrix, [f"class {number}" for number in range(classes)])
    with Image.open(io.BytesIO(content)) as image:
        assert max(image.size) <= 2600


def test_no_example_at_all_of_a_class():
    charts.confusion_matrix(np.array([[0, 0], [0, 3]]), ("a", "b"))


@pytest.mark.parametrize("count", [1, 2, 30])
def test_a_learning_curve_of_any_length(count):
    epochs = [Epoch(number + 1, 1 / (number + 1), 1 / (number + 1), 0.9, 1.0) for number in range(count)]
    assert charts.learning_curve(epochs).startswith(b"\x89PNG")


def test_the_same_numbers_give_the_same_bytes():
    matrix = np.array([[5, 1], [0, 3]])
    for kind in ("png", "svg"):
        assert charts.confusion_matrix(matrix, "ab", kind=kind) == charts.confusion_matrix(matrix, "ab", kind=kind)
