"""Families of command lines: odd values for every option that typer knows, odd names, and places that hold no files."""

from __future__ import annotations

import os
import random
import shutil
import socket
from functools import cache
from pathlib import Path
from typing import Any

from tests.fuzz.case import Case
from tests.fuzz.corpus import Corpus

_NUMBERS = ("9" * 400, "9" * 5000, "-" + "9" * 5000, "3000000000", "-3000000000", "0", "-0", "-1", "1", "2", "1.5", "nan", "inf", "-inf", "1e400", "1e-400", "1e308",
            "5e-324", "0x10", "1_000", "١٢", "²", "Ⅷ", "", " ", "1,2", "1,,2", ",", "1;2", "9223372036854775808", "18446744073709551616", "1 2", "+1")  # fmt: skip
_TEXTS = ("", " ", "x", "-", "--", "a\nb", "a\rb", "a\tb", "\x1b[31m", "\x9b31m", "\u202e", "\u2028", "\udcff", "é" * 300, "x" * 5000, "none", "all", "%s", "{}", "$(id)", "*", "**",
          "**/*", "[", "a,b", ",", "cpu", "CPU", "cuda", "auto", "openvino", "sigmoid", "softmax", "9x9", "x9", "0x0", "1024x1", "9999999999x1", "\x7f")  # fmt: skip
_PLACES = ("/dev/zero", "/dev/full", "/dev/null", "/dev/stdin", "/dev/fd/0", "/dev/fd/99", "/proc/self/mem", "/proc/self/environ", "fifo", "socket", "folder", "loop", "loop/x", "ring",
           "ring/a.csv", "~nouser/x", "~", "~/x", "missing", "missing/deep/er", "file/below", "dangling", "empty", "empty.npz", "empty.csv", "empty.onnx", "empty.toml", "deep",
           "x" * 5000, "y/" * 2500, "/" * 5000, ".", "..", "\udcff.npz", "fifo.csv", "fifo.npz", "fifo.parquet", "folder.onnx", "fifo.onnx", "loop.csv", "folder.toml", "zero.csv",
           "zero.npz", "zero.toml", "zero.parquet")  # fmt: skip
# Where commands write: nothing outside the folder of the case.
_TARGETS = ("out", "/dev/full", "/dev/null", "/proc/self/out", "fifo", "socket", "folder", "loop", "loop/x", "file", "file/below", "x" * 5000, "~nouser/x", "dangling", "\udcff", "é\n",
            "\x1b[31m", "")  # fmt: skip
_WRITTEN = {"output", "save_seen", "html"}
_UNUSED = {"download", "help", "version"}  # nothing here asks the network


@cache
def parameters() -> dict[str, list[Any]]:
    """Command -> what it takes, as typer has it: a new option is tried without a word here."""
    from edgesoft.cli import COMMANDS, _load

    return {name: [item for item in _load(name).params if item.name not in _UNUSED] for name in COMMANDS}


def furnish(folder: Path) -> None:
    """Put what is no plain file into a folder."""
    os.mkfifo(folder / "fifo")
    for name in ("csv", "npz", "parquet", "onnx"):
        os.mkfifo(folder / f"fifo.{name}")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(folder / "socket"))
    (folder / "folder").mkdir()
    (folder / "folder" / "inner").mkdir()
    (folder / "folder.onnx").mkdir()
    (folder / "folder.toml").mkdir()
    (folder / "file").write_bytes(b"hello\n")
    for name in ("loop", "loop.csv"):
        (folder / name).symlink_to(name)
    (folder / "dangling").symlink_to("nowhere")
    for name in ("csv", "npz", "toml", "parquet"):
        (folder / f"zero.{name}").symlink_to("/dev/zero")
    (folder / "ring").mkdir()
    (folder / "ring" / "again").symlink_to("..")
    (folder / "ring" / "more").symlink_to("..")
    for name in ("empty", "empty.npz", "empty.csv", "empty.onnx", "empty.toml"):
        (folder / name).touch()
    (folder / "deep" / "er").mkdir(parents=True)


def value(item: Any, rng: random.Random) -> str:
    """A value for one option or argument; only one that ends a command soon, where it could take it for good."""
    if item.name in _WRITTEN:
        return rng.choice(_TARGETS)
    kind = item.type.name.lower()
    pool = (
        _NUMBERS
        if "int" in kind or "float" in kind
        else _PLACES + _TEXTS
        if "path" in kind
        else _TEXTS + _PLACES + _NUMBERS
    )
    return rng.choice(pool if rng.random() < 0.9 else _TEXTS)


def base(command: str, corpus: Corpus, rng: random.Random) -> dict[str, list[str]]:
    """Name of a parameter -> what a short honest call of the command gives it; "" holds the arguments."""
    model, csv = str(corpus.model), str(corpus.csv)
    return {
        "train": {"": [csv], "target": ["--target", "kind"], "output": ["--output", "new"], "head": ["--head", "sigmoid"]},
        "export": {"": [str(corpus.run)], "data": ["--data", csv], "output": ["--output", "out"]},
        "infer": {"": [str(corpus.picture)], "model": ["--model", str(corpus.digits)]} if rng.random() < 0.7 else {"": [csv], "model": ["--model", model]},
        "evaluate": {"": [model, csv], "target": ["--target", "kind"]},
        "verify": {"": [model]},
        "inspect": {"": [model]},
        "diff": {"": [model, str(corpus.int8)]},
        "bench": {"": [model], "rounds": ["--rounds", "6"], "batch": ["--batch", "1"]},
        "doctor": {"": []},
        "convert": {"": [model], "to": ["--to", rng.choice(("c", "web", "triton"))], "output": ["--output", "out"]},
        "runs": {"": [str(corpus.run), str(corpus.run)]},
        "serve": {"": ["missing.onnx"]},  # a model that is there would be served for good
    }[command]  # fmt: skip


