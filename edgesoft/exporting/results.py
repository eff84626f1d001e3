"""What an export measures: each model file on its stage, and all of them together; and what it published."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import GateMissedError
from edgesoft.inference.parity import Parity
from edgesoft.inference.scores import Reliability
from edgesoft.model.card import Precision
from edgesoft.model.heads import Logits
from edgesoft.pages.markup import notebook
from edgesoft.targets.convert import Converted
from edgesoft.training.results import Epoch

BENCH_BATCHES = (1, 256)
"""Batch sizes at which the files of one export are timed."""
NOTICEABLE = 1.05
"""From this ratio of times on, the slower file is called slower."""


@dataclass(frozen=True, repr=False)
class StagedModel:
    """One staged model file and what was measured on it."""

    precision: Precision
    arithmetic: str
    """In words: "float32", or "INT8, 7-bit weights per tensor"."""
    content: bytes
    """The file, ready to be published."""
    temperature: float
    logits: Logits
    """float32 `[n, outputs]`, on the test split."""
    predictions: NDArray[np.int64]
    """int64 `[n]`, the class it answers for each example of the test split."""
    parity: Parity
    """Against PyTorch, on the test split."""
    failures: tuple[str, ...]
    """Gates missed; empty when it may be published."""
    max_drop: float | None
    """The allowance, in percentage points, with which INT8 would be published; None where none helps."""
    unscaled: Reliability
    """Confidence on the test split, had the temperature been 1."""
    scaled: Reliability
    """Confidence on the test split with the temperature."""
    latencies: dict[int, list[float]]
    """Batch size -> seconds a call, one CPU thread, measured in turns with the other files of the same export."""
    finishing_seconds: float | None = None
    """How long the quantization-aware finishing took; None where there was none."""

    def __repr__(self) -> str:
        return f"StagedModel({self.arithmetic!r}, {len(self.content):,} bytes, {'held' if self.passed else 'missed'})"

    @property
    def passed(self) -> bool:
        """Whether it may be published."""
        return not self.failures

    def microseconds(self, batch: int) -> float:
        """Median time of a call."""
        return 1e6 * statistics.median(self.latencies[batch])

    def slower_than(self, other: StagedModel) -> list[str]:
        """Where this file is slower than `other` on this machine, in words; rounds are compared in pairs."""
        ratios = {batch: self._time_ratio(other, batch) for batch in self.latencies}
        return [
            f"{self.arithmetic} is {ratio:.2f}x slower than {other.arithmetic} at batch {batch} on this machine"
            for batch, ratio in ratios.items()
            if ratio > NOTICEABLE
        ]

    def is_worth_it(self, other: StagedModel) -> bool:
        """Whether this file is smaller than `other`, and a call with one input not slower on this machine."""
        return len(self.content) < len(other.content) and self._time_ratio(other, 1) <= NOTICEABLE

    def _time_ratio(self, other: StagedModel, batch: int) -> float:
        pairs = zip(self.latencies[batch], other.latencies[batch], strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)


@dataclass(frozen=True, repr=False)
class ExportResult:
    """Everything that one export measured."""

    name: str
    checkpoint_sha256: str | None
    float_model: StagedModel
    attempts: tuple[StagedModel, ...]
    """The INT8 files in the order tried; only the last one can have passed."""
    reference: Logits
    """float32 `[n, classes]`, PyTorch's answers on the test split."""
    epochs: tuple[Epoch, ...] = ()
    """How the training went; empty where the run's folder does not tell."""

    @property
    def int8_model(self) -> StagedModel | None:
        """The INT8 file that passed; None when none was asked for or none passed."""
        return self.attempts[-1] if self.attempts and self.attempts[-1].passed else None

    @property
    def recommended(self) -> StagedModel:
        """The published file to take: INT8 where it is smaller and not slower than float here, else float."""
        int8 = self.int8_model
        return int8 if int8 is not None and int8.is_worth_it(self.float_model) else self.float_model

    def __repr__(self) -> str:
        tried = ", ".join(f"{model.arithmetic} {'held' if model.passed else 'missed'}" for model in self.attempts)
        return f"ExportResult({self.name!r}, float32 held{', ' if tried else ''}{tried})"

    def _repr_html_(self) -> str:
        pytorch = f"{100 * (self.float_model.parity.reference_accuracy or 0.0):.2f} %"
        rows = [["PyTorch", pytorch, "", "", "", "", ""]]
        rows += [
            [
                model.arithmetic,
                f"{100 * (model.parity.candidate_accuracy or 0.0):.2f} %",
                f"{len(model.parity.label_changes)} of {model.parity.examples:,}",
                f"{model.parity.max_logit_difference:.2g}",
                f"{len(model.content):,}",
                f"{model.microseconds(1):.1f} us",
                "held" if model.passed else "; ".join(model.failures),
            ]
            for model in (self.float_model, *self.attempts)
        ]
        heading = ["", "accuracy", "labels changed", "logits within", "bytes", "batch 1", "gate"]
        return notebook(self.name, [], heading, rows)


@dataclass(frozen=True, repr=False)
class Exported:
    """Files that were published, and what was measured on them."""

    result: ExportResult
    kind: str
    """What the model takes: "pixels" or "features"."""
    paths: tuple[Path, ...]
    """Float model, INT8 model where one was made, report as JSON and as a page."""
    removed: Path | None = None
    """The INT8 file of an earlier model, where this one has none."""
    converted: tuple[Converted, ...] = ()
    """Folders for where there is no Python."""

    @property
    def model(self) -> Path:
        """The file for devices: INT8 where it is worth it, else float. `edgesoft.load` opens it."""
        return self.paths[0 if self.result.recommended is self.result.float_model else 1]

    def __repr__(self) -> str:
        model = self.result.recommended
        accuracy = f"{100 * (model.parity.candidate_accuracy or 0.0):.2f} %"
        return (
            f"Exported({str(self.model)!r}, {model.arithmetic}, test accuracy {accuracy}, {len(model.content):,} bytes)"
        )

    def _repr_html_(self) -> str:
        return self.result._repr_html_()


class Int8MissedError(GateMissedError):
    """No INT8 file holds the gate: only the float file was published.

    Parameters
    ----------
    exported
        What was published all the same.
    """

    def __init__(self, exported: Exported) -> None:
        allowances = [attempt.max_drop for attempt in exported.result.attempts if attempt.max_drop is not None]
        advice = f"Allow it with --max-drop {min(allowances):g}" if allowances else "Take the float file"
        super().__init__(f"no INT8 file holds the gate; {exported.model} is float. {advice}")
        self.exported = exported
