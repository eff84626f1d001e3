"""Gathers the inputs of many requests into one call of the model.

A call of thirty inputs takes little longer than one of a single input. Nobody waits while nothing runs: the first request starts a call at
once, and those that come meanwhile go together into the next one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgesoft.inference.classifier import Classifier
from edgesoft.inference.prediction import Prediction
from edgesoft.serving.refusal import busy

PATIENCE = 0.002
"""Most seconds that a batch waits for others before its call."""


class _Job(NamedTuple):
    rows: NDArray[Any]
    answer: asyncio.Future[Prediction]
    since: float


class Batcher:
    """The queue in front of one model; all of it runs in the event loop, but for the calls.

    Parameters
    ----------
    classifier
        The model.
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
        most_rows: int,
        most_waiting: int,
        on_batch: Callable[[Prediction], object] = lambda _: None,
    ) -> None:
        self._classifier, self._on_batch = classifier, on_batch
        self._most_rows, self._most_waiting = most_rows, most_waiting
        self._waiting: deque[_Job] = deque()
        self._rows = 0
        self._is_running = False
        self._enough = 1
        self._alarm: asyncio.TimerHandle | None = None
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
        if self._rows + len(rows) > self._most_waiting:
            raise busy(f"{self._rows:,} inputs are waiting already, of at most {self._most_waiting:,}", "queue")
        loop = asyncio.get_running_loop()
        job = _Job(rows, loop.create_future(), loop.time())
        self._waiting.append(job)
        self._rows += len(rows)
        if not self._is_running:
            self._consider(loop)
        return job.answer

    def _consider(self, loop: asyncio.AbstractEventLoop) -> None:
        """Call the model when enough inputs wait, or have waited long enough."""
        if self._is_running or not self._waiting:
            return
        # As many as last time: then all who asked are here again. A lone client is enough by itself.
        left = self._waiting[0].since + PATIENCE - loop.time()
        if self._rows >= min(self._enough, self._most_rows) or left <= 0:
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None
            self._call(loop)
        elif self._alarm is None:
            self._alarm = loop.call_later(left, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
        self._enough = 1
        self._consider(loop)

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        jobs, count = list[_Job](), 0
        while self._waiting and count + len(self._waiting[0].rows) <= self._most_rows:
            job = self._waiting.popleft()
            self._rows -= len(job.rows)
            if not job.answer.done():  # else whoever asked has gone
                jobs.append(job)
                count += len(job.rows)
        if not jobs:
            self._consider(loop)
            return
        self._is_running, self._enough = True, count
        rows = jobs[0].rows if len(jobs) == 1 else np.concatenate([job.rows for job in jobs])
        running = loop.run_in_executor(self._thread, self._classifier, rows)
        running.add_done_callback(lambda done: self._finished(loop, jobs, done))

    def _finished(self, loop: asyncio.AbstractEventLoop, jobs: list[_Job], done: asyncio.Future[Prediction]) -> None:
        self._is_running = False
        error = done.exception()
        start = 0
        for rows, answer, _ in jobs:
            end = start + len(rows)
            if answer.done():
                pass
            elif error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(_part(done.result(), start, end))
            start = end
        if error is None:
            self._on_batch(done.result())
        self._consider(loop)


def _part(whole: Prediction, start: int, end: int) -> Prediction:
    labels, probabilities, logits, indices = whole
    return Prediction(labels[start:end], probabilities[start:end], logits[start:end], indices[start:end])
