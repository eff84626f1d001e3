import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, classification_report, log_loss

from edgesoft.inference.scores import (
    averages,
    brier_scores,
    class_scores,
    count_confusion,
    equal_count_reliability,
    log_losses,
    macro_f1,
)


def test_classes_and_averages_are_scikit_learns(rng):
    """Class c is never answered, and no example is a d: both have a 0 that counts."""
    targets, predicted = rng.choice([0, 1, 2], 300, p=[0.7, 0.2, 0.1]), rng.choice([0, 1, 3], 300)
    scores = class_scores(count_confusion(targets, predicted, 4), "abcd")
    report = classification_report(
        np.array(list("abcd"))[targets], np.array(list("abcd"))[predicted], output_dict=True, zero_division=0
    )
    for score in scores:
        assert [score.precision, score.recall, score.f1, score.examples] == pytest.approx(
            [report[score.label][name] for name in ("precision", "recall", "f1-score", "support")], abs=1e-12
        )
    for name, mean in zip(("macro avg", "weighted avg"), averages(scores), strict=True):
        expected = [report[name][key] for key in ("precision", "recall", "f1-score")]
        assert [mean.precision, mean.recall, mean.f1] == pytest.approx(expected, abs=1e-12)
    assert macro_f1(scores) == pytest.approx(report["macro avg"]["f1-score"])


@pytest.mark.parametrize("kind", ["spread", "ties", "certain"])
def test_bins_of_equal_counts_are_scikit_learns(rng, kind):
    confidence = rng.uniform(0.3, 1, 1000).astype(np.float32)
    if kind != "spread":
        confidence = np.round(confidence, 1) if kind == "ties" else np.ones(1000, np.float32)
    right = rng.random(1000) < confidence**2
    bins = equal_count_reliability(confidence, right)
    accuracies, confidences = calibration_curve(right, confidence.astype(float), n_bins=15, strategy="quantile")
    np.testing.assert_allclose(bins.accuracies, accuracies, atol=1e-12)
    np.testing.assert_allclose(bins.confidences, confidences, atol=1e-12)
    assert bins.counts.sum() == 1000
    if kind == "spread":
        assert set(bins.counts.tolist()) <= {66, 67}
    error = bins.expected_calibration_error
    assert error == pytest.approx(sum(bins.counts * abs(accuracies - confidences)) / 1000)
    shuffled = rng.permutation(1000)
    assert equal_count_reliability(confidence[shuffled], right[shuffled]).expected_calibration_error == pytest.approx(
        error
    )


@pytest.mark.parametrize("count", [1, 9, 25])
def test_few_answers_make_few_bins(rng, count):
    assert len(equal_count_reliability(rng.random(count), np.ones(count, bool)).counts) <= max(1, count // 10)


@pytest.mark.parametrize("classes", [2, 5])
def test_losses_are_scikit_learns(rng, classes):
    raw = rng.exponential(size=(200, classes)) ** 3
    probabilities = (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
    probabilities[0] = np.eye(classes)[0]  # of a wrong and certain answer the logarithm would be infinite
    targets = rng.integers(0, classes, 200)
    targets[0] = 1
    exact = probabilities.astype(np.float64) / probabilities.astype(np.float64).sum(axis=1, keepdims=True)
    assert log_losses(probabilities, targets).mean() == pytest.approx(
        log_loss(targets, probabilities, labels=range(classes)), rel=1e-5
    )
    given = exact[:, 1] if classes == 2 else exact
    expected = brier_score_loss(targets, given, **({} if classes == 2 else {"labels": range(classes)}))
    assert brier_scores(probabilities, targets).mean() == pytest.approx(expected, rel=1e-5)