_COMMANDS = (
    ("train",) * 8
    + ("infer",) * 8
    + ("export",) * 3
    + ("verify",) * 3
    + ("evaluate",) * 3
    + ("convert",) * 2
    + ("inspect", "diff", "bench", "runs", "serve")
)


def option(rng: random.Random, corpus: Corpus, folder: Path) -> Case:
    """One or two odd values, or words that are no options at all."""
    furnish(folder)
    command = rng.choice(_COMMANDS)
    given = base(command, corpus, rng)
    words: list[str] = []
    for item in rng.sample(parameters()[command], min(rng.choice((1, 1, 2)), len(parameters()[command]))):
        if item.param_type_name == "argument":
            given[""] = [value(item, rng) for _ in range(rng.choice((1, 1, 2)))]
        elif item.is_flag:
            words.append(rng.choice((*item.opts, *item.secondary_opts)))
        else:
            given.pop(item.name, None)
            words += [item.opts[0], value(item, rng)] if rng.random() < 0.9 else [f"{item.opts[0]}={value(item, rng)}"]
    if rng.random() < 0.05:
        words.append(rng.choice(("--odd", "-Z", "--", "--\x1b[31m", "--\ud7ff", "---", words[0] if words else "-")))
    arguments = given.pop("")
    stdin = rng.choice(
        (b"", b"", b"x\n", b"\0" * 9, b"p" * 10**6, f"{corpus.picture}\n".encode(), corpus.picture.read_bytes())
    )
    rest = [word for pair in given.values() for word in pair]
    return Case([command, *rest, *words, *(["--"] if rng.random() < 0.3 else []), *arguments], stdin)


_NAMES = ("\x1b[31mred", "a\nb.png", "a\rb", "a\tb.csv", "\x9b31m", "\u202egnp", "\udcff\udcfe.png", "é.png", "=1+1.png", "-dash.png", "--help", "a,b.csv", 'q"uote.png', "x" * 250,
          "\x7f.onnx", "\u2028.npz", "#.csv", "%s.png", "*.png", "[a].png", "~.png", "a\x00"[:1], "unknown", "con.png", " ", " .csv", "\x85")  # fmt: skip


def name(rng: random.Random, corpus: Corpus, folder: Path) -> Case:
    """Honest and damaged files under odd names, named one by one, by folder, by pattern and in lists."""
    odd = rng.choice(_NAMES)
    model = str(corpus.digits)
    match rng.randrange(8):
        case 0 | 1:
            shutil.copy(corpus.picture, folder / odd)
            shape = rng.choice((["--", odd], ["."], ["*"], ["**"], ["./" + odd]))
            return Case(
                ["infer", "--model", model, *rng.choice(([], ["--json"], ["--csv"], ["--save-seen", "seen"])), *shape]
            )
        case 2:
            (folder / odd).write_bytes(rng.randbytes(40))
            return Case(
                ["infer", "--model", model, *rng.choice(([], ["--json"], ["--csv"])), *rng.choice((["--", odd], ["."]))]
            )
        case 3:
            shutil.copy(corpus.csv, folder / (odd + ".csv"))
            return Case(
                ["infer", "--model", str(corpus.model), *rng.choice(([], ["--json"], ["--csv"])), "--", f"./{odd}.csv"]
            )
        case 4:
            shutil.copy(corpus.csv, folder / (odd + ".csv"))
            return Case(["train", f"./{odd}.csv", "--target", "kind", "--output", "new", "--head", "sigmoid"])
        case 5:
            shutil.copy(corpus.model, folder / (odd[:200] + ".onnx"))
            file = f"./{odd[:200]}.onnx"
            return Case(
                rng.choice(
                    (
                        ["inspect", file],
                        ["verify", file],
                        ["diff", file, str(corpus.int8)],
                        ["infer", str(corpus.csv), "--model", file],
                    )
                )
            )
        case 6:
            for kind in (odd, "other"):
                (folder / "set" / kind).mkdir(parents=True)
                for number in range(4):
                    shutil.copy(corpus.picture, folder / "set" / kind / f"{number}{odd[:200]}")
            return Case(["train", "set", "--output", "new", "--epochs", "1"])
        case _:
            shutil.copy(corpus.picture, folder / odd)
            lines = [
                os.fsencode(odd),
                b"missing",
                b"",
                b"a\0b",
                b"\xef\xbb\xbf",
                b"x" * rng.choice((10, 5000, 3 * 10**7)),
                os.fsencode(corpus.picture),
            ]
            rng.shuffle(lines)
            return Case(
                ["infer", "--model", model, "--paths-from", "-", *rng.choice(([], ["--json"], ["--csv"]))],
                b"\n".join(lines),
            )
