"""What a model must hold to be published: the opinions about the numbers of `edgesoft.inference.parity`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgesoft.inference.parity import Parity
from edgesoft.model.card import Precision
from edgesoft.settings import check, setting

FLOAT_TOLERANCE = 1e-4
"""Largest logit difference that float arithmetic in another order may cause; measured on MNIST: 1e-5."""
SIGNIFICANCE = 0.05
"""A loss that chance alone brings about more seldom than this is no chance."""


@dataclass(frozen=True)
class Gate:
    """What a model must hold to be published.

    The float file must answer like PyTorch: logits within a tolerance, and not one label changed.

    INT8 is compared with float example by example. It misses the gate when its accuracy drops by more than `max_drop` and the
    drop is no chance: of the examples that only one of the two labels rightly, so many were lost that the flip of a coin would lose as
    many in less than one of 20 cases (McNemar's exact test, one-sided). Both are asked for, because each alone refuses or lets
    pass the wrong models. Among 45 test examples a single one is 2.2 points, so the drop alone would refuse by luck; the test alone would
    refuse, of a million examples, a drop of 0.01 points that nobody minds. What few examples cannot show is said, not judged: see
    `paired_words`.

    Changed labels are reported, and not judged: a label that changes between two wrong ones costs nothing, one that changes for
    the better is welcome, and one that changes for the worse is counted already. How many change says mostly how many test examples
    are close calls, and that is a fact about the data.
    """

    max_drop: float = setting(
        0.1,
        "Accuracy that INT8 may lose, in percentage points; a loss that may be chance holds too",
        takes=float,
        expected="percentage points from 0, such as 0.1",
        holds=lambda value: value >= 0,
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
        if not drop <= self.max_drop + 1e-9 and parity.paired.loss_p_value < SIGNIFICANCE:
            failures.append(
                f"accuracy drops by {drop:.2f} points, allowed {self.max_drop:g}, and chance explains no such loss "
                f"(p = {parity.paired.loss_p_value:.1g}: {parity.lost} lost, {parity.won} won)"
            )
        return failures


def max_drop_for(parity: Parity) -> float | None:
    """The `max_drop` with which an INT8 file would hold the gate, to two decimals; None where no such allowance helps."""
    if not math.isfinite(parity.max_logit_difference):
        return None
    return max(0.0, math.ceil(1e4 * (parity.accuracy_drop or 0.0) - 1e-7) / 100)


def paired_words(parity: Parity) -> str:
    """What the test split shows of INT8 against float, and what it cannot."""
    return (
        f"against float it lost {parity.lost:,} and won {parity.won:,} of {parity.examples:,} test examples; "
        f"they cannot exclude a loss of {max(0.0, 100 * parity.largest_drop):.2g} points"
    )
