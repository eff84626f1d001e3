"""The Ray engine: Ray Data hands the blocks to actors, one classifier each, on this machine or on the nodes of a cluster.

What an actor answers comes back here and is kept here; so the nodes need no folder in common but the one with the inputs. A block whose
node has gone is answered by another one.
"""

from __future__ import annotations

import logging
import os
import pickle
import re
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

from edgesoft.bulk.blocks import Block
from edgesoft.bulk.worker import Piece, Work, Worker
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.files import reason
from edgesoft.inference.cpu import usable_cores
from edgesoft.version import __version__

WAVE, WAVE_EACH = 1024, 128
"""Blocks that Ray has at once, whose names, or rows, lie in its memory: so many, or so many for each worker. Every wave starts actors."""
MEMORY = 2**28
"""Of the object store on this machine, in bytes."""
RESTARTS = 8
"""How often an actor is started again when its process or node has died; a block that kills every process must not do so for ever."""
_SETTINGS = b"\x04"
_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + _SETTINGS + b"\0\0\0\0\0"
"""How HTTP/2 begins, which clusters speak: a greeting and empty settings, to which settings come back. Source: RFC 9113, 3.4 and 6.5."""
PATIENCE = 5.0
"""Seconds for a cluster to take a connection."""


@dataclass(frozen=True)
class RayEngine:
    """Answers all blocks by Ray Data.

    Parameters
    ----------
    workers
        How many actors; None: one for each CPU.
    address
        Of a cluster, "host:port", or "auto" for the one that this machine belongs to; None: this machine, for this run only.
    """

    workers: int | None = None
    address: str | None = None

    def __call__(
        self, work: Work, blocks: Iterable[tuple[int, Block]], task: Callable[[Worker, Block], Piece]
    ) -> Iterator[tuple[int, Piece]]:
        """The answers, as they are ready.

        Raises
        ------
        UsageError
            The address is none, or the cluster has fewer CPUs than workers.
        EdgesoftError
            Ray is missing, there is no such cluster, or it fails.
        """
        with _connected(self.address, self.workers, "GPU" if work.provider == "cuda" else "CPU") as workers:
            todo = iter(blocks)
            while wave := list(islice(todo, max(WAVE, WAVE_EACH * workers))):
                yield from _answered(work, wave, task, workers)


def _answered(
    work: Work, wave: list[tuple[int, Block]], task: Callable[[Worker, Block], Piece], workers: int
) -> Iterator[tuple[int, Piece]]:
    """What comes of some blocks."""
    import pyarrow as pa
    import ray.data

    tables = [pa.table({"number": [number], "block": [pickle.dumps(block)]}) for number, block in wave]
    job = ray.put((work, task, Path.cwd(), __version__))
    with catch_warnings():
        simplefilter("ignore", DeprecationWarning)  # Ray 2.60 knows no other way to limit them
        answers = ray.data.from_arrow(tables).map_batches(
            Actor,
            fn_constructor_args=([job],),
            batch_size=None,  # a block of ours is a block of Ray's: what is finished is finished by itself
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=min(workers, len(wave))),
            num_cpus=1,
            num_gpus=1 if work.provider == "cuda" else 0,
            max_restarts=RESTARTS,
        )
    try:
        for found in answers.iter_batches(batch_size=None, batch_format="pyarrow"):
            table: Any = found
            for row in table.to_pylist():
                answer = pickle.loads(row["answer"])  # noqa: S301 - our own actors wrote it
                if isinstance(answer, EdgesoftError):
                    raise answer
                yield row["number"], answer
    except ray.exceptions.RayError as error:
        raise EdgesoftError(
            f"Ray has given up ({_last_line(error)}). What is finished is kept. If processes die, try fewer --workers; every node needs "
            f"edgesoft {__version__}"
        ) from error


