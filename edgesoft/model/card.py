"""The model card: everything a device must know besides the graph, as JSON inside the model file.

A card describes one model: what it takes, what it answers, and where it came from. The same card, still without
quantization and parity, travels in the training checkpoint. What code relies on is a typed field, checked when a card is made or read;
only settings, versions and metrics are free JSON, which is for people and reports.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from edgesoft.errors import EdgesoftError
from edgesoft.model.architecture import Architecture, Stages
from edgesoft.model.heads import Head, Softmax, head_from_json
from edgesoft.model.inputs import INPUTS, InputKind
from edgesoft.model.read_only import read_only
from edgesoft.names import fault, flaw, stem_flaw

SCHEMA_VERSION = 1
CARD_LIMIT = 4 * 2**20
"""Longest card that is read, in bytes: parsed JSON takes many times the memory of its text."""
Precision = Literal["float32", "int8"]
_CHANNELS = "channels must be lists of positive integers, of pictures only"


@dataclass(frozen=True)
class Training:
    """Where a model came from."""

    data: str
    """Name of the data set."""
    data_sha256: str
    """Digest of all its examples, by which export knows them again."""
    target: str | None = None
    """The column that held the labels; None where the data are no table."""
    outliers: bool = False
    """Whether the network also learned from inputs of none of its classes, so that its energy score means something by itself."""
    examples: Mapping[str, int] = field(default_factory=dict)
    """Split -> how many."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Every setting of the training, for people."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Library -> version, for people."""

    def __post_init__(self) -> None:
        _demand(flaw(self.data) is None and flaw(self.data_sha256) is None, "training must name its data")
        _demand(self.target is None or flaw(self.target) is None, "training must name the column of its labels")
        _demand(type(self.outliers) is bool, "training must say whether there were outliers")
        objects = (self.examples, self.settings, self.versions)
        _demand(all(isinstance(item, Mapping) for item in objects), "training must hold objects")
        for name in ("examples", "settings", "versions"):
            object.__setattr__(self, name, read_only(getattr(self, name)))


@dataclass(frozen=True)
class Scheme:
    """How weights are rounded to integers."""

    weight_bits: int = 7
    """7: right on every CPU. 8: finer, but wrong answers on x86 without VNNI."""
    per_channel: bool = False
    """One scale for each output of a layer, instead of one for all."""
    float_last: bool = False
    """Leave the last layer in float."""
    float_first: bool = False
    """Leave the first layer in float: for features that a byte does not resolve."""

    def __post_init__(self) -> None:
        flags = all(type(flag) is bool for flag in (self.per_channel, self.float_last, self.float_first))
        _demand(
            flags and type(self.weight_bits) is int and self.weight_bits in (7, 8), "quantization has no such scheme"
        )

    @property
    def weight_levels(self) -> int:
        """The largest integer that a weight becomes; the smallest is its negative."""
        return int(2 ** (self.weight_bits - 1) - 1)

    def rounds(self, layers: int) -> list[bool]:
        """Which of so many linear layers are rounded to integers."""
        return [
            not (self.float_first and index == 0) and not (self.float_last and index == layers - 1)
            for index in range(layers)
        ]

    @property
    def same_bits_everywhere(self) -> bool:
        """Whether every CPU computes the same logits, bit for bit: whole numbers only, and none that saturates."""
        return self.weight_bits == 7 and not self.float_last and not self.float_first

    def __str__(self) -> str:
        scale = "per channel" if self.per_channel else "per tensor"
        kept = [name for name, flag in (("first", self.float_first), ("last", self.float_last)) if flag]
        return f"{self.weight_bits}-bit weights {scale}{''.join(f', {name} layer in float' for name in kept)}"


@dataclass(frozen=True)
class Quantization:
    """How an INT8 model was made: static QDQ, uint8 activations with zero point 0, int8 weights."""

    scheme: Scheme
    examples: int
    """Training examples that the ranges of the activations were measured on."""
    activation_maxima: tuple[float, ...]
    """What the largest level of each hidden layer's activations stands for."""
    finishing_steps: int = 0
    """How long weights and ranges learned to be rounded; 0 where plain rounding lost nothing."""

    def __post_init__(self) -> None:
        _demand(type(self.examples) is int and self.examples > 0, "quantization must count its examples")
        steps = self.finishing_steps
        _demand(type(steps) is int and steps >= 0, "quantization must count its finishing steps")
        maxima = self.activation_maxima
        _demand(all(type(maximum) is float for maximum in maxima), "quantization must hold a list of maxima")

    def __str__(self) -> str:
        return f"{self.scheme}{f', finished in {self.finishing_steps} steps' if self.finishing_steps else ''}"


@dataclass(frozen=True)
class Rejection:
    """The limits below which an answer is given as unknown."""

    min_confidence: float | None = None
    """Probability of the answer; None where no such limit is known, 0 always answers, however odd the input is."""
    min_energy_score: float | None = None
    """`edgesoft.inference.rejection.energy_score` of the logits; None where it means nothing."""

    def __post_init__(self) -> None:
        confidence, energy = self.min_confidence, self.min_energy_score
        _demand(
            confidence is None or (type(confidence) is float and 0 <= confidence <= 1),
            "rejection must have a confidence from 0 to 1",
        )
        _demand(
            energy is None or (type(energy) is float and math.isfinite(energy)), "rejection must have a finite energy"
        )


@dataclass(frozen=True)
class StatedParity:
    """How the file compared with PyTorch on the whole test split, at export."""

    examples: int
    max_logit_difference: float
    max_probability_difference: float
    label_changes: int
    pytorch_accuracy: float
    """As a fraction."""
    accuracy: float
    """The file's own, as a fraction."""

    def __post_init__(self) -> None:
        counts = (self.examples, self.label_changes)
        numbers = (self.max_logit_difference, self.max_probability_difference, self.pytorch_accuracy, self.accuracy)
        _demand(all(type(count) is int for count in counts), "parity must hold counts")
        _demand(all(type(number) is float for number in numbers), "parity must hold numbers")


