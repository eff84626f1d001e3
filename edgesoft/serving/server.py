"""One process that serves: it starts, reads its models again on SIGHUP, and stops without losing a request."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe

import uvicorn

from edgesoft.errors import EdgesoftError
from edgesoft.inference.providers import Choice
from edgesoft.serving.app import make_app
from edgesoft.serving.http import Connection
from edgesoft.serving.log import LibraryLog, Log
from edgesoft.serving.models import Content, Limits
from edgesoft.serving.state import State

KEEP_ALIVE = 65
"""Seconds that an idle connection is kept: longer than proxies and clients keep theirs, so that they close first."""
LAST_CALL = 1.0
"""Seconds, once the server is asked to stop, in which an idle connection may still bring a request."""
BACKLOG = 2048
"""Connections that may wait to be accepted."""


@dataclass(frozen=True)
class Settings:
    """What every process of a server is told."""

    choice: Choice
    limits: Limits
    threads: int
    token: str | None
    origins: tuple[str, ...]
    logs_requests: bool


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for connections; port 0 takes any that is free.

    Raises
    ------
    EdgesoftError
        The address is none of this machine's, or the port is taken or forbidden.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        raise EdgesoftError(
            f"host {host!r}: is no address ({error}). Choose one of this machine: --host 127.0.0.1"
        ) from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        why = {
            errno.EADDRINUSE: "is in use. Choose another port, or any that is free: --port 0",
            errno.EACCES: "may not be used by this user. Choose one above 1023",
            errno.EADDRNOTAVAIL: "is no address of this machine. Choose another: --host 127.0.0.1",
        }.get(error.errno or 0, f"cannot be used ({error.strerror})")
        raise EdgesoftError(f"{host} port {port}: {why}") from error
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket) -> str:
    """Where a server is to be asked."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """Serves on one socket until it is told to stop.

    Parameters
    ----------
    settings
        As for every process of this server.
    log
        Gets what happens.
    on_ready
        Called once it answers.
    """

    def __init__(self, settings: Settings, log: Log, on_ready: Callable[[], object]) -> None:
        self._log, self._on_ready, self._reloading = log, on_ready, asyncio.Lock()
        self.state = State(settings.choice, settings.limits, log, threads=settings.threads)
        app = make_app(self.state, token=settings.token, origins=settings.origins, logs_requests=settings.logs_requests)
        logging.getLogger().addHandler(LibraryLog(log))
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=int(settings.limits.seconds) + 5,
            )
        )
        self.on_signal: dict[int, Callable[[], object]] = {
            signal.SIGTERM: self.stop,
            signal.SIGINT: self.stop,
        }
        self._tasks = set[asyncio.Task[None]]()
        self._keeper: Pipe | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `startup`, which knows more of them."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer from now on."""
        loop = asyncio.get_running_loop()
        for number, act in self.on_signal.items():
            try:
                loop.add_signal_handler(number, act)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda *_, act=act: loop.call_soon_threadsafe(act))
        gc.collect()
        gc.freeze()  # what is here now stays: it need not be looked through again and again
        if self._keeper is not None:
            threading.Thread(target=self._hear, args=(self._keeper, loop), daemon=True).start()
        await super().startup(sockets)
        self._on_ready()

    def stop(self) -> None:
        """Answer what has come, and end; asked a second time, end at once."""
        if self.state.is_stopping:
            self.force_exit = True
        self.state.is_stopping = self.should_exit = True

    def reload(self, read: Callable[[], Mapping[str, Content]]) -> None:
        """Serve what `read` gives from now on; where that fails, go on with what there is."""
        task = asyncio.get_running_loop().create_task(self._reload(read))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload(self, read: Callable[[], Mapping[str, Content]]) -> None:
        async with self._reloading:
            try:
                self.state.models.swap(await asyncio.to_thread(lambda: self.state.models.opened(read())))
            except EdgesoftError as error:
                self.state.metrics.on_reload(is_good=False)
                self._log("reload", level="error", error=str(error), served="as before")
                return
            self.state.metrics.on_reload(is_good=True)
            self._log("reload", models={name: served.sha256 for name, served in self.state.models.items()})

    def follow(self, keeper: Pipe) -> None:
        """Serve what the keeper of the workers sends, and stop when it has gone."""
        self._keeper = keeper

    def _hear(self, keeper: Pipe, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for what comes from the keeper; in a thread, because a large model comes in pieces that take their time."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            try:
                while True:
                    contents = keeper.recv()
                    loop.call_soon_threadsafe(self.reload, lambda contents=contents: contents)
            except (EOFError, OSError):
                loop.call_soon_threadsafe(self.stop)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no connection any more, give those that are idle a last moment, and answer all that has come."""
        # Who has been let in by the system already, but not by this process, has sent a request perhaps: it would get a reset.
        admitted = [connection for listener in sockets or () for connection in _admitted(listener)]
        for server in self.servers:
            server.close()
        for connection in admitted:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        # Whatever is answered from now on says that its connection closes: a busy client comes once more at most.
        end = asyncio.get_running_loop().time() + LAST_CALL
        while self.server_state.connections and asyncio.get_running_loop().time() < end and not self.force_exit:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    def _protocol(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state)


def _admitted(listener: socket.socket) -> Iterator[socket.socket]:
    """The connections that wait to be accepted."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        yield connection
