"""Times candidates against each other, says how far the machine can be trusted, and names a winner only beyond that.

All candidates take turns in changing order, so that whatever disturbs the machine disturbs each of them alike; ratios are taken
round by round. The first candidate runs twice in every round: how far it differs from itself is the noise, and no difference
within it is called one.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError, UsageError

BURST = 0.003
"""Seconds that a candidate runs in one turn, so that a call of microseconds is not measured with the caches of the other."""

Call = Callable[[NDArray[Any]], object]


@dataclass(frozen=True)
class Candidate:
    """Something that answers batches."""

    name: str
    open: Callable[[], Call]
    """Creates the session; it is timed."""
    inputs: NDArray[Any]
    """Examples `[n, ...]`, repeated to fill a batch."""
    enter: Callable[[], object] | None = None
    """Called before each of its turns, for settings that belong to the whole process."""
    peak_memory: Callable[[int], int | None] | None = None
    """Batch -> bytes that a fresh process took at most, to open it and answer one such batch."""


@dataclass(frozen=True)
class Timing:
    """One candidate at one batch size. Times are seconds a call."""

    name: str
    p50: float
    p90: float
    p99: float
    per_second: float
    """Inputs a second, over all timed calls."""
    create: float
    """Creating the session, median of three."""
    first_call: float
    """The first call after that, median of three."""
    peak_memory: int | None
    """Bytes, in a process of its own; None where the system does not tell."""
    calls: int
    """Timed calls."""
    ratio: float
    """Time a call over the first candidate's, median over the rounds; below 1 is faster."""
    ratio_low: float
    """95 % confidence interval of that median."""
    ratio_high: float


@dataclass(frozen=True)
class BatchResult:
    """All candidates at one batch size."""

    batch: int
    timings: tuple[Timing, ...]
    """In the order of the candidates."""
    noise: float
    """How far the first candidate seemed to differ from itself, as a fraction; a smaller difference means nothing."""
    spread: float
    """Distance between the quartiles of the first candidate's rounds, over their median: how restless the machine was."""
    winner: str | None
    """The fastest, when it is faster than every other beyond the noise; None when nobody is, or there is only one."""


@dataclass(frozen=True)
class _Samples:
    """Seconds a call: one list a round."""

    rounds: list[list[float]]

    def medians(self) -> list[float]:
        return [statistics.median(calls) for calls in self.rounds]


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


def bench(
    candidates: Sequence[Candidate],
    batches: Iterable[int],
    *,
    rounds: int = 30,
    on_progress: Callable[[str], object] | None = None,
) -> tuple[BatchResult, ...]:
    """Time candidates against each other at several batch sizes.

    Parameters
    ----------
    candidates
        The first is the one that the others are compared with.
    batches
        Inputs a call.
    rounds
        Turns that each candidate gets at each batch size; at least 6, which is what a confidence interval takes.
    on_progress
        Told what is measured next.

    Raises
    ------
    UsageError
        There are no candidates, too few rounds, or a batch without inputs.
    EdgesoftError
        Two candidates have the same name.
    """
    batches = tuple(batches)
    if not candidates or not batches or min(batches) < 1:
        raise UsageError("nothing to measure: expected at least one candidate, and batches of 1 or more")
    if rounds < 6:
        raise UsageError(f"{rounds} rounds are too few to tell a difference from noise: take at least 6")
    names = [candidate.name for candidate in candidates]
    if len(set(names)) < len(names):
        raise EdgesoftError(f"two candidates are the same: {', '.join(names)}")
    results = []
    for batch in batches:
        if on_progress is not None:
            on_progress(f"batch {batch}: {len(candidates)} candidates, {rounds} rounds")
        results.append(_bench_batch(candidates, batch, rounds))
    return tuple(results)


def _bench_batch(candidates: Sequence[Candidate], batch: int, rounds: int) -> BatchResult:
    inputs = [_fill(candidate.inputs, batch) for candidate in candidates]
    calls, create, first = _open(candidates, inputs)
    # The twin of the first candidate, the same session: what the machine makes of no difference at all.
    turns = [*zip(candidates, calls, inputs, strict=True), (candidates[0], calls[0], inputs[0])]
    samples = _take_turns(turns, rounds)
    reference, twin = samples[0].medians(), samples.pop().medians()
    low, high = median_interval(np.divide(twin, reference))
    noise = max(abs(low - 1), abs(high - 1))
    timings = tuple(
        _timing(candidate, batch, sample, reference, (create[index], first[index]))
        for index, (candidate, sample) in enumerate(zip(candidates, samples, strict=True))
    )
    quartiles = np.quantile(reference, [0.25, 0.5, 0.75])
    return BatchResult(
        batch=batch,
        timings=timings,
        noise=noise,
        spread=float((quartiles[2] - quartiles[0]) / quartiles[1]),
        winner=_winner([candidate.name for candidate in candidates], samples, noise),
    )


