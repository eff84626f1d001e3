"""Replays the golden examples of a model file, to prove that it is intact and still answers as PyTorch did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from edgesoft.device import interpreter
from edgesoft.device.classifier import Classifier, Prediction
from edgesoft.device.modelfile import GOLDEN_KEY, ModelFile, read_model
from edgesoft.device.parity import Parity, answers, compare, probabilities
from edgesoft.device.providers import ProviderName, choose
from edgesoft.errors import EdgesoftError, ProviderUnavailableError
from edgesoft.golden import Golden
from edgesoft.pictures import PictureSpec, encode_png, read_picture

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


@dataclass(frozen=True)
class VerifyReport:
    """What a verification measured, and what it found."""

    path: Path
    precision: str
    provider: str
    examples: int
    """Golden examples replayed."""
    reference: Parity | None
    """This machine's answers against PyTorch's; None when nothing could be replayed."""
    expected: Parity | None
    """This machine's answers against those of this very file in the workshop."""
    findings: tuple[Finding, ...]
    against: Parity | None = None
    """The file against a PyTorch checkpoint on a whole test split, where that was asked for."""

    @property
    def passed(self) -> bool:
        """Whether the file is intact and answers as it did."""
        return not self.findings


def verify(
    path: Path, *, provider: str = "cpu", device_id: int | None = None, threads: int | None = None, tf32: bool = False
) -> VerifyReport:
    """Check a model file against what was recorded inside it at export.

    Parameters
    ----------
    path
        The `.onnx` file.
    provider
        Where to replay: a provider's name, or "auto".
    device_id, threads, tf32
        See `edgesoft.device.classifier.Classifier`. With TF32 a float model may miss the tolerance.

    Raises
    ------
    EdgesoftError
        The file cannot be read or is not one that edgesoft wrote.
    ProviderUnavailableError
        The provider cannot run here.
    """
    choice = choose(provider, device_id=device_id, tf32=tf32)
    chosen = choice.provider
    model = read_model(path)
    findings = [Finding("file", _changed(part)) for part in model.changed_parts()]
    if GOLDEN_KEY not in model.metadata:
        findings.append(Finding("file", "it carries no golden examples, so nothing can be replayed"))
        return VerifyReport(path, model.card.precision, chosen, 0, None, None, tuple(findings))
    try:
        golden = Golden.decode(model.metadata[GOLDEN_KEY], path)
        prediction = Classifier(model, chosen, threads=threads, device_id=choice.device_id, tf32=choice.tf32)(
            golden.inputs
        )
        reference, expected = (
            compare(logits, prediction.logits, golden.targets, cut=model.card.cut)
            for logits in (golden.reference, golden.expected)
        )
    except ProviderUnavailableError:
        raise  # says nothing about the file
    except EdgesoftError as error:
        # A file that fails at this point is already known to be changed, or cannot keep its own promise.
        findings.append(Finding("file", str(error).removeprefix(f"{path}: ")))
        return VerifyReport(path, model.card.precision, chosen, 0, None, None, tuple(findings))
    if golden.labels != model.card.labels:
        findings.append(Finding("labels", _label_change(golden.labels, model.card.labels)))
    findings += _judge_preprocessing(model, golden)
    findings += _judge_logits(model, golden, expected, chosen)
    findings += _judge_outputs(model, prediction)
    return VerifyReport(path, model.card.precision, chosen, len(golden), reference, expected, tuple(findings))


def _changed(part: str) -> str:
    return f"the {part} changed after export: the bytes do not match their digest"


def _label_change(recorded: tuple[str, ...], found: tuple[str, ...]) -> str:
    if sorted(recorded) == sorted(found):
        moved = [label for label, other in zip(recorded, found, strict=True) if label != other]
        return f"the labels stand in another order than at export: {', '.join(moved)} moved"
    return f"the labels are {', '.join(found)}, but were {', '.join(recorded)} at export"


def _judge_preprocessing(model: ModelFile, golden: Golden) -> list[Finding]:
    if golden.page is None or golden.page_seen is None or not isinstance(model.card.input, PictureSpec):
        return []
    pixels = read_picture(encode_png(golden.page), model.card.input).pixels
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


def _judge_logits(model: ModelFile, golden: Golden, expected: Parity, provider: ProviderName) -> list[Finding]:
    exact = bool((model.card.quantization or {}).get("same_bits_everywhere")) and provider == "cpu"
    tolerance = 0.0 if exact else CPU_TOLERANCE if provider == "cpu" else ACCELERATOR_TOLERANCE
    if expected.max_logit_difference <= tolerance and not expected.label_changes:  # NaN is not <= anything
        return []
    what = (
        f"the logits differ by up to {expected.max_logit_difference:.3g} from those at export (allowed {tolerance:g}), "
        f"{len(expected.label_changes)} of {expected.examples} labels with them"
    )
    # Who is it? Plain numpy computes what the file says; ties in INT8 rounding may still move its logits a little.
    independent = interpreter.run(model, golden.inputs)["logits"].astype(np.float32)
    by_numpy = compare(golden.expected, independent, golden.targets, cut=model.card.cut)
    allowed = CPU_TOLERANCE if model.card.precision == "float32" else 0.02 * float(np.abs(golden.expected).max())
    if by_numpy.max_logit_difference <= allowed:
        hint = ""
        if "8-bit" in str((model.card.quantization or {}).get("weights")):
            hint = ". This CPU saturates with 8-bit weights: export without --eight-bit"
        return [
            Finding(
                "runtime", f"{what}, while plain numpy agrees with the export: this runtime computes otherwise{hint}"
            )
        ]
    return [
        Finding(
            "graph", f"{what}, and plain numpy differs too: the graph or its weights are not those that were exported"
        )
    ]


def _judge_outputs(model: ModelFile, prediction: Prediction) -> list[Finding]:
    """The outputs must belong together: probabilities are the head's of the logits, and the label is their answer."""
    card = model.card
    expected = probabilities((prediction.logits / np.float32(card.temperature)).astype(np.float32))
    difference = float(np.abs(expected - prediction.probabilities).max())
    findings = []
    if not difference <= PROBABILITY_TOLERANCE:
        findings.append(
            Finding("graph", f"the probabilities differ by up to {difference:.3g} from the {card.head} of the logits")
        )
    if not np.array_equal(prediction.indices, answers(prediction.logits, card.cut)):
        findings.append(Finding("graph", "the label is not the class that the logits answer"))
    return findings
