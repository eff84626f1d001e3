"""Puts exported files where devices fetch them, and says in a report what was measured."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgesoft.data.dataset import Dataset
from edgesoft.errors import EdgesoftError
from edgesoft.exporting.report import report_html
from edgesoft.exporting.results import BENCH_BATCHES, ExportResult, StagedModel
from edgesoft.files import reason, write_atomically
from edgesoft.inference.find_model import INT8_SUFFIX

SCHEMA_VERSION = 1


def publish(result: ExportResult, dataset: Dataset, folder: Path) -> list[Path]:
    """Write `<name>.onnx`, `<name>.int8.onnx`, `<name>.report.json` and `.html`; each appears whole or not at all.

    An INT8 file of an earlier export is removed when this export has none: beside a new float file it would be another model.

    Raises
    ------
    EdgesoftError
        The folder cannot be written.
    """
    files = {".onnx": result.float_model.content}
    if result.int8_model is not None:
        files[INT8_SUFFIX] = result.int8_model.content
    # All is made before anything is written: an error on the way then publishes nothing.
    files[".report.json"] = (json.dumps(report_document(result), indent=2, ensure_ascii=False) + "\n").encode()
    files[".report.html"] = report_html(result, dataset).encode()
    for suffix, content in files.items():
        write_atomically(folder / f"{result.name}{suffix}", content)
        if suffix == ".onnx" and INT8_SUFFIX not in files:
            _remove(folder / f"{result.name}{INT8_SUFFIX}")
    return [folder / f"{result.name}{suffix}" for suffix in files]


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise EdgesoftError(
            f"{path}: belongs to another model now, and cannot be removed ({reason(error)}). Remove it yourself"
        ) from error


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
