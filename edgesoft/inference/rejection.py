"""When not to trust an answer: low confidence, or an input unlike those that the model learned from."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import UsageError
from edgesoft.model.card import ModelCard, Rejection
from edgesoft.model.heads import Logits


class Judgement(NamedTuple):
    """What speaks against one answer."""

    rejected: bool
    warnings: tuple[str, ...]


def limits(card: ModelCard, reject: float | None = None) -> Rejection:
    """The card's limits, or the confidence `reject` instead of the card's.

    Raises
    ------
    UsageError
        `reject` is no probability.
    """
    if reject is None:
        return card.rejection
    if not isinstance(reject, Real) or not 0 <= reject <= 1:
        raise UsageError(f"reject {reject}: expected a probability from 0 to 1")
    return replace(card.rejection, min_confidence=float(reject))


def judge(
    rejection: Rejection, confidence: float, energy: float, *, is_unfamiliar: bool = False, noun: str = "input"
) -> Judgement:
    """Weigh one answer.

    Parameters
    ----------
    rejection
        The limits.
    confidence
        Probability of the class that the model answers.
    energy
        `energy_score` of its logits.
    is_unfamiliar
        Whether the input itself is unlike the training data, as `Sample` has it.
    noun
        What one input is called.
    """
    warnings = []
    is_strange = rejection.min_energy_score is not None and energy < rejection.min_energy_score
    if is_strange:
        warnings.append(f"the {noun} does not look like the training data")
    is_unsure = confidence < (rejection.min_confidence or 0)
    if is_unsure:
        warnings.append(f"low confidence ({int(100 * confidence + 1e-6)} %)")
    always_answers = rejection.min_confidence == 0
    return Judgement(not always_answers and (is_strange or is_unsure or is_unfamiliar), tuple(warnings))


def energy_score(logits: Logits) -> NDArray[np.float64]:
    """How much a network recognises at all: the logarithm of the sum of the exponentials of the logits.

    Confidence only compares the classes with each other; this also falls when no class finds its features. It is the negative
    free energy of Liu, Wang, Owens and Li, "Energy-based Out-of-distribution Detection" (NeurIPS 2020).

    Parameters
    ----------
    logits
        float32 `[..., outputs]`.
    """
    return np.asarray(np.logaddexp.reduce(logits.astype(np.float64), axis=-1))
