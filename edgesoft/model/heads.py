"""What logits mean: how many there are, which probabilities and which answer they give, and the nodes that say so in a graph.

edgesoft classifies and does not regress: every head answers one of the card's labels, with a probability for each of them.

Each head is defined here once: `outputs` (how many logits tell so many classes apart), `class_logits` (logits as one a class, whose
softmax are the probabilities at temperature 1), `predict` (the answered class), `write` (the nodes that make `probabilities` and `label`
of `logits`), `kind` (its name in the card and on the command line), `operators` (what its nodes may be), `regression` (what a network
without hidden layers is called) and `is_even` (whether the answer is always the most probable class).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgesoft.model.graph import GraphWriter

if TYPE_CHECKING:
    from typing_extensions import Self

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Softmax:
    """One logit a class; the largest is the answer."""

    temperature: float = 1.0
    """What the logits are divided by before they become probabilities."""

    kind: ClassVar[str] = "softmax"
    regression: ClassVar[str] = "softmax"
    operators: ClassVar[tuple[str, ...]] = ("Mul", "Softmax", "ArgMax")

    def __post_init__(self) -> None:
        _check_temperature(self.temperature)

    @property
    def is_even(self) -> bool:
        """Always."""
        return True

    def at(self, temperature: float) -> Self:
        """At another temperature."""
        return replace(self, temperature=temperature)

    def outputs(self, classes: int) -> int:
        """One a class."""
        return classes

    def class_logits(self, logits: Logits) -> Logits:
        """As they are."""
        return logits

    def predict(self, logits: Logits) -> NDArray[np.int64]:
        """The first of the largest."""
        return np.asarray(logits.argmax(axis=1))

    def write(self, graph: GraphWriter) -> None:
        """Softmax of the scaled logits, ArgMax of the logits."""
        scaled = "logits"
        if self.temperature != 1.0:
            factor = graph.constant("inverse_temperature", np.float32(1 / self.temperature))
            scaled = graph.node("Mul", ["logits", factor], "scaled_logits")
        graph.node("Softmax", [scaled], "probabilities", axis=1)
        graph.node("ArgMax", ["logits"], "label", axis=1, keepdims=0)

    def describe(self) -> str:
        """Its name."""
        return self.kind

    def to_json(self) -> dict[str, Any]:
        """Kind and temperature."""
        return {"kind": self.kind, "temperature": self.temperature}


@dataclass(frozen=True)
class Sigmoid:
    """One logit for two classes: its sigmoid is the probability of the second."""

    temperature: float = 1.0
    threshold: float = 0.5
    """Above this probability the answer is the second class."""

    kind: ClassVar[str] = "sigmoid"
    regression: ClassVar[str] = "logistic"
    operators: ClassVar[tuple[str, ...]] = ("Mul", "Sigmoid", "Sub", "Mul", "ArgMax")

    def __post_init__(self) -> None:
        _check_temperature(self.temperature)
        if not (type(self.threshold) is float and 0 < self.threshold < 1):
            raise ValueError("threshold must be a number between 0 and 1")

    @property
    def is_even(self) -> bool:
        """At a threshold of one half."""
        return self.threshold == 0.5

    @property
    def logit_threshold(self) -> float:
        """The threshold as a logit."""
        return self.temperature * math.log(self.threshold / (1 - self.threshold))

    def at(self, temperature: float) -> Self:
        """At another temperature."""
        return replace(self, temperature=temperature)

    def outputs(self, classes: int) -> int:
        """One for two classes."""
        if classes != 2:
            raise ValueError(f"head {self.kind!r} with {classes} labels")
        return 1

    def class_logits(self, logits: Logits) -> Logits:
        """The logit z stands for the two logits 0 and z."""
        return np.column_stack([np.zeros_like(logits), logits])

    def predict(self, logits: Logits) -> NDArray[np.int64]:
        """The second class where the logit is above the threshold."""
        # Rounded as in the graph, so that a logit on the threshold falls to the same side.
        return (logits[:, 0] > np.float32(self.logit_threshold)).astype(np.int64)

    def write(self, graph: GraphWriter) -> None:
        """Both probabilities by one Sigmoid, the label by one ArgMax."""
        # sigmoid(-z) = 1 - sigmoid(z), so one product makes both columns: [n, 1] * [2].
        signs = np.array([-1, 1], np.float32)
        signed = graph.constant("signs", signs / np.float32(self.temperature))
        graph.node("Sigmoid", [graph.node("Mul", ["logits", signed], "scaled_logits")], "probabilities")
        # ArgMax takes the first of equals: the second label needs a logit above the threshold.
        threshold = graph.constant("logit_threshold", np.float32(self.logit_threshold))
        above = graph.node("Sub", ["logits", threshold], "above_threshold")
        votes = graph.node("Mul", [above, graph.constant("votes_signs", signs)], "votes")
        graph.node("ArgMax", [votes], "label", axis=1, keepdims=0)

    def describe(self) -> str:
        """With its threshold."""
        return f"sigmoid, threshold {self.threshold:g}"

    def to_json(self) -> dict[str, Any]:
        """Kind, temperature and threshold."""
        return {"kind": self.kind, "temperature": self.temperature, "threshold": self.threshold}


Head = Softmax | Sigmoid

HEADS: Mapping[str, type[Head]] = {head.kind: head for head in (Softmax, Sigmoid)}
"""Kind -> head."""


def head_from_json(document: object) -> Head:
    """Read `to_json`'s object back; raises KeyError, TypeError or ValueError where it is none."""
    if not isinstance(document, dict):
        raise ValueError("head must be an object")  # noqa: TRY004 - damaged data, not a wrong call
    values = dict(document)
    kind = values.pop("kind")
    if kind not in HEADS:
        raise ValueError(f"unknown head {kind!r}")
    return HEADS[kind](**values)


def probabilities(head: Head, logits: Logits) -> NDArray[np.float64]:
    """Probabilities `[n, classes]` of logits `[n, outputs]`, at the head's temperature."""
    # The same product in float32 as in the graph: logits of some hundreds leave no room for another rounding.
    return softmax((head.class_logits(logits) * np.float32(1 / head.temperature)).astype(np.float32))


def softmax(logits: Logits) -> NDArray[np.float64]:
    """Probabilities `[n, classes]` of logits `[n, classes]`; each row sums to 1."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def cross_entropy(logits: Logits, targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Loss of each example, float64 `[n]` in nats, of `class_logits` `[n, classes]`: the same for every head."""
    exact = logits.astype(np.float64)
    return np.asarray(np.logaddexp.reduce(exact, axis=1) - exact[np.arange(len(targets)), targets])


def _check_temperature(temperature: object) -> None:
    if not (type(temperature) is float and 0 < temperature < math.inf):
        raise ValueError("temperature must be a positive number")
