import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import edgesoft
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.inference.evaluate import MOST_MISTAKES, compare, evaluate
from edgesoft.inference.labelled import Example, LabelIndex, LabelledData

ROOT = Path(__file__).parents[2]


def examples_of(mnist, count=300, start=0):
    digits = slice(start, start + count)
    return [
        Example(f"digit {number}", pixels, str(target))
        for number, (pixels, target) in enumerate(
            zip(mnist.test.inputs[digits], mnist.test.targets[digits], strict=True)
        )
    ]


def data_of(examples):
    return LabelledData("digits", None, "arrays", lambda: iter(examples), len(examples))


@pytest.fixture(scope="module")
def tiny(exported):
    """About 92 %: it makes mistakes."""
    return edgesoft.load(exported / "mnist.onnx")


def test_the_ready_models_have_the_figures_of_their_report():
    report = json.loads((ROOT / "exported" / "mnist.report.json").read_text())
    result = edgesoft.evaluate(ROOT / "exported" / "mnist.int8.onnx", "mnist", against=ROOT / "exported" / "mnist.onnx")
    parity, metrics = report["int8"]["parity"], result.card.metrics["test"]
    other = result.against.other
    assert (result.examples, result.split) == (10_000, "test")
    assert (result.accuracy, other.accuracy) == (parity["candidate_accuracy"], parity["reference_accuracy"])
    assert other.averages[0].f1 == pytest.approx(metrics["macro_f1"], abs=1e-12)
    changed = {change["example"] for change in parity["label_changes"]}
    assert set(np.flatnonzero(result.predicted != other.predicted).tolist()) == changed
    pairs = result.against.paired
    assert pairs.difference == pytest.approx(0.0001)
    assert (pairs.won, pairs.lost) == (3, 2)
    assert pairs.p_value == 1
    assert result.confusion.trace() == result.right.sum() == 9951
    assert result.warnings == ()


def test_the_answers_are_the_classifiers(tiny, mnist):
    result = evaluate(tiny, data_of(examples_of(mnist)), reject=0)
    prediction = tiny(mnist.test.inputs[:300])
    np.testing.assert_array_equal(result.predicted, prediction.indices)
    np.testing.assert_array_equal(result.targets, mnist.test.targets[:300])
    np.testing.assert_allclose(result.confidences, prediction.probabilities.max(axis=1), rtol=1e-6)
    right = prediction.probabilities[np.arange(300), result.targets]
    assert result.log_loss == pytest.approx(-np.log(right).mean(), rel=1e-5)
    assert not result.rejected.any()
    assert (result.answered, result.answered_accuracy) == (300, result.accuracy)
    assert 0.8 < result.accuracy < 1
    assert (
        "<td><bdi>7</bdi></td>" in result._repr_html_()
        and "<b><bdi>mnist on digits</bdi></b>: accuracy" in result._repr_html_()
    )
    assert repr(result).startswith("Evaluation(") and len(repr(result)) < 200


def test_unknown_is_counted_beside_the_accuracy(tiny, mnist):
    always, choosy = (evaluate(tiny, data_of(examples_of(mnist)), reject=reject) for reject in (0, 0.9))
    assert choosy.accuracy == always.accuracy
    assert choosy.log_loss == always.log_loss
    sure = (choosy.confidences >= 0.9) & ~choosy.rejected
    assert 0 < choosy.answered == sure.sum() < 300
    assert choosy.right_answers == (sure & choosy.right).sum()
    assert choosy.answered_accuracy > always.accuracy
    assert sum(choosy.unknown_of.values()) == 300 - choosy.answered
    assert evaluate(tiny, data_of(examples_of(mnist, 20)), reject=1).answered_accuracy is None
    with pytest.raises(UsageError, match="reject 2: expected a probability"):
        evaluate(tiny, data_of(examples_of(mnist, 20)), reject=2)


def test_the_worst_mistakes_come_first_and_are_kept_with_their_inputs(tiny, mnist):
    result = evaluate(tiny, data_of(examples_of(mnist, 2000)))
    wrong = np.flatnonzero(~result.right)
    assert len(wrong) > MOST_MISTAKES == len(result.mistakes)
    order = sorted(wrong, key=lambda place: (result.rejected[place], -result.confidences[place], place))
    assert [item.path for item in result.mistakes] == [f"digit {place}" for place in order[:MOST_MISTAKES]]
    first = result.mistakes[0]
    np.testing.assert_array_equal(first.inputs, mnist.test.inputs[order[0]])
    assert (first.label, first.answer) == (str(result.targets[order[0]]), str(result.predicted[order[0]]))
    assert sum(count for _, _, count in result.confusions) == len(wrong)


