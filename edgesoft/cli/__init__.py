"""The command line. Each command is a few lines around a library function; only this package prints.

stdout is data, stderr is talk. `main` is the one place where an error becomes an exit code.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from edgesoft.cli.console import say, write
from edgesoft.cli.signals import interrupted, is_interrupted, listen
from edgesoft.cli.streams import guard_streams, unguarded
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.files import reason
from edgesoft.version import __version__

COMMANDS = (
    "train", "runs", "export", "infer", "evaluate", "verify", "convert", "serve", "inspect", "diff", "bench", "doctor",
)  # fmt: skip
"""The commands, in the order of `--help`; each is the function `command` in the module of its name."""
ALIASES = {"predict": "infer"}
"""What people type for a command."""

_CONTEXT = {"help_option_names": ["--help", "-h"]}
# What a device leaves out, and the extra that brings it.
_EXTRAS = {
    **dict.fromkeys(("torch", "onnx"), "train"),
    **dict.fromkeys(("starlette", "uvicorn", "httptools", "uvloop", "prometheus_client", "python_multipart"), "serve"),
}
# What the system says of a path that was given and cannot be used; anything else is our own mistake, and keeps its traceback.
_PATH_ERRORS = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EINVAL, errno.EROFS)
# What it says of an output that cannot be written, which has no name.
_OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EAGAIN)
# Whoever read our output has enough of it (`| head`): what a shell reports for programs that SIGPIPE ends.
_READER_GONE = 128 + 13


class _Command(TyperCommand):
    """A command whose `--help` is drawn by rich, with control codes that are our own."""

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        with _unguarded_stdout():
            super().format_help(ctx, formatter)


class _Commands(TyperGroup):
    """Imports a command when it is called, so that `infer` on a device does not pay for `train`."""

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        with _unguarded_stdout():
            super().format_help(ctx, formatter)

    def make_context(self, *arguments: Any, **extra: Any) -> Any:
        with _in_one_line():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        with _in_one_line():
            return super().invoke(ctx)

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002 - typer's signature
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> TyperCommand | None:  # type: ignore[override]  # noqa: ARG002
        cmd_name = ALIASES.get(cmd_name, cmd_name)
        # For an unknown name all are loaded, because typer suggests the nearest of those that it knows.
        for name in (cmd_name,) if cmd_name in COMMANDS else COMMANDS:
            if name not in self.commands:
                self.commands[name] = _load(name)
        return self.commands.get(cmd_name)  # type: ignore[return-value]


@contextlib.contextmanager
def _unguarded_stdout() -> Iterator[None]:
    with contextlib.redirect_stdout(unguarded(sys.stdout)):
        yield


@contextlib.contextmanager
def _in_one_line() -> Iterator[None]:
    """What typer says of a wrong option, in the form of every other error: it would draw a box around what was typed, raw."""
    try:
        yield
    except _TYPER_ERROR as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # it has shown its help
            raise
        message, context = " ".join(str(error.format_message()).split()), getattr(error, "ctx", None)
        command = "edgesoft" if context is None else context.command_path
        raise UsageError(f"{message}{'' if message[-1:] in '.?' else '.'} See {command} --help") from None


# What every error of typer's is, and what typer itself does not hand out.
_TYPER_ERROR: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def _load(name: str) -> TyperCommand:
    from edgesoft.cli.options import read_strictly

    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    function = importlib.import_module(f"edgesoft.cli.{name}").command
    # Where a docstring's lines end is no business of a terminal's, which may be narrower or wider.
    paragraphs = [" ".join(paragraph.split()) for paragraph in function.__doc__.split("\n\n")]
    alone.command(name, cls=_Command, context_settings=_CONTEXT, help="\n\n".join(paragraphs))(function)
    command: TyperCommand = typer.main.get_command(alone)  # type: ignore[assignment]
    read_strictly(command)
    return command


app = typer.Typer(
    name="edgesoft",
    cls=_Commands,
    help="Train a small softmax classifier, export it to ONNX and INT8, and prove that its answers stay PyTorch's.",
    no_args_is_help=True,
    context_settings=_CONTEXT,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        write(__version__)
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
    guard_streams()
    if "_EDGESOFT_COMPLETE" in os.environ:  # a shell asks what could follow: our own words, with tabs between them
        sys.stdout = unguarded(sys.stdout)
    listen()
    # Pillow warns of large and odd files. Sizes are checked by ourselves, and what can be decoded is no reason for talk. The filter comes
    # last, so that it never outweighs one that the user has set.
    warnings.filterwarnings("ignore", module=r"PIL\.", append=True)
    try:
        app(prog_name="edgesoft")
    except EdgesoftError as error:
        say(f"error: {error}")
        _end(error.exit_code)
    except ImportError as error:
        _end(_not_imported(error))
    except KeyboardInterrupt:
        say("interrupted")
        _end(interrupted())
    except BrokenPipeError:
        os._exit(_READER_GONE)
    except OSError as error:
        if not _explained(error):
            raise
        _end(1)
    except MemoryError:
        say("error: there is not enough memory for this. Give it less at once, or a machine with more")
        _end(1)
    except SystemExit as end:  # how typer ends, also when all went well
        if isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):  # for which it has no word
            say("interrupted")
            _end(interrupted())
        if isinstance(end.__context__, BrokenPipeError):  # which it calls 1
            os._exit(_READER_GONE)
        _end(end.code if isinstance(end.code, int) else 0)
    _end(0)


def _not_imported(error: ImportError) -> int:
    """Say what a device leaves out; and if this is what numpy or torch make of Ctrl-C while they are imported, that."""
    if is_interrupted():
        say("interrupted")
        return interrupted()
    library = str(error.name).partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or library not in _EXTRAS:
        raise error
    say(
        f"error: this command needs {library}, which is not installed. Install it: pip install 'edgesoft[{_EXTRAS[library]}]'"
    )
    return 1


def _explained(error: OSError) -> bool:
    """Say what the system refused, where that is no mistake of ours."""
    if error.filename is not None and error.errno in _PATH_ERRORS:
        say(f"error: {error.filename}: {reason(error)}. Choose another path")
        return True
    if error.filename is None and error.errno in _OUTPUT_ERRORS:
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
        code = code or _READER_GONE
    except OSError as error:
        code = code or _cannot_write(error)
    os._exit(code)


def _cannot_write(error: OSError) -> int:
    if error.errno == errno.EBADF:
        say("error: the output cannot be written (stdout is closed). Send it somewhere: > FILE")
    else:
        say(f"error: the output cannot be written ({reason(error)}). Free some space, or write elsewhere")
    return 1
