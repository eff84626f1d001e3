"""`edgesoft infer` for very many inputs: into a file, and by several processes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesoft.cli.console import say
from edgesoft.cli.streams import unguarded
from edgesoft.errors import UsageError

if TYPE_CHECKING:
    from edgesoft.bulk.run import Engine
    from edgesoft.bulk.worker import Work
    from edgesoft.inference.batches import Reading, Unreadable
    from edgesoft.inference.providers import Choice
    from edgesoft.model.file import ModelFile
    from edgesoft.model.inputs import InputKind

STANDARD_INPUT = "-"


def check(output: Path | None, names: list[str], unfit: dict[str, Any], useless: dict[str, Any]) -> None:
    """Refuse an output that cannot be, before the model is opened, and options that do not go with it or without it.

    Raises
    ------
    UsageError
        One option of `unfit` is given beside `output`, or one of `useless` without; or `output` has no known suffix.
    """
    options = unfit if output is not None else useless
    given = next((option for option, value in options.items() if value not in (None, False)), None)
    if output is None:
        if given is not None:
            raise UsageError(f"{given}: goes with --output FILE only")
        return
    if given is not None:
        raise UsageError(
            f"{given}: does not go with --output, whose name says what is written: .jsonl, .csv or .parquet"
        )
    from edgesoft.bulk.lines import form_of

    if STANDARD_INPUT in names:
        raise UsageError("-: standard input cannot be read again after a kill, as --output must. Name a file")
    form_of(output)


def work(
    model: ModelFile, choice: Choice, threads: int | None, reject: float | None, top_k: int, column: str | None
) -> Work:
    """Work for processes that share the cores: they take one thread each, unless it was said how many."""
    from edgesoft.bulk.worker import Work
    from edgesoft.inference.rejection import limits

    limits(model.card, reject)  # a number that is no probability is refused here, not in each of them
    return Work(
        content=model.content,
        path=model.path,
        provider=choice.provider,
        threads=1 if threads is None else threads,
        device_id=choice.device_id,
        tf32=choice.tf32,
        reject=reject,
        top_k=top_k,
        column=column,
    )


def engine(name: str, address: str | None, workers: int | None) -> Engine:
    """Who answers the blocks; raises UsageError at an address for this machine's processes."""
    if name == "ray":
        from edgesoft.bulk.cluster import RayEngine

        return RayEngine(workers, address)
    if address is not None:
        raise UsageError("--address: goes with --engine ray only")
    from edgesoft.bulk.processes import LocalEngine
    from edgesoft.inference.cpu import usable_cores

    return LocalEngine(usable_cores() if workers is None else workers)


def write(
    output: Path,
    names: list[str],
    paths_from: Path | None,
    kind: InputKind,
    work: Work,
    engine: Engine,
    *,
    overwrite: bool,
    quiet: bool,
) -> int:
    """Answer everything into a file; 1 when a picture or row could not be read, else 0."""
    from edgesoft.bulk.blocks import Inputs
    from edgesoft.bulk.places import identity
    from edgesoft.bulk.run import Watcher, answer_into
    from edgesoft.bulk.unfinished import SUFFIX, check_free
    from edgesoft.files import open_to_read
    from edgesoft.pictures.sources import listed
    from edgesoft.progress import CountProgress
    from edgesoft.tables.spec import TableSpec

    check_free(output, overwrite=overwrite)
    unfinished = output.with_name(output.name + SUFFIX)
    nouns, spec = f"{kind.noun}s", kind if isinstance(kind, TableSpec) else None
    listing: Iterable[str] = ()
    if paths_from is not None:
        is_input = str(paths_from) == STANDARD_INPUT
        if not is_input and (found := identity(output)) is not None and identity(paths_from) == found:
            raise UsageError(
                f"--output {output}: is the list of --paths-from, which it would replace. Name another output"
            )
        listing = listed(sys.stdin.buffer if is_input else open_to_read(paths_from, "a list of paths"))
    progress = CountProgress(unguarded(sys.stderr), quiet=quiet)

    def on_begin(answers: int, count: int | None) -> None:
        if answers and not quiet:
            of = "" if count is None else f" of {count:,}"
            say(f"going on with {unfinished}: {answers:,}{of} {nouns} are done")

    left_out = (output, unfinished)
    with Inputs(names, listing, spec, column=work.column, left_out=left_out, on_note=say) as inputs:
        try:
            with progress:
                total = answer_into(
                    output,
                    inputs,
                    work,
                    engine,
                    overwrite=overwrite,
                    watcher=Watcher(on_begin, progress.on_count),
                )
        except KeyboardInterrupt:
            if unfinished.exists():
                say(f"what is done is kept in {unfinished}: the same command goes on")
            raise
    if not quiet:
        bad = f", {total.unreadable:,} of which could not be read" if total.unreadable else ""
        say(f"{output}: {total.answers:,} {nouns}{bad}")
    return int(total.unreadable > 0)


def by_workers(
    sources: Iterator[tuple[str, Any]], work: Work, workers: int, at_once: int
) -> Iterator[Reading | Unreadable]:
    """Answers in the order of the inputs, by several processes."""
    from edgesoft.bulk.blocks import Sources
    from edgesoft.bulk.processes import in_order
    from edgesoft.bulk.worker import Worker

    blocks = (Sources(tuple(some)) for some in iter(lambda: list(islice(sources, at_once)), []))
    for readings in in_order(work, blocks, Worker.readings, workers=workers):
        yield from readings
