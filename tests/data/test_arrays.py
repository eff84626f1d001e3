"""Arrays as training data: every shape and type that somebody may hand over."""

import numpy as np
import pytest

import edgesoft
from edgesoft.data.arrays import from_arrays
from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError, UsageError

X = np.random.default_rng(0).random((30, 3))
Y = np.arange(30) % 3

REFUSED = {
    "a scalar": (np.float64(3), Y),
    "one label": (X, 3),
    "nothing": (None, Y),
    "no rows": (np.zeros((0, 3)), []),
    "no features": (np.zeros((30, 0)), Y),
    "one axis": (np.arange(30), Y),
    "five axes": (np.zeros((30, 1, 1, 1, 1)), Y),
    "structured": (np.zeros(30, [("a", float), ("b", int)]), Y),
    "dates": (np.zeros((30, 2), "M8[s]"), Y),
    "durations": (np.zeros((30, 2), "m8[s]"), Y),
    "complex": (X + 1j, Y),
    "objects": (X.astype(object), Y),
    "words": (X.astype(str), Y),
    "bytes": (np.zeros(30, "V4"), Y),
    "ragged": ([[1], [2, 3]], [0, 1]),
    "a set": ({1, 2}, Y),
    "text": ("abc", Y),
    "too large": (np.full((30, 2), 1e300), Y),
    "infinite": (np.full((30, 2), np.inf), Y),
    "too many features": (np.zeros((30, 40_000), np.int8), Y),
    "labels of dates": (X, np.zeros(30, "M8[s]")),
    "labels that are missing": (X, np.where(Y == 1, np.nan, Y)),
    "labels that are fractions": (X, Y + 0.5),
    "complex labels": (X, Y + 0j),
    "structured labels": (X, np.zeros(30, [("a", int)])),
    "labels of objects": (X, [{}] * 30),
    "a label missing": (X, ["a"] * 29 + [None]),
    "one-hot labels": (X, np.eye(3)[Y]),
    "ragged labels": (X, [[0], [1, 2]] * 15),
    "no pair": 5,
    "three": (X, Y, Y),
}


@pytest.mark.parametrize("pair", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("part", ["train", "test"])
def test_what_is_no_table_is_one_line_of_error(pair, part):
    with pytest.raises(EdgesoftError) as caught:
        from_arrays({"train": (X, Y), part: pair})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", ["float16", "float64", "longdouble", "int8", "uint64", "bool", ">f4"])
def test_numbers_of_every_type_are_taken(dtype):
    data = from_arrays({"train": ((X > 0.5 if dtype == "bool" else X * 9).astype(dtype), Y[:, np.newaxis])})
    assert data.train.inputs.dtype == np.float32
    assert data.input.rows == len(data.train)
    assert data.input.columns[0].range == tuple(
        float(str(end)) for end in (data.train.inputs[:, 0].min(), data.train.inputs[:, 0].max())
    )


def test_words_may_be_objects():
    assert from_arrays({"train": (X, np.array(["a", "b", "c"], object)[Y])}).labels == ("a", "b", "c")


def test_two_arrays_that_may_be_the_labels_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y, labels=["a", "b", "c"])
    with pytest.raises(EdgesoftError, match="arrays 'y' and 'labels' may both be the labels.* class_names"):
        load_dataset(DataSettings(source=str(tmp_path / "a.npz")))


def test_a_share_beside_the_split_that_it_would_make_is_refused():
    for share, part in (("val_split", "validation"), ("test_split", "test")):
        with pytest.raises(UsageError, match=f"{share}: means nothing beside {part}="):
            edgesoft.train(X, Y, **{share: 0.2, part: (X, Y)})
