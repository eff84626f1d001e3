"""The model card: everything a device must know besides the graph, as JSON inside the model file.

A card describes one model: what it takes, what it answers, and where it came from. The same card, still without
quantization and parity, travels in the training checkpoint.
"""

from __future__ import annotations

import dataclasses
import json
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edgesoft.errors import EdgesoftError
from edgesoft.pictures.spec import PictureSpec

SCHEMA_VERSION = 1
CARD_LIMIT = 2 * 2**20
"""Longest card that is read, in bytes: parsed JSON takes many times the memory of its text."""
Precision = Literal["float32", "int8"]

_OPTIONAL = {
    "precision": "float32",
    "temperature": 1.0,
    "doubt": None,
    "training": {},
    "metrics": {},
    "quantization": None,
    "parity": None,
}


@dataclass(frozen=True)
class ModelCard:
    """What one model is.

    `training`, `metrics`, `quantization` and `parity` are provenance: JSON objects for people and reports, which no code
    relies on to classify.
    """

    name: str
    """Short name of the model, also the stem of its files: "mnist"."""
    labels: tuple[str, ...]
    """The class names; output `label` is an index into them."""
    input: PictureSpec
    """What the model takes, and how a picture becomes it."""
    hidden: tuple[int, ...]
    """Widths of the hidden layers, in units; empty for plain softmax regression."""
    precision: Precision = "float32"
    """Arithmetic of the graph."""
    temperature: float = 1.0
    """What the graph divides the logits by before softmax."""
    doubt: Mapping[str, Any] | None = None
    """When not to trust an answer: `reject_below`, a confidence, and `familiar_above`; None when nothing is doubted."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Data set with digest, settings, seed, library versions."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Accuracies, as fractions, with the number of examples."""
    quantization: Mapping[str, Any] | None = None
    """How the INT8 weights and ranges were chosen; None for a float model."""
    parity: Mapping[str, Any] | None = None
    """How the exported graph compared with PyTorch; None before export."""

    def to_json(self) -> str:
        """The card as compact JSON with sorted keys: the same card gives the same bytes."""
        document = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}
        document["input"] = {"kind": "pixels", **self.input.to_card()}
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes, origin: object) -> ModelCard:
        """Read a card back and check every field that code relies on.

        Parameters
        ----------
        text
            What `to_json` wrote.
        origin
            Where it came from, for the messages.

        Raises
        ------
        EdgesoftError
            The text is no card, or a card of a schema version that this edgesoft does not know.
        """
        if len(text) > CARD_LIMIT:
            raise EdgesoftError(f"{origin}: the model card is larger than {CARD_LIMIT:,} bytes. Export the model again")
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise EdgesoftError(f"{origin}: the model card is not JSON. Export the model again") from error
        if not isinstance(document, dict):
            raise EdgesoftError(f"{origin}: the model card is not a JSON object. Export the model again")
        version = document.pop("schema_version", None)
        if version != SCHEMA_VERSION:
            raise EdgesoftError(
                f"{origin}: the model card has schema version {str(version)[:20]!r}, this edgesoft reads version {SCHEMA_VERSION}. "
                "Export the model again, or install the edgesoft that wrote it"
            )
        try:
            return cls._from_document(document)
        except (KeyError, TypeError, ValueError, OverflowError, EdgesoftError) as error:
            detail = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            raise EdgesoftError(
                f"{origin}: the model card is damaged ({detail[:200]}). Export the model again"
            ) from error

    @classmethod
    def _from_document(cls, document: dict[str, Any]) -> ModelCard:
        unknown = set(document) - {item.name for item in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"unknown field {min(unknown)!r}")
        document = {**_OPTIONAL, **document}
        labels, hidden = document["labels"], document["hidden"]
        if not (_is_line(document["name"]) and document["name"]):
            raise ValueError("name must be a word")
        if not (isinstance(labels, list) and len(labels) >= 2 and all(_is_line(label) for label in labels)):
            raise ValueError("labels must be a list of at least two words")
        if len(set(labels)) != len(labels):
            raise ValueError("labels must differ from each other")
        if not (isinstance(hidden, list) and all(type(width) is int and width > 0 for width in hidden)):
            raise ValueError("hidden must be a list of positive integers")
        if document["precision"] not in ("float32", "int8"):
            raise ValueError(f"unknown precision {document['precision']!r}")
        if not (type(document["temperature"]) is float and 0 < document["temperature"] < math.inf):
            raise ValueError("temperature must be a positive number")
        for key in ("training", "metrics", "quantization", "parity", "doubt"):
            optional = key in ("quantization", "parity", "doubt")
            if not (isinstance(document[key], dict) or (optional and document[key] is None)):
                raise ValueError(f"{key} must be an object")
        taken = dict(document["input"])
        if taken.pop("kind", None) != "pixels":
            raise ValueError("input must be of kind 'pixels'")
        return cls(
            **{**document, "labels": tuple(labels), "hidden": tuple(hidden), "input": PictureSpec.from_card(taken)}
        )


def _is_line(text: object) -> bool:
    """Whether `text` prints as one line: a label with a line break or a terminal's control code would break every output."""
    return isinstance(text, str) and not any(
        unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text
    )
