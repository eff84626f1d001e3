"""Families of files: each makes one odd file in a folder, and the command line that reads it."""

from __future__ import annotations

import json
import random
import shutil
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from tests import edits
from tests.fuzz.case import Case
from tests.fuzz.corpus import KINDS, Corpus
from tests.fuzz.damage import damaged, odd_archive

Family = Callable[[random.Random, Corpus, Path], Case]
HUGE = (0, 1, -1, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 3_000_000_000, 2**63, 2**64, 10**400)


def training(rng: random.Random, *arguments: str) -> list[str]:
    """A training of three classes that mostly ends when all is read, because its head knows two; now and then it goes on."""
    return [
        "train",
        *arguments,
        "--output",
        "new",
        *(["--epochs", "1"] if rng.random() < 0.03 else ["--head", "sigmoid"]),
    ]


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
        edits.edited(source, target, change, reseal=False)


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


def data_arrays(rng: random.Random, corpus: Corpus, folder: Path) -> Case:
    generator = np.random.default_rng(rng.randrange(2**32))
    y = np.arange(60) % 3
    x = (
        generator.integers(0, 256, (60, 4, 5), np.uint8)
        if rng.random() < 0.3
        else generator.normal(size=(60, 4)).astype(np.float32)
    )
    arrays = {"x": x, "y": y}
    if rng.random() < 0.4:
        arrays["class_names"] = np.array(KINDS)
    if rng.random() < 0.3:
        arrays |= {"x_test": x[:9], "y_test": y[:9]}
    content, is_wrong = odd_archive(arrays, rng)
    (folder / "odd.npz").write_bytes(content)
    return Case(training(rng, "odd.npz"), is_wrong=is_wrong)


_CELLS = ("", "nan", "inf", "-inf", "1e400", "-0", "1_000", "١٢", "0x10", "?", "NA", "none", '"', '"a""b"', "a\tb", "\x1b[31m", "\x00", "\u202e", "x" * 300_000,
          "9" * 5000, "1e-400", "=1+1", "é", "\ud7ff", "3e38", "1,5", " ", "\u2028", "\x85", "True", "2026-01-01")  # fmt: skip


def rows(rng: random.Random, corpus: Corpus, folder: Path) -> Case:
    lines = [line.split(",") for line in corpus.csv.read_text().splitlines()]
    for _ in range(rng.choice((1, 1, 2, 5))):
        line = rng.choice(lines) if rng.random() < 0.7 else lines[0]
        match rng.randrange(6):
            case 0 | 1:
                line[rng.randrange(len(line))] = rng.choice(_CELLS)
            case 2:
                line.append(rng.choice(_CELLS))
            case 3 if len(line) > 1:
                del line[rng.randrange(len(line))]
            case 4:
                lines.insert(rng.randrange(len(lines)), [rng.choice(_CELLS)] * rng.choice((0, 1, 5, 3000)))
            case 5:
                del lines[rng.randrange(len(lines))]
        lines = lines or [[""]]
    separator, end = rng.choice((",", ",", ";", "\t", "|")), rng.choice(("\n", "\n", "\r\n", "\r"))
    content = end.join(separator.join(line) for line in lines).encode(
        rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16")), "replace"
    )
    name = rng.choice(("odd.csv", "odd.tsv"))
    (folder / name).write_bytes(damaged(content, rng) if rng.random() < 0.3 else content)
    if rng.random() < 0.5:
        return Case(
            ["infer", name, "--model", str(corpus.model), *rng.choice(([], ["--json"], ["--csv"], ["--quiet"]))]
        )
    return Case(training(rng, name, "--target", rng.choice(("kind", "kind", "kind", "form", "?", "", "kind\n"))))