def _fill(examples: NDArray[Any], batch: int) -> NDArray[Any]:
    return np.ascontiguousarray(np.resize(examples, (batch, *examples.shape[1:])))


def _open(
    candidates: Sequence[Candidate], inputs: Sequence[NDArray[Any]]
) -> tuple[list[Call], list[float], list[float]]:
    """Open each candidate three times, in turns; returns the last of each, and the medians of creation and first call."""
    create: list[list[float]] = [[] for _ in candidates]
    first: list[list[float]] = [[] for _ in candidates]
    calls: list[Call] = []
    for _ in range(3):
        calls = []
        for index, candidate in enumerate(candidates):
            if candidate.enter is not None:
                candidate.enter()
            started = time.perf_counter()
            call = candidate.open()
            opened = time.perf_counter()
            call(inputs[index])
            create[index].append(opened - started)
            first[index].append(time.perf_counter() - opened)
            calls.append(call)
    return calls, [statistics.median(times) for times in create], [statistics.median(times) for times in first]


def _take_turns(turns: Sequence[tuple[Candidate, Call, NDArray[Any]]], rounds: int, warm_up: int = 3) -> list[_Samples]:
    counts = [_calls_in_a_burst(call, inputs) for _, call, inputs in turns]
    order, shuffle = list(range(len(turns))), random.Random(0).shuffle  # noqa: S311 - an order, not a secret
    samples = [_Samples([]) for _ in turns]
    clock = time.perf_counter
    for round_ in range(warm_up + rounds):
        shuffle(order)
        for index in order:
            candidate, call, inputs = turns[index]
            if candidate.enter is not None:
                candidate.enter()
            call(inputs)  # brings its weights back into the caches
            taken = []
            for _ in range(counts[index]):
                started = clock()
                call(inputs)
                taken.append(clock() - started)
            if round_ >= warm_up:
                samples[index].rounds.append(taken)
    return samples


def _calls_in_a_burst(call: Call, inputs: NDArray[Any]) -> int:
    started = time.perf_counter()
    call(inputs)
    return max(1, min(100, math.ceil(BURST / max(time.perf_counter() - started, 1e-6))))


def _timing(
    candidate: Candidate, batch: int, sample: _Samples, reference: list[float], opening: tuple[float, float]
) -> Timing:
    calls = np.concatenate(sample.rounds)
    p50, p90, p99 = np.quantile(calls, [0.5, 0.9, 0.99]).tolist()
    ratios = np.divide(sample.medians(), reference)
    low, high = median_interval(ratios)
    return Timing(
        name=candidate.name,
        p50=p50,
        p90=p90,
        p99=p99,
        per_second=float(batch * len(calls) / calls.sum()),
        create=opening[0],
        first_call=opening[1],
        peak_memory=None if candidate.peak_memory is None else candidate.peak_memory(batch),
        calls=len(calls),
        ratio=float(np.median(ratios)),
        ratio_low=low,
        ratio_high=high,
    )


def _winner(names: Sequence[str], samples: Sequence[_Samples], noise: float) -> str | None:
    medians = [np.array(sample.medians()) for sample in samples]
    fastest = min(range(len(names)), key=lambda index: float(np.median(medians[index])))
    others = [other for other in range(len(names)) if other != fastest]
    ahead = (median_interval(medians[fastest] / medians[other])[1] < 1 - noise for other in others)
    return names[fastest] if others and all(ahead) else None


def median_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % confidence interval of a median, from the order of the values alone: no distribution is assumed.

    The number of values below the true median is binomial with probability 1/2; the interval runs between the values whose ranks
    leave out at most 2.5 % on each side.
    """
    ordered, count = np.sort(values), len(values)
    rank, below = 0, 0.5**count
    while below + math.comb(count, rank + 1) * 0.5**count <= 0.025:
        rank += 1
        below += math.comb(count, rank) * 0.5**count
    return float(ordered[rank]), float(ordered[count - 1 - rank])
