"""`edgesoft bench`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from edgesoft.cli import options
from edgesoft.cli.console import say
from edgesoft.cli.render import show
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.settings import MOST, MOST_THREADS, brief, whole_number
from edgesoft.terminal import Block, Prose, Table, strong

if TYPE_CHECKING:
    from edgesoft.inference.bench import BatchResult, Candidate
    from edgesoft.inference.providers import Choice
    from edgesoft.model.file import ModelFile

LARGEST_BATCH = 65_536

Item = TypeVar("Item")


def command(
    models: Annotated[list[Path], typer.Argument(help="Model files, or folders of them.", show_default=False)],
    provider: Annotated[str, typer.Option(help="One provider or several: cpu,cuda.")] = "auto",
    device_id: options.DeviceId = None,
    threads: Annotated[
        str | None,
        typer.Option(
            help="CPU threads, one number or several: 1,2. (default: one for small batches, every core for large ones)",
            show_default=False,
        ),
    ] = None,
    tf32: options.Tf32 = False,
    batch: Annotated[str, typer.Option(help="Inputs a call, one number or several.")] = "1,32,256",
    rounds: Annotated[int, typer.Option(help="Turns of each candidate at each batch size.", min=6, max=MOST)] = 30,
    against: Annotated[
        Path | None, typer.Option(help="Time this checkpoint in PyTorch too.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document; times in seconds.")] = False,
) -> None:
    """Time model files against each other, and say how far this machine can be trusted.

    All take turns in changing order. The first is the one that the others are compared with; it also runs against itself, and no
    difference within that noise is called one.
    """
    from edgesoft.inference.bench import bench
    from edgesoft.inference.bench_models import model_candidates, open_models
    from edgesoft.inference.providers import choose

    batches = _numbers(batch, "--batch", LARGEST_BATCH)
    counts = [None] if threads is None else _numbers(threads, "--threads", MOST_THREADS)
    choices = [choose(name, device_id=device_id, tf32=tf32) for name in _each_once(provider.split(","), "--provider")]
    opened = open_models(models)
    _talk(choices, opened)
    candidates = model_candidates(opened, choices, counts)
    with ExitStack() as stack:
        if against is not None:
            from edgesoft.training.compute import compiler_folder

            stack.enter_context(compiler_folder())
            candidates += _torch_candidates(against, candidates[0], counts, choices)
        results = bench(candidates, batches, rounds=rounds, on_progress=say)
    machine = _machine(against is not None)
    show({"machine": machine, "batches": results}, _text(results), as_json=as_json)


def _numbers(text: str, option: str, most: int) -> list[int]:
    try:
        numbers = [whole_number(part.strip()) for part in text.split(",")]
        if not all(1 <= number <= most for number in numbers):
            raise ValueError
    except ValueError:
        raise UsageError(
            f"{option} {brief(text)}: expected numbers from 1 to {most:,}, separated by commas: 1,32,256"
        ) from None
    return _each_once(numbers, option)


def _each_once(items: list[Item], option: str) -> list[Item]:
    double = next((item for place, item in enumerate(items) if item in items[:place]), None)
    if double is not None:
        raise UsageError(f"{option}: {brief(double)} stands there twice. Name each once")
    return items


def _talk(choices: Sequence[Choice], models: Sequence[ModelFile]) -> None:
    from edgesoft.inference.providers import int8_warning

    for choice in choices:
        say(f"on {choice.provider} ({choice.reason})")
        for model in models:
            if (warning := int8_warning(model.card.precision, choice.provider)) is not None:
                say(f"warning: {model.path}: {warning}")


def _torch_candidates(
    against: Path, first: Candidate, threads: Sequence[int | None], choices: Sequence[Choice]
) -> list[Candidate]:
    """PyTorch, eager and compiled, on each device of the models."""
    from edgesoft.inference.cpu import usable_cores
    from edgesoft.training.bench_torch import compiled_candidates, torch_candidates
    from edgesoft.training.runs import checkpoint_in

    path, candidates = checkpoint_in(against), []
    for device in dict.fromkeys("cuda" if choice.provider in ("cuda", "tensorrt") else "cpu" for choice in choices):
        counts = [count or usable_cores() for count in threads] if device == "cpu" else [1]
        candidates += torch_candidates(path, first.inputs, threads=counts, device=device)
        say("trying torch.compile, which may take a minute")
        try:
            candidates += compiled_candidates(path, first.inputs, threads=counts[:1], device=device)
        except EdgesoftError as error:
            say(f"left out: {error}")
    return candidates


def _machine(with_torch: bool) -> dict[str, str]:
    import datetime as dt
    from importlib.metadata import version

    from edgesoft.inference.cpu import usable_cores
    from edgesoft.inference.doctor import processor
    from edgesoft.inference.runtime import VERSION

    machine = {
        "processor": processor(),
        "cores": str(usable_cores()),
        "ONNX Runtime": VERSION,
        "date": dt.datetime.now(dt.timezone.utc).date().isoformat(),
    }
    return {**machine, "PyTorch": version("torch")} if with_torch else machine


def _text(results: Sequence[BatchResult]) -> Iterator[Block]:
    for number, result in enumerate(results):
        yield from ([""] if number else [])
        yield _table(result)
        yield Prose(verdict(result))


def _table(result: BatchResult) -> Table:
    heading = (f"batch {result.batch}", "p50", "p90", "p99", "a second", "ratio", "create", "first call", "memory")
    rows = [
        (
            strong(timing.name) if timing.name == result.winner else timing.name,
            microseconds(timing.p50),
            microseconds(timing.p90),
            microseconds(timing.p99),
            f"{timing.per_second:,.0f}",
            f"{timing.ratio:.2f} ({timing.ratio_low:.2f} to {timing.ratio_high:.2f})",
            microseconds(timing.create),
            microseconds(timing.first_call),
            "?" if timing.peak_memory is None else f"{timing.peak_memory / 1e6:.0f} MB",
        )
        for timing in result.timings
    ]
    return Table([heading, *rows])


def verdict(result: BatchResult) -> str:
    """Who won, or why nobody did, and how far this machine can be trusted."""
    noise = f"noise {100 * result.noise:.1f} % (the first against itself), rounds spread by {100 * result.spread:.0f} %"
    if len(result.timings) == 1:
        return f"one candidate; {noise}"
    if result.winner is None:
        return f"no winner: the fastest are closer than this machine can tell; {noise}"
    return f"fastest: {result.winner}; {noise}"


def microseconds(seconds: float) -> str:
    """12.3 us, 456 us, 7.89 ms, 1.23 s."""
    for limit, unit, text in ((1e-4, 1e6, "{:.1f} us"), (1e-3, 1e6, "{:.0f} us"), (1.0, 1e3, "{:.2f} ms")):
        if seconds < limit:
            return text.format(seconds * unit)
    return f"{seconds:.2f} s"
