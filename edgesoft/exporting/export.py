"""Checkpoint -> graph -> INT8 -> parity -> published files, or nothing."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.data.dataset import Dataset
from edgesoft.errors import EdgesoftError, GateMissedError, UsageError
from edgesoft.exporting.activation_ranges import activation_maxima
from edgesoft.exporting.calibration import fit_temperature, rejection_limits, reliability
from edgesoft.exporting.digest import with_digests
from edgesoft.exporting.equalise import least_error
from edgesoft.exporting.finishing import finish
from edgesoft.exporting.gate import Gate, max_drop_for
from edgesoft.exporting.golden_selection import select_golden
from edgesoft.exporting.graph import build_graph
from edgesoft.exporting.quantize import over_unit_range, quantize
from edgesoft.exporting.results import BENCH_BATCHES, ExportResult, StagedModel
from edgesoft.exporting.sample import evenly_spread
from edgesoft.exporting.settings import QuantizeSettings
from edgesoft.files import write_atomically
from edgesoft.inference.bench import interleave
from edgesoft.inference.classifier import Classifier
from edgesoft.inference.parity import Parity, compare, divergence
from edgesoft.inference.verify import verify
from edgesoft.model.card import ModelCard, Quantization, Scheme, StatedParity
from edgesoft.model.file import open_model
from edgesoft.model.golden import Golden
from edgesoft.model.layers import Layer
from edgesoft.model.network import Network
from edgesoft.names import quoted, stem_flaw
from edgesoft.pictures import encode_png
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.distort import distorted_inputs
from edgesoft.training.history import history_of
from edgesoft.training.network import SoftmaxNetwork, reference_logits

GOLDEN_BYTES = 2**23
"""Most bytes of golden inputs, and of the page with them, in a model file."""
CALIBRATION_WORK = 50_000_000_000
"""Most multiplications in plain numpy, some ten seconds; where all training examples would take more, ranges are measured on a sample."""
NEGLIGIBLE_DROP = 0.001
"""Where the validation split excludes a larger loss of accuracy, as a fraction, plain rounding is good enough."""


class _Stage:
    """Builds model files of one checkpoint and measures each with the code that runs on devices."""

    def __init__(self, checkpoint: Checkpoint, dataset: Dataset, gate: Gate, folder: Path) -> None:
        self.checkpoint, self.dataset, self.gate, self.folder = checkpoint, dataset, gate, folder
        self.head = checkpoint.card.head
        self.reference = reference_logits(SoftmaxNetwork(checkpoint.layers), dataset.test.inputs)
        golden = select_golden(self.head.class_logits(self.reference), dataset.test.targets)
        # Large pictures: fewer of them, evenly spread, so that the block stays one that a device unpacks.
        affordable = max(1, GOLDEN_BYTES // dataset.test.inputs[0].nbytes)
        self.golden = evenly_spread(golden, affordable)
        self.page, self.page_seen = _page(dataset, self.golden)
        training, validation = checkpoint.card.training, dataset.validation
        learned_outliers = training is not None and training.outliers
        self.distorted = distorted_inputs(validation.inputs, dataset.input, seed=0) if learned_outliers else None

    def measure(
        self, layers: tuple[Layer, ...], arithmetic: str, quantization: Quantization | None = None
    ) -> StagedModel:
        """Write a file, run it over the validation and the test split, compare with PyTorch, and complete its card."""
        test, targets = self.dataset.test, self.dataset.test.targets
        described = self._calibrated(layers, dataclasses.replace(self.checkpoint.card, quantization=quantization))
        graph = build_graph(layers, described)
        logits = self._open(with_digests(graph, described)).logits(test.inputs)
        parity = compare(self.reference, logits, described.head, targets)
        complete = dataclasses.replace(described, parity=_stated(parity))
        golden = Golden(
            labels=described.labels,
            inputs=test.inputs[self.golden],
            targets=targets[self.golden],
            reference=self.reference[self.golden],
            expected=logits[self.golden],
            page=self.page,
            page_seen=self.page_seen,
        )
        content = with_digests(graph, complete, golden)
        temperature, class_logits = described.head.temperature, self.head.class_logits(logits)
        findings = self._replay(content)
        return StagedModel(
            precision=described.precision,
            arithmetic=arithmetic,
            content=content,
            temperature=temperature,
            logits=logits,
            predictions=described.head.predict(logits),
            parity=parity,
            failures=(*self.gate.failures(parity, described.precision), *findings),
            max_drop=None if findings else max_drop_for(parity),
            unscaled=reliability(class_logits, targets),
            scaled=reliability(class_logits, targets, temperature=temperature),
            latencies={},
        )

    def _calibrated(self, layers: tuple[Layer, ...], card: ModelCard) -> ModelCard:
        """The card with the temperature and the limits that suit these layers, by the validation split.

        The logits are the same before and after the temperature, so a draft with the card as it is serves to measure them.
        """
        validation = self.dataset.validation
        draft = self._open(with_digests(build_graph(layers, card), card))
        logits = self.head.class_logits(draft.logits(validation.inputs))
        temperature = fit_temperature(logits, validation.targets)
        distorted = None if self.distorted is None else self.head.class_logits(draft.logits(self.distorted))
        rejection = rejection_limits(logits, validation.targets, temperature, distorted=distorted)
        if not card.head.is_even:  # whoever chose another threshold has said already how sure an answer must be
            rejection = dataclasses.replace(rejection, min_confidence=None)
        return dataclasses.replace(card, head=card.head.at(temperature), rejection=rejection)

    def _replay(self, content: bytes) -> list[str]:
        """Verify the very bytes that would be published, as a device will; what it finds misses the gate."""
        path = self.folder / "complete.onnx"
        write_atomically(path, content)
        return [f"{finding.stage}: {finding.message}" for finding in verify(path).findings]

    def _open(self, content: bytes) -> Classifier:
        path = self.folder / "staged.onnx"
        write_atomically(path, content)
        return Classifier(open_model(path), "cpu")

    def time(self, candidates: Sequence[StagedModel]) -> list[StagedModel]:
        """Measure the latencies of several files in turns."""
        classifiers = [self._open(candidate.content) for candidate in candidates]
        latencies: list[dict[int, list[float]]] = [{} for _ in candidates]
        for batch in BENCH_BATCHES:
            inputs = np.resize(self.dataset.test.inputs[:batch], (batch, *self.checkpoint.card.input.shape))
            calls = {str(index): partial(classifier, inputs) for index, classifier in enumerate(classifiers)}
            for index, seconds in interleave(calls, rounds=40, calls=max(1, 50 // batch)).items():
                latencies[int(index)][batch] = seconds
        return [
            dataclasses.replace(candidate, latencies=measured)
            for candidate, measured in zip(candidates, latencies, strict=True)
        ]


def export(
    checkpoint: Checkpoint,
    dataset: Dataset,
    *,
    gate: Gate = Gate(),
    int8: QuantizeSettings | None = None,
    name: str | None = None,
) -> ExportResult:
    """Build the float file, and the INT8 file when `int8` says how, and hold both against PyTorch over the whole test split.

    Nothing is published here: `edgesoft.exporting.publish` does that with the result.

    Parameters
    ----------
    checkpoint
        What `edgesoft train` wrote.
    dataset
        The data it was trained on.
    gate
        What a file must hold.
    int8
        How to quantize; None makes the float file only.
    name
        Stem of the files; None takes the data set's name from the checkpoint.

    Raises
    ------
    EdgesoftError
        The checkpoint belongs to other data.
    GateMissedError
        The float file does not answer like PyTorch.
    """
    training = checkpoint.card.training
    if training is None or training.data_sha256 != dataset.digest:
        raise EdgesoftError(
            f"{checkpoint.path}: was trained on other data than {dataset.name} holds now. Train again: edgesoft train"
        )
    name = stem_of(checkpoint, name)
    trained = dataclasses.replace(checkpoint, card=dataclasses.replace(checkpoint.card, name=name))
    with tempfile.TemporaryDirectory() as folder:
        stage = _Stage(trained, dataset, gate, Path(folder))
        float_model = stage.measure(trained.layers, "float32")
        if not float_model.passed:
            raise GateMissedError(
                f"{checkpoint.path}: the float file does not answer like PyTorch: {'; '.join(float_model.failures)}"
            )
        attempts = _attempts(stage, trained, dataset, int8) if int8 else []
        timed = stage.time([float_model, *attempts])
    epochs = history_of(checkpoint)
    return ExportResult(name, checkpoint.sha256, timed[0], tuple(timed[1:]), stage.reference, epochs)


def stem_of(checkpoint: Checkpoint, name: str | None) -> str:
    """What the files are named after; a UsageError when that makes no file name."""
    # A checkpoint may come from anywhere, and its name must not lead out of the folder either.
    name = checkpoint.card.name if name is None else name
    if (wrong := stem_flaw(name)) is not None:
        raise UsageError(f"name {quoted(name)} {wrong}")
    return name


def _page(dataset: Dataset, golden: NDArray[np.intp]) -> tuple[NDArray[np.uint8] | None, NDArray[np.uint8] | None]:
    """A picture that is no input yet, and what the preprocessing makes of it; none for tables, or if it would be too large."""
    page = dataset.input.page(dataset.test.inputs[golden[len(golden) // 2]])
    if page is None or page.nbytes > GOLDEN_BYTES:
        return None, None
    return page, dataset.input.read(encode_png(page)).values


def _attempts(stage: _Stage, trained: Checkpoint, dataset: Dataset, config: QuantizeSettings) -> list[StagedModel]:
    """Try one scheme after the other until one passes."""
    count = config.calibration_samples or max(1, CALIBRATION_WORK // trained.card.architecture.multiplications)
    inputs = evenly_spread(dataset.train.inputs, count)
    attempts: list[StagedModel] = []
    for scheme in config.schemes():
        if not any(scheme.rounds(len(trained.linears))):
            continue  # nothing would be left in integers
        if scheme.float_first and trained.card.input.is_picture:
            continue  # grey levels are bytes already
        started = time.perf_counter()
        layers, quantization = _rounded(trained, dataset, scheme, inputs)
        seconds = time.perf_counter() - started if quantization.finishing_steps else None
        attempt = stage.measure(layers, f"INT8, {scheme}", quantization)
        attempts.append(dataclasses.replace(attempt, finishing_seconds=seconds))
        if attempt.passed:
            break
    return attempts


def _rounded(
    trained: Checkpoint, dataset: Dataset, scheme: Scheme, inputs: NDArray[Any]
) -> tuple[tuple[Layer, ...], Quantization]:
    """The layers in integers: equalised and rounded where that loses nothing on the validation split, finished where it may.

    What is finished must be closer to float there. The test split is not asked: it judges.
    """
    validation, head = dataset.validation, trained.card.head
    layers = trained.layers if scheme.float_first else over_unit_range(trained.layers, inputs)
    layers = least_error(layers, head, inputs, scheme)
    maxima = tuple(activation_maxima(layers, inputs))
    reference = reference_logits(SoftmaxNetwork(trained.layers), validation.inputs)
    plain = quantize(layers, maxima, scheme)
    plain_logits = Network(plain, head).logits(validation.inputs)
    parity = compare(reference, plain_logits, head, validation.targets)
    if parity.largest_drop <= NEGLIGIBLE_DROP:
        return plain, Quantization(scheme, len(inputs), maxima)
    finished = finish(trained.layers, layers, scheme, inputs)
    rounded = quantize(finished.layers, finished.activation_maxima, scheme, finished.weight_maxima)
    rounded_logits = Network(rounded, head).logits(validation.inputs)
    # Written so that what is not finite loses.
    if not divergence(reference, rounded_logits, head) <= divergence(reference, plain_logits, head):
        return plain, Quantization(scheme, len(inputs), maxima)
    return rounded, Quantization(scheme, len(inputs), finished.activation_maxima, finished.steps)


def _stated(parity: Parity) -> StatedParity:
    return StatedParity(
        examples=parity.examples,
        max_logit_difference=parity.max_logit_difference,
        max_probability_difference=parity.max_probability_difference,
        label_changes=len(parity.label_changes),
        pytorch_accuracy=parity.reference_accuracy or 0.0,
        accuracy=parity.candidate_accuracy or 0.0,
    )
