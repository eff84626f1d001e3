"""What all requests of one process share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from edgesoft.inference.cpu import usable_cores
from edgesoft.inference.providers import Choice
from edgesoft.serving.body import Bodies
from edgesoft.serving.deadlines import Deadlines
from edgesoft.serving.log import Log
from edgesoft.serving.metrics import Metrics
from edgesoft.serving.models import Limits, Models
from edgesoft.serving.refusal import busy

Result = TypeVar("Result")
DECODES_WAITING = 32
"""Requests for each decoding thread that may wait for it."""


class State:
    """The models, the limits, and the threads that decode pictures.

    Parameters
    ----------
    choice
        Where the models run.
    limits
        What a stranger may ask for.
    log
        Gets what happens.
    threads
        See `edgesoft.load`.
    """

    def __init__(self, choice: Choice, limits: Limits, log: Log, *, threads: int | None = None) -> None:
        self.limits, self.log, self.metrics = limits, log, Metrics()
        self.models = Models(choice, limits, threads=threads, on_batch=self.metrics.on_batch)
        self.bodies, self.deadlines = Bodies(limits.body), Deadlines(limits.seconds)
        self.is_stopping = False
        workers = usable_cores()
        self._decoding = ThreadPoolExecutor(workers, thread_name_prefix="edgesoft-decode")
        self._decodes, self._most_decodes = 0, DECODES_WAITING * workers

    async def decode(self, work: Callable[[], Result]) -> Result:
        """Do what takes long on one of the threads for it; raises Refusal when too many wait already."""
        if self._decodes >= self._most_decodes:
            raise busy(f"{self._decodes} requests are being decoded already", "decoding")
        loop = asyncio.get_running_loop()
        self._decodes += 1
        running: asyncio.Future[Any] = loop.run_in_executor(self._decoding, work)
        # A thread cannot be stopped: its place is free when it ends, not when nobody waits for it any more.
        running.add_done_callback(self._decoded)
        result: Result = await asyncio.shield(running)
        return result

    def _decoded(self, running: asyncio.Future[Any]) -> None:
        self._decodes -= 1
        if not running.cancelled():
            running.exception()  # has been seen: whoever waited may have gone
