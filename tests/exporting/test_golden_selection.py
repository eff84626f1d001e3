import numpy as np

from edgesoft.exporting.golden_selection import GOLDEN_EXAMPLES, select_golden


def chosen(rng, targets, classes):
    logits = rng.normal(size=(len(targets), classes)).astype(np.float32)
    top = np.sort(logits, axis=1)
    return select_golden(logits, targets), np.argsort(top[:, -1] - top[:, -2], kind="stable")


def test_every_class_and_the_hardest(rng):
    targets = rng.integers(0, 10, 2000)
    indices, by_margin = chosen(rng, targets, 10)
    assert len(indices) == len(set(indices.tolist())) == GOLDEN_EXAMPLES
    assert list(indices) == sorted(indices)
    assert set(targets[indices]) == set(range(10))
    assert set(by_margin[: GOLDEN_EXAMPLES // 2]) <= set(indices)


def test_a_rare_class_and_more_classes_than_places(rng):
    targets = np.concatenate([np.zeros(3000, int), np.arange(100)])
    indices, _ = chosen(rng, targets, 100)
    assert set(targets[indices]) == set(range(100))


def test_fewer_examples_than_places(rng):
    for count in (1, 2, 31, 63):
        indices, _ = chosen(rng, rng.integers(0, 3, count), 3)
        assert sorted(indices) == list(range(count))


def test_the_same_twice(rng):
    logits, targets = np.zeros((500, 3), np.float32), rng.integers(0, 3, 500)  # nothing but ties
    assert np.array_equal(select_golden(logits, targets), select_golden(logits.copy(), targets.copy()))