def parquet(rng: random.Random, corpus: Corpus, folder: Path) -> Case:
    count = rng.choice((60, 60, 60, 0, 1))
    numbers = [rng.gauss(0, 1) for _ in range(count)]
    odd: Mapping[str, Callable[[], pa.Array]] = {
        "date": lambda: pa.array([rng.choice((0, 2**31 - 1, -(2**31)))] * count, pa.int32()).cast(pa.date32()),
        "time": lambda: pa.array([2**62] * count, pa.timestamp("s")),
        "short": lambda: pa.array([2**62] * count, pa.duration("s")),
        "text": lambda: pa.array([rng.choice(_CELLS[:-12]) for _ in range(count)], pa.string()),
        "bytes": lambda: pa.array([b"\xff\xfe\x1b[31m"] * count, pa.binary()),
        "false text": lambda: pa.Array.from_buffers(
            pa.string(), count, pa.array([b"\xff\x80"] * count, pa.binary()).buffers()
        ),
        "list": lambda: pa.array([[1, 2]] * count, pa.list_(pa.int64())),
        "struct": lambda: pa.array([{"a": 1}] * count, pa.struct([("a", pa.int64())])),
        "none": lambda: pa.nulls(count),
        "dictionary": lambda: pa.array(["a", "b"] * (count // 2) + ["a"] * (count % 2)).dictionary_encode(),
        "decimal": lambda: pa.array([None] * count, pa.decimal128(38, 10)),
        "half": lambda: pa.array(np.full(count, np.nan, np.float16)),
        "bool": lambda: pa.array([True] * count),
        "large": lambda: pa.array([2**63] * count, pa.uint64()),
        "map": lambda: pa.array([[("a", 1)]] * count, pa.map_(pa.string(), pa.int64())),
        "bomb": lambda: pa.array(["x" * 200_000] * count),
    }
    columns = {"long": pa.array(numbers), "kind": pa.array([KINDS[place % 3] for place in range(count)], pa.string())}
    for name in rng.sample(list(odd), rng.choice((0, 1, 1, 2))):
        columns[rng.choice((name, name, "kind", "\x1b[31m", "", "long\n"))] = odd[name]()
    path = folder / "odd.parquet"
    pyarrow.parquet.write_table(
        pa.table(columns), path, compression=rng.choice(("none", "snappy", "gzip", "zstd")), use_dictionary=rng.random() < 0.5,
        row_group_size=rng.choice((None, 1, 7)),
    )  # fmt: skip
    if rng.random() < 0.5:
        path.write_bytes(damaged(path.read_bytes(), rng))
    return Case(training(rng, "odd.parquet", "--target", "kind"))


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


def picture(rng: random.Random, corpus: Corpus, folder: Path) -> Case:
    source = rng.choice(sorted(corpus.folder.glob("*.picture")))
    content = source.read_bytes()
    match rng.randrange(4):
        case 0 | 1:
            content = damaged(content, rng)
        case 2:
            content = _odd_parts(content, rng)
        case 3:
            content = rng.choice(list(_MADE.values()))(rng)
    name = rng.choice(("odd.png", "odd", "odd.csv"))
    (folder / name).write_bytes(content)
    options = rng.choice(([], [], ["--json"], ["--csv"], ["--show"], ["--save-seen", "seen"], ["--top-k", "3"]))
    if rng.random() < 0.2:
        return Case(["infer", "-", "--model", str(corpus.digits), *options], content)
    if rng.random() < 0.2:
        return Case(
            ["infer", "--paths-from", "-", "--model", str(corpus.digits), *options],
            f"{name}\n{corpus.picture}\n".encode(),
        )
    return Case(["infer", name, "--model", str(corpus.digits), *options])


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _odd_parts(content: bytes, rng: random.Random) -> bytes:
    """A picture with a part of its format added, doubled or lying about its size."""
    if content.startswith(b"\x89PNG"):
        parts, place = [], 8
        while place < len(content):
            size = struct.unpack(">I", content[place : place + 4])[0]
            parts.append(content[place : place + 12 + size])
            place += 12 + size
        index = rng.randrange(len(parts))
        kind = rng.choice(
            (
                b"tEXt",
                b"zTXt",
                b"iTXt",
                b"iCCP",
                b"eXIf",
                b"acTL",
                b"fcTL",
                b"PLTE",
                b"tRNS",
                b"gAMA",
                b"pHYs",
                b"IDAT",
                b"IHDR",
                b"sRGB",
                b"\0\0\0\0",
            )
        )
        body = rng.choice(
            (
                b"",
                b"a\0" + zlib.compress(bytes(10**6)),
                b"a\0\0" + zlib.compress(bytes(10**7)),
                rng.randbytes(9),
                bytes(13),
                b"II*\0" + rng.randbytes(30),
                b"\xff" * 20,
            )
        )
        parts.insert(index, chunk(kind, body) * rng.choice((1, 1, 2, 1000)))
        return content[:8] + b"".join(parts)
    for field, width in (
        ((4, 4),)
        if content[:2] in (b"II", b"MM")
        else ((18, 4), (22, 4), (28, 2), (30, 4), (10, 4), (46, 4))
        if content[:2] == b"BM"
        else ((6, 2), (8, 2), (10, 1))
    ):
        if rng.random() < 0.4:
            value = rng.choice(HUGE[:-1]) % 256**width
            content = content[:field] + value.to_bytes(width, "little") + content[field + width :]
    return content


_MADE: Mapping[str, Callable[[random.Random], bytes]] = {
    "long comment": lambda rng: b"P5\n#" + b"x" * rng.choice((10, 10**5, 3 * 10**7)) + b"\n28 28\n255\n" + bytes(784),
    "many comments": lambda rng: rng.choice((b"P5", b"P2")) + b"\n" + b"#\n" * rng.choice((9, 10**5)) + b"28 28\n255\n" + b"0 " * 784,
    "comments between": lambda rng: b"P2\n28 28\n255\n" + b"0 #\n" * rng.choice((784, 10**5, 10**6)),
    "wide numbers": lambda rng: b"P2\n28 28\n" + rng.choice((b"255", b"65535", b"9" * 5000, b"0", b"-1", b"\xd9\xa1")) + b"\n" + rng.choice((b"0 ", b"9" * 5000 + b" ", b"-1 ", b"x ")) * 784,
    "million chunks": lambda rng: b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 28, 28, 8, 0, 0, 0, 0)) + chunk(b"tEXt", b"") * rng.choice((9, 10**6)),
    "many comments in a GIF": lambda rng: b"GIF89a" + struct.pack("<HHBBB", 28, 28, 0, 0, 0) + (b"!\xfe\xff" + b"x" * 255 + b"\0") * rng.choice((9, 10**5)) + b";",
    "many blocks in a GIF": lambda rng: b"GIF89a" + struct.pack("<HHBBB", 28, 28, 0, 0, 0) + b"!\xfe" + b"\1x" * rng.choice((9, 10**6)) + b"\0;",
    "many segments": lambda rng: b"\xff\xd8" + b"\xff\xfe\0\x02" * rng.choice((9, 10**6)) + b"\xff\xd9",
    "many tags": lambda rng: _tiff(rng.choice((9, 65535)), rng.choice((1, 10**6)), rng),
    "tags in EXIF": lambda rng: _jpeg_with_exif(rng),
    "many frames": lambda rng: b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0x80, 0, 0) + bytes(6) + (b",\0\0\0\0\1\0\1\0\0\2\2D\1\0") * rng.choice((2, 10**5)) + b";",
    "huge": lambda rng: b"P5\n%d %d\n255\n" % (rng.choice((1, 30_000, 10**9)), rng.choice((1, 30_000, 10**9))) + bytes(rng.choice((9, 10**7))),
    "text": lambda rng: rng.choice((b"<svg>", b"<html>\x1b[31m", b"\xff\xfea\0", "é\u202e".encode() * 99)),
}  # fmt: skip


def _tiff(tags: int, size: int, rng: random.Random) -> bytes:
    """A TIFF file whose tags all claim the same bytes."""
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", tags)
    entries = b"".join(
        struct.pack("<HHII", 256 + number % 60_000, rng.choice((1, 2, 3, 4, 7, 12)), size // 8, 8)
        for number in range(tags)
    )
    return head + entries + bytes(4) + bytes(size)


def _jpeg_with_exif(rng: random.Random) -> bytes:
    exif = _tiff(rng.choice((9, 5000)), rng.choice((9, 60_000)), rng)
    pieces = [exif[start : start + 65_000] for start in range(0, len(exif), 65_000)] * rng.choice((1, 8))
    return (
        b"\xff\xd8"
        + b"".join(b"\xff\xe1" + struct.pack(">H", len(piece) + 8) + b"Exif\0\0" + piece for piece in pieces)
        + b"\xff\xd9"
    )


FILES: Mapping[str, Family] = {
    "model": model,
    "checkpoint": checkpoint,
    "arrays": data_arrays,
    "rows": rows,
    "parquet": parquet,
    "settings": settings,
    "picture": picture,
}
