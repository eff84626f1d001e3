from xml.etree import ElementTree as ET

import numpy as np
import pytest

from edgesoft.inference.scores import count_confusion
from edgesoft.training import charts
from edgesoft.training.results import Epoch

SVG = "{http://www.w3.org/2000/svg}"


def drawn(content):
    """The file as XML: what is no well-formed SVG raises."""
    root = ET.fromstring(content)
    assert root.tag == f"{SVG}svg" and {element.tag.startswith(SVG) for element in root.iter()} == {True}
    assert b"href" not in content and b"url(" not in content and b"@import" not in content
    return root


def texts(root):
    return [element.text for element in root.iter(f"{SVG}text")]


def test_a_hand_counted_confusion_matrix():
    matrix = count_confusion(np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 0, 2, 2]), 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]
    assert count_confusion(np.array([0]), np.array([0]), 4).shape == (4, 4)


@pytest.mark.parametrize(
    "labels", [("0", "1"), ("$", "$\\frac{$"), ("日本", "<b>"), ("a_b^c", "]]>&amp;"), ("א", "\u202eb")], ids=str
)
def test_any_labels_can_be_drawn(labels):
    found = texts(drawn(charts.confusion_matrix(np.array([[57, 18], [0, 36]]), labels)))
    assert found.count(labels[0]) == 2  # as a row and as a column
    assert found.count(labels[1].replace("\u202e", "\\u202e")) == 2
    assert {"57", "18", "36"} <= set(found)


@pytest.mark.parametrize(("classes", "largest"), [(2, 200), (21, 500), (60, 500), (1000, 2100)])
def test_many_classes(classes, largest):
    root = drawn(
        charts.confusion_matrix(np.eye(classes, dtype=np.int64), [f"class {number}" for number in range(classes)])
    )
    assert float(root.attrib["width"]) <= largest
    assert len([element for element in root.iter(f"{SVG}rect") if element.get("class") == "right"]) == classes


@pytest.mark.parametrize("count", [1, 2, 30])
def test_a_learning_curve_of_any_length(count):
    epochs = [Epoch(number + 1, 1 / (number + 1), 1 / (number + 1), 0.9, 1.0) for number in range(count)]
    root = drawn(charts.learning_curve(epochs))
    lines = [element.get("points").split() for element in root.iter(f"{SVG}polyline")]
    assert [len(line) for line in lines] == [count] * 3
    assert {"Cross entropy, in nats", "Accuracy on the validation split", "epoch", "training", "validation"} <= set(
        texts(root)
    )


def test_losses_that_no_axis_has_room_for():
    losses = (0.0, -5.0, 1e308, 1e-300)
    epochs = [Epoch(number + 1, loss, losses[::-1][number], 0.0, 1.0) for number, loss in enumerate(losses)]
    content = charts.learning_curve(epochs)
    drawn(content)
    assert b"nan" not in content and b"inf" not in content


def test_the_same_numbers_give_the_same_bytes():
    matrix = np.array([[5, 1], [0, 3]])
    assert charts.confusion_matrix(matrix, "ab") == charts.confusion_matrix(matrix, "ab")
