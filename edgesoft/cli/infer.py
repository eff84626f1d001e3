"""`edgesoft infer`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal

import typer

from edgesoft.cli import options
from edgesoft.cli.console import say
from edgesoft.cli.streams import unguarded
from edgesoft.errors import UsageError
from edgesoft.files import open_to_read
from edgesoft.settings import MOST, MOST_THREADS
from edgesoft.tables.rows import Row, RowFile, named_rows, parse_row, shortened
from edgesoft.tables.spec import TableError, TableSpec

if TYPE_CHECKING:
    from edgesoft.cli.answers import Answers, SeenPage
    from edgesoft.inference.batches import Reading, Unreadable
    from edgesoft.model.inputs import InputKind

STANDARD_INPUT = "-"


def command(
    pictures: Annotated[
        list[str] | None,
        typer.Argument(
            help="Picture files, folders, or quoted patterns; - reads one picture from standard input. For a model of tables: "
            "CSV, TSV or JSON lines, also packed by gzip.",
            show_default=False,
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(help='One row for a model of tables: "5.1,3.5,1.4,0.2".', show_default=False),
    ] = None,
    paths_from: Annotated[
        Path | None,
        typer.Option(
            help="Read the paths of pictures from this file, one a line; - is standard input.", show_default=False
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Model file, or its path without .onnx, or a folder. (default: exported)", show_default=False
        ),
    ] = None,
    provider: options.Provider = "auto",
    device_id: options.DeviceId = None,
    threads: options.Threads = None,
    tf32: options.Tf32 = False,
    top_k: Annotated[int, typer.Option(help="Show this many classes.", min=1, max=MOST)] = 1,
    reject: options.Reject = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="One JSON object a line. A byte of a file's name that is no UTF-8 stands as \\udcXX: os.fsencode gives it back.",
        ),
    ] = False,
    as_csv: Annotated[
        bool,
        typer.Option(
            "--csv",
            help="CSV with a heading. A cell that begins with a double quote is JSON: text that a spreadsheet would take for a "
            "formula, or with control characters, stands so.",
        ),
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Draw what the model was fed, on stderr.")] = False,
    save_seen: Annotated[
        Path | None,
        typer.Option(
            help="Write what the model was fed into this folder: PNGs, and a page with the originals.",
            show_default=False,
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every warning, and not each kind once with a count.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Write the answers into this file: .jsonl, .csv or .parquet. It appears when all are there; after a kill the same "
            "command goes on.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an output that exists, and what another run had begun.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that read and classify, one thread each. (default: 1; with --output every core, or every CPU of the cluster)",
            min=1,
            max=MOST_THREADS,
            show_default=False,
        ),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(
            help="For --output: which column of Parquet files holds the pictures, as bytes or as paths. (default: the one with bytes)",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Who does the work for --output: processes of this machine, or Ray Data (extra [ray])."),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            help="HOST:PORT of a Ray cluster, or auto. (default: Ray runs on this machine, for this run)",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not say which model and provider run.")] = False,
) -> None:
    """Say what pictures show, or what class the rows of a table are.

    A picture or row that cannot be read does not stop the others; the exit code is then 1. Names that begin with a dash go after --.

    With --output, names may also be URIs (s3://, gs://, hdfs://, file://), and Parquet files of pictures or rows.
    """
    from edgesoft.cli import outputs
    from edgesoft.cli.answers import CsvAnswers, JsonAnswers, SeenPage, TextAnswers
    from edgesoft.inference.batches import classify
    from edgesoft.inference.classifier import Classifier
    from edgesoft.inference.find_model import find_model
    from edgesoft.inference.providers import choose, int8_warning
    from edgesoft.model.file import open_model

    if not pictures and paths_from is None and features is None:
        raise UsageError("no pictures: name files or folders, or a list of them with --paths-from")
    if as_json and as_csv:
        raise UsageError("--json and --csv: choose one of them")
    if top_k > 1 and (as_csv or (output is not None and output.suffix.lower() == ".csv")):
        raise UsageError(
            f"--top-k {top_k}: a line of CSV holds one answer. Leave it out, or write JSON lines: --json, --output FILE.jsonl"
        )
    stdout_only = {"--json": as_json, "--csv": as_csv, "--show": show, "--save-seen": save_seen, "--features": features}
    ray = {"--engine": engine != "local", "--address": address}
    outputs.check(output, pictures or [], stdout_only, {"--overwrite": overwrite, "--column": column, **ray})
    choice = choose(provider, device_id=device_id, tf32=tf32)
    opened = open_model(find_model(model, provider=choice.provider))
    classifier = Classifier(
        opened,
        choice.provider,
        threads=threads,
        device_id=choice.device_id,
        tf32=choice.tf32,
    )
    if not quiet:
        say(f"{classifier.path} ({classifier.card.precision}) on {choice.provider} ({choice.reason})")
    if (warning := int8_warning(classifier.card.precision, choice.provider)) is not None:
        say(f"warning: {classifier.path}: {warning}")
    kind = classifier.card.input
    is_alone = paths_from is None and _is_one(pictures or [], features, kind)
    form = JsonAnswers if as_json else CsvAnswers if as_csv else TextAnswers
    answers: Answers = form(classifier, top_k, single=is_alone, verbose=verbose)
    if not kind.is_picture and (paths_from is not None or show or save_seen is not None):
        raise UsageError(f"{classifier.path}: takes rows: --paths-from, --show and --save-seen are for pictures")
    if not kind.is_picture and column is not None:
        raise UsageError(f"{classifier.path}: takes rows, which have all their columns: --column is for pictures")
    if output is not None:
        work = outputs.work(opened, choice, threads, reject, top_k, column)
        raise typer.Exit(
            outputs.write(
                output,
                pictures or [],
                paths_from,
                kind,
                work,
                outputs.engine(engine, address, workers),
                overwrite=overwrite,
                quiet=quiet,
            )
        )
    # Whoever writes the list while we read may wait for each answer.
    is_slow = paths_from is not None and str(paths_from) == STANDARD_INPUT
    sources = _sources(pictures or [], paths_from, features, kind)
    if (workers or 1) > 1:
        work = outputs.work(opened, choice, threads, reject, top_k, column)
        readings = outputs.by_workers(sources, work, workers or 1, kind.at_once)
    else:
        readings = classify(classifier, sources, reject=reject, at_once=1 if is_slow else None)
    page = None if save_seen is None else SeenPage(save_seen, pictures or [])
    # Where the answers scroll by on the terminal, they are the progress.
    if quiet or is_alone or show or sys.stdout.isatty() or not sys.stderr.isatty():
        all_read = _write(readings, answers, page, show=show)
    else:
        from edgesoft.progress import CountProgress

        with CountProgress(unguarded(sys.stderr), quiet=False) as progress:
            all_read = _write(readings, answers, page, show=show, on_answer=progress.on_count)
    if not all_read:
        raise typer.Exit(1)


def _write(
    readings: Iterable[Reading | Unreadable],
    answers: Answers,
    page: SeenPage | None,
    *,
    show: bool,
    on_answer: Callable[[int], None] = lambda _: None,
) -> bool:
    """Write each answer as it comes; False when a picture or row could not be read."""
    from edgesoft.inference.batches import Unreadable

    if show:
        from edgesoft.cli.drawing import show_picture
    all_read = True
    try:
        for count, reading in enumerate(readings, start=1):
            answers.write(reading)
            on_answer(count)
            if isinstance(reading, Unreadable):
                all_read = False
                continue
            if show:
                show_picture(reading.inputs)
            if page is not None:
                page.add(reading)
        answers.finish()
    finally:  # the page shows what was seen, also when the answers cannot be written
        if page is not None:
            page.finish()
    return all_read


def _is_one(names: list[str], features: str | None, kind: InputKind) -> bool:
    """Whether there is a single answer, which needs no name in front."""
    if not kind.is_picture:
        return features is not None and not names
    from edgesoft.pictures.sources import is_pattern

    return len(names) == 1 and not os.path.isdir(names[0]) and not is_pattern(names[0])  # noqa: PTH112 - Path raises at long names


def _sources(
    names: list[str], paths_from: Path | None, features: str | None, kind: InputKind
) -> Iterator[tuple[str, Any]]:
    """Name and content of each picture or row, found while the earlier ones are being classified; a list is opened at once."""
    if isinstance(kind, TableSpec):
        return _rows(names, features, kind)
    if features is not None:
        raise UsageError("--features: this model takes pictures, not rows")
    return _found(names, None if paths_from is None else _opened_list(paths_from))


def _rows(names: list[str], features: str | None, spec: TableSpec) -> Iterator[tuple[str, Row]]:
    if features is not None:
        yield "features", parse_row(features, spec)
    for name in names:
        # A file that cannot be read is an answer like any other, and the next file follows.
        try:
            file = RowFile(Path("/dev/stdin" if name == STANDARD_INPUT else name), spec)
            if file.unused:
                say(f"note: {name}: columns that the model does not take: {shortened(file.unused)}")
            yield from named_rows(file)
        except TableError as error:
            yield name, Row(0, (), str(error).removeprefix(f"{name}: "))


def _found(names: list[str], listing: BinaryIO | None) -> Iterator[tuple[str, str | bytes]]:
    from edgesoft.pictures.bounds import FILE_LIMIT
    from edgesoft.pictures.sources import expand, listed

    for name in names:
        if name == STANDARD_INPUT:
            yield STANDARD_INPUT, sys.stdin.buffer.read(FILE_LIMIT + 1)
        else:
            yield from ((path, path) for path in expand([name]))
    if listing is not None:
        with listing:
            yield from ((path, path) for path in listed(listing))


def _opened_list(paths_from: Path) -> BinaryIO:
    if str(paths_from) == STANDARD_INPUT:
        return sys.stdin.buffer
    return open_to_read(paths_from, "a list of paths")
