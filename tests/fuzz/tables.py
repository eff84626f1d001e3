"""Families of data to learn from: arrays, text tables, Parquet and Feather."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

from tests.fuzz.case import Case
from tests.fuzz.corpus import KINDS, Corpus
from tests.fuzz.damage import damaged, odd_archive


def training(rng: random.Random, *arguments: str) -> list[str]:
    """A training of three classes that mostly ends when all is read, because its head knows two; now and then it goes on."""
    return [
        "train",
        *arguments,
        "--output",
        "new",
        *(["--epochs", "1"] if rng.random() < 0.03 else ["--head", "sigmoid"]),
    ]


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
            case 0 | 1 if line:
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
    before = rng.choice((b"", b"", b"", b"sep=;\n", b"# a, b\n#\n", b"sep=|\r\n# c\r\n"))
    name, content = rng.choice(("odd.csv", "odd.tsv")), before + content
    if rng.random() < 0.3:
        lines = [dict(zip(lines[0], line, strict=False)) for line in lines]
        name, content = rng.choice(("odd.jsonl", "odd.csv")), json_lines(lines, rng)
    if rng.random() < 0.2:
        name, content = f"{name}.gz", packed(content, rng)
    (folder / name).write_bytes(damaged(content, rng) if rng.random() < 0.3 else content)
    if rng.random() < 0.5:
        return Case(
            ["infer", name, "--model", str(corpus.model), *rng.choice(([], ["--json"], ["--csv"], ["--quiet"]))]
        )
    split = rng.choice(
        ([], [], ["--val", name], ["--test", str(corpus.csv)], ["--test", name, "--val", str(corpus.csv)])
    )
    return Case(
        training(rng, name, "--target", rng.choice(("kind", "kind", "kind", "form", "?", "", "kind\n")), *split)
    )


_VALUES = ("1.5", "-0", "1e999", "NaN", "-Infinity", "null", "true", "[1]", '{"a": 1}', '"\\ud800"', '"\\u0000"', '"\\u001b[31m"', "01", "", "9" * 5000,
           "[" * 50_000, '"a', '"' + "x" * 300_000 + '"', "'a'")  # fmt: skip


def json_lines(rows: list[dict[str, str]], rng: random.Random) -> bytes:
    lines = [json.dumps(row, ensure_ascii=rng.random() < 0.5).replace("\ud7ff", "?") for row in rows[1:]]
    for _ in range(rng.choice((0, 1, 2))):
        if lines:
            place = rng.randrange(len(lines))
            odd = f'{{"{rng.choice(("long", "kind", "", "new"))}": {rng.choice(_VALUES)}}}'
            lines[place] = rng.choice((odd, odd, lines[place][1:], lines[place] * 2, rng.choice(_VALUES), ""))
    return "\n".join(lines).encode("utf-8", "replace")


def packed(content: bytes, rng: random.Random) -> bytes:
    parts = [content[:40], content[40:]] if rng.random() < 0.3 else [content]
    after = rng.choice((b"", b"", bytes(70_000), b"more", gzip.compress(bytes(2**24)), b"\x1f\x8b"))
    return b"".join(map(gzip.compress, parts)) + after


def parquet(rng: random.Random, corpus: Corpus, folder: Path) -> Case:
    count = rng.choice((60, 60, 60, 0, 1))
    numbers = [rng.gauss(0, 1) for _ in range(count)]
    odd: Mapping[str, Callable[[], pa.Array]] = {
        "date": lambda: pa.array([rng.choice((0, 2**31 - 1, -(2**31)))] * count, pa.int32()).cast(pa.date32()),
        "time": lambda: pa.array([2**62] * count, pa.timestamp("us")),
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
        "views": lambda: pa.array([rng.choice(_CELLS[:-12]) for _ in range(count)], pa.string_view()),
    }
    columns = {"long": pa.array(numbers), "kind": pa.array([KINDS[place % 3] for place in range(count)], pa.string())}
    for name in rng.sample(list(odd), rng.choice((0, 1, 1, 2))):
        columns[rng.choice((name, name, "kind", "\x1b[31m", "", "long\n"))] = odd[name]()
    path = folder / rng.choice(("odd.parquet", "odd.feather"))
    if path.suffix == ".feather":
        pyarrow.feather.write_feather(
            pa.table(columns), path, rng.choice(("uncompressed", "lz4", "zstd")), chunksize=rng.choice((None, 1, 7))
        )
    else:
        pyarrow.parquet.write_table(
            pa.table(columns), path, compression=rng.choice(("none", "snappy", "gzip", "zstd")), use_dictionary=rng.random() < 0.5,
            row_group_size=rng.choice((None, 1, 7)),
        )  # fmt: skip
    if rng.random() < 0.5:
        path.write_bytes(damaged(path.read_bytes(), rng))
    return Case(training(rng, path.name, "--target", "kind"))
