import base64
import io
import re

import numpy as np
from PIL import Image

from edgesoft.model.inputs import TableInput
from edgesoft.pages.examples import averaged, cells, picture, signed_map
from edgesoft.tables.column import Column
from edgesoft.tables.values import TruthForm


def image(element):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(re.search('base64,(.*?)"', element)[1]))))


def test_a_small_picture_stands_there_pixel_by_pixel():
    pixels = np.random.default_rng(0).integers(0, 256, (28, 20, 3)).astype(np.uint8)
    assert (image(picture(pixels, 'a "picture"')) == pixels).all()
    assert 'alt="a &quot;picture&quot;"' in picture(pixels, 'a "picture"')


def test_a_large_one_becomes_a_thumbnail():
    assert image(picture(np.zeros((200, 100), np.uint8), "black")).shape == (112, 56)


def test_signs_are_colours_and_sizes_are_opacity():
    shown = image(signed_map(np.array([[1.0, -0.25], [0.0, -1.0]]), "map"))
    assert shown[..., 3].tolist() == [[255, 128], [0, 255]]
    assert shown[0, 0, 2] > shown[0, 0, 0] and shown[1, 1, 0] > shown[1, 1, 2]
    assert (image(signed_map(np.zeros((2, 2)), "nothing"))[..., 3] == 0).all()


def test_blocks_are_averaged():
    values = np.arange(2 * 130 * 4, dtype=float).reshape(2, 130, 4)
    found = averaged(values)
    assert found.shape == (2, 43, 1)
    assert found[1, 2, 0] == values[1, 6:9, 0:3].mean()
    assert averaged(values[0, :10]).shape == (10, 4)
    assert averaged(np.zeros((1000, 2))).shape == (63, 1)


def test_a_row_is_told_as_people_write_it():
    kind = TableInput((
        Column("size"),
        Column("town", ("Celle", "Düren"), marks_missing=True),
        Column("gap", fill=(3.0,), marks_missing=True),
        Column("sold", form=TruthForm()),
    ))  # fmt: skip
    row = np.array([1.5, 0, 1, 0, 3, 1, 1], np.float32)
    assert cells(kind, row, [1, 0, 2]) == ["Düren", "1.5", "missing"]
    assert cells(kind, np.array([0, 0, 0, 0, 2, 0, 0], np.float32), [1, 2]) == ["unknown", "2"]
    assert cells(kind, np.array([0, 0, 0, 1, 2, 0, 0], np.float32), [1]) == ["missing"]
