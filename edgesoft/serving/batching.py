"""Gathers the inputs of many requests into one call of the model.

A call of thirty inputs takes little longer than one of a single input. Nobody waits for others to come: what has come when the event loop
gets round to it, or while a call runs, goes together into the next call, and a request that comes alone is called alone.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgesoft.inference.classifier import Classifier
from edgesoft.inference.prediction import Prediction
from edgesoft.serving.refusal import busy

SHORT = 0.002
"""Seconds of a call that the event loop makes itself: to hand it to a thread and back takes a tenth of it, and nobody notices."""


def rows_in_short(classifier: Classifier, shape: tuple[int, ...], dtype: str, most_rows: int) -> int:
    """How many inputs a call classifies within `SHORT`, up to `most_rows`; 0 for none. Measured, which also wakes the model up."""
    rows, fitting = 1, 0
    while rows <= most_rows:
        inputs = np.zeros((rows, *shape), dtype)
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            classifier(inputs)
            seconds.append(time.perf_counter() - started)
        if min(seconds) > SHORT:
            break
        rows, fitting = 2 * rows, rows
    return fitting


class _Job(NamedTuple):
    rows: NDArray[Any]
    answer: asyncio.Future[Prediction]


class Batcher:
    """The queue in front of one model; all of it runs in the event loop, but for calls that take long.

    Parameters
    ----------
    classifier
        The model.
    quick_rows
        Most inputs of a call that the event loop makes itself.
    most_rows
        Most inputs of one call; no request has more.
    most_waiting
        Most inputs that wait; a request beyond is refused at once.
    on_batch
        Called with what each call gave.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        quick_rows: int,
        most_rows: int,
        most_waiting: int,
        on_batch: Callable[[Prediction], object] = lambda _: None,
    ) -> None:
        self._classifier, self._on_batch = classifier, on_batch
        self._quick_rows, self._most_rows, self._most_waiting = quick_rows, most_rows, most_waiting
        self._waiting: deque[_Job] = deque()
        self._rows = 0
        self._is_called = False
        """Whether a call runs or is about to."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="edgesoft-model")

    @property
    def waiting(self) -> int:
        """Inputs that wait for a call."""
        return self._rows

    def submit(self, rows: NDArray[Any]) -> asyncio.Future[Prediction]:
        """Put inputs `[n, ...]` into the queue; they have been found good (`Classifier.complaint`).

        Raises
        ------
        Refusal
            429: too many are waiting.
        """
        count = len(rows)
        if self._rows + count > self._most_waiting:
            raise busy(f"{self._rows:,} inputs are waiting already, of at most {self._most_waiting:,}", "queue")
        loop = asyncio.get_running_loop()
        job = _Job(rows, loop.create_future())
        self._waiting.append(job)
        self._rows += count
        if not self._is_called:
            self._is_called = True
            loop.call_soon(self._call, loop)
        return job.answer

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        """Classify as many of the inputs that wait as one call takes."""
        jobs, count = list[_Job](), 0
        while self._waiting and count + len(self._waiting[0].rows) <= self._most_rows:
            job = self._waiting.popleft()
            self._rows -= len(job.rows)
            if not job.answer.done():  # else whoever asked has gone
                jobs.append(job)
                count += len(job.rows)
        if not jobs:
            self._is_called = False
            return
        rows = jobs[0].rows if len(jobs) == 1 else np.concatenate([job.rows for job in jobs])
        if count > self._quick_rows:
            running = loop.run_in_executor(self._thread, self._classifier, rows)
            running.add_done_callback(lambda done: self._finished(loop, jobs, done.exception() or done.result()))
            return
        try:
            self._finished(loop, jobs, self._classifier(rows))
        except Exception as error:  # whatever it is belongs to those who wait for the answers
            self._finished(loop, jobs, error)

    def _finished(self, loop: asyncio.AbstractEventLoop, jobs: list[_Job], found: Prediction | BaseException) -> None:
        start = 0
        for rows, answer in jobs:
            end = start + len(rows)
            if answer.done():
                pass
            elif isinstance(found, BaseException):
                answer.set_exception(found)
            else:
                answer.set_result(_part(found, start, end))
            start = end
        if self._waiting:
            loop.call_soon(self._call, loop)
        else:
            self._is_called = False
        if not isinstance(found, BaseException):
            self._on_batch(found)


def _part(whole: Prediction, start: int, end: int) -> Prediction:
    labels, probabilities, logits, indices = whole
    return Prediction(labels[start:end], probabilities[start:end], logits[start:end], indices[start:end])
