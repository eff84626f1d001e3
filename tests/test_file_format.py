"""docs/file-format.md names what is in model files: its tables are held against files of every kind."""

import hashlib
import json
import re

import numpy as np
import onnx
import pytest

import edgesoft
from edgesoft.exporting.graph import IR_VERSION, OPSET
from edgesoft.inference.rejection import energy_score
from edgesoft.model.file import METADATA_LIMITS, OPERATORS
from edgesoft.model.golden import Golden
from edgesoft.model.heads import HEADS
from edgesoft.model.layers import FIRST, LAYERS
from tests.conftest import ROOT
from tests.test_documents import written

DOCUMENT = written("docs/file-format.md")


def tables():
    """First cell of the heading -> rows, each a list of cells."""
    found = {}
    for block in re.findall(r"(?:^\|.*\n)+", DOCUMENT, flags=re.MULTILINE):
        heading, _, *rows = ([cell.strip() for cell in line.strip("| \n").split(" | ")] for line in block.splitlines())
        found.setdefault(heading[0], []).append(rows)
    return found


def names(rows, column=0):
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row[column])}


TABLES = tables()
CARD, INPUT = TABLES["key"][1:]
COLUMN, TRAINING, PARITY, QUANTIZATION = (
    TABLES[f"key of {what}"][0] for what in ("a column", "`training`", "`parity`", "`quantization`")
)


