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
from edgesoft.tables.spec import TableSpec

SCHEMA_VERSION = 1
CARD_LIMIT = 2 * 2**20
"""Longest card that is read, in bytes: parsed JSON takes many times the memory of its text."""
Precision = Literal["float32", "int8"]
Head = Literal["softmax", "sigmoid"]
InputSpec = PictureSpec | TableSpec
_INPUTS: Mapping[str, type[PictureSpec] | type[TableSpec]] = {spec.kind: spec for spec in (PictureSpec, TableSpec)}

_OPTIONAL = {
    "precision": "float32",
    "temperature": 1.0,
    "head": "softmax",
    "threshold": 0.5,
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
    input: InputSpec
    """What the model takes, and how a picture or a row of a table becomes it."""
    hidden: tuple[int, ...]
    """Widths of the hidden layers, in units; empty for plain softmax regression."""
    precision: Precision = "float32"
    """Arithmetic of the graph."""
    temperature: float = 1.0
    """What the graph divides the logits by before softmax or sigmoid."""
    head: Head = "softmax"
    """How logits become probabilities. "sigmoid" is for two classes: the only logit is that of the second label."""
    threshold: float = 0.5
    """The sigmoid head answers the second label above this probability; softmax answers the largest and ignores it."""
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

    @property
    def outputs(self) -> int:
        """How many logits the model gives."""
        return 1 if self.head == "sigmoid" else len(self.labels)

    @property
    def cut(self) -> float:
        """The sigmoid head's threshold as a logit: above it the answer is the second label. 0 for softmax."""
        return self.temperature * math.log(self.threshold / (1 - self.threshold)) if self.head == "sigmoid" else 0.0

    def to_json(self) -> str:
        """The card as compact JSON with sorted keys: the same card gives the same bytes."""
        document = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}
        document["input"] = {"kind": self.input.kind, **self.input.to_card()}
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
        _check_fields(document)
        taken = dict(document["input"])
        kind = taken.pop("kind", None)
        if kind not in _INPUTS:
            raise ValueError(f"input of kind {kind!r}, expected one of {', '.join(_INPUTS)}")
        spec = _INPUTS[kind].from_card(taken)
        return cls(
            **{**document, "labels": tuple(document["labels"]), "hidden": tuple(document["hidden"]), "input": spec}
        )


def _is_line(text: object) -> bool:
    """Whether `text` prints as one line: a label with a line break or a terminal's control code would break every output."""
    return isinstance(text, str) and not any(
        unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text
    )


def _check_fields(document: Mapping[str, Any]) -> None:
    """Raise KeyError or ValueError for a field that code relies on and that is missing or wrong."""
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
    if document["head"] not in ("softmax", "sigmoid") or (document["head"] == "sigmoid" and len(labels) != 2):
        raise ValueError(f"head {document['head']!r} with {len(labels)} labels")
    if not (type(document["threshold"]) is float and 0 < document["threshold"] < 1):
        raise ValueError("threshold must be a number between 0 and 1")
    for key in ("training", "metrics", "quantization", "parity", "doubt"):
        optional = key in ("quantization", "parity", "doubt")
        if not (isinstance(document[key], dict) or (optional and document[key] is None)):
            raise ValueError(f"{key} must be an object")
