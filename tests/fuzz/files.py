"""Families of files: each makes one odd model, checkpoint or settings file, and the command line that reads it."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np

from tests import edits
from tests.fuzz.case import Case
from tests.fuzz.corpus import Corpus
from tests.fuzz.damage import damaged, odd_archive
from tests.fuzz.tables import training

HUGE = (0, 1, -1, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 3_000_000_000, 2**63, 2**64, 10**400)


def model(rng: random.Random, corpus: Corpus, folder: Path) -> Case:
    source = rng.choice((corpus.model, corpus.int8, corpus.model, corpus.digits))
    target = folder / "odd.onnx"
    match rng.randrange(4):
        case 0 | 1:
            target.write_bytes(damaged(source.read_bytes(), rng))
        case 2:
            target.write_bytes(_rewritten(source.read_bytes(), rng))
        case 3:
            _resealed(source, target, rng)
    reads_pictures = source == corpus.digits
    inputs = str(corpus.picture if reads_pictures else corpus.csv)
    return Case(rng.choice((
        ["inspect", "odd.onnx"], ["inspect", "odd.onnx", "--json"], ["verify", "odd.onnx"], ["diff", "odd.onnx", str(source)],
        ["infer", inputs, "--model", "odd.onnx"], ["infer", inputs, "--model", ".", "--json"],
    )))  # fmt: skip


def _rewritten(content: bytes, rng: random.Random) -> bytes:
    """One field of the protobuf message, at any depth, given another value."""
    fields = list(_fields(content))
    if not fields:
        return damaged(content, rng)
    chosen = rng.randrange(len(fields))
    number, kind, value = fields[chosen]
    if kind == 2 and value and rng.random() < 0.6:
        fields[chosen] = (number, kind, _rewritten(value, rng))
    else:
        match rng.randrange(5):
            case 0:
                del fields[chosen]
            case 1:
                fields.insert(chosen, fields[chosen])
            case 2:
                fields[chosen] = (rng.randrange(1, 40), kind, value)
            case 3:
                fields[chosen] = (number, 0, rng.choice((0, 1, 2**31, 2**63, 2**64 - 1)))
            case 4:
                fields[chosen] = (
                    number,
                    2,
                    rng.choice((b"", b"\xff\xfe", b"\x1b[31m", bytes(5000), rng.randbytes(20))),
                )
    return b"".join(
        _varint(number << 3 | kind) + (_varint(value) if kind == 0 else _varint(len(value)) + value)
        for number, kind, value in fields
    )


def _fields(content: bytes):
    """Number, wire type and value of every field; nothing where this is no message."""
    place, found = 0, []
    try:
        while place < len(content):
            tag, place = _read_varint(content, place)
            value: int | bytes
            value, place = _read_varint(content, place)
            if tag & 7 == 2:
                if place + value > len(content):
                    return []
                value, place = content[place : place + value], place + value
            elif tag & 7:
                return []
            found.append((tag >> 3, tag & 7, value))
    except IndexError:
        return []
    return found


def _read_varint(content: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[place]
        value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            return value, place


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _resealed(source: Path, target: Path, rng: random.Random) -> None:
    """A change that nothing tells from an honest export but its sense."""

    def change(proto) -> None:
        if rng.random() < 0.4:
            card = edits.card(proto)
            edits.edit_card(proto, **_odd_tree(card, rng))
            return
        tensor = rng.choice(list(proto.graph.initializer))
        values = edits.constant(proto, tensor.name)
        flat = values.reshape(-1)
        with np.errstate(all="ignore"):
            flat[rng.randrange(flat.size)] = np.array(rng.choice((0, 1e38, np.nan, np.inf, -1e38, 3))).astype(
                values.dtype
            )
        edits.set_constant(proto, tensor.name, values)

    try:
        edits.edited(source, target, change)
    except Exception:  # what the reader refuses cannot be sealed
        edits.edited(source, target, change, fresh_digests=False)


_ODD = (None, True, False, 0, -1, 1.5, "", "x", [], {}, [1], [[]], {"a": 1}, "\x1b[31m", "\u202e", "\0", "a\nb", "é" * 300, [0] * 300, 2**63, 10**30,
        1e308, "NaN", "\ud800")  # fmt: skip


def _odd_tree(document: dict, rng: random.Random) -> dict:
    """A JSON document with one value, at any depth, exchanged, left out or added."""
    document = json.loads(json.dumps(document))
    node, key = document, rng.choice(list(document))
    while rng.random() < 0.7 and isinstance(node[key], dict | list) and node[key]:
        node = node[key]
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
    match rng.randrange(6):
        case 0 if isinstance(node, dict):
            node[rng.choice(("odd", "", "\x1b[31m"))] = rng.choice(_ODD)
        case 1:
            del node[key]
        case _:
            node[key] = rng.choice(_ODD) if rng.random() < 0.7 else rng.choice(HUGE)
    return document


def checkpoint(rng: random.Random, corpus: Corpus, folder: Path) -> Case:
    is_last = rng.random() < 0.5
    run = folder / "run"
    shutil.copytree(corpus.run, run)
    path = run / ("last.npz" if is_last else "checkpoint.npz")
    with np.load(path) as archive:
        arrays = dict(archive)
    is_wrong = False
    if rng.random() < 0.4:
        name = rng.choice(("card", "run", "run") if is_last else ("card",))
        document = _odd_tree(json.loads(arrays[name].tobytes()), rng)
        text = (
            json.dumps(document)
            if rng.random() < 0.9
            else rng.choice(("[" * 100_000, "{", '{"a": NaN}', "\0", "null", '"x"', "[]"))
        )
        arrays[name] = np.frombuffer(text.encode(), np.uint8)
        content, _ = odd_archive(arrays, random.Random(1)) if rng.random() < 0.1 else (_plain(arrays, path), False)
    else:
        content, is_wrong = odd_archive(arrays, rng)
    path.write_bytes(content)
    csv = str(corpus.csv)
    if is_last:
        return Case(
            rng.choice((["train", "--resume", "run"], ["train", "--resume", "run", "--quiet"])), is_wrong=is_wrong
        )
    commands = (
        ["export", "run", "--data", csv, "--output", "out"],
        ["export", "run/checkpoint.npz", "--data", csv, "--output", "out"],
        ["verify", str(corpus.model), "--against", "run", "--data", csv],
    )
    # An array that the reader does not look at may be anything.
    return Case(rng.choice(commands), is_wrong=is_wrong)


def _plain(arrays: dict[str, np.ndarray], path: Path) -> bytes:
    np.savez(path, **arrays)
    return path.read_bytes()


_SETTINGS = {
    "data": {"source": "flowers.csv", "target": "kind", "ignore_columns": ["form"], "size": "32", "colour": False, "val_split": 0.2,
             "test_split": 0.2, "split_seed": 1, "root": "data", "download": False},
    "training": {"hidden": [6], "head": "softmax", "threshold": 0.5, "epochs": 1, "patience": 1, "batch_size": 16, "lr": 0.01, "weight_decay": 0.1,
                 "label_smoothing": 0.1, "class_weights": True, "augment": False, "outliers": 0.0, "seed": 1, "precision": "float32",
                 "device": "cpu", "threads": 1, "batch_norm": False},
}  # fmt: skip


def settings(rng: random.Random, corpus: Corpus, folder: Path) -> Case:
    document = json.loads(json.dumps(_SETTINGS))
    document["data"] = {"source": str(corpus.csv), "target": "kind"}
    name = rng.choice(("odd.toml", "odd.json"))
    table = rng.choice(list(_SETTINGS))
    key = rng.choice(list(_SETTINGS[table]))
    value = rng.choice(_VALUES[name])
    if rng.random() < 0.2:
        key = rng.choice(("odd", "\x1b[31m", "x" * 5000, "lr\n", "", "Lr", "batch-size", "\u202e", "\ud7ff"))
    if name == "odd.toml":
        kept = "\n".join(f"{word} = {json.dumps(item)}" for word, item in document[table].items() if word != key)
        other = next(name for name in _SETTINGS if name != table)
        rest = "\n".join(f"{word} = {json.dumps(item)}" for word, item in document[other].items() if item is not None)
        text = f"[{table}]\n{json.dumps(key)} = {value}\n{kept if table == 'data' else ''}\n[{other}]\n{rest}\n"
        if rng.random() < 0.1:
            text = rng.choice(
                (
                    text + text,
                    "a." * 5000 + "a = 1",
                    "[" * 5000,
                    "a = " + "[" * 5000,
                    "a = " + "{a = " * 900,
                    "\x00",
                    "schema_version = " + value,
                    table + " = " + value,
                )
            )
    else:
        text = json.dumps(document)
        inner = f'{{{json.dumps(key)}: {value}, {json.dumps(key)}: {value}, "source": {json.dumps(str(corpus.csv))}, "target": "kind"}}'
        text = (
            f'{{"{table}": {inner if table == "data" else "{" + json.dumps(key) + ": " + value + "}"}'
            + (', "data": ' + json.dumps(document["data"]) if table != "data" else "")
            + "}"
        )
        if rng.random() < 0.1:
            text = rng.choice(
                (
                    "[" * 100_000,
                    '{"a":' * 100_000,
                    "",
                    "[]",
                    "null",
                    "NaN",
                    '{"data": ' + value + "}",
                    '{"schema_version": ' + value + "}",
                    "9" * 5000,
                )
            )
    content = text.encode("utf-8", "surrogatepass")
    (folder / name).write_bytes(damaged(content, rng) if rng.random() < 0.3 else content)
    # What is left out of the file is given, so that a training that begins ends soon.
    return Case([*training(rng, "--config", name), *(["--epochs", "1"] if key != "epochs" else [])])


_VALUES = {
    "odd.json": ("null", "true", "1.5", "-1", "0", "1e400", "-1e400", "NaN", "Infinity", "9" * 400, "9" * 5000, "3000000000", '""', '"x"', '"\\u0000"', '"~nouser/x"', '"\\ud800"',
                 '"/dev/zero"', '"loop"', '"' + "x" * 5000 + '"', "[]", "[1, 2]", "[" + "1," * 9999 + "1]", "{}", '{"a": 1}', "[[[[]]]]", '"\\u001b[31m"', '"a\\nb"', '["\\u202e"]',
                 '"none"', '"1,2"', '"9x9"', "1e308", "5e-324", "[3000000000]", '"' + "1," * 999 + '1"', '"' + "9" * 5000 + '"'),
    "odd.toml": ("true", "1.5", "-1", "0", "1e400", "nan", "-inf", "9" * 400, "9" * 5000, "0x" + "f" * 5000, "3000000000", '""', '"x"', "'~nouser/x'", '"/dev/zero"',
                 '"' + "x" * 5000 + '"', "[]", "[1, 2]", "[" + "1," * 9999 + "1]", "{}", "{a = 1}", "[[[[]]]]", '"\\u001b[31m"', '"a\\nb"', '"none"', "2026-01-01", "07:32:00",
                 "2026-01-01T00:00:00Z", "'''a\nb'''", "1979-99-99", "0b1", "1_0", "+0", "-0.0", "[3000000000]", '"' + "9" * 5000 + '"'),
}  # fmt: skip