def optional(rows):
    return {name for row in rows if any("optional" in cell for cell in row[1:]) for name in names([row])}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of every kind: shipped ones, which are older; and tables with every kind of column, in softmax and sigmoid, float and INT8."""
    folder = tmp_path_factory.mktemp("files")
    generator = np.random.default_rng(0)
    rows = 80
    frame = {
        "size": generator.normal(size=rows),
        "price": [f"${1000 + 37 * row % 900:,}" for row in range(rows)],
        "gap": np.where(np.arange(rows) % 4 == 0, np.nan, generator.normal(size=rows)),
        "is old": [["yes", "no"][row % 2] for row in range(rows)],
        "built": [f"2020-{1 + row % 12:02}-{1 + row % 28:02}" for row in range(rows)],
        "colour": [["red", "green", None][row * row % 3] for row in range(rows)],
    }
    y = ["large" if size > 0 else "small" for size in frame["size"]]
    found = [
        ROOT / "exported" / name
        for name in ("mnist.onnx", "mnist.int8.onnx", "conv/mnist.onnx", "conv/mnist.int8.onnx")
    ]
    for head in ("softmax", "sigmoid"):
        run = edgesoft.train(frame, y, head=head, epochs=30, hidden="8", output=folder / head, name=head)
        found += edgesoft.export(run, output=folder, max_drop=100).paths[:2]
    return [onnx.load(path) for path in found]


def metadata(model):
    return {entry.key: entry.value for entry in model.metadata_props}


def cards(files):
    return [json.loads(metadata(model)["edgesoft.card"]) for model in files]


def test_the_tensors(files):
    rows = {name: row for row in TABLES["tensor"][0] for name in names([row])}
    kinds = {onnx.TensorProto.UINT8: "uint8", onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.INT64: "int64"}
    seen = set()
    for model in files:
        assert (model.ir_version, [(item.domain, item.version) for item in model.opset_import]) == (
            IR_VERSION,
            [("", OPSET)],
        )
        assert f"IR version {IR_VERSION}, opset {OPSET}" in DOCUMENT
        assert [tensor.name for tensor in model.graph.output] == ["logits", "probabilities", "label"]
        (given,) = model.graph.input
        for tensor in (given, *model.graph.output):
            seen.add(tensor.name)
            assert rows[tensor.name][1] == kinds[tensor.type.tensor_type.elem_type]
            assert tensor.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert seen == set(rows)


def test_the_metadata_keys(files):
    named = names(TABLES["key"][0])
    assert named == set(METADATA_LIMITS)
    for model in files:
        assert set(metadata(model)) == named


@pytest.mark.parametrize(
    ("rows", "of"),
    [(CARD, lambda card: card), (TRAINING, lambda card: card["training"]), (PARITY, lambda card: card["parity"])],
    ids=["card", "training", "parity"],
)
def test_the_keys_of_the_card(files, rows, of):
    found = [set(of(card)) for card in cards(files)]
    assert set.union(*found) == names(rows)
    for keys in found:
        assert names(rows) - optional(rows) <= keys
    missing = set.union(*(names(rows) - keys for keys in found))
    assert missing <= optional(rows)


def test_the_keys_of_the_input(files):
    rows = {name: row[2] for row in INPUT for name in names([row])}
    for card in cards(files):
        kind = card["input"]["kind"]
        assert set(card["input"]) == {name for name, of in rows.items() if of in ("both", kind)}
    assert {"pixels", "features"} == {card["input"]["kind"] for card in cards(files)}


def test_the_keys_of_columns(files):
    rows = {name: row for row in COLUMN for name in names([row])}
    columns = [column for card in cards(files) for column in card["input"].get("columns", [])]
    assert {column["kind"] for column in columns} == set(re.findall(r"`(\w+)`", rows["kind"][3]))
    seen = set()
    for column in columns:
        seen |= set(column)
        allowed = {name for name, row in rows.items() if row[2] in ("all", column["kind"])}
        assert allowed - optional(COLUMN) <= set(column) <= allowed
    assert seen == set(rows)
    forms = next(column["form"] for column in columns if "form" in column)
    assert set(forms) <= names(COLUMN, 3)
    assert {key for column in columns for key in column.get("missing", ())} <= names(COLUMN, 3)


def test_heads_rejection_and_quantization(files):
    heads = {card["head"]["kind"]: set(card["head"]) for card in cards(files)}
    assert set(heads) == set(HEADS)
    (row,) = [row for row in CARD if row[0] == "`head`"]
    assert set.union(*heads.values()) == names([row], 2)
    (row,) = [row for row in CARD if row[0] == "`rejection`"]
    assert {key for card in cards(files) for key in card["rejection"]} == names([row], 2)
    quantized = [card["quantization"] for card in cards(files) if card["quantization"] is not None]
    assert len(quantized) == len(files) // 2
    for item in quantized:
        assert names(QUANTIZATION) - {"finishing_steps"} <= set(item) <= names(QUANTIZATION)
        assert set(item["scheme"]) <= names(QUANTIZATION[:1], 1)
    assert {key for item in quantized for key in item["scheme"]} == names(QUANTIZATION[:1], 1)


def test_the_layers_and_their_operators(files):
    rows = [tuple(cell.split(", ")) for _, cell, _ in TABLES["layer"][0]]
    assert sorted(rows) == sorted(kind.operators for kind in (*FIRST, *LAYERS, *HEADS.values()))
    named = {operator for row in rows for operator in row}
    assert named == OPERATORS
    assert {node.op_type for model in files for node in model.graph.node} <= named


def test_integers_are_computed_as_it_says(files):
    """Its five steps in a few lines of numpy, on the shipped MLP: the logits that the file recorded, bit for bit."""
    model = onnx.load(ROOT / "exported" / "mnist.int8.onnx")
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    golden = Golden.decode(metadata(model)["edgesoft.golden"], "")
    x, scale = golden.inputs.reshape(len(golden), -1).astype(np.int64), np.float32(1 / 255)
    last = len(cards([model])[0]["hidden"])
    for layer in range(last + 1):
        weight, weight_scale = constants[f"weight{layer}_quantized"], constants[f"weight{layer}_scale"]
        assert weight.dtype == np.int8 and np.abs(weight).max() <= 63
        assert constants[f"bias{layer}_scale"] == scale * weight_scale
        total = x @ weight.T.astype(np.int64) + constants[f"bias{layer}_quantized"]
        assert np.abs(total).max() < 2**31
        if layer < last:
            output = constants[f"hidden{layer}_scale"]
            factor = scale * weight_scale / output
            x, scale = np.rint(total.clip(0).astype(np.float32) * factor).clip(0, 255).astype(np.int64), output
    logits = total.astype(np.float32) * (scale * weight_scale)
    assert logits.tobytes() == golden.expected.tobytes()


def test_the_golden_arrays(files):
    named = {name: row for row in TABLES["array"][0] for name in names([row])}
    seen = set()
    for model in files:
        golden = Golden.decode(metadata(model)["edgesoft.golden"], "")
        present = {name: getattr(golden, name) for name in named if getattr(golden, name) is not None}
        seen |= set(present)
        for name, array in present.items():
            assert array.dtype.name in named[name][1]
    assert seen == set(named)


def test_the_digests(files):
    parts = [name for row in TABLES["part"][0] for name in names([row])]

    def digest(*strings):
        return hashlib.sha256(b"".join(len(item).to_bytes(8, "little") + item for item in strings)).hexdigest()

    def serialized(items):
        return [item.SerializeToString(deterministic=True) for item in items]

    for model in files:
        graph, held = model.graph, metadata(model)
        structure = [*serialized(graph.node), *serialized(graph.input), *serialized(graph.output)]
        structure += [*serialized(model.opset_import), str(model.ir_version).encode()]
        computed = [
            digest(*serialized(graph.initializer)),
            digest(*structure),
            digest(held["edgesoft.card"].encode()),
            digest(held["edgesoft.golden"].encode()),
        ]
        stated = dict(line.split(": ") for line in held["edgesoft.digest"].splitlines())
        assert stated == dict(zip(parts, computed, strict=True))


def test_what_unknown_means():
    logits = np.array([[1.0, 2.0, 3.0]], np.float32)
    assert energy_score(logits)[0] == pytest.approx(np.log(np.exp(logits).sum()))
