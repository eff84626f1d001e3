"""What changed from one model file to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgesoft.errors import EdgesoftError
from edgesoft.inference.classifier import Classifier
from edgesoft.model.card import ModelCard
from edgesoft.model.file import GOLDEN_KEY, open_model
from edgesoft.model.golden import Golden


@dataclass(frozen=True)
class GoldenChange:
    """One golden example that the two models label differently."""

    carried_by: str
    """"old" or "new": whose golden example it is."""
    example: int
    right: str
    old: str
    new: str


@dataclass(frozen=True)
class ModelDiff:
    """The differences between two model files."""

    old: Path
    new: Path
    fields: Mapping[str, tuple[Any, Any]]
    """Name of a differing property ("labels", "input", ...) -> old and new value."""
    labels_reordered: bool
    """The same labels in another order: every index that a program has stored now means another class."""
    golden_examples: int
    """Golden examples of both files that both models classified; 0 when their inputs differ in form, or in what their features are."""
    golden_changes: tuple[GoldenChange, ...]


def diff(old: Path, new: Path) -> ModelDiff:
    """Compare two model files: what they take and answer, how good they are, and where they disagree.

    Raises
    ------
    EdgesoftError
        A file cannot be read, is not one that edgesoft wrote, or was changed after export.
    """
    models = [open_model(path) for path in (old, new)]
    cards = [model.card for model in models]
    described = [_describe(card) for card in cards]
    fields = {
        name: (described[0][name], described[1][name])
        for name in described[0]
        if described[0][name] != described[1][name]
    }
    examples, changes = 0, []
    # Of rows a golden example holds the features, which another model may have in another order.
    old_input, new_input = (card.input for card in cards)
    if (old_input.shape, old_input.names) == (new_input.shape, new_input.names):
        classifiers = [Classifier(model, "cpu") for model in models]
        for owner, model in zip(("old", "new"), models, strict=True):
            if GOLDEN_KEY not in model.metadata:
                raise EdgesoftError(
                    f"{model.path}: carries no golden examples to compare. Export it again: edgesoft export"
                )
            golden = Golden.decode(model.metadata[GOLDEN_KEY], model.path)
            answers = [np.array(classifier(golden.inputs).labels) for classifier in classifiers]
            examples += len(golden)
            changes += [
                GoldenChange(
                    owner,
                    int(index),
                    golden.labels[golden.targets[index]],
                    str(answers[0][index]),
                    str(answers[1][index]),
                )
                for index in np.flatnonzero(answers[0] != answers[1])
            ]
    same_labels = sorted(cards[0].labels) == sorted(cards[1].labels)
    return ModelDiff(
        old=old,
        new=new,
        fields=fields,
        labels_reordered=same_labels and cards[0].labels != cards[1].labels,
        golden_examples=examples,
        golden_changes=tuple(changes),
    )


def _describe(card: ModelCard) -> dict[str, Any]:
    training, quantization = card.training, card.quantization
    return {
        "labels": list(card.labels),
        "input": card.input.to_card(),
        "hidden": list(card.hidden),
        "precision": card.precision,
        "head": card.head.to_json(),
        "training data": training and training.data_sha256,
        "training settings": training and dict(training.settings),
        "versions": training and dict(training.versions),
        "quantization": quantization and asdict(quantization),
        "test accuracy": card.parity and card.parity.accuracy,
    }
