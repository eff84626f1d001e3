"""Options that several commands share, and those that are made from the descriptions of settings."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from edgesoft.settings import MOST_DEVICES, MOST_THREADS, Setting, brief, described, whole_number
from edgesoft.tables.values import parse_number

Command = TypeVar("Command", bound=Callable[..., Any])

Provider = Annotated[
    str,
    typer.Option(help="auto, cpu, cuda, or another that ONNX Runtime knows: tensorrt, openvino, coreml, directml ..."),
]
DeviceId = Annotated[
    int | None,
    typer.Option(
        help="Which of several GPUs. (default: 0, the first)", min=0, max=MOST_DEVICES - 1, show_default=False
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="CPU threads. (default: one for small batches, every core for large ones)",
        min=1,
        max=MOST_THREADS,
        show_default=False,
    ),
]
Reject = Annotated[
    float | None,
    typer.Option(
        help='Answer "unknown" below this probability; 0 always answers. (default: the model\'s own limit)',
        min=0,
        max=1,
        show_default=False,
    ),
]
Tf32 = Annotated[
    bool, typer.Option("--tf32", help="Let CUDA round to TF32: faster on large batches, logits differ by about 0.001.")
]


def with_settings(*groups: tuple[type, str | None]) -> Callable[[Command], Command]:
    """Give a command an option for each field of settings dataclasses, in place of its `**settings`.

    Parameters
    ----------
    groups
        A dataclass, and the heading that its options stand under in `--help`; None stands for the usual one.
    """

    def decorate(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True)
        named = [item for item in own.parameters.values() if item.kind is not inspect.Parameter.VAR_KEYWORD]
        generated = [
            _option(name, item, heading)
            for kind, heading in groups
            for name, item in described(kind).items()
            if item.is_option
        ]
        place = 1 if named and named[0].name in ("source", "checkpoint") else 0  # the argument comes first
        parameters = [*named[:place], *generated, *named[place:]]
        # Typer reads both.
        command.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {item.name: item.annotation for item in parameters} | {"return": None}
        return command

    return decorate


def _option(name: str, item: Setting, heading: str | None) -> inspect.Parameter:
    flags = () if item.flags is None else (item.flags,)
    text = f"{item.help}." + (f" (default: {item.default})" if item.default else "")
    option = typer.Option(*flags, help=text, rich_help_panel=heading, show_default=False)
    kind = item.takes[0]
    return inspect.Parameter(
        name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=Annotated[kind | None, option]
    )


def read_strictly(command: TyperCommand) -> None:
    """Let a command take no empty text, which is a variable of the shell that is not set, and no number that only Python knows.

    An empty path would be the current folder; `int` and `float` read 1_000 and the digits of every script.
    """
    for parameter in command.params:
        parameter.type, kind = copy.copy(parameter.type), parameter.type
        parameter.type.convert = _strict(kind)  # type: ignore[assignment,method-assign]


def _strict(kind: Any) -> Callable[[Any, Any, Any], Any]:
    is_number, is_whole = kind.name.startswith(("int", "float")), kind.name.startswith("int")

    def convert(value: Any, parameter: Any, context: Any) -> Any:
        if value == "":
            kind.fail("it is empty.", parameter, context)
        try:
            if is_number and isinstance(value, str):
                (whole_number if is_whole else parse_number)(value)
        except ValueError:
            kind.fail(f"{brief(value)}, expected {'a whole number' if is_whole else 'a number'}.", parameter, context)
        return kind.convert(value, parameter, context)

    return convert
