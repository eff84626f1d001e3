"""What a model must hold to be published: the opinions about the numbers of `edgesoft.inference.parity`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgesoft.inference.parity import Parity
from edgesoft.model.card import Precision
from edgesoft.settings import check, setting

FLOAT_TOLERANCE = 1e-4
"""Largest logit difference that float arithmetic in another order may cause; measured on MNIST: 1e-5."""
LARGEST_LABEL_CHANGE_RATE = 0.005
"""Largest share of examples whose label INT8 may change, even when the accuracy holds.

One example may always change: among fewer than 200 it says nothing yet about such a rate."""


@dataclass(frozen=True)
class Gate:
    """What a model must hold to be published."""

    max_drop: float = setting(
        0.1,
        "Accuracy that INT8 may lose, in percentage points",
        takes=float,
        expected="percentage points, such as 0.1",
        holds=lambda value: not math.isnan(value),
    )

    def __post_init__(self) -> None:
        check(self)

    def failures(self, parity: Parity, precision: Precision) -> list[str]:
        """Why `parity` misses the gate; empty when it passes."""
        failures = []
        # Each comparison is written so that NaN fails it.
        if precision == "float32":
            if not parity.max_logit_difference <= FLOAT_TOLERANCE:
                failures.append(
                    f"largest logit difference {parity.max_logit_difference:.2g}, allowed {FLOAT_TOLERANCE:g}"
                )
            if parity.label_changes:
                failures.append(f"{len(parity.label_changes)} of {parity.examples} labels changed, allowed 0")
            return failures
        if not math.isfinite(parity.max_logit_difference):
            failures.append("logits that are not finite")
        drop = 100 * (parity.accuracy_drop or 0.0)
        if not drop <= self.max_drop + 1e-9:
            failures.append(f"accuracy drops by {drop:.2f} points, allowed {self.max_drop:g}")
        if len(parity.label_changes) > 1 and not parity.label_change_rate <= LARGEST_LABEL_CHANGE_RATE:
            failures.append(
                f"{len(parity.label_changes)} of {parity.examples} labels changed, allowed {100 * LARGEST_LABEL_CHANGE_RATE:g} %"
            )
        return failures