def test_labels_that_the_model_does_not_know_are_refused_all_at_once(tiny, mnist):
    examples = examples_of(mnist, 20)
    strange = [example._replace(label="ten" if place < 4 else "x\ny") for place, example in enumerate(examples[:5])]
    with pytest.raises(EdgesoftError) as caught:
        evaluate(tiny, data_of([*examples, *strange]))
    message = str(caught.value)
    assert "holds labels that" in message and "'ten' (4), 'x\\ny' (1)" in message
    assert "--other-labels" in message and "\n" not in message
    result = evaluate(tiny, data_of([*strange, *examples]), other_labels=True)
    assert result.examples == 20
    assert result.other_labels["ten"].examples == 4
    assert 0 <= result.other_labels["ten"].answered <= 4
    assert result.accuracy == evaluate(tiny, data_of(examples)).accuracy
    assert result.log_loss == pytest.approx(evaluate(tiny, data_of(examples)).log_loss)
    assert any("does not know the label 'ten'" in warning for warning in result.warnings)
    with pytest.raises(EdgesoftError, match="none of its 5 examples can be scored"):
        evaluate(tiny, data_of(strange), other_labels=True)
    with pytest.raises(EdgesoftError, match="no example. Expected labelled examples of '0', '1'"):
        evaluate(tiny, data_of([]))


def test_what_cannot_be_read_costs_itself(tiny, mnist, tmp_path):
    examples, seen = examples_of(mnist, 50), []
    bad = [
        Example(str(tmp_path / "missing.png"), tmp_path / "missing.png", "7"),
        Example("row", EdgesoftError("odd"), None),
    ]
    result = evaluate(tiny, data_of([*examples[:10], *bad, *examples[10:]]), on_unreadable=seen.append)
    assert (result.examples, result.errors) == (50, 2)
    assert list(result.unreadable) == seen
    assert [item.path for item in seen] == [bad[0].name, "row"] and seen[1].error == "odd"
    assert result.accuracy == evaluate(tiny, data_of(examples)).accuracy
    assert np.flatnonzero(result.predicted < 0).tolist() == [10, 11]


def test_examples_are_read_when_their_turn_comes(tiny, mnist):
    taken, ahead = 0, []

    def examples():
        nonlocal taken
        for example in examples_of(mnist, 1000):
            taken += 1
            yield example

    data = LabelledData("digits", None, "arrays", examples)
    evaluate(tiny, data, on_example=lambda count, total: ahead.append((taken - count, total)))
    assert max(ahead)[0] < tiny.card.input.at_once
    assert len(ahead) == 1000 and ahead[0][1] is None


def test_two_models_are_compared_on_what_both_can_read(tiny, mnist):
    one = evaluate(tiny, data_of(examples_of(mnist)))
    better = dataclasses.replace(one, predicted=np.where(np.arange(300) < 40, one.targets, one.predicted))
    pairs = compare(better, one).paired
    assert (pairs.examples, pairs.won, pairs.lost) == (300, int((~one.right[:40]).sum()), 0)
    turned = compare(one, better).paired
    assert (turned.won, turned.lost) == (pairs.lost, pairs.won)
    unread = one.predicted.copy()
    unread[:100] = -1
    assert compare(dataclasses.replace(one, predicted=unread), better).paired.examples == 200
    with pytest.raises(EdgesoftError, match="gave 20 examples to one model and 300 to the other"):
        compare(evaluate(tiny, data_of(examples_of(mnist, 20))), one)
    with pytest.raises(EdgesoftError, match="holds no example that both"):
        compare(one, dataclasses.replace(one, predicted=np.full(300, -1)))


def test_what_to_bear_in_mind(tiny, mnist):
    parts = tiny.card.training.examples
    result = evaluate(tiny, data_of([example for example in examples_of(mnist) if example.label != "3"]))
    assert result.warnings == ("no example of '3'",)
    assert result.absent == ("3",)
    assert any("flattered" in text for text in dataclasses.replace(result, split="train").warnings)
    as_many = dataclasses.replace(result, card=dataclasses.replace(result.card, training=dataclasses.replace(
        result.card.training, examples={"train": len(result.targets)})))  # fmt: skip
    assert any("as many examples" in text for text in as_many.warnings)
    assert sum(parts.values()) == 70_000


@pytest.mark.parametrize(
    ("labels", "given", "place"),
    [
        (("1", "2", "10"), "10", 2),
        (("1", "2", "10"), "2.0", 1),  # as pandas writes integers beside a missing value
        (("1", "2", "10"), "3", None),
        (("1", "2", "x"), "1.0", None),  # words are words
        (("été", "hiver"), "e\u0301te\u0301", 0),
        (("nan", "1"), "nan", 0),
        (("0", "1"), "nan", None),
        (("0", "1"), "inf", None),
        (("Yes", "no"), "yes", None),
    ],
)
def test_which_class_a_label_means(labels, given, place):
    assert LabelIndex(labels).find(given) == place


def test_the_class_that_may_have_been_meant():
    assert LabelIndex(("Setosa", "virginica")).nearest("setosa") == "Setosa"
    assert LabelIndex(("a", "b")).nearest("zzzz") is None
