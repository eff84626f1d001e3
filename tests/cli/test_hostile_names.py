"""Hostile names through every command: the right exit code, one line, nothing raw on the terminal.

The commands run inside this process, as `main` runs them; only the end of the process is caught.
"""

import csv
import io
import json
import os
import re
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgesoft import cli
from edgesoft.errors import EdgesoftError
from edgesoft.escape import unsafe
from edgesoft.exporting.report import report_html
from edgesoft.model.golden import Golden
from edgesoft.pages.markup import notebook
from tests import edits
from tests.conftest import Ended
from tests.data.test_hostile_names import write
from tests.test_names import GOOD, HOSTILE, IN_FILE_NAMES

SOME = ["\x1b[31mred", "\x9b31mred", "a\nb", "a\tb", "a\u2028b", "\u202egnp.exe", "caf\udce9"]


class _Ended(BaseException):
    pass


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs `edgesoft ...` in an empty folder of this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def end(code):
        raise _Ended(code)

    def call(*arguments):
        with monkeypatch.context() as patch, warnings.catch_warnings():
            patch.setattr(cli, "_end", end)
            patch.setattr(cli, "listen", lambda: None)  # this process keeps its signals
            patch.setattr(sys, "argv", ["edgesoft", *map(str, arguments)])
            patch.setattr(sys, "stdout", sys.stdout)  # `main` guards them
            patch.setattr(sys, "stderr", sys.stderr)
            with pytest.raises(_Ended) as ended:
                cli.main()
        out, err = capsys.readouterr()
        for shown in (out, err):
            assert not [ascii(shown[place]) for place in unsafe(shown) if shown[place] != "\n"], ascii(shown)
            shown.encode()
        assert "Traceback" not in err
        return Ended(ended.value.args[0], out, err)

    return call


def said(ended):
    """The one line of an error; what ran before it is talk."""
    lines = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, ended.err
    return lines[0]


@pytest.mark.parametrize("name", SOME, ids=lambda name: ascii(name)[:30])
def test_every_argument_and_option_of_every_command(run, exported, digit, tiny_run, name):
    model = exported / "mnist.int8.onnx"
    for code, *arguments in (
        (2, name),
        (2, f"--{name}"),
        (2, "doctor", name),
        *(
            (2, command, f"--{name}=1")
            for command in ("train", "export", "infer", "evaluate", "verify", "inspect", "diff", "bench")
        ),
        *((1, command, f"./{name}.onnx") for command in ("verify", "inspect", "bench", "export")),
        *((1, "infer", *options, "--model", exported, f"./{name}") for options in ((), ("-q",))),
        (1, "diff", model, f"./{name}"),
        (1, "evaluate", model, f"./{name}"),
        (1, "evaluate", f"./{name}", "mnist"),
        (2, "evaluate", model, "mnist", f"--split={name}"),
        (1, "train", f"./{name}"),
        (1, "train", "--config", f"./{name}"),
        (1, "train", "--resume", f"./{name}"),
        *(
            (2, "train", f"--{option}={name}")
            for option in ("hidden", "epochs", "device", "head", "precision", "size", "target")
        ),
        (2, "export", tiny_run.path, f"--name={name}"),
        *(
            (2, "infer", digit, f"--model={exported}", f"--{option}={name}")
            for option in ("top-k", "provider", "reject", "features")
        ),
        (1, "infer", digit, f"--model=./{name}"),
        (1, "infer", f"--model={exported}", f"--paths-from=./{name}"),
        *((2, command, model, f"--provider={name}") for command in ("verify", "bench")),
        *((2, "bench", model, f"--{option}={name}") for option in ("batch", "threads", "rounds")),
    ):
        ended = run(*arguments)
        assert ended.code == code, (arguments, ended.err)
        if "Unreadable" not in ended.out:
            said(ended)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_file_names_lead_back_to_the_files(run, exported, digit, tmp_path):
    names = [*IN_FILE_NAMES, "=1+2", "-1+1", "@x", "a;=1", '"q"', *GOOD[:5], "caf\udce9 \u202e\x1b[31m\n"]
    paths = [f"./{name.replace('/', '_')}.png" for name in names] + ["=cmd.png", "+x.png"]
    for path in paths:
        shutil.copy(digit, path)
    listed = run("infer", "--json", "-q", "--model", exported, "--", *paths)
    answers = [json.loads(line) for line in listed.out.split("\n") if line]
    assert [os.fsencode(answer["path"]) for answer in answers] == list(map(os.fsencode, paths))
    assert all(Path(answer["path"]).exists() for answer in answers)
    rows = list(csv.DictReader(io.StringIO(run("infer", "--csv", "-q", "--model", exported, "--", *paths).out)))
    assert [json.loads(row["path"]) if row["path"].startswith('"') else row["path"] for row in rows] == paths
    assert not [row["path"] for row in rows if row["path"][0] in "=+-@"]
    assert {row["rejected"] for row in rows} <= {"true", "false"}
    text = run("infer", "-q", "--model", exported, "--save-seen", "seen", "--show", "--", *paths)
    assert text.code == 0
    assert len(text.out.splitlines()) == len(paths)
    page = (tmp_path / "seen" / "index.html").read_text(encoding="utf-8")
    assert not [place for place in unsafe(page) if page[place] != "\n"]
    assert page.count("<bdi>") == 3 * len(paths)


