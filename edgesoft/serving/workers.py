"""Several processes that serve on one socket, and the one that keeps them: it reads the models, starts, restarts and stops the others."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from tempfile import TemporaryDirectory

from edgesoft.errors import EdgesoftError
from edgesoft.serving.log import Log
from edgesoft.serving.metrics import SHARED_FOLDER, forget_process
from edgesoft.serving.models import Content
from edgesoft.serving.server import LAST_CALL, Settings

PATIENCE = 15.0
"""Seconds beyond the limits that a worker may take to stop, before it is killed."""
PAUSE = 1.0
"""Least seconds between two starts in the place of one worker."""
READY = "ready"
"""What a worker says once it answers."""

Read = Callable[[], Mapping[str, Content]]


class Workers:
    """The keeper of the processes.

    Parameters
    ----------
    count
        How many.
    settings
        What each of them is told.
    listener
        The socket that they share.
    write_log
        Takes a line of the log, or several, in every process.
    """

    def __init__(
        self, count: int, settings: Settings, listener: socket.socket, write_log: Callable[[str], object]
    ) -> None:
        self._count, self._settings, self._listener, self._write_log = count, settings, listener, write_log
        self._running: dict[Connection, subprocess.Popen[bytes]] = {}
        self._started: dict[Connection, float] = {}
        self._signals: list[int] = []

    def run(self, contents: Mapping[str, Content], read: Read, log: Log, on_ready: Callable[[], object]) -> None:
        """Serve until SIGTERM or SIGINT; `read` gives the models anew on SIGHUP.

        Raises
        ------
        EdgesoftError
            A worker cannot start.
        """
        bell, rope = socket.socketpair()
        with bell, rope, TemporaryDirectory(prefix="edgesoft-") as folder:
            rope.setblocking(False)
            signal.set_wakeup_fd(rope.fileno())
            for name in ("SIGTERM", "SIGINT", "SIGHUP"):
                signal.signal(getattr(signal, name), lambda number, _: self._signals.append(number))
            try:
                for _ in range(self._count):
                    self._start(contents, folder)
                not_ready = set(self._running)
                while not {signal.SIGTERM, signal.SIGINT} & set(self._signals):
                    for connection in self._spoken(bell):
                        if self._said(connection):
                            if not_ready == {connection}:
                                on_ready()
                        elif connection in not_ready:
                            raise EdgesoftError("a worker could not start: its last lines above say why")
                        else:
                            self._start_again(connection, contents, folder, log)
                        not_ready.discard(connection)
                    if signal.SIGHUP in self._signals:
                        while signal.SIGHUP in self._signals:  # one reading serves them all
                            self._signals.remove(signal.SIGHUP)
                        contents = self._read_again(contents, read, log)
                self._listener.close()
                self._stop(log)
            finally:
                signal.set_wakeup_fd(-1)
                for process in self._running.values():
                    process.kill()

    def _spoken(self, bell: socket.socket) -> list[Connection]:
        """Wait until something happens; the workers that have something to say, or have ended."""
        found = wait([bell, *self._running])
        if bell in found:
            bell.recv(4096)
        return [connection for connection in self._running if connection in found]

    def _start(self, contents: Mapping[str, Content], folder: str) -> None:
        ours, theirs = Pipe()
        code = f"from edgesoft.serving.workers import work; work({theirs.fileno()}, {self._listener.fileno()})"
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            SHARED_FOLDER: folder,
        }
        process = subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-P", "-c", code],
            pass_fds=(theirs.fileno(), self._listener.fileno()),
            env=environment,
            start_new_session=True,  # Ctrl-C in a terminal is for the keeper, who asks the others to stop
        )
        theirs.close()
        self._running[ours], self._started[ours] = process, time.monotonic()
        with suppress(OSError):  # it has ended already, which is noticed as ever
            ours.send((self._settings, self._write_log, dict(contents)))

    def _said(self, connection: Connection) -> bool:
        """Take what a worker has to say, which is that it answers; False when it has ended."""
        try:
            connection.recv()
        except (EOFError, OSError):
            return False
        return True

    def _start_again(self, connection: Connection, contents: Mapping[str, Content], folder: str, log: Log) -> None:
        process = self._running.pop(connection)
        connection.close()
        code = process.wait()
        forget_process(process.pid, folder)
        log("worker", level="error", worker=process.pid, error=f"ended with {code}", next="another one is started")
        time.sleep(max(0.0, PAUSE - (time.monotonic() - self._started.pop(connection))))
        self._start(contents, folder)

    def _read_again(self, contents: Mapping[str, Content], read: Read, log: Log) -> Mapping[str, Content]:
        try:
            contents = read()
        except EdgesoftError as error:
            log("reload", level="error", error=str(error), served="as before")
            return contents
        for connection in list(self._running):
            with suppress(OSError):  # it has ended, and the next one is given these
                connection.send(dict(contents))
        return contents

    def _stop(self, log: Log) -> None:
        for process in self._running.values():
            process.terminate()
        end = time.monotonic() + self._settings.limits.seconds + LAST_CALL + PATIENCE
        for process in self._running.values():
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                log("worker", level="error", worker=process.pid, error="did not stop, and was killed")
        self._running.clear()
        log("stopped", workers=self._count)


def work(channel: int, listener: int) -> None:
    """What a worker does: it serves what the keeper sends, until the keeper asks it to stop or is gone."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from edgesoft.serving.log import Log
    from edgesoft.serving.server import Server

    connection = Connection(channel)
    settings, write_log, contents = connection.recv()
    server = Server(settings, Log(write_log, worker=os.getpid()), lambda: connection.send(READY))
    server.state.models.swap(server.state.models.opened(contents))
    server.follow(connection)
    server.run([socket.socket(fileno=listener)])
