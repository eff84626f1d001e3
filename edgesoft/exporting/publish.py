"""Puts exported files where devices fetch them, and says in a report what was measured."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgesoft.data.dataset import Dataset
from edgesoft.escape import json_text
from edgesoft.exporting.replace import HTML_SUFFIX, check_replaceable
from edgesoft.exporting.report import report_html
from edgesoft.exporting.results import BENCH_BATCHES, ExportResult, StagedModel
from edgesoft.inference.find_model import INT8_SUFFIX, JSON_SUFFIX
from edgesoft.model.file import parse_model
from edgesoft.transaction import locked, replace_together

SCHEMA_VERSION = 1


def publish(result: ExportResult, dataset: Dataset, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write `<name>.onnx`, `<name>.int8.onnx`, `<name>.report.json` and `.html`, all together or not at all.

    An INT8 file of an earlier export is removed when this export has none: beside a new float file it would be another model. The new
    float file then takes its place, and must not be worse.

    Parameters
    ----------
    result
        What is published.
    dataset
        The data that it was measured on.
    folder
        Where to; other files in it stay.
    overwrite
        Replace whatever bears these names, also what edgesoft did not write and models that are better.

    Raises
    ------
    EdgesoftError
        The folder cannot be written, or a file must not be replaced.
    GateMissedError
        A model that is better stands there.
    """
    # All is made before anything is written: an error on the way then publishes nothing.
    files: dict[str, bytes | None] = {
        ".onnx": result.float_model.content,
        INT8_SUFFIX: None if result.int8_model is None else result.int8_model.content,
        JSON_SUFFIX: (json_text(report_document(result), indent=2) + "\n").encode(),
        HTML_SUFFIX: report_html(result, dataset).encode(),
    }
    card = parse_model(result.float_model.content, folder / result.name).card
    device_model = result.int8_model or result.float_model
    accuracies = {
        ".onnx": result.float_model.parity.candidate_accuracy or 0.0,
        INT8_SUFFIX: device_model.parity.candidate_accuracy or 0.0,
    }
    with locked(folder):
        if not overwrite:
            check_replaceable(folder, result.name, card, accuracies)
        replace_together(folder, {f"{result.name}{suffix}": content for suffix, content in files.items()})
    return [folder / f"{result.name}{suffix}" for suffix, content in files.items() if content is not None]


def report_document(result: ExportResult) -> dict[str, Any]:
    """The report as a JSON object; accuracies are fractions, times are seconds."""
    return {
        "schema_version": SCHEMA_VERSION,
        "name": result.name,
        "checkpoint_sha256": result.checkpoint_sha256,
        "recommended": result.recommended.precision,
        "float32": _describe(result.float_model),
        "int8": None if result.int8_model is None else _describe(result.int8_model),
        "int8_attempts": [_describe(attempt) for attempt in result.attempts],
    }


def _describe(candidate: StagedModel) -> dict[str, Any]:
    return {
        "arithmetic": candidate.arithmetic,
        "bytes": len(candidate.content),
        "sha256": hashlib.sha256(candidate.content).hexdigest(),
        "passed": candidate.passed,
        "gates_missed": list(candidate.failures),
        "finishing_seconds": candidate.finishing_seconds,
        "parity": asdict(candidate.parity),
        "temperature": candidate.temperature,
        "expected_calibration_error": {
            "temperature_1": candidate.unscaled.expected_calibration_error,
            "as_published": candidate.scaled.expected_calibration_error,
        },
        "median_seconds": {str(batch): candidate.microseconds(batch) / 1e6 for batch in BENCH_BATCHES},
    }