def hostile_card(source, target, *, fresh_digests=True, **changes):
    return edits.edited(source, target, lambda model: edits.edit_card(model, **changes), fresh_digests=fresh_digests)


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:30])
def test_a_model_file_with_hostile_names_is_refused_by_every_command(run, exported, digit, tmp_path, name):
    source = exported / "mnist.onnx"
    good = edits.card(edits.read(source))
    for changes in (
        {"labels": [*good["labels"][:9], name]},
        {"name": name},
        {"training": {**good["training"], "data": name}},
    ):
        path = hostile_card(source, tmp_path / "m.onnx", fresh_digests=False, **changes)
        for arguments in (
            ("inspect", path, "--json"),
            ("diff", source, path),
            ("verify", path),
            ("infer", digit, "--model", path),
        ):
            ended = run(*arguments)
            assert (ended.code, ended.out) == (1, ""), (arguments, changes)
            assert "the model card is damaged" in said(ended)


def test_what_a_model_file_says_freely_is_escaped(run, exported, tmp_path):
    source = exported / "mnist.onnx"
    texts = [name for name in HOSTILE if not re.search("[\ud800-\udfff]", name)]  # half a letter makes a card damaged
    free = {name: {name: [name]} for name in texts}
    training = {
        **edits.card(edits.read(source))["training"],
        "settings": free,
        "versions": {name: name for name in texts},
    }
    path = hostile_card(source, tmp_path / "m.onnx", training=training, metrics=free)
    for command in (("inspect", path), ("diff", source, path), ("diff", path, source), ("verify", path)):
        assert run(*command).code == 0
        document = json.loads(run(*command, "--json").out)
        if command[0] == "inspect":
            assert document["card"]["training"]["settings"] == free


def test_golden_labels_are_names_too(run, exported, digit, tmp_path):
    golden = Golden.decode(edits.metadata(edits.read(exported / "mnist.onnx"))["edgesoft.golden"], "here")
    with pytest.raises(EdgesoftError, match="golden examples are damaged .*control character"):
        Golden.decode(
            type(golden)(("\x1b",) * 10, golden.inputs, golden.targets, golden.reference, golden.expected).encode(),
            "here",
        )


