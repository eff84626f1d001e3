"""What `edgesoft serve` does: read the models, then serve them in this process or in several."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from functools import partial

from edgesoft.serving.log import Log
from edgesoft.serving.models import read_contents, read_sources
from edgesoft.serving.server import Server, Settings, listen, url_of
from edgesoft.serving.workers import Workers


def serve(
    models: Sequence[str],
    settings: Settings,
    *,
    host: str,
    port: int,
    workers: int,
    write_log: Callable[[str], object],
    on_ready: Callable[[str], object],
) -> None:
    """Serve models until SIGTERM or SIGINT; SIGHUP reads them again.

    Parameters
    ----------
    models
        NAME=PATH, or paths.
    settings
        What every process is told.
    host, port
        Where to listen.
    workers
        Processes.
    write_log
        Takes a line of the log, or several; it must be a function that another process can import.
    on_ready
        Called with the URL once there are answers.

    Raises
    ------
    EdgesoftError
        A model cannot be read or does not verify, or the port is taken.
    """
    sources = read_sources(models, provider=settings.choice.provider)
    read = partial(read_contents, sources, choice=settings.choice, threads=settings.threads)
    with listen(host, port) as listener:
        contents, log, url = read(), Log(write_log), url_of(listener)
        if workers > 1:
            Workers(workers, settings, listener, write_log).run(contents, read, log, lambda: on_ready(url))
            return
        server = Server(settings, log, lambda: on_ready(url))
        server.state.models.swap(server.state.models.opened(contents))
        del contents
        if hasattr(signal, "SIGHUP"):  # which Windows has not
            server.on_signal[signal.SIGHUP] = lambda: server.reload(read)
        server.run([listener])
        log("stopped", requests=server.server_state.total_requests)
