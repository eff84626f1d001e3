"""Replays the golden examples of a model file, to prove that it is intact and still answers as PyTorch did."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from edgesoft.errors import EdgesoftError, ProviderUnavailableError
from edgesoft.inference.classifier import Classifier
from edgesoft.inference.parity import Parity, compare
from edgesoft.inference.prediction import Prediction
from edgesoft.inference.providers import CPU, Choice, ProviderName
from edgesoft.model.file import GOLDEN_KEY, ModelFile, read_model
from edgesoft.model.golden import Golden
from edgesoft.model.heads import probabilities
from edgesoft.model.network import BATCH_SIZE, read_network
from edgesoft.pictures import encode_png

Stage = Literal["file", "labels", "preprocessing", "graph", "runtime", "pytorch"]

CPU_TOLERANCE = 1e-4
"""Largest difference of a float logit on a CPU; other instruction sets add in another order (measured on MNIST: 1e-5)."""
ACCELERATOR_TOLERANCE = 1e-3
"""The same on any other provider."""
PROBABILITY_TOLERANCE = 1e-5
PREPROCESSING_TOLERANCE = 1.0
"""Mean difference of a normalised picture, in grey levels: other versions of Pillow and numpy may round otherwise."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was at export."""

    stage: Stage
    """Where it differs: the file's bytes, the labels, the preprocessing, the graph, the runtime, or PyTorch itself."""
    message: str


@dataclass(frozen=True, repr=False)
class VerifyReport:
    """What a verification measured, and what it found."""

    path: Path
    sha256: str
    """Of the whole file, in hexadecimal."""
    precision: str
    choice: Choice
    """Where it was replayed."""
    examples: int
    """Golden examples replayed."""
    reference: Parity | None
    """This machine's answers against PyTorch's; None when nothing could be replayed."""
    expected: Parity | None
    """This machine's answers against those of this very file at export."""
    findings: tuple[Finding, ...]
    against: Parity | None = None
    """The file against a PyTorch checkpoint on a whole test split, where that was asked for."""

    @property
    def provider(self) -> ProviderName:
        """The provider that replayed it."""
        return self.choice.provider

    @property
    def passed(self) -> bool:
        """Whether the file is intact and answers as it did."""
        return not self.findings

    def __repr__(self) -> str:
        more = f" and {len(self.findings) - 1} more" if len(self.findings) > 1 else ""
        found = f"{self.findings[0].stage}: {self.findings[0].message}{more}" if self.findings else "passed"
        return f"VerifyReport({str(self.path)!r}, {self.examples} examples on {self.provider}, {found})"


def verify(path: Path, *, choice: Choice = CPU, threads: int | None = None, sha256: str | None = None) -> VerifyReport:
    """Check a model file against what was recorded inside it at export.

    Parameters
    ----------
    path
        The `.onnx` file.
    choice
        Where to replay, as `edgesoft.inference.providers.choose` gives it. With TF32 a float model may miss the tolerance.
    threads
        See `edgesoft.inference.classifier.Classifier`.
    sha256
        What the SHA-256 of the whole file must be, in hexadecimal: unlike the digests inside, nobody who changes the file can make it fit.

    Raises
    ------
    EdgesoftError
        The file cannot be read or is not one that edgesoft wrote.
    GateMissedError
        It is not the file with that SHA-256.
    ProviderUnavailableError
        The provider cannot run here.
    """
    model = read_model(path, sha256=sha256)
    found = hashlib.sha256(model.content).hexdigest()
    findings = [Finding("file", _changed(part)) for part in model.changed_parts()]
    if GOLDEN_KEY not in model.metadata:
        findings.append(Finding("file", "it carries no golden examples, so nothing can be replayed"))
        return VerifyReport(path, found, model.card.precision, choice, 0, None, None, tuple(findings))
    stage: Stage = "file"
    try:
        golden = Golden.decode(model.metadata[GOLDEN_KEY], path)
        stage = "graph"
        classifier = Classifier(model, choice.provider, threads=threads, device_id=choice.device_id, tf32=choice.tf32)
        stage = "file"
        # Numbers that are not finite belong into the findings, not as numpy's warnings onto the terminal.
        with np.errstate(all="ignore"):
            prediction = _replay(classifier, golden)
            reference, expected = (
                compare(logits, prediction.logits, model.card.head, golden.targets)
                for logits in (golden.reference, golden.expected)
            )
            if golden.labels != model.card.labels:
                findings.append(Finding("labels", _label_change(golden.labels, model.card.labels)))
            findings += _judge_preprocessing(model, golden)
            # Against edited records nothing can be said about the graph.
            findings += _judge_records(model, golden) or _judge_logits(model, golden, expected, choice.provider)
            findings += _judge_outputs(model, prediction)
    except ProviderUnavailableError:
        raise  # says nothing about the file
    except EdgesoftError as error:
        # A file that fails at this point is already known to be changed, or cannot keep its own promise.
        findings.append(Finding(stage, str(error).removeprefix(f"{path}: ")))
        return VerifyReport(path, found, model.card.precision, choice, 0, None, None, tuple(findings))
    return VerifyReport(path, found, model.card.precision, choice, len(golden), reference, expected, tuple(findings))


