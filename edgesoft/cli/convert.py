"""`edgesoft convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgesoft.cli.console import say, write


def command(
    model: Annotated[Path, typer.Argument(help="Model file.", show_default=False)],
    to: Annotated[
        str,
        typer.Option(
            metavar="c,web,triton", help="What for: c, web, triton, triton-gpu, or several: c,web.", show_default=False
        ),
    ],
    output: Annotated[
        Path, typer.Option(help="Folder to write; several targets get a folder each in it.", show_default=False)
    ],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what edgesoft wrote there before.")] = False,
) -> None:
    """Turn a model into what runs where there is no Python, or on a server.

    c: C99 for a microcontroller or a server, without dependencies. The golden examples travel along: make check replays them, and so
    does edgesoft verify on the folder.

    web: one page for any browser, with the model inside, that needs no server and asks nothing of the network: to draw on, to open pictures
    with, or with a field for each feature. It replays the golden examples when it opens, and so does edgesoft verify with Chromium.

    triton: a model repository for the Triton Inference Server, with a manifest for KServe and a client that replays the golden examples on
    it, and on edgesoft serve. On the CPU, or on a GPU: triton-gpu, for float files.
    """
    from edgesoft.api.models import convert

    for converted in convert(model, to, output, overwrite=overwrite):
        write(*map(str, converted.files))
        say(f"next:  edgesoft verify {converted.folder}")
