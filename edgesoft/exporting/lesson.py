"""How logits become an answer, worked out with the numbers of one example of the model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from edgesoft.model.heads import Head, Logits, Sigmoid, probabilities
from edgesoft.pages.charts import Bar, bars, sigmoid_curve
from edgesoft.pages.markup import Markup, element, foreign, joined, note, terms

SHOWN_CLASSES = 8
"""Classes that the steps show one by one."""
TELLING = 0.8
"""How sure the answer should be of which the steps are shown: of a surer one, all bars but one would be empty."""


def telling_example(confidences: Sequence[float], right: Sequence[bool]) -> int:
    """The example whose answer shows the steps best: right if any is, and neither quite sure nor a guess."""
    distance = np.abs(np.asarray(confidences) - TELLING) + 2 * ~np.asarray(right)
    return int(distance.argmin())


def lesson(head: Head, logits: Logits, labels: Sequence[str], shown: Markup) -> Markup:
    """From the logits of one example to its answer, step by step.

    Parameters
    ----------
    head
        What the logits mean, at the temperature that was published.
    logits
        float32 `[1, outputs]`, of the example.
    labels
        The class names.
    shown
        The example, and what is right.
    """
    if isinstance(head, Sigmoid):
        return joined([shown, *_sigmoid(head, logits, labels)])
    return joined([shown, *_softmax(head, logits, labels)])


def _softmax(head: Head, logits: Logits, labels: Sequence[str]) -> Iterator[Markup]:
    row, shares = logits[0].astype(np.float64), probabilities(head, logits)[0]
    order = np.argsort(-row, kind="stable")
    first, rest = order[:SHOWN_CLASSES], order[SHOWN_CLASSES:]
    powers = np.exp((row - row.max()) / head.temperature)
    total = float(powers.sum())
    winner = int(order[0])

    others_said = f"{len(rest)} other {'class' if len(rest) == 1 else 'classes'}"

    def listed(name: str, values: Sequence[float], form: str, others: str) -> Markup:
        shown = [Bar(labels[place], values[place], form.format(values[place]), place == winner) for place in first]
        if len(rest):
            shown.append(Bar(others_said, float(np.sum(np.asarray(values)[rest])), others, False))
        return bars(name, shown)

    low = f"{row[rest].max():.2f} at most" if len(rest) else ""
    logit_bars = bars(
        "logits", [Bar(labels[place], row[place], f"{row[place]:.2f}", place == winner) for place in first]
    )
    yield element(
        "div",
        element("div", element("h3", "1. A logit for each class"), logit_bars,
                note(f"{others_said}: {low}.") if len(rest) else ""),
        element("div", element("h3", f"2. e to the power of {_power(row.max(), head.temperature)}"),
                listed("powers of e", powers.tolist(), "{:.4f}", f"{powers[rest].sum():.4f}")),
        element("div", element("h3", f"3. Divided by their sum, {total:.4f}"),
                listed("probabilities", (100 * shares).tolist(), "{:.2f} %", f"{100 * shares[rest].sum():.2f} %")),
        class_="pair",
    )  # fmt: skip
    for place in order[:2].tolist():
        yield note(
            foreign(labels[place]),
            f": e^(({row[place]:.2f} {_less(row.max())}) / {head.temperature:.3f}) = {powers[place]:.4f}, "
            f"and {powers[place]:.4f} / {total:.4f} = {100 * shares[place]:.2f} %.",
        )
    yield element("p", "The answer is the class with the largest probability: ", _strong(labels[winner]), ".")
    yield terms(
        {
            "softmax": "These three steps: they make numbers of any size into probabilities that are above 0 and sum to 1.",
            "logit": "What the network says for one class, before it is a probability; only the differences between logits count.",
            "e to the power": "e is 2.718...; a number that is larger by 1 has a power 2.7 times as large, and no power is negative.",
            "less the largest": "It is subtracted from all logits, which changes no probability, and keeps the powers from overflowing.",
            "temperature": "What the logits are divided by, so that a probability of 80 % is right in about 80 % of the cases.",
        }
    )


def _power(largest: float, temperature: float) -> str:
    return f"(logit {_less(largest)}) / {temperature:.3f}"


def _less(number: float) -> str:
    return f"- {number:.2f}" if number >= 0 else f"+ {-number:.2f}"


def _sigmoid(head: Sigmoid, logits: Logits, labels: Sequence[str]) -> Iterator[Markup]:
    logit = float(logits[0, 0])
    scaled = logit / head.temperature
    first, second = probabilities(head, logits)[0].tolist()
    answer = int(head.predict(logits)[0])
    power = math.exp(min(-scaled, 700.0))
    steps = [
        joined(["1. The network gives one logit: ", element("strong", f"{logit:.3f}"), "."]),
        Markup(f"2. Divided by the temperature {head.temperature:.3f} it is {scaled:.3f}."),
        joined([f"3. 1 / (1 + e^{-scaled:.3f}) = 1 / (1 + {power:.4f}) = ", element("strong", f"{100 * second:.2f} %"),
                ": the probability of ", _strong(labels[1]), "."]),
        joined(["4. What is left to 1 is the probability of ", _strong(labels[0]), f": {100 * first:.2f} %."]),
        joined([f"5. The probability is {'above' if answer else 'not above'} the threshold of {head.threshold:.3g}: the answer is ",
                _strong(labels[answer]), "."]),
    ]  # fmt: skip
    both = [
        Bar(labels[place], (first, second)[place], f"{100 * (first, second)[place]:.2f} %", place == answer)
        for place in (0, 1)
    ]
    title = f"the sigmoid: a logit of {scaled:.3f} after the temperature is a probability of {100 * second:.2f} %"
    yield element(
        "div",
        element("div", *(element("p", step) for step in steps), bars("probabilities", both)),
        element("figure", sigmoid_curve(title, scaled, head.threshold).inline()),
        class_="pair",
    )
    yield terms(
        {
            "sigmoid": "The curve: it makes a number of any size into a probability between 0 and 1.",
            "logit": "What the network says for the second class: above 0 speaks for it, below 0 for the first.",
            "temperature": "What the logit is divided by, so that a probability of 80 % is right in about 80 % of the cases.",
            "threshold": "The probability above which the answer is the second class; training was told which (--threshold).",
            "softmax": "Softmax of the two logits 0 and z gives the same probabilities as the sigmoid of z.",
        }
    )


def _strong(label: str) -> Markup:
    return element("strong", foreign(label))