def _changed(part: str) -> str:
    return f"the {part} changed after export: the bytes do not match their digest"


def _label_change(recorded: tuple[str, ...], found: tuple[str, ...]) -> str:
    if sorted(recorded) == sorted(found):
        moved = [label for label, other in zip(recorded, found, strict=True) if label != other]
        return f"the labels stand in another order than at export: {', '.join(moved)} moved"
    return f"the labels are {', '.join(found)}, but were {', '.join(recorded)} at export"


def _replay(classifier: Classifier, golden: Golden) -> Prediction:
    """The answers to all golden examples, a batch at a time: a file decides how many it carries, not how much memory that takes."""
    batches = [classifier(golden.inputs[start : start + BATCH_SIZE]) for start in range(0, len(golden), BATCH_SIZE)]
    return Prediction(
        tuple(label for batch in batches for label in batch.labels),
        *(np.concatenate(arrays) for arrays in list(zip(*batches, strict=True))[1:]),
    )


def _judge_preprocessing(model: ModelFile, golden: Golden) -> list[Finding]:
    if golden.page is None or golden.page_seen is None:
        return []
    pixels = model.card.input.read(encode_png(golden.page)).values
    if pixels.shape != golden.page_seen.shape:
        return [
            Finding(
                "preprocessing",
                f"a picture becomes {list(pixels.shape)}, but was {list(golden.page_seen.shape)} at export",
            )
        ]
    difference = float(np.abs(pixels.astype(np.float64) - golden.page_seen).mean())
    if difference <= PREPROCESSING_TOLERANCE:
        return []
    return [
        Finding(
            "preprocessing",
            f"the recorded picture becomes other pixels than at export: {difference:.1f} grey levels on average",
        )
    ]


def _judge_records(model: ModelFile, golden: Golden) -> list[Finding]:
    """The golden examples come from the test split, so they cannot differ more from PyTorch than the card says of all of it."""
    recorded = compare(golden.reference, golden.expected, model.card.head).max_logit_difference
    stated = model.card.parity.max_logit_difference if model.card.parity is not None else None
    if stated is not None and recorded <= stated * (1 + 1e-6):
        return []
    return [
        Finding(
            "file",
            f"the golden examples were edited: their logits differ by up to {recorded:.3g} from PyTorch's, "
            f"but the card says {stated} for the whole test split",
        )
    ]


def _judge_logits(model: ModelFile, golden: Golden, expected: Parity, provider: ProviderName) -> list[Finding]:
    scheme = None if model.card.quantization is None else model.card.quantization.scheme
    exact = scheme is not None and scheme.same_bits_everywhere
    tolerance = 0.0 if exact and provider == "cpu" else CPU_TOLERANCE if provider == "cpu" else ACCELERATOR_TOLERANCE
    # Plain numpy computes what the file says, and integers exactly: it tells a changed file from a runtime that computes otherwise.
    by_numpy = compare(golden.expected, read_network(model).logits(golden.inputs), model.card.head)
    graph_holds = _holds(by_numpy, 0.0 if exact else CPU_TOLERANCE)
    if _holds(expected, tolerance):
        if graph_holds:
            return []
        return [
            Finding(
                "graph",
                f"by the graph, computed in plain numpy, the logits differ by up to {by_numpy.max_logit_difference:.3g} from those "
                "at export, although this runtime does not show it: the graph or its weights are not those that were exported",
            )
        ]
    what = (
        f"the logits differ by up to {expected.max_logit_difference:.3g} from those at export (allowed {tolerance:g}), "
        f"{len(expected.label_changes)} of {expected.examples} labels with them"
    )
    if graph_holds:
        hint = ""
        if scheme is not None and scheme.weight_bits == 8:
            hint = ". This CPU saturates with 8-bit weights: export without --eight-bit"
        return [
            Finding(
                "runtime", f"{what}, while plain numpy agrees with the export: this runtime computes otherwise{hint}"
            )
        ]
    return [
        Finding(
            "graph",
            f"{what}, and plain numpy differs too: the graph, its weights or the golden examples are not those that were exported",
        )
    ]


def _holds(parity: Parity, tolerance: float) -> bool:
    return parity.max_logit_difference <= tolerance and not parity.label_changes  # NaN is not <= anything


def _judge_outputs(model: ModelFile, prediction: Prediction) -> list[Finding]:
    """The outputs must belong together: probabilities are the head's of the logits, and the label is their answer."""
    card = model.card
    difference = float(np.abs(probabilities(card.head, prediction.logits) - prediction.probabilities).max())
    findings = []
    if not difference <= PROBABILITY_TOLERANCE:
        findings.append(
            Finding(
                "graph", f"the probabilities differ by up to {difference:.3g} from the {card.head.kind} of the logits"
            )
        )
    if not np.array_equal(prediction.indices, card.head.predict(prediction.logits)):
        findings.append(Finding("graph", "the label is not the class that the logits answer"))
    return findings
