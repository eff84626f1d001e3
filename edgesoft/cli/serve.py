"""`edgesoft serve`."""

from __future__ import annotations

import ipaddress
import math
import re
from typing import Annotated

import typer

from edgesoft.cli import options
from edgesoft.cli.console import say_json, write_now
from edgesoft.errors import UsageError
from edgesoft.settings import MOST, MOST_THREADS

MOST_WORKERS = 256
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#]+")


def command(
    models: Annotated[
        list[str],
        typer.Argument(
            help="Model files or folders, each as PATH, or as NAME=PATH where the file's name is not to be the model's.",
            show_default=False,
        ),
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 is every one of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any that is free.", min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(help="Processes.", min=1, max=MOST_WORKERS)] = 1,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="EDGESOFT_TOKEN",
            help="What every request must bring: as a bearer token, or as the password that a browser asks for. Other users see what "
            "stands on a command line: better in the environment.",
            show_default=False,
        ),
    ] = None,
    no_token: Annotated[
        bool, typer.Option("--no-token", help="Answer everybody who reaches an address that is not this machine's own.")
    ] = False,
    cors: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN", help="Let pages of this origin read the answers; * for all.", show_default=False
        ),
    ] = None,
    provider: options.Provider = "auto",
    device_id: options.DeviceId = None,
    threads: Annotated[
        int, typer.Option(help="CPU threads of one call; more processes serve more requests.", min=1, max=MOST_THREADS)
    ] = 1,
    max_batch: Annotated[
        int, typer.Option(help="Most inputs of one request, and of one call.", min=1, max=65536)
    ] = 256,
    max_queue: Annotated[
        int, typer.Option(help="Most inputs that wait, for each model; requests beyond get 429.", min=1, max=MOST)
    ] = 1024,
    max_body: Annotated[float, typer.Option(help="Most megabytes of one request.", min=0.001, max=1024)] = 16,
    timeout: Annotated[
        float, typer.Option(help="Most seconds for a request to come, and again to be answered.", min=0.1, max=3600)
    ] = 30,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Write no line for each request.")] = False,
) -> None:
    """Serve models over HTTP: arrays by the Open Inference Protocol v2, pictures and rows at /predict, a page to try them at /.

    Every file is verified before it is served. SIGHUP reads the files again, and serves them when they verify; SIGTERM answers what has
    come, and stops. The URL is written to stdout, and a line of JSON for whatever happens to stderr. /docs describes the endpoints.
    """
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise UsageError("--token: expected ASCII without blanks")
    if token is not None and no_token:
        raise UsageError("--token and --no-token: choose one of them")
    if token is None and not no_token and not _is_this_machine(host):
        raise UsageError(
            f"--host {host}: others can reach it. Set a token (EDGESOFT_TOKEN=..., or --token), or say that something else keeps "
            "strangers out: --no-token"
        )
    for origin in cors or ():
        if origin != "*" and _ORIGIN.fullmatch(origin) is None:
            raise UsageError(
                f"--cors {origin}: expected an origin such as https://example.com or http://localhost:8000, or *"
            )
    if not math.isfinite(max_body) or not math.isfinite(timeout):
        raise UsageError(f"--max-body {max_body:g} and --timeout {timeout:g}: expected numbers")
    from edgesoft.inference.providers import choose
    from edgesoft.serving.models import Limits
    from edgesoft.serving.serve import serve
    from edgesoft.serving.server import Settings

    limits = Limits(batch=max_batch, queue=max_queue, body=int(max_body * 10**6), seconds=timeout)
    choice = choose(provider, device_id=device_id)
    settings = Settings(choice, limits, threads, token, tuple(cors or ()), logs_requests=not quiet)
    serve(models, settings, host=host, port=port, workers=workers, write_log=say_json, on_ready=write_now)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