def test_odd_but_good_names_go_all_the_way(run, tmp_path):
    """Every script, formulas, markup, and a class that is called as what is rejected is: trained, exported and answered."""
    labels = [label for label in GOOD if len(label) < 20]
    generator = np.random.default_rng(0)
    rows = [["x", "=e\u0301", "شكل", "Art"]]
    for index in range(len(labels) * 5):
        number = index % len(labels)
        rows.append(
            [f"{number + generator.normal(0, 0.01):.4f}", f"{(number * 7) % 11}", GOOD[number % 8], labels[number]]
        )
    path = write(tmp_path / "شكل e\u0301.csv", rows)
    trained = run("train", path, "--target", "Art", "--epochs", "1", "--hidden", "8", "--threads", "1", "-q")
    assert trained.code == 0, trained.err
    assert run("export").code == 0
    (model,) = (file for file in (tmp_path / "exported").glob("*.onnx") if ".int8." not in file.name)
    assert model.stem == "شكل-é"
    shown = json.loads(run("inspect", model, "--json").out)
    assert sorted(shown["card"]["labels"]) == sorted(labels)
    assert run("verify", model).code == 0
    assert run("diff", model, model).code == 0
    for reject in ("0", "1"):
        options = ("--model", model, "--reject", reject, "-q")
        answers = [json.loads(line) for line in run("infer", path, "--json", *options).out.split("\n") if line]
        assert len(answers) == len(rows) - 1
        assert all(answer["rejected"] is (reject == "1") for answer in answers)
        assert all((answer["label"] == "unknown") >= answer["rejected"] for answer in answers)
    text = run("infer", path, "--csv", *options).out
    cells = [row["label"] for row in csv.DictReader(io.StringIO(text))]
    assert set(cells) == {"unknown"}
    assert run("infer", path, *options).code == 0
    # The accents of a heading and of a value may be written in the other way.
    assert "e\u0301" in rows[0][1] and "e\u0301" in rows[7]
    turned = [[cell.replace("e\u0301", "é") for cell in row] for row in rows[:9]]
    assert run("infer", write(tmp_path / "a.csv", turned), "--model", model, "-q").err.count("not among") == 0
    turned[7][2] = "è"
    assert run("infer", write(tmp_path / "a.csv", turned), "--model", model, "-q").err.count("not among") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_data_and_runs_in_a_folder_that_is_not_utf_8(run, tmp_path):
    odd = tmp_path / "caf\udce9\x1b[31m\n"
    for name in ("a", "b"):
        (odd / "photos\udcff" / name).mkdir(parents=True)
        for index in range(8):
            Image.new("L", (6, 6), 20 * index + 7 * (name == "a")).save(
                odd / "photos\udcff" / name / f"{index}\udce9.png"
            )
        (odd / "photos\udcff" / name / "broken\x1b\n.png").write_bytes(b"nothing")
    run_folder = odd / "run"
    options = ["--epochs", "1", "--hidden", "4", "--size", "6", "--threads", "1"]
    trained = run("train", odd / "photos\udcff", "--output", run_folder, *options)
    assert trained.code == 0, trained.err
    assert json.loads((run_folder / "config.json").read_text())["data"]["source"] == str(odd / "photos\udcff")
    skipped = (run_folder / "skipped.txt").read_text(encoding="utf-8")
    assert len(skipped.split("\n")) == 3 and not [place for place in unsafe(skipped) if skipped[place] != "\n"]
    exported = run("export", run_folder, "--output", odd / "out")
    assert exported.code == 0, exported.err
    assert (odd / "out" / "photos.onnx").exists()
    assert run("infer", odd / "photos\udcff", "--model", odd / "out", "--json", "-q").code == 1  # the broken ones
    again = run("train", "--config", run_folder / "config.json", "--output", odd / "again", "-q")
    assert again.code == 0, again.err
    assert (odd / "again" / "checkpoint.npz").read_bytes() == (run_folder / "checkpoint.npz").read_bytes()


def test_pages_isolate_and_escape_foreign_text(tiny_export, mnist):
    page = report_html(tiny_export, mnist)
    assert "<td><bdi>" in page
    shown = notebook("\u202e<b>\x1b", ["\u2028", "/tmp/\udcff"], ["a"], [["\u2066<i>"]])
    assert "<bdi>\\u202e&lt;b&gt;\\x1b</bdi>" in shown
    assert "/tmp/\\xff" in shown and "\\u2066&lt;i&gt;" in shown and "\\u2028" in shown


def test_the_guard_stands_behind_everything(run, monkeypatch):
    """Whoever prints past `say` and `write`, in a library or by mistake, still sends no control code to a terminal."""

    def careless(*_: object) -> None:
        print("\x1b[31mred\x9b", file=sys.stdout)
        print("\u202e\udcff", file=sys.stderr)
        sys.stdout.writelines(["\x07"])

    monkeypatch.setattr(cli, "write", careless)
    ended = run("--version")
    assert ended.out == "\\x1b[31mred\\u009b\n\\x07"
    assert ended.err == "\\u202e\\xff\n"
