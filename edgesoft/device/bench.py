"""Times calls against each other: warm-up, then rounds in which every candidate runs once, in changing order."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping


def interleave(
    candidates: Mapping[str, Callable[[], object]], *, rounds: int, calls: int = 1, warm_up: int = 3
) -> dict[str, list[float]]:
    """Time several callables under the same conditions.

    Parameters
    ----------
    candidates
        Name -> what to time.
    rounds
        How often each is measured.
    calls
        Calls in one measurement, for calls that take only microseconds.
    warm_up
        Measurements that are thrown away first.

    Returns
    -------
    dict
        Name -> seconds a call, one number a round; the rounds of all candidates match.
    """
    names, shuffle = list(candidates), random.Random(0).shuffle  # noqa: S311 - an order, not a secret
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(warm_up + rounds):
        shuffle(names)
        for name in names:
            call = candidates[name]
            started = time.perf_counter()
            for _ in range(calls):
                call()
            elapsed = (time.perf_counter() - started) / calls
            if round_ >= warm_up:
                seconds[name].append(elapsed)
    return seconds
