"""Ends requests that take too long. One timer looks after all of them: a timer for each would cost more than the rest of its handling."""

from __future__ import annotations

import asyncio

from edgesoft.serving.refusal import Refusal


class Deadlines:
    """The time of each request: to come, and again to be answered.

    Parameters
    ----------
    seconds
        For each of the two.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._running: dict[asyncio.Task[object], Clock] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> Clock:
        """The clock of the request that the current task answers; whoever starts it stops it."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise RuntimeError("a request is answered by a task")
        clock = Clock(self, task, loop.time() + self.seconds)
        self._running[task] = clock
        if self._timer is None:
            self._timer = loop.call_later(self._interval, self._look, loop)
        return clock

    @property
    def _interval(self) -> float:
        return min(1.0, self.seconds / 10)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task, clock in self._running.items():
            if clock.end < now and not clock.is_over:
                clock.is_over = True
                task.cancel()
        self._timer = loop.call_later(self._interval, self._look, loop) if self._running else None

    def forget(self, task: asyncio.Task[object]) -> None:
        """That request has ended."""
        del self._running[task]


class Clock:
    """The time of one request."""

    __slots__ = ("_deadlines", "_task", "end", "is_over", "is_read")

    def __init__(self, deadlines: Deadlines, task: asyncio.Task[object], end: float) -> None:
        self._deadlines, self._task, self.end = deadlines, task, end
        self.is_over = self.is_read = False

    def read(self) -> None:
        """The request has come: now is the time for its answer."""
        self.is_read = True
        self.end += self._deadlines.seconds

    def stop(self) -> None:
        """The request has ended."""
        self._deadlines.forget(self._task)

    def refusal(self) -> Refusal:
        """What to say when the time is over; call it for a CancelledError that it was the reason for."""
        self._task.uncancel()
        seconds = f"{self._deadlines.seconds:g} s"
        if self.is_read:
            return Refusal(
                503, f"no answer within {seconds}: send less, or later", reason="time", headers=(("retry-after", "1"),)
            )
        return Refusal(408, f"the body did not come within {seconds}: send it at once", reason="slow", closes=True)
