"""What a publication may replace: an earlier model of the same data that is no better, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from edgesoft.errors import EdgesoftError, GateMissedError
from edgesoft.files import read_bytes
from edgesoft.inference.find_model import INT8_SUFFIX, JSON_SUFFIX, REPORT_LIMIT
from edgesoft.model.card import ModelCard
from edgesoft.model.file import ModelFile, read_model
from edgesoft.pages import GENERATOR
from edgesoft.transaction import settle

MODEL_SUFFIXES = (".onnx", INT8_SUFFIX)
HTML_SUFFIX = ".report.html"


def check_replaceable(folder: Path, name: str, card: ModelCard, accuracies: Mapping[str, float] | None = None) -> None:
    """Look at what stands where a model will be published.

    Parameters
    ----------
    folder
        Where it will be published.
    name
        Stem of its files.
    card
        Its labels and its data.
    accuracies
        Suffix of a model file -> accuracy on the test split of the file that will take its place, as a fraction; None before it is
        measured.

    Raises
    ------
    EdgesoftError
        A file is none that edgesoft wrote, or is a model of other data or other labels.
    GateMissedError
        A file is better than the one that would take its place.
    """
    settle(folder)
    for suffix in (*MODEL_SUFFIXES, JSON_SUFFIX, HTML_SUFFIX):
        path = folder / f"{name}{suffix}"
        if not path.exists():
            continue
        if suffix not in MODEL_SUFFIXES:
            _check_report(path)
            continue
        model = _own_model(path)
        _check_same_data(model, card)
        # Who changed a file after its export has changed its accuracy too.
        if accuracies is not None and model.card.parity is not None and not model.changed_parts():
            _check_no_better(path, model.card.parity.accuracy, accuracies[suffix], model.card.parity.examples)


def _own_model(path: Path) -> ModelFile:
    try:
        return read_model(path)
    except EdgesoftError as error:
        raise EdgesoftError(f"{path}: is no model file that edgesoft wrote, and is not replaced. {_ADVICE}") from error


def _check_same_data(model: ModelFile, card: ModelCard) -> None:
    old, new = model.card.training, card.training
    if old is None or new is None or old.data_sha256 != new.data_sha256:
        data = "data that nobody knows" if old is None else f"other data ({old.data})"
        raise EdgesoftError(f"{model.path}: is a model of {data}, and is not replaced. {_ADVICE}")
    if model.card.labels != card.labels:
        raise EdgesoftError(f"{model.path}: is a model with other labels, and is not replaced. {_ADVICE}")


def _check_no_better(path: Path, old: float, new: float, examples: int) -> None:
    if new < old:
        raise GateMissedError(
            f"{path}: is right on {100 * old:.2f} % of the {examples:,} test examples, what would take its place on {100 * new:.2f} %: "
            f"{100 * (old - new):.2g} points worse. Nothing was replaced. {_ADVICE}"
        )


def _check_report(path: Path) -> None:
    content = read_bytes(path, limit=REPORT_LIMIT, what="a report of edgesoft")
    if path.name.endswith(HTML_SUFFIX):
        is_ours = GENERATOR.encode() in content[:2048]
    else:
        try:
            is_ours = {"schema_version", "checkpoint_sha256", "float32"} <= set(json.loads(content))
        except (TypeError, ValueError, RecursionError):
            is_ours = False
    if not is_ours:
        raise EdgesoftError(f"{path}: was not written by edgesoft, and is not replaced. {_ADVICE}")


_ADVICE = "Choose another --name or --output, or replace it: --overwrite"
