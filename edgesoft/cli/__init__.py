"""The command line. Each command is a few lines around a library function; only this package prints.

stdout is data, stderr is talk. `main` is the one place where an error becomes an exit code.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from edgesoft.cli.console import say
from edgesoft.errors import EdgesoftError
from edgesoft.files import reason
from edgesoft.version import __version__

COMMANDS = ("train", "export", "infer", "verify", "inspect", "diff", "bench", "doctor")
"""The commands, in the order of `--help`; each is the function `command` in the module of its name."""

_TRAINING = ("torch", "torchvision", "onnx", "matplotlib")  # what a device leaves out
# What the system says of a path that was given and cannot be used; anything else is our own mistake, and keeps its traceback.
_PATH_ERRORS = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EINVAL, errno.EROFS)
INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended


class _Commands(TyperGroup):
    """Imports a command when it is called, so that `infer` on a device does not pay for `train`."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002 - typer's signature
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> TyperCommand | None:  # type: ignore[override]  # noqa: ARG002
        # For an unknown name all are loaded, because typer suggests the nearest of those that it knows.
        for name in (cmd_name,) if cmd_name in COMMANDS else COMMANDS:
            if name not in self.commands:
                self.commands[name] = _load(name)
        return self.commands.get(cmd_name)  # type: ignore[return-value]


def _load(name: str) -> TyperCommand:
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name)(importlib.import_module(f"edgesoft.cli.{name}").command)
    return typer.main.get_command(alone)  # type: ignore[return-value]


app = typer.Typer(
    name="edgesoft",
    cls=_Commands,
    help="Train a small softmax classifier, export it to ONNX and INT8, and prove that its answers stay PyTorch's.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    _replace_closed_streams()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # which whoever starts us in the background has chosen
        signal.signal(signal.SIGINT, _interrupt)
    # Pillow warns of large and odd files. Sizes are checked by ourselves, and what can be decoded is no reason for talk. The filter comes
    # last, so that it never outweighs one that the user has set.
    warnings.filterwarnings("ignore", module=r"PIL\.", append=True)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name may hold bytes that are no text; in JSON, \udcff is just how they are written.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except EdgesoftError as error:
        say(f"error: {error}")
        _end(error.exit_code)
    except ModuleNotFoundError as error:
        library = str(error.name).partition(".")[0]
        if library not in _TRAINING:
            raise
        say(f"error: this command needs {library}, which is not installed. Install it: pip install 'edgesoft[train]'")
        _end(1)
    except KeyboardInterrupt:
        say("interrupted")
        _end(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has enough of it (`| head`).
        os._exit(1)
    except OSError as error:
        if not _explained(error):
            raise
        _end(1)
    except MemoryError:
        say("error: there is not enough memory for this. Give it less at once, or a machine with more")
        _end(1)
    except ImportError:  # what becomes of Ctrl-C while torch or numpy is being imported
        if not _interrupts:
            raise
        say("interrupted")
        _end(INTERRUPTED)
    except SystemExit as end:  # how typer ends, also when all went well
        if isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):  # for which it has no word
            say("interrupted")
        _end(end.code if isinstance(end.code, int) else 0)
    _end(0)


_interrupts: list[int] = []


def _interrupt(number: int, _: object) -> NoReturn:
    _interrupts.append(number)
    raise KeyboardInterrupt


def _replace_closed_streams() -> None:
    """Whoever starts us may have closed them, as daemons do; what is printed then goes nowhere, and there is nothing to read."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def _explained(error: OSError) -> bool:
    """Say what the system refused, where that is no mistake of ours."""
    if error.filename is not None and error.errno in _PATH_ERRORS:
        say(f"error: {error.filename}: {reason(error)}. Choose another path")
        return True
    if error.filename is None and error.errno == errno.ENOSPC:
        _cannot_write(error)
        return True
    return False


def _end(code: int) -> NoReturn:
    """Leave at once: taking ONNX Runtime and NumPy apart piece by piece costs a sixth of a short run and frees nothing more.

    Every file is closed by then and nothing here relies on atexit. An unforeseen exception does not come this way.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = code or 1
    except OSError as error:
        code = code or _cannot_write(error)
    os._exit(code)


def _cannot_write(error: OSError) -> int:
    say(f"error: the output cannot be written ({reason(error)}). Free some space, or write elsewhere")
    return 1
