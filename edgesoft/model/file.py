"""Reads an ONNX file without the onnx package, and refuses whatever edgesoft never writes.

ONNX is a protobuf message. The few fields that edgesoft writes are listed here; a file with any other field (external data,
functions, subgraphs) is refused before ONNX Runtime sees it, because the safest parser of a hostile file is the one that
knows the fewest forms. Field numbers: onnx.proto of ONNX 1.23.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from edgesoft.errors import EdgesoftError, GateMissedError
from edgesoft.files import read_bytes
from edgesoft.model.card import CARD_LIMIT, ModelCard
from edgesoft.model.golden import TEXT_LIMIT
from edgesoft.model.graph import Node, TensorSpec
from edgesoft.model.heads import HEADS
from edgesoft.model.layers import FIRST, LAYERS
from edgesoft.model.protobuf import ForeignError, Message
from edgesoft.transaction import settle

SIZE_LIMIT = 256 * 2**20  # bytes; 60 million float weights, far beyond a small classifier
MOST_GRAPH_FIELDS = 10_000
"""Nodes, initializers, inputs and outputs together: hundreds of layers."""
CARD_KEY = "edgesoft.card"
GOLDEN_KEY = "edgesoft.golden"
DIGEST_KEY = "edgesoft.digest"
METADATA_LIMITS = MappingProxyType({CARD_KEY: CARD_LIMIT, GOLDEN_KEY: TEXT_LIMIT, DIGEST_KEY: 4096})
"""Key -> most bytes of its text. edgesoft writes no other metadata, so there is none that no digest covers."""
OPERATORS = frozenset(operator for kind in (*FIRST, *LAYERS, *HEADS.values()) for operator in kind.operators)
"""Every operator that edgesoft writes; all of them allocate no more than their inputs promise."""

INT, INTS = 2, 7
"""ONNX's types of attributes that edgesoft writes."""
ELEMENT_TYPES = MappingProxyType({1: ("float32", 4), 2: ("uint8", 1), 3: ("int8", 1), 6: ("int32", 4), 7: ("int64", 8)})
"""ONNX element type -> name and size in bytes, for the types that edgesoft writes."""


