import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgesoft.exporting.calibration import (
    RARE_DISTORTED,
    TEMPERATURES,
    fit_temperature,
    rejection_limits,
    reliability,
)
from edgesoft.inference.rejection import energy_score
from edgesoft.model.card import Rejection


def cross_entropy(logits, targets, temperature=1.0):
    """Over the examples and one more that is spread evenly over the classes, as if it were drawn from them."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    count = len(targets)
    right = (count * scaled[np.arange(count), targets].mean() + scaled.mean()) / (count + 1)
    return float(np.log(np.exp(scaled).sum(axis=1)).mean() - right)


def two_classes(confidence, right):
    """A row whose probability of class 0 is `confidence`, and a target that is right or not."""
    return [math.log(confidence), math.log(1 - confidence)], 0 if right else 1


def test_a_hand_computed_calibration_error():
    rows = (
        [two_classes(0.9, True)] * 6
        + [two_classes(0.9, False)] * 2
        + [two_classes(0.6, True)]
        + [two_classes(0.6, False)]
    )
    logits, targets = np.array([row for row, _ in rows], np.float32), np.array([target for _, target in rows])
    bins = reliability(logits, targets)
    assert bins.counts.sum() == 10
    # Eight answers with confidence 0.9 of which 0.75 are right, two with 0.6 of which half are: 0.8 * 0.15 + 0.2 * 0.1.
    assert bins.expected_calibration_error == pytest.approx(0.14, abs=1e-6)


def test_certain_and_right_is_no_error():
    bins = reliability(np.array([[1000, 0], [0, 1000]], np.float32), np.array([0, 1]))
    assert bins.counts[-1] == 2
    assert bins.expected_calibration_error == 0


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_it_finds_the_temperature_that_made_the_labels(rng, true_temperature):
    logits = rng.normal(scale=3, size=(60_000, 5)).astype(np.float32)
    scaled = logits / true_temperature
    noise = rng.gumbel(size=logits.shape)
    targets = (scaled + noise).argmax(axis=1)  # a draw from softmax(scaled)
    temperature = fit_temperature(logits, targets)
    assert temperature == pytest.approx(true_temperature, rel=0.05)
    assert reliability(logits, targets, temperature=temperature).expected_calibration_error < 0.01


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 50))
def test_cross_entropy_never_rises_and_no_label_changes(seed, scale):
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=scale, size=(40, 4)).astype(np.float32)
    targets = generator.integers(0, 4, 40)
    temperature = fit_temperature(logits, targets)
    assert TEMPERATURES[0] * 0.999 <= temperature <= TEMPERATURES[1] * 1.001
    # One more example counts, spread evenly over the classes.
    spread = [[cross_entropy(logits, np.full(40, label), t) for label in range(4)] for t in (temperature, 1.0)]
    after, before = (
        40 / 41 * cross_entropy(logits, targets, t) + 1 / 41 * np.mean(part)
        for t, part in zip((temperature, 1.0), spread, strict=True)
    )
    assert after <= before + 1e-6
    np.testing.assert_array_equal((logits / np.float32(temperature)).argmax(axis=1), logits.argmax(axis=1))


def test_no_mistakes_at_all_stay_within_the_bounds():
    logits = 5 * np.eye(4, dtype=np.float32)
    few, many = np.arange(4), np.tile(np.arange(4), 5000)
    assert fit_temperature(logits, few) > 1  # four right answers prove little
    assert TEMPERATURES[0] * 0.999 <= fit_temperature(np.tile(logits, (5000, 1)), many) < 0.6
    assert fit_temperature(logits, (np.arange(4) + 1) % 4) == pytest.approx(TEMPERATURES[1], rel=1e-3)


def test_the_published_temperature_helps_on_data_it_has_not_seen(tiny_export, small):
    for candidate in (tiny_export.float_model, *tiny_export.attempts):
        assert candidate.temperature != 1
        assert candidate.scaled.counts.sum() == candidate.unscaled.counts.sum() == 10_000
        assert candidate.scaled.expected_calibration_error < candidate.unscaled.expected_calibration_error


def answered(confidences, right=True):
    """Logits of two thousand answers over three classes with these confidences, and their targets."""
    chances = np.stack([confidences, (1 - confidences) * 0.6, (1 - confidences) * 0.4], axis=1)
    return np.log(chances).astype(np.float32), np.full(len(confidences), 0 if right else 2)


def test_limits_let_nearly_all_right_answers_pass(rng):
    logits, targets = answered(rng.uniform(0.4, 0.99, 2000))
    limits = rejection_limits(logits, targets, 1.0)
    assert limits.min_confidence == pytest.approx(0.4, abs=0.01)
    assert limits.min_energy_score == pytest.approx(0, abs=1e-3)  # logarithms of probabilities sum to that
    assert rejection_limits(logits + 7, targets, 1.0).min_energy_score == pytest.approx(7, abs=1e-3)


def energies(values):
    """Logits over three classes, the first of which is answered, with these energies."""
    logits = np.stack([values, values - 3, values - 4], axis=1)
    return (logits - np.logaddexp.reduce(logits - values[:, None], axis=1)[:, None]).astype(np.float32)


@pytest.mark.parametrize("level", [-6.0, -2.0, 1.0])
def test_the_energy_loses_a_stated_share_of_right_answers_on_distorted_pictures(rng, level):
    # The same share whatever the level, on which runs differ; but never what is more likely to be of a class than of none.
    logits, targets = answered(np.full(4000, 0.97))
    distorted = energies(level + rng.exponential(3, 4000))
    limit = rejection_limits(logits + 7, targets, 1.0, distorted=distorted).min_energy_score
    lost = (energy_score(distorted) < limit).mean()
    assert limit == 0 and lost == 0 if level > 0 else lost == pytest.approx(RARE_DISTORTED, abs=2 / 4000)


def test_wrong_answers_on_distorted_pictures_do_not_lower_the_limit(rng):
    logits, targets = answered(np.full(4000, 0.97))
    distorted = energies(rng.uniform(-1, 5, 4000))
    limits = rejection_limits(logits, targets, 1.0, distorted=distorted)
    distorted[:400] -= 20
    targets[:400] = 1
    assert rejection_limits(logits, targets, 1.0, distorted=distorted).min_energy_score == pytest.approx(
        limits.min_energy_score, abs=0.02
    )


def test_few_right_answers_set_no_limit(rng):
    logits, targets = answered(np.full(999, 0.9))
    assert rejection_limits(logits, targets, 1.0) == Rejection()
    assert rejection_limits(*answered(np.full(2000, 0.9), right=False), 1.0) == Rejection()
    # Even odds need no data: outliers have shown the network what is foreign.
    few = energies(rng.uniform(-9, -8, 999))[: int(1 / RARE_DISTORTED) - 1]
    targets = targets[: len(few)]
    assert rejection_limits(logits[: len(few)], targets, 1.0, distorted=few) == Rejection(0.5, 0.0)


def test_two_classes_have_no_energy_score():
    logits = np.log(np.tile([[0.9, 0.1]], (2000, 1))).astype(np.float32)
    assert rejection_limits(logits, np.zeros(2000, np.int64), 1.0) == Rejection(0.5)
