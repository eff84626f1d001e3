"""When not to trust an answer: low confidence, or a picture unlike those that the model learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.model.card import ModelCard
from edgesoft.pictures import Seen
from edgesoft.pictures.spec import BLANK


class Doubts(NamedTuple):
    """What speaks against one answer."""

    rejected: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Doubt:
    """The limits of one model."""

    reject_below: float
    """Confidence below which the answer is "unknown"; 0 always answers."""
    familiar_above: float
    """Familiarity that nearly all examples of the validation split reach."""

    @classmethod
    def from_card(cls, card: ModelCard, reject: float | None = None) -> Doubt:
        """The card's limits, or the confidence `reject` instead of the card's.

        Raises
        ------
        EdgesoftError
            The card's numbers make no sense.
        UsageError
            `reject` is no probability.
        """
        if reject is not None and not 0 <= reject <= 1:
            raise UsageError(f"reject {reject}: expected a probability from 0 to 1")
        doubt = {"reject_below": 0.0, "familiar_above": float("-inf"), **(card.doubt or {})}
        limits = (doubt["reject_below"] if reject is None else reject, doubt["familiar_above"])
        if not all(isinstance(limit, int | float) for limit in limits) or not 0 <= limits[0] <= 1:
            raise EdgesoftError(f"the card's limits of doubt are {doubt}. Export the model again: edgesoft export")
        return cls(float(limits[0]), float(limits[1]))

    def about(self, seen: Seen | None, confidence: float, familiar: float) -> Doubts:
        """Weigh one answer.

        Parameters
        ----------
        seen
            The picture as the model was fed; None for a row of a table.
        confidence
            Probability of the most probable class.
        familiar
            `energy_score` of its logits.
        """
        warnings = []
        foreign = familiar < self.familiar_above
        if foreign:
            warnings.append("the picture does not look like the training data")
        unsure = confidence < self.reject_below
        if unsure:
            warnings.append(f"low confidence ({int(100 * confidence + 1e-6)} %)")
        is_blank = seen is not None and BLANK in seen.warnings
        return Doubts(self.reject_below > 0 and (foreign or unsure or is_blank), tuple(warnings))


def energy_score(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much a network recognises at all: the logarithm of the sum of the exponentials of the logits.

    Confidence only compares the classes with each other; this also falls when no class finds its features. It is the negative
    free energy of Liu, Wang, Owens and Li, "Energy-based Out-of-distribution Detection" (NeurIPS 2020).

    Parameters
    ----------
    logits
        float32 `[..., classes]`.
    """
    return np.asarray(np.logaddexp.reduce(logits.astype(np.float64), axis=-1))
