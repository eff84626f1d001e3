"""`edgesoft infer`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from edgesoft.cli import options
from edgesoft.cli.talk import say
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.files import reason

STANDARD_INPUT = "-"
STANDARD_INPUT_LIMIT = 2**27  # bytes; no picture that is read at all is larger


def command(
    pictures: Annotated[
        list[str] | None,
        typer.Argument(
            help="Picture files, folders, or quoted patterns; - reads one picture from standard input.",
            show_default=False,
        ),
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
    top_k: Annotated[int, typer.Option(help="Show this many classes.", min=1)] = 1,
    reject: Annotated[
        float | None,
        typer.Option(
            help='Answer "unknown" below this probability; 0 always answers. (default: the model\'s own limit)',
            min=0,
            max=1,
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a heading.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Draw what the model was fed, on stderr.")] = False,
    save_seen: Annotated[
        Path | None,
        typer.Option(
            help="Write what the model was fed into this folder: PNGs, and a page with the originals.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not say which model and provider run.")] = False,
) -> None:
    """Say what pictures show.

    A picture that cannot be read does not stop the others; the exit code is then 1. Names that begin with a dash go after --.
    """
    from edgesoft.cli.answers import CsvAnswers, JsonAnswers, SeenPage, TextAnswers, draw
    from edgesoft.device.classifier import Classifier
    from edgesoft.device.modelfile import open_model
    from edgesoft.device.models import find_model
    from edgesoft.device.providers import choose, int8_warning
    from edgesoft.device.reading import Unreadable, read_pictures

    if not pictures and paths_from is None:
        raise UsageError("no pictures: name files or folders, or a list of them with --paths-from")
    if as_json and as_csv:
        raise UsageError("--json and --csv: choose one of them")
    choice = choose(provider, device_id=device_id, tf32=tf32)
    classifier = Classifier(
        open_model(find_model(model, provider=choice.provider)),
        choice.provider,
        threads=threads,
        device_id=choice.device_id,
        tf32=choice.tf32,
    )
    if not quiet:
        say(f"{classifier.path} ({classifier.card.precision}) on {choice.provider} ({choice.reason})")
    if (warning := int8_warning(classifier.card.precision, choice.provider)) is not None:
        say(f"warning: {classifier.path}: {warning}")
    single = paths_from is None and len(pictures or []) == 1 and not Path((pictures or [""])[0]).is_dir()
    answers = (JsonAnswers if as_json else CsvAnswers if as_csv else TextAnswers)(classifier, top_k, single=single)
    page = SeenPage(save_seen) if save_seen is not None else None
    failed = 0
    for reading in read_pictures(classifier, _sources(pictures or [], paths_from), reject=reject):
        answers.write(reading)
        if isinstance(reading, Unreadable):
            failed += 1
            continue
        if show:
            say(draw(reading.seen.pixels))
        if page is not None:
            page.add(reading)
    if page is not None:
        page.finish()
    if failed:
        raise typer.Exit(1)


def _sources(names: list[str], paths_from: Path | None) -> Iterator[tuple[str, Path | bytes]]:
    """Name and content of each picture, found while the earlier ones are being classified."""
    from edgesoft.pictures.sources import expand, listed

    for name in names:
        if name == STANDARD_INPUT:
            yield STANDARD_INPUT, sys.stdin.buffer.read(STANDARD_INPUT_LIMIT)
        else:
            yield from ((str(path), path) for path in expand([name]))
    if paths_from is None:
        return
    if str(paths_from) == STANDARD_INPUT:
        yield from ((path, Path(path)) for path in listed(sys.stdin.buffer))
        return
    try:
        stream = paths_from.open("rb")
    except OSError as error:
        raise EdgesoftError(f"{paths_from}: cannot be read ({reason(error)}): expected a list of paths") from error
    with stream:
        yield from ((path, Path(path)) for path in listed(stream))
