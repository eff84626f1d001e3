"""Two models on the same examples: what only one of them answers rightly, and what that shows.

Examples on which both are right, or both wrong, say nothing about the difference: a model that is right on other examples than its rival
is compared by these alone. So a difference shows that is far smaller than the interval of either accuracy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Z_95 = 1.959964
"""95 % of a normal distribution lie within this many standard deviations of its mean."""


@dataclass(frozen=True)
class Paired:
    """How often only one of two models is right."""

    examples: int
    """That both models answered."""
    lost: int
    """Examples that only the reference labels rightly."""
    won: int
    """Examples that only the candidate labels rightly."""

    @property
    def loss_p_value(self) -> float:
        """How often chance alone would lose as many as were lost, or more, of those that only one side labels rightly.

        Exact and one-sided. Source: McNemar, "Note on the Sampling Error of the Difference Between Correlated Proportions or
        Percentages" (1947); the binomial test of its discordant pairs.
        """
        return _at_least(self.lost, self.lost + self.won)

    @property
    def p_value(self) -> float:
        """The same test, two-sided: how often chance alone would give a difference as large as this, in either direction."""
        return min(1.0, 2 * _at_least(max(self.lost, self.won), self.lost + self.won))

    @property
    def difference(self) -> float:
        """Accuracy of the candidate minus that of the reference, as a fraction."""
        return (self.won - self.lost) / self.examples

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of `difference`, by the score test, which stands up where nothing was lost, too.

        Source: Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample design" (1998).
        """
        return -_upper_bound(self.lost, self.won, self.examples), _upper_bound(self.won, self.lost, self.examples)


def _at_least(count: int, flips: int) -> float:
    """How often so many flips of a coin show heads `count` times or more often."""
    # In whole numbers, which are exact; each count's number of ways comes from that of the next higher one.
    ways = total = 1
    for heads in range(flips, count, -1):
        ways = ways * heads // (flips - heads + 1)
        total += ways
    return float(total / 2**flips)


def _upper_bound(more: int, fewer: int, examples: int) -> float:
    """Upper end of the 95 % interval of `(more - fewer) / examples`."""

    def deviations(share: float) -> float:
        """How many standard errors the difference seen lies below `share`."""
        linear = (2 * examples - more + fewer) * share - more - fewer
        root = math.sqrt(max(0.0, linear**2 + 8 * examples * fewer * share * (1 - share)))
        likeliest = (root - linear) / (4 * examples)  # share of the fewer, if `share` were the truth
        variance = examples * (2 * likeliest + share * (1 - share))
        return (examples * share - more + fewer) / math.sqrt(variance) if variance > 0 else math.inf

    low, high = (more - fewer) / examples, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if deviations(middle) < Z_95 else (low, middle)
    return high
