"""The command line. Each command is a few lines around a library function; only this package prints.

stdout is data, stderr is talk. `main` is the one place where an error becomes an exit code.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from edgesoft import __version__
from edgesoft.cli import diff, export, infer, inspect, train, verify
from edgesoft.cli.talk import say
from edgesoft.errors import EdgesoftError

app = typer.Typer(
    name="edgesoft",
    help="Train a small softmax classifier, export it to ONNX and INT8, and prove that its answers stay PyTorch's.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("train")(train.command)
app.command("export")(export.command)
app.command("infer")(infer.command)
app.command("verify")(verify.command)
app.command("inspect")(inspect.command)
app.command("diff")(diff.command)

INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended


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


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        app()
    except EdgesoftError as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has enough of it (`| head`). Python would complain again while closing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
