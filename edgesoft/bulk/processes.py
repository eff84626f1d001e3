"""The local engine: blocks are answered by processes of this machine, one classifier each.

Each process has a pipe of its own and one block at a time. It ends when nobody is at the other end of its pipe, so none outlives a run
that was killed; and when one dies, it is known over what.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar, cast

from edgesoft.bulk.blocks import Block, Sources
from edgesoft.bulk.worker import Work, Worker
from edgesoft.errors import EdgesoftError

Answer = TypeVar("Answer")
AHEAD = 4
"""Where answers come in order: blocks for each process that may be done before those in front of them are."""


@dataclass(frozen=True)
class LocalEngine:
    """Answers all blocks on this machine."""

    workers: int

    def __call__(
        self, work: Work, blocks: Iterable[tuple[int, Block]], task: Callable[[Worker, Block], Answer]
    ) -> Iterator[tuple[int, Answer]]:
        """The answers, as they are ready."""
        return in_processes(work, blocks, task, workers=self.workers)


def in_order(
    work: Work, blocks: Iterable[Block], task: Callable[[Worker, Block], Answer], *, workers: int
) -> Iterator[Answer]:
    """The answers of `in_processes` in the order of their blocks, a few of which wait for those in front of them."""
    expected = 0
    early: dict[int, Answer] = {}

    def may_begin(number: int) -> bool:
        return number < expected + AHEAD * workers

    for number, answer in in_processes(work, enumerate(blocks), task, workers=workers, may_begin=may_begin):
        early[number] = answer
        while expected in early:
            yield early.pop(expected)
            expected += 1


def in_processes(
    work: Work,
    blocks: Iterable[tuple[int, Block]],
    task: Callable[[Worker, Block], Answer],
    *,
    workers: int,
    may_begin: Callable[[int], bool] = lambda _: True,
) -> Iterator[tuple[int, Answer]]:
    """Have every block answered; the answers come as they are ready.

    Parameters
    ----------
    work
        What is to be done.
    blocks
        Numbers and blocks, taken when a process has nothing to do.
    task
        What is wanted of each block: a function of a module, which other processes find again.
    workers
        How many processes, at most.
    may_begin
        Whether the block of a number may be begun now, while others are not yet answered.

    Raises
    ------
    EdgesoftError
        The model cannot run there, or a process has died.
    """
    todo = iter(blocks)
    following = next(todo, None)
    with _Crew(work, task) as crew:
        done: list[tuple[int, Answer]] = []
        while True:
            while following is not None and crew.busy < workers and (not crew.busy or may_begin(following[0])):
                crew.begin(*following)
                following = next(todo, None)
            yield from done  # while all of them are at work again
            if not crew.busy:
                if following is None:
                    return
                continue
            done = crew.answers()


@dataclass
class _Member:
    """One process, and what it is doing."""

    process: SpawnProcess
    pipe: Connection
    block: Block | None = None
    number: int = -1


class _Crew:
    """The processes; a context manager."""

    def __init__(self, work: Work, task: Callable[[Worker, Block], Any]) -> None:
        self._work, self._task = work, task
        self._idle: list[_Member] = []
        self._busy: dict[Connection, _Member] = {}

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        for member in (*self._idle, *self._busy.values()):
            member.pipe.close()  # which ends it
            if kind is not None:
                member.process.terminate()
            member.process.join()

    @property
    def busy(self) -> int:
        """How many have something to do."""
        return len(self._busy)

    def begin(self, number: int, block: Block) -> None:
        """Hand a block to whoever has none."""
        member = self._idle.pop() if self._idle else self._new()
        member.number, member.block = number, block
        self._busy[member.pipe] = member
        with suppress(ConnectionError):  # `answers` finds it dead
            member.pipe.send(block)

    def answers(self) -> list[tuple[int, Any]]:
        """Wait for the next answers, and take them."""
        found = []
        for ready in connection.wait(list(self._busy)):
            pipe = cast(Connection, ready)  # nothing else is waited for
            member = self._busy[pipe]
            try:
                answer = pipe.recv()
            except (EOFError, OSError):
                member.process.join()
                raise EdgesoftError(_last_words(member)) from None
            if isinstance(answer, EdgesoftError):
                raise answer
            self._idle.append(self._busy.pop(pipe))
            found.append((member.number, answer))
        return found

    def _new(self) -> _Member:
        context = get_context("spawn")  # not forked: threads do not survive that
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._work, self._task), daemon=True)
        with _as_workers_begin():
            process.start()
        theirs.close()
        return _Member(process, ours)


@contextmanager
def _as_workers_begin() -> Iterator[None]:
    """What is started here takes no code from the current folder, and no Ctrl-C, which reaches all processes of a terminal."""
    name = "PYTHONSAFEPATH"
    before = os.environ.get(name)
    os.environ[name] = "1"
    has_masks = hasattr(signal, "pthread_sigmask")  # not on Windows
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if has_masks else set()
    try:
        yield
    finally:
        if has_masks:  # one that came meanwhile comes now
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _last_words(member: _Member) -> str:
    block = member.block
    over = block.items[0][0] if isinstance(block, Sources) else f"{block.file}:{block.first + 1}" if block else "?"
    return (
        f"a worker process has died (exit code {member.process.exitcode}) over the inputs from {over} on: killed, out of memory, or "
        "broken down over one of them. Try again, with fewer --workers if there is not enough memory"
    )


def _serve(pipe: Connection, work: Work, task: Callable[[Worker, Block], Any]) -> None:
    """What each process does, until nobody asks any more."""
    warnings.filterwarnings("ignore", module=r"PIL\.", append=True)  # as in the command line's `main`
    worker = None
    with suppress(EOFError, ConnectionError):
        while True:
            block = pipe.recv()
            try:
                worker = Worker(work) if worker is None else worker
                answer = task(worker, block)
            except EdgesoftError as error:
                answer = error
            pipe.send(answer)