@dataclass(frozen=True, repr=False)
class ModelCard:
    """What one model is.

    Raises
    ------
    ValueError
        A field makes no sense.
    """

    name: str
    """Short name of the model, also the stem of its files: "mnist"."""
    labels: tuple[str, ...]
    """The class names; output `label` is an index into them."""
    input: InputKind
    """What the model takes, and how a picture or a row of a table becomes it."""
    hidden: tuple[int, ...]
    """Widths of the hidden linear layers, in units."""
    channels: Stages = ()
    """Of the convolutions before them, stage by stage; empty for an MLP."""
    head: Head = field(default_factory=Softmax)
    """How logits become probabilities and an answer."""
    rejection: Rejection = field(default_factory=Rejection)
    """When not to trust an answer."""
    training: Training | None = None
    """Where the weights came from; None where nobody knows."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Accuracies of the training, as fractions, with the number of examples; for people."""
    quantization: Quantization | None = None
    """How the INT8 weights and ranges were chosen; None for a float model."""
    parity: StatedParity | None = None
    """How the exported graph compared with PyTorch; None before export."""

    def __post_init__(self) -> None:
        wrong_name, wrong_label = stem_flaw(self.name), fault(self.labels, "label")
        _demand(wrong_name is None, f"the name {wrong_name}")
        _demand(len(self.labels) >= 2, "labels must be a list of at least two")
        _demand(wrong_label is None, wrong_label or "")
        widths = all(type(width) is int and width > 0 for width in self.hidden)
        _demand(widths, "hidden must be a list of positive integers")
        counts = [count for stage in self.channels for count in stage]
        whole = all(self.channels) and all(type(count) is int and count > 0 for count in counts)
        _demand(whole and (self.input.is_picture or not counts), _CHANNELS)
        _demand(isinstance(self.metrics, Mapping), "metrics must be an object")
        object.__setattr__(self, "metrics", read_only(self.metrics))
        self.head.outputs(len(self.labels))

    def __repr__(self) -> str:
        return f"ModelCard({self.name!r}, {self.precision}, {self.input.kind}, {len(self.labels)} classes, {self.head.describe()})"

    @property
    def outputs(self) -> int:
        """How many logits the model gives."""
        return self.head.outputs(len(self.labels))

    @property
    def architecture(self) -> Architecture:
        """How large the parts of the network are."""
        return Architecture(self.input.shape, self.channels, self.hidden, self.outputs)

    @property
    def precision(self) -> Precision:
        """Arithmetic of the graph."""
        return "float32" if self.quantization is None else "int8"

    def to_json(self) -> str:
        """The card as compact JSON with sorted keys: the same card gives the same bytes."""
        document = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}
        document["input"] = {"kind": self.input.kind, **self.input.to_card()}
        document["head"] = self.head.to_json()
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
            card = _card(document)
            json.dumps(
                document, ensure_ascii=False
            ).encode()  # a lone surrogate, which JSON can hold, fits into no file
        except (KeyError, TypeError, ValueError, OverflowError, EdgesoftError) as error:
            detail = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            raise EdgesoftError(
                f"{origin}: the model card is damaged ({detail[:200]}). Export the model again"
            ) from error
        return card


Part = TypeVar("Part", Training, Scheme, Rejection, StatedParity, ModelCard, Quantization)


def _card(document: dict[str, Any]) -> ModelCard:
    taken = dict(document["input"])
    kind = taken.pop("kind", None)
    if kind not in INPUTS:
        raise ValueError(f"input of kind {kind!r}, expected one of {', '.join(INPUTS)}")
    quantization = document.get("quantization")
    if quantization is not None:
        scheme = _part(Scheme, quantization["scheme"], "quantization")
        maxima = _tuple(quantization["activation_maxima"], "quantization must hold a list of maxima")
        changed = {**quantization, "scheme": scheme, "activation_maxima": maxima}
        quantization = _part(Quantization, changed, "quantization")
    training, parity = document.get("training"), document.get("parity")
    fields = {
        **document,
        "labels": _tuple(document["labels"], "labels must be a list of at least two"),
        "input": INPUTS[kind].from_card(taken),
        "hidden": _tuple(document["hidden"], "hidden must be a list of positive integers"),
        "channels": tuple(_tuple(stage, _CHANNELS) for stage in _tuple(document.get("channels", []), _CHANNELS)),
        "head": head_from_json(document["head"]),
        "rejection": _part(Rejection, document["rejection"], "rejection"),
        "training": None if training is None else _part(Training, training, "training"),
        "quantization": quantization,
        "parity": None if parity is None else _part(StatedParity, parity, "parity"),
    }
    return _part(ModelCard, fields, "the card")


def _part(kind: type[Part], document: object, name: str) -> Part:
    """A dataclass of its JSON object; its own checks come with making it."""
    if not isinstance(document, dict):
        raise ValueError(f"{name} must be an object")  # noqa: TRY004 - damaged data, not a wrong call
    names = {item.name: item for item in dataclasses.fields(kind)}
    unknown = set(document) - set(names)
    if unknown:
        raise ValueError(f"unknown field {min(unknown)!r}")
    missing = dataclasses.MISSING
    for field_name, item in names.items():
        if field_name not in document and item.default is missing and item.default_factory is missing:
            raise KeyError(field_name)
    return kind(**document)


def _tuple(value: object, message: str) -> tuple[Any, ...]:
    _demand(isinstance(value, list), message)
    return tuple(value)  # type: ignore[arg-type]


def _demand(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
