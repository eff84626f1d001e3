"""Holds a model file against the PyTorch checkpoint that it came from, over the whole test split."""

from __future__ import annotations

import dataclasses

from edgesoft.data.dataset import Dataset
from edgesoft.exporting.gate import Gate
from edgesoft.inference.classifier import Classifier
from edgesoft.inference.parity import compare
from edgesoft.inference.verify import Finding, VerifyReport
from edgesoft.model.file import read_model
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.network import SoftmaxNetwork, reference_logits


def verify_against(
    report: VerifyReport,
    checkpoint: Checkpoint,
    dataset: Dataset,
    gate: Gate = Gate(),
    *,
    threads: int | None = None,
) -> VerifyReport:
    """Add the full comparison with PyTorch to a report.

    Parameters
    ----------
    report
        What `edgesoft.inference.verify.verify` found.
    checkpoint
        The checkpoint that the file should have come from.
    dataset
        The data to compare on.
    gate
        What the file must hold.
    threads
        As for `verify`; the provider is the report's.
    """
    model = read_model(report.path)
    findings = list(report.findings)
    if checkpoint.card.labels != model.card.labels:
        findings.append(
            Finding(
                "labels",
                f"the file has {', '.join(model.card.labels)}, the checkpoint {', '.join(checkpoint.card.labels)}",
            )
        )
    if checkpoint.card.input != model.card.input:
        findings.append(
            Finding("preprocessing", f"the file has {model.card.input}, the checkpoint {checkpoint.card.input}")
        )
        return dataclasses.replace(report, findings=tuple(findings))
    reference = reference_logits(SoftmaxNetwork(checkpoint.layers), dataset.test.inputs)
    if reference.shape[1] != model.card.outputs:
        return dataclasses.replace(report, findings=tuple(findings))
    if report.expected is None:  # it could not be replayed either, and the report already says why
        return dataclasses.replace(report, findings=tuple(findings))
    choice = report.choice
    classifier = Classifier(model, choice.provider, threads=threads, device_id=choice.device_id, tf32=choice.tf32)
    parity = compare(reference, classifier.logits(dataset.test.inputs), model.card.head, dataset.test.targets)
    findings += [Finding("pytorch", failure) for failure in gate.failures(parity, model.card.precision)]
    return dataclasses.replace(report, against=parity, findings=tuple(findings))
