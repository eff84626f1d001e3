"""Files that nobody means well with: each must be one clear error, quickly, in little memory, and without opening another file."""

import base64
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgesoft.model.file import CARD_KEY, DIGEST_KEY, GOLDEN_KEY
from tests import edits


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    """One protobuf field."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def changed(source: Path, change: Callable[[onnx.ModelProto], None]) -> bytes:
    model = edits.read(source)
    change(model)
    return model.SerializeToString()


def changed_with_digests(source: Path, target: Path, change: Callable[[onnx.ModelProto], None]) -> bytes:
    return edits.edited(source, target, change, fresh_digests=True).read_bytes()


def external(location: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[-1]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "4")):
            tensor.external_data.add(key=key, value=value)

    return change


def four_terabytes(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array([2**20, 2**20]), "size"))
    model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["size"], ["huge"]))


def outer_product(operator: str) -> Callable[[onnx.ModelProto], None]:
    """Two small constants whose product is 16 GB: ONNX Runtime folds it as soon as the file is opened."""

    def change(model: onnx.ModelProto) -> None:
        column = np.ones((65_536, 1), np.float32)
        row = column if operator == "Gemm" else column.T
        model.graph.initializer.extend([numpy_helper.from_array(column, "column"), numpy_helper.from_array(row, "row")])
        inputs = ["column", "row"]
        if operator == "Gemm":
            model.graph.initializer.append(numpy_helper.from_array(np.ones(65_536, np.float32), "ones"))
            inputs.append("ones")
        attributes = {"transB": 1} if operator == "Gemm" else {}
        model.graph.node.insert(0, helper.make_node(operator, inputs, ["huge"], **attributes))

    return change


def rows_times_column(model: onnx.ModelProto) -> None:
    """Each batch of inputs becomes gigabytes, but only when it runs."""
    column = np.ones((2**20, 1, 1), np.float32)
    model.graph.initializer.append(numpy_helper.from_array(column, "column"))
    model.graph.node.insert(len(model.graph.node) - 1, helper.make_node("Mul", ["logits", "column"], ["huge"]))


def subgraph(model: onnx.ModelProto) -> None:
    branch = helper.make_graph([], "branch", [], [])
    model.graph.node[0].attribute.append(helper.make_attribute("body", branch))


def function(model: onnx.ModelProto) -> None:
    relu = helper.make_node("Relu", ["x"], ["y"])
    model.functions.append(helper.make_function("evil", "Relu", ["x"], ["y"], [relu], [helper.make_opsetid("", 13)]))


def custom_domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.evil"


def golden_text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def golden_bomb() -> str:
    """Two gigabytes of zeros in two megabytes."""
    packer = zlib.compressobj(1)
    block = bytes(2**24)
    return golden_text(b"".join(packer.compress(block) for _ in range(128)) + packer.flush())


def golden_block(header: object, body: bytes = b"") -> str:
    return golden_text(zlib.compress(json.dumps(header).encode() + b"\n" + body, 1))


def with_metadata(key: str, value: str) -> Callable[[onnx.ModelProto], None]:
    return lambda model: edits.set_metadata(model, key, value)


def deep_card() -> str:
    return '{"schema_version": 1, "training": ' + "[" * 200_000 + "]" * 200_000 + "}"


def wide_card() -> str:
    return '{"schema_version": 1, "training": [' + ",".join(["[]"] * 20_000_000) + "]}"


def graph_with(*fields: bytes) -> bytes:
    """A whole file around the fields of a graph."""
    metadata = b"".join(field(14, field(1, key.encode()) + field(2, b"{}")) for key in (CARD_KEY, DIGEST_KEY))
    return field(1, 8) + field(7, b"".join(fields)) + field(8, field(2, 13)) + metadata


def files(source: Path, scratch: Path) -> Iterator[tuple[str, bytes, str]]:
    """Name, content, and what the error must say; `source` is an honest file, `scratch` a path to write to."""
    honest = source.read_bytes()
    model = edits.read(source)
    graph = model.graph.SerializeToString()
    yield "empty", b"", "expected exactly one operator set"
    yield "junk", bytes(range(256)) * 40, "not a model that edgesoft wrote"
    yield "text", b"hello, I am a model\n" * 50, "not a model that edgesoft wrote"
    yield "zip", b"PK\x03\x04" + bytes(2000), "not a model that edgesoft wrote"
    yield "html", b"<!doctype html><html></html>", "not a model that edgesoft wrote"
    yield "truncated", honest[: len(honest) // 2], "ends in the middle"
    for name, location in (
        ("external data", "canary.bin"),
        ("traversal", "../canary.bin"),
        ("absolute", "/etc/passwd"),
        ("device", "/dev/zero"),
    ):
        yield (
            f"external data: {name}",
            changed(source, external(location)),
            "TensorProto has field 1[34], which edgesoft never",
        )
    yield "ConstantOfShape", changed(source, four_terabytes), "operator 'ConstantOfShape'"
    yield "subgraph", changed(source, subgraph), "AttributeProto has field 6"
    yield "function", changed(source, function), "ModelProto has field 25"
    yield "domain", changed(source, custom_domain), "NodeProto has field 7"
    yield "two graphs", honest + field(7, graph), "ModelProto has field 7 twice"
    yield "two opsets", honest + field(8, field(2, 13)), "exactly one operator set"
    yield "custom opset", changed(source, lambda model: setattr(model.opset_import[0], "domain", "x")), "ONNX's own"
    yield (
        "future opset",
        changed_with_digests(source, scratch, lambda model: setattr(model.opset_import[0], "version", 9999)),
        "cannot load it",
    )
    yield (
        "no metadata",
        changed(source, lambda model: model.ClearField("metadata_props")),
        "it has no edgesoft.card",
    )
    yield "other metadata", changed(source, with_metadata("pytorch", "hello")), "it has metadata 'pytorch'"
    yield "card twice", honest + field(14, field(1, CARD_KEY.encode())), "it has edgesoft.card twice"
    yield "deep card", changed(source, with_metadata(CARD_KEY, deep_card())), "is not JSON"
    yield "wide card", changed(source, with_metadata(CARD_KEY, wide_card())), "is larger than"
    yield "big golden", changed(source, with_metadata(GOLDEN_KEY, "A" * 60 * 2**20)), "is larger than"
    yield (
        "product of constants: Mul",
        changed_with_digests(source, scratch, outer_product("Mul")),
        "does not fit together at Mul 'huge'",
    )
    yield (
        "product of constants: Gemm",
        changed_with_digests(source, scratch, outer_product("Gemm")),
        "does not fit together at Gemm 'huge'",
    )
    yield (
        "product of rows",
        changed_with_digests(source, scratch, rows_times_column),
        "does not fit together at Mul 'huge'",
    )
    dims = b"".join(field(1, 2**40) for _ in range(2))
    tensor = field(2, 1) + field(8, b"weight0") + field(9, bytes(16))
    yield "huge dims", graph_with(field(5, dims + tensor)), "has shape .* but 16 bytes"
    yield "zero dims", graph_with(field(5, field(1, 0) + field(1, 2**62) + field(2, 1) + field(8, b"w"))), "but 0 bytes"
    yield "unknown type", graph_with(field(5, field(2, 11) + field(9, bytes(8)))), "element type 11"
    yield "millions of fields", graph_with(field(1, b"") * 8_000_000), "more than 10,000 fields"
    yield "millions of dims", graph_with(field(5, field(1, bytes(8_000_000)))), "more than 256 numbers"
    yield "millions of metadata", honest + field(14, b"") * 8_000_000, "more than 256 fields"
    yield "endless number", b"\xff" * 100, "no ONNX file"
    yield "fixed-width field", honest + b"\x51" + bytes(8), "no ONNX file"
    yield "no text", graph_with(field(1, field(4, b"\xff\xfe"))), "no text in field 4"