@dataclass(frozen=True)
class Tensor:
    """One initializer: a constant of the graph."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: memoryview
    """Raw little-endian elements, row by row."""


@dataclass(frozen=True, repr=False)
class ModelFile:
    """What an edgesoft `.onnx` file says about itself, before anything runs it."""

    path: Path
    content: bytes
    """The whole file."""
    ir_version: int
    opset: int
    producer: str
    nodes: tuple[Node, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    initializers: tuple[Tensor, ...]
    metadata: Mapping[str, str]
    digests: Mapping[str, str]
    """Part ("weights", "graph", "labels and preprocessing", "golden examples") -> SHA-256 of its bytes as they are now."""
    card: ModelCard

    def __repr__(self) -> str:
        return f"ModelFile({str(self.path)!r}, {len(self.content):,} bytes, {len(self.nodes)} nodes)"

    def changed_parts(self) -> tuple[str, ...]:
        """The parts whose bytes differ from the digests that were written into the file at export."""
        stated = parse_digests(self.metadata[DIGEST_KEY], self.path)
        return tuple(part for part, digest in self.digests.items() if stated.get(part) != digest)


def open_model(path: str | Path) -> ModelFile:
    """Read a model file, check that edgesoft could have written it, and that it is unchanged since export.

    Raises
    ------
    EdgesoftError
        The file cannot be read, is no ONNX file, is no edgesoft model, or was changed after export.
    """
    model = read_model(path)
    changed = model.changed_parts()
    if changed:
        digest = "does not match its digest" if changed == ("graph",) else "do not match their digest"
        raise EdgesoftError(
            f"{path}: the {' and the '.join(changed)} {digest} (changed after export?). Export it again: edgesoft export"
        )
    return model


def read_model(path: str | Path, *, sha256: str | None = None) -> ModelFile:
    """Read a model file like `open_model`, but leave it to the caller to compare the digests.

    Parameters
    ----------
    path
        The `.onnx` file.
    sha256
        What the SHA-256 of the whole file must be, in hexadecimal; nothing of another file is looked at.

    Raises
    ------
    EdgesoftError
        The file cannot be read, is no ONNX file, or is no edgesoft model.
    GateMissedError
        It is not the file with that SHA-256.
    """
    path = Path(path)
    settle(path.parent)
    content = read_bytes(path, limit=SIZE_LIMIT, what="a model file (.onnx)")
    if sha256 is not None and (found := hashlib.sha256(content).hexdigest()) != sha256.lower():
        raise GateMissedError(
            f"{path}: is another file: its SHA-256 is {found}, expected {sha256.lower()}. Fetch it again from whoever told you that number"
        )
    try:
        return parse_model(content, path)
    except ForeignError as error:
        raise EdgesoftError(f"{path}: not a model that edgesoft wrote ({error}). Make one: edgesoft export") from None


def parse_model(content: bytes, path: Path) -> ModelFile:
    """Take the bytes of a model file apart; `path` is for the messages only."""
    model = Message(memoryview(content), "ModelProto", singles={1, 2, 3, 7}, repeated={8, 14})
    metadata = _metadata(model.messages(14, "StringStringEntryProto", singles={1, 2}))
    opsets = model.messages(8, "OperatorSetIdProto", singles={1, 2})
    if len(opsets) != 1 or opsets[0].text(1):
        raise ForeignError("expected exactly one operator set, ONNX's own")
    graph = model.message(7, "GraphProto", singles={2}, repeated={1, 5, 11, 12}, most=MOST_GRAPH_FIELDS)
    initializers = tuple(_tensor(proto) for proto in graph.messages(5, "TensorProto", singles={2, 8, 9}, repeated={1}))
    for key in (CARD_KEY, DIGEST_KEY):
        if key not in metadata:
            raise ForeignError(f"it has no {key}")
    digests = {
        "weights": _digest(graph.views(5)),
        "graph": _digest(
            [*graph.views(1), *graph.views(11), *graph.views(12), *model.views(8), str(model.number(1)).encode()]
        ),
        "labels and preprocessing": _digest([metadata[CARD_KEY].encode()]),
        "golden examples": _digest([metadata.get(GOLDEN_KEY, "").encode()]),
    }
    return ModelFile(
        path=path,
        content=content,
        ir_version=model.number(1),
        opset=opsets[0].number(2),
        producer=f"{model.text(2)} {model.text(3)}".strip(),
        nodes=tuple(_node(proto) for proto in graph.messages(1, "NodeProto", singles={3, 4}, repeated={1, 2, 5})),
        inputs=tuple(_tensor_spec(view) for view in graph.views(11)),
        outputs=tuple(_tensor_spec(view) for view in graph.views(12)),
        initializers=initializers,
        metadata=MappingProxyType(metadata),
        digests=MappingProxyType(digests),
        card=ModelCard.from_json(metadata[CARD_KEY], path),
    )


def parse_digests(text: str, origin: object) -> dict[str, str]:
    """Read the digests inside a file: one "part: hex" a line.

    Raises
    ------
    EdgesoftError
        The text has another form.
    """
    digests = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    if not digests:
        raise EdgesoftError(f"{origin}: the digest inside the file is damaged. Export the model again: edgesoft export")
    return digests


def format_digests(digests: Mapping[str, str]) -> str:
    """Write digests as `parse_digests` reads them."""
    return "\n".join(f"{part}: {digest}" for part, digest in digests.items())


def _metadata(entries: list[Message]) -> dict[str, str]:
    metadata: dict[str, str] = {}
    for entry in entries:
        key = entry.text(1)
        if key in metadata:
            raise ForeignError(f"it has {key} twice")
        if key not in METADATA_LIMITS:
            raise ForeignError(f"it has metadata {key[:40]!r}, which edgesoft never writes")
        if len(entry.view(2)) > METADATA_LIMITS[key]:
            raise ForeignError(f"its {key} is larger than {METADATA_LIMITS[key]:,} bytes")
        metadata[key] = entry.text(2)
    return metadata


def _tensor(proto: Message) -> Tensor:
    dims = proto.numbers(1)
    name, data = proto.text(8), proto.view(9)
    if proto.number(2) not in ELEMENT_TYPES:
        raise ForeignError(f"initializer {name[:40]!r} has element type {proto.number(2)}")
    dtype, size = ELEMENT_TYPES[proto.number(2)]
    if math.prod(dims) * size != len(data) or not data:
        raise ForeignError(f"initializer {name[:40]!r} has shape {dims[:8]} but {len(data)} bytes")
    return Tensor(name, dtype, tuple(dims), data)


def _node(proto: Message) -> Node:
    operator = proto.text(4)
    if operator not in OPERATORS:
        raise ForeignError(f"it has operator {operator[:40]!r}, which edgesoft never writes")
    # Attributes are whole numbers, or lists of them (name, i, ints, type): no tensors, no subgraphs.
    attributes = proto.messages(5, "AttributeProto", singles={1, 3, 20}, repeated={8})
    return Node(
        operator=operator,
        inputs=proto.texts(1),
        outputs=proto.texts(2),
        attributes=MappingProxyType({attribute.text(1): _value(attribute) for attribute in attributes}),
    )


def _value(attribute: Message) -> int | tuple[int, ...]:
    number, numbers = attribute.numbers(3), attribute.numbers(8)
    if attribute.number(20) != (INTS if numbers else INT) or (number and numbers):
        raise ForeignError(f"attribute {attribute.text(1)[:40]!r} is neither a whole number nor a list of them")
    return tuple(numbers) or attribute.number(3)


def _tensor_spec(view: memoryview) -> TensorSpec:
    proto = Message(view, "ValueInfoProto", singles={1, 2})
    tensor = proto.message(2, "TypeProto", singles={1}).message(1, "TypeProto.Tensor", singles={1, 2})
    dims = tensor.message(2, "TensorShapeProto", singles=set(), repeated={1}).messages(1, "Dimension", singles={1, 2})
    dtype, _ = ELEMENT_TYPES.get(tensor.number(1), (f"type {tensor.number(1)}", 0))
    return TensorSpec(proto.text(1), dtype, tuple(dim.text(2) or dim.number(1) for dim in dims))


def _digest(parts: Iterable[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))  # so that bytes cannot move from one part to the next unseen
        digest.update(part)
    return digest.hexdigest()
