"""Runs many command lines, each in a fork of one process that has imported everything already: a run takes milliseconds, not seconds.

Nothing of a run is shared with the next one: memory, time, exit code and output are those of a process of its own, and what kills it
kills nothing else. What Python does when it starts, and which module imports which, only a process of its own shows.
Run as a program it reads one JSON object a line and answers with one; `Server` is the other end.
"""

from __future__ import annotations

import atexit
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SECONDS = 10
"""Most seconds of one core that a run may take."""
PATIENCE = 40
"""Most seconds on the clock: the machine may be busy, and whoever waits for ever takes no time of a core."""
BYTES = 500_000_000
"""Most memory of a run."""
HEADROOM = 2 * 10**9
"""Address space beyond that of the process that forks: a run that wants more gets a MemoryError instead of this machine's memory."""
IMPORTED = (
    "edgesoft.api.models",
    "edgesoft.api.proofs",
    "edgesoft.api.runs",
    "edgesoft.api.scores",
    "edgesoft.cli.convert",
    "edgesoft.cli.evaluate",
    "edgesoft.cli",
    "edgesoft.cli.answers",
    "edgesoft.cli.bench",
    "edgesoft.cli.diff",
    "edgesoft.cli.doctor",
    "edgesoft.cli.export",
    "edgesoft.cli.infer",
    "edgesoft.cli.inspect",
    "edgesoft.cli.runs",
    "edgesoft.cli.train",
    "edgesoft.cli.verify",
    "edgesoft.data.load",
    "edgesoft.exporting.against",
    "edgesoft.exporting.export",
    "edgesoft.exporting.publish",
    "edgesoft.inference.bench",
    "edgesoft.inference.bench_models",
    "edgesoft.inference.batches",
    "edgesoft.inference.diff",
    "edgesoft.inference.verify",
    "edgesoft.progress",
    "edgesoft.pages",
    "edgesoft.training.charts",
    "edgesoft.training.train",
    "PIL.PngImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.TiffImagePlugin",
    "PIL.BmpImagePlugin",
    "PIL.WebPImagePlugin",
    "PIL.PpmImagePlugin",
    "torch._dynamo",
    "rich.progress",
)


@dataclass(frozen=True)
class Ended:
    """A run that has ended."""

    code: int
    """Its exit code; below zero the signal that killed it."""
    seconds: float
    """Of one core."""
    peak: int
    """Bytes."""
    out: bytes
    err: bytes


class Server:
    """A process that runs command lines."""

    def __init__(self) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="edgesoft-tests-"))
        settings = {"OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "200", "ORT_DISABLE_TELEMETRY": "1"}
        root = Path(__file__).resolve().parents[1]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.server"],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **settings, "PYTHONPATH": str(root)},
        )

        atexit.register(self._close)

    def _close(self) -> None:
        self._process.communicate()  # which closes its input: it ends by itself
        shutil.rmtree(self._scratch)

    def run(
        self,
        arguments: list[str],
        folder: Path,
        given: bytes = b"",
        *,
        limited: bool = True,
        terminal: str | None = None,
        environment: dict[str, str | None] | None = None,
        code: str | None = None,
    ) -> Ended:
        """Run `edgesoft ARGUMENTS` in `folder`, with `given` on standard input; `limited`: with little time and memory, and no home.

        Where a `terminal` is named (/dev/pts/...), it gets both streams. `environment` changes variables; None takes one away.
        Where there is `code`, it is run as `python -c` does, and there are no arguments.
        """
        files = [self._scratch / name for name in ("in", "out", "err")]
        files[0].write_bytes(given)
        request = {
            "arguments": arguments,
            "folder": str(folder),
            "files": [str(files[0]), *(map(str, files[1:]) if terminal is None else [terminal] * 2)],
            "limited": limited,
            "environment": environment or {},
            "code": code,
        }
        for file in files[1:]:
            file.write_bytes(b"")
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return Ended(**answer, out=files[1].read_bytes(), err=files[2].read_bytes())


@cache
def shared() -> Server:
    """One for all tests of this process; it ends with it."""
    return Server()


def serve() -> None:
    """Answer every line of standard input."""
    import importlib

    for name in IMPORTED:
        importlib.import_module(name)
    finishing = sys.modules["edgesoft.exporting.finishing"]
    finishing.FEWEST_STEPS = finishing.MOST_STEPS = 20  # type: ignore[attr-defined]  # as in conftest
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        answers.write(json.dumps(_run(**json.loads(line), size=size)) + "\n")
        answers.flush()


def _run(
    arguments: list[str],
    folder: str,
    files: list[str],
    limited: bool,
    environment: dict[str, str | None],
    code: str | None,
    size: int,
) -> dict[str, float]:
    child = os.fork()
    if child == 0:
        for name, value in environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        _become(arguments, folder, files, size if limited else None, code)
    end = time.monotonic() + (PATIENCE if limited else 10 * PATIENCE)
    while True:
        pid, status, used = os.wait4(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > end:
            os.kill(child, signal.SIGALRM)
            end += PATIENCE
        time.sleep(0.002)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it has started itself
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": used.ru_utime + used.ru_stime,
        "peak": used.ru_maxrss * 1024,
    }


def _become(arguments: list[str], folder: str, files: list[str], size: int | None, code: str | None) -> None:
    """Turn this fork into `edgesoft ARGUMENTS`, or `python -c CODE`; never returns."""
    try:
        os.setpgid(0, 0)
        for number, file in enumerate(files):
            flags = os.O_WRONLY | os.O_TRUNC | os.O_CREAT | os.O_NOCTTY if number else os.O_RDONLY
            os.dup2(os.open(file, flags, 0o600), number)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(0),
            os.fdopen(1, "w"),
            os.fdopen(2, "w", errors="backslashreplace"),
        )
        sys.__stdin__, sys.__stdout__, sys.__stderr__ = (
            sys.stdin,
            sys.stdout,
            sys.stderr,
        )  # else they are closed with the last name
        os.chdir(folder)
        if size is not None:
            os.environ["HOME"] = folder
            resource.setrlimit(resource.RLIMIT_AS, (size + HEADROOM, size + HEADROOM))
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if code is not None:
            exec(compile(code, "<code>", "exec"), {"__name__": "__main__"})
            raise SystemExit(0)
        sys.argv = ["edgesoft", *arguments]
        from edgesoft.cli import main

        main()
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:  # as Python ends a program
        os.write(2, traceback.format_exc().encode(errors="backslashreplace"))
        os._exit(1)


if __name__ == "__main__":
    serve()