class Actor:
    """A worker on some node; `job` holds a reference to what it has to do."""

    def __init__(self, job: list[Any]) -> None:
        import ray

        self._work, self._task, folder, self._version = ray.get(job[0])
        self._worker: Worker | None = None
        with suppress(OSError):  # relative paths begin here, where there is such a folder
            os.chdir(folder)

    def __call__(self, table: Any) -> dict[str, list[Any]]:
        """Answer the blocks of a table; an error is an answer too, so that it comes back as it is."""
        answers = [self._answer(pickle.loads(block)) for block in table["block"].to_pylist()]  # noqa: S301 - `_answered` wrote it
        return {"number": table["number"].to_pylist(), "answer": list(map(pickle.dumps, answers))}

    def _answer(self, block: Block) -> Piece | EdgesoftError:
        if self._version != __version__:
            name = socket.gethostname()
            return EdgesoftError(
                f"node {name} has edgesoft {__version__}: expected {self._version}. Install that there"
            )
        try:
            self._worker = Worker(self._work) if self._worker is None else self._worker
            piece: Piece = self._task(self._worker, block)
        except EdgesoftError as error:
            return error
        return piece


@contextmanager
def _connected(address: str | None, workers: int | None, resource: str) -> Iterator[int]:
    """Ray, and how many actors it may have, each of which takes one of a resource.

    Of this machine alone it is gone afterwards, with all that it wrote.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would send events to its makers
    os.environ.setdefault("RAY_COLOR_PREFIX", "0")
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if address is None:
        _keep_to_this_machine()
    else:
        _look_for(address)
    try:
        import ray
        import ray.data
    except ImportError:
        raise EdgesoftError(
            "--engine ray needs Ray, which is not installed. Install it: pip install 'edgesoft[ray]'"
        ) from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    options: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": logging.CRITICAL}
    with redirect_stdout(sys.stderr), ExitStack() as stack:  # what Ray prints of its nodes is talk
        # Sockets lie in it, whose paths must be short.
        folder = tempfile.mkdtemp(prefix="edgesoft-ray-")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if address is None:
            cpus = usable_cores() if workers is None else workers
            options |= {"address": "local", "num_cpus": cpus, "include_dashboard": False}
            options |= {"object_store_memory": MEMORY, "_temp_dir": folder}
        stack.callback(ray.shutdown)
        handler = signal.getsignal(signal.SIGTERM)
        try:
            with _in(Path(folder)), _silent():  # Ray's processes import from where it was started
                ray.init(**options)
        except Exception as error:  # of which Ray raises the plain class too
            raise EdgesoftError(
                f"Ray cannot be {'started' if address is None else 'reached'} ({_last_line(error)})"
            ) from error
        finally:
            if handler is not None:
                signal.signal(signal.SIGTERM, handler)  # which Ray takes for itself
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        most = int(resources.get(resource, 0))
        if not 1 <= (workers or 1) <= most:  # Ray would wait for more
            raise UsageError(f"--workers {workers or 1}: the cluster has {most} {resource}s, and each worker takes one")
        yield workers or most


def _keep_to_this_machine() -> None:
    """What is started for one run listens to this machine only, and to whoever knows a word that nobody else does."""
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # on Linux too it means: the loopback interface
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # else Ray writes one into the home


@contextmanager
def _in(folder: Path) -> Iterator[None]:
    """Work in another folder; Python 3.10 has no such thing."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _silent() -> Iterator[None]:
    """Ray's library in C++ says on stderr how it was told to say nothing there."""
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def _look_for(address: str) -> None:
    """Ask whether anybody is there: Ray itself would try for minutes."""
    if address == "auto":
        return
    match = re.fullmatch(r"\[?([^/\[\]]+)\]?:(\d{1,5})", address)
    if match is None or int(match[2]) > 65535:
        raise UsageError(f"--address {address}: expected HOST:PORT of a Ray cluster, or auto")
    try:
        with socket.create_connection((match[1], int(match[2])), PATIENCE) as connection:
            connection.sendall(_HTTP2)
            answer = connection.recv(9)
        why = "" if answer[3:4] == _SETTINGS else "it speaks another language"
    except OSError as error:
        why = reason(error)
    if why:
        raise EdgesoftError(f"--address {address}: no Ray cluster answers there ({why}). Start one: ray start --head")


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[-1][:300]
