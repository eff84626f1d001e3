"""`edgesoft infer`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgesoft.cli.talk import percent, say
from edgesoft.errors import EdgesoftError

if TYPE_CHECKING:
    from edgesoft.device.classifier import Classifier
    from edgesoft.pictures import Seen


def command(
    pictures: Annotated[
        list[Path], typer.Argument(help="Picture files: PNG, JPEG, and whatever else Pillow reads.", show_default=False)
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            help="Model file, or its path without .onnx, or a folder.  [default: exported]", show_default=False
        ),
    ] = None,
    provider: Annotated[str, typer.Option(help="cpu, cuda, or auto.")] = "auto",
    top_k: Annotated[int, typer.Option(help="Show this many classes.", min=1)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not say which model and provider run.")] = False,
) -> None:
    """Say what pictures show.

    A picture that cannot be read does not stop the others; the exit code is then 1.
    """
    from edgesoft.device.classifier import Classifier
    from edgesoft.device.modelfile import open_model
    from edgesoft.device.models import find_model
    from edgesoft.device.providers import choose
    from edgesoft.pictures import read_picture

    choice = choose(provider)
    classifier = Classifier(open_model(find_model(model, provider=choice.provider)), choice.provider)
    if not quiet:
        say(f"{classifier.path} ({classifier.card.precision}) on {choice.provider} ({choice.reason})")
    failed = False
    for path in pictures:
        try:
            seen = read_picture(path, classifier.card.input)
            answer = _answer(classifier, seen, top_k)
        except EdgesoftError as error:
            failed = True
            if as_json:
                print(json.dumps({"path": str(path), "error": str(error)}, ensure_ascii=False))
            else:
                say(f"error: {error}" if str(path) in str(error) else f"error: {path}: {error}")
            continue
        if as_json:
            print(json.dumps({"path": str(path), **answer}, ensure_ascii=False))
            continue
        ranking = "  ".join(
            f"{label}  {percent(probability, 1)}" for label, probability in answer["probabilities"].items()
        )
        print(f"{path}  {ranking}" if len(pictures) > 1 else ranking)
        for warning in answer["warnings"]:
            say(f"warning: {path}: {warning}")
    if failed:
        raise typer.Exit(1)


def _answer(classifier: Classifier, seen: Seen, top_k: int) -> dict[str, Any]:
    """The keys of one JSON line; `probabilities` holds the `top_k` largest, in descending order."""
    prediction = classifier(seen.pixels)
    probabilities = prediction.probabilities[0]
    if not math.isfinite(probabilities.sum()):
        raise EdgesoftError(f"{classifier.path}: answers with no number. Check it: edgesoft verify {classifier.path}")
    order = probabilities.argsort(kind="stable")[::-1][:top_k].tolist()
    return {
        "label": prediction.labels[0],
        "confidence": round(float(probabilities.max()), 6),
        "probabilities": {classifier.card.labels[index]: round(float(probabilities[index]), 6) for index in order},
        "model": str(classifier.path),
        "precision": classifier.card.precision,
        "provider": classifier.provider,
        "warnings": list(seen.warnings),
    }
