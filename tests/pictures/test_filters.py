"""The filters against SciPy's, which share no code with them, and against a search through everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from edgesoft.pictures.filters import (
    blur,
    box_mean,
    closing,
    components,
    dilation,
    otsu,
    robust_deviation,
    stroke_width,
)

SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24)
MASKS = arrays(np.bool_, SHAPES)
PLANES = arrays(np.float32, SHAPES, elements=st.floats(-1, 1, width=32))
RADII = st.integers(1, 8)
EIGHT_NEIGHBOURS = np.ones((3, 3))
FOUR_NEIGHBOURS = ndimage.generate_binary_structure(2, 1)


@given(MASKS)
@settings(max_examples=150, deadline=None)
def test_components_are_scipys(mask):
    found, (labels, count) = components(mask), ndimage.label(mask, EIGHT_NEIGHBOURS)
    assert found.count == count
    for index in range(count):
        np.testing.assert_array_equal(found.mask_of(np.arange(count) == index), labels == index + 1)
    np.testing.assert_array_equal(found.areas(), np.bincount(labels.ravel(), minlength=count + 1)[1:])
    boxes = [(down.start, across.start, down.stop, across.stop) for down, across in ndimage.find_objects(labels)]
    np.testing.assert_array_equal(found.boxes(), np.reshape(boxes, (count, 4)))
    if mask.shape[1] > 1:  # in a single column each pixel touches the frame on both sides, and counts twice
        frame = np.ones(mask.shape, bool)
        frame[1:-1, 1:-1] = False
        np.testing.assert_array_equal(found.frame_contact(), ndimage.sum_labels(frame, labels, np.arange(1, count + 1)))


@given(MASKS, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_sums_over_components_are_scipys(mask, seed):
    plane = np.random.default_rng(seed).normal(size=mask.shape).astype(np.float32)
    labels, count = ndimage.label(mask, EIGHT_NEIGHBOURS)
    expected = ndimage.sum_labels(plane.astype(np.float64), labels, np.arange(1, count + 1))
    np.testing.assert_allclose(components(mask).sums(plane), expected, atol=1e-9)


def test_pixels_that_meet_at_a_corner_are_one_component():
    mask = np.eye(5, dtype=bool)
    assert components(mask).count == 1
    assert ndimage.label(mask, FOUR_NEIGHBOURS)[1] == 5  # negative control: the neighbourhood matters


@given(PLANES, RADII)
@settings(max_examples=100, deadline=None)
def test_morphology_is_scipys(plane, radius):
    size = (2 * radius + 1, 2 * radius + 1)
    np.testing.assert_array_equal(dilation(plane, radius), ndimage.grey_dilation(plane, size, mode="nearest"))
    np.testing.assert_array_equal(closing(plane, radius), ndimage.grey_closing(plane, size, mode="nearest"))


@given(PLANES, RADII)
@settings(max_examples=100, deadline=None)
def test_box_mean_is_scipys_uniform_filter(plane, radius):
    expected = ndimage.uniform_filter(plane.astype(np.float64), 2 * radius + 1, mode="nearest")
    np.testing.assert_allclose(box_mean(plane, radius), expected, atol=1e-6)


@given(PLANES, st.floats(0.4, 5))
@settings(max_examples=100, deadline=None)
def test_blur_is_scipys_gaussian_filter(plane, sigma):
    expected = ndimage.gaussian_filter(
        plane.astype(np.float64), sigma, mode="nearest", radius=int(np.ceil(2.5 * sigma))
    )
    np.testing.assert_allclose(blur(plane, sigma), expected, atol=1e-5)


@pytest.mark.parametrize("mode", ["constant", "wrap"])
def test_the_edge_pixels_continue_the_picture(mode):
    # The negative control: the comparisons above would see another rule.
    plane = 1 + np.random.default_rng(0).random((12, 15)).astype(np.float32)
    assert np.abs(closing(plane, 2) - ndimage.grey_closing(plane, (5, 5), mode=mode)).max() > 0.01
    assert np.abs(box_mean(plane, 2) - ndimage.uniform_filter(plane, 5, mode=mode)).max() > 0.01
    assert np.abs(blur(plane, 1) - ndimage.gaussian_filter(plane, 1, mode=mode)).max() > 0.01


def inner_variance(values, threshold):
    """The variance within two classes, weighted by their sizes."""
    return sum(
        part.var() * part.size for part in (values[values <= threshold], values[values > threshold]) if part.size
    )


# With 0 and 127 among them, each of these integers falls into its own one of Otsu's 128 bins.
@given(
    st.lists(st.integers(0, 127), min_size=1, max_size=60).map(lambda values: np.array([0, *values, 127], np.float64))
)
@settings(max_examples=150, deadline=None)
def test_otsu_is_the_best_of_all_thresholds(values):
    within = {level: inner_variance(values, level) for level in np.unique(values)[:-1]}
    best = min(within.values())
    optima = [level for level, variance in within.items() if variance <= best * (1 + 1e-6) + 1e-9]
    assume(len(optima) == 1)  # between two that are as good the middle is taken, which may be neither
    threshold = otsu(values.astype(np.float32))
    assert inner_variance(values, threshold) == pytest.approx(best, abs=1e-9)
    worse = [level for level in within if level not in optima]
    assert all(inner_variance(values, level) > best for level in worse)  # so every other place would be seen


def test_otsu_takes_the_middle_of_the_gap():
    assert otsu(np.array([0, 0.1, 0.1, 0.9, 1.0], np.float32)) == pytest.approx(0.5, abs=0.02)
    assert otsu(np.full(5, 0.25, np.float32)) == 0.25


def test_robust_deviation_forgives_outliers():
    values = np.random.default_rng(0).normal(0, 2, 5000).astype(np.float32)
    spoilt = np.concatenate([values, np.full(500, 1000, np.float32)])
    assert robust_deviation(spoilt) == pytest.approx(2, rel=0.2)
    assert spoilt.std() > 100  # negative control


def test_stroke_width_of_a_line():
    line = np.zeros((60, 200), np.float32)
    line[25:31] = 1
    assert stroke_width(line) == pytest.approx(6, rel=0.05)
