"""When not to trust an answer: low confidence, or a picture unlike any that the model learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from edgesoft.card import ModelCard
from edgesoft.errors import EdgesoftError
from edgesoft.pictures import Seen
from edgesoft.pictures.doubt import distance
from edgesoft.pictures.spec import BLANK

UNUSUAL = 1.0
"""Distance above which a picture is more unusual than 99.9 % of the training pictures."""


class Doubts(NamedTuple):
    """What speaks against one answer."""

    rejected: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Doubt:
    """The limits of one model."""

    reject_below: float
    """Confidence below which the answer is "unknown"; 0 always answers."""
    statistics: Mapping[str, Any] | None
    """Statistics of the training pictures; None when the card has none."""

    @classmethod
    def from_card(cls, card: ModelCard, reject: float | None = None) -> Doubt:
        """The card's limits, or the confidence `reject` instead of the card's.

        Raises
        ------
        EdgesoftError
            The card's numbers make no sense.
        """
        doubt = card.doubt or {}
        limit = doubt.get("reject_below", 0.0) if reject is None else reject
        if not isinstance(limit, int | float) or not 0 <= limit <= 1:
            raise EdgesoftError(
                f"the card's reject_below is {limit!r}, expected 0 to 1. Export the model again: edgesoft export"
            )
        return cls(float(limit), doubt.get("statistics"))

    def about(self, seen: Seen, confidence: float) -> Doubts:
        """Weigh one answer."""
        warnings = []
        unusual = self.statistics is not None and distance(seen.pixels, self.statistics) > UNUSUAL
        if unusual:
            warnings.append("the picture does not look like the training data")
        unsure = confidence < self.reject_below
        if unsure:
            warnings.append(f"low confidence ({100 * confidence:.0f} %)")
        return Doubts(self.reject_below > 0 and (unusual or unsure or BLANK in seen.warnings), tuple(warnings))
