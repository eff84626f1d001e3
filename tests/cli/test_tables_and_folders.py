"""Tables and folders through every command, as a person would type them."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Ended, edgesoft_in_a_fork

COLUMNS = ["width", "colour", "length"]


def run(*arguments: object, cwd: Path, code: int = 0) -> Ended:
    done = edgesoft_in_a_fork(*arguments, cwd=cwd)
    assert done.code == code, done.err
    return done


def write_table(path: Path, labels: list[str], count: int = 150) -> None:
    generator = np.random.default_rng(1)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, "kind"])
        for index in range(count):
            kind = index % len(labels)
            width = generator.normal(4000 * kind, 400)
            writer.writerow([f"{width:.2f}", ["red", "green"][index % 2], f"{generator.normal():.4f}", labels[kind]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder in which a table was trained, exported and quantized."""
    path = tmp_path_factory.mktemp("work")
    write_table(path / "plants.csv", ["müde", "wach", "日本"])
    (path / "s.toml").write_text(
        '[data]\ntarget = "kind"\n[training]\nepochs = 30\nhidden = [16]\nlr = 0.02\nthreads = 1\n'
    )
    run("train", "plants.csv", "--config", "s.toml", "--epochs", 20, "--seed", 3, "-q", cwd=path)
    run("export", "--quantize", cwd=path)
    return path


def test_a_run_says_what_it_did(folder):
    config = json.loads((folder / "runs/plants/config.json").read_text())
    assert config["data"]["source"] == str(folder / "plants.csv")
    assert (config["data"]["target"], config["data"]["split_seed"]) == ("kind", 3)
    assert (config["training"]["epochs"], config["training"]["hidden"]) == (20, [16])
    metrics = json.loads((folder / "runs/plants/metrics.json").read_text())
    assert [score["label"] for score in metrics["classes"]] == ["müde", "wach", "日本"]
    assert set(metrics["classes"][0]) == {"label", "precision", "recall", "f1", "examples"}


def test_the_resolved_settings_train_the_same_model_again(folder):
    run("train", "--config", "runs/plants/config.json", "--output", "again", "-q", cwd=folder)
    assert (folder / "again/checkpoint.npz").read_bytes() == (folder / "runs/plants/checkpoint.npz").read_bytes()


def test_infer_reads_rows_and_single_features(folder):
    rows = folder / "rows.csv"
    rows.write_text(
        "kind,length,width,colour\nx,0.1,20,red\nx,0.2,8100,green\nx,0.2,,green\nx,0,4000,mauve\n", encoding="utf-8"
    )
    done = run("infer", "rows.csv", "--json", cwd=folder, code=1)
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert [answer.get("label") for answer in answers] == ["müde", "日本", None, "wach"]
    assert [answer["path"] for answer in answers] == [f"rows.csv:{line}" for line in (2, 3, 4, 5)]
    assert answers[2] == {
        "path": "rows.csv:4",
        "error": "no number in column 'width' (''): fill it in or leave the row out",
    }
    assert "'mauve' in column 'colour' is not among the values seen in training" in answers[3]["warnings"][0]
    assert "columns that the model does not take: kind" in done.err
    assert run("infer", "--features", "3900,red,0.5", cwd=folder).out.startswith("wach  ")
    assert (
        "2 values: expected 3, for width, colour, length" in run("infer", "--features", "1,red", cwd=folder, code=1).err
    )


def test_pictures_and_rows_are_not_mixed_up(folder):
    Image.new("L", (8, 8)).save(folder / "picture.png")
    assert "a binary file" in run("infer", "picture.png", cwd=folder, code=1).err
    assert "--show and --save-seen are for pictures" in run("infer", "rows.csv", "--show", cwd=folder, code=2).err
    column = run("infer", "rows.csv", "--column", "width", "--output", "out.csv", cwd=folder, code=2)
    assert "--column is for pictures" in column.err and not (folder / "out.csv").exists()


def test_every_command_shows_the_labels(folder):
    for command in (("inspect", "exported/plants.onnx"), ("inspect", "exported/plants.int8.onnx", "--json")):
        assert "日本" in run(*command, cwd=folder).out
    assert "verified" in run("verify", "exported/plants.int8.onnx", "--against", "runs/plants", cwd=folder).out
    run("diff", "exported/plants.onnx", "exported/plants.int8.onnx", cwd=folder)
    page = (folder / "exported/plants.report.html").read_text(encoding="utf-8")
    assert "日本" in page
    assert "müde" in page


def test_renamed_and_reordered_labels_arrive_everywhere(folder):
    """The same rows under other names, which sort in another order: only names and order change, never what is recognised."""
    text = (folder / "plants.csv").read_text(encoding="utf-8")
    for old, new in (("müde", "z first"), ("wach", "m second"), ("日本", "a third")):
        text = text.replace(old, new)
    (folder / "renamed.csv").write_text(text, encoding="utf-8")
    run("train", "renamed.csv", "--config", "s.toml", "-q", cwd=folder)
    run("export", "runs/renamed", "--quantize", cwd=folder)
    rows = folder / "three.csv"
    rows.write_text("width,colour,length\n0,red,0\n4000,red,0\n8000,red,0\n")
    for name, expected in (("plants", ["müde", "wach", "日本"]), ("renamed", ["z first", "m second", "a third"])):
        for suffix in (".onnx", ".int8.onnx"):
            done = run("infer", "three.csv", "--json", "--model", f"exported/{name}{suffix}", cwd=folder)
            assert [json.loads(line)["label"] for line in done.out.splitlines()] == expected
    shown = run("inspect", "exported/renamed.int8.onnx", cwd=folder).out
    assert "a third, m second, z first" in shown


def test_a_moved_table_is_named_with_data(folder):
    moved = folder / "elsewhere.csv"
    moved.write_bytes((folder / "plants.csv").read_bytes())
    run("export", "runs/plants", "--data", "elsewhere.csv", "--output", "moved", cwd=folder)
    (folder / "other.csv").write_text((folder / "plants.csv").read_text().replace("red", "blue"))
    done = run("export", "runs/plants", "--data", "other.csv", "--output", "moved", cwd=folder, code=1)
    assert "was trained on other data" in done.err


def test_a_folder_of_pictures_in_colour_with_a_sigmoid_head(tmp_path):
    generator = np.random.default_rng(0)
    for name, colour in (("grün", (40, 180, 60)), ("rot", (200, 50, 60))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(24):
            pixels = np.clip(generator.normal(0, 30, (12, 14, 3)) + colour, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{index}.png")
    (tmp_path / "photos" / "rot" / "broken.png").write_bytes(b"nothing")
    done = run(
        *(
            "train",
            "photos",
            "--colour",
            "--size",
            "10x8",
            "--head",
            "sigmoid",
            "--epochs",
            6,
            "--hidden",
            16,
            "--threads",
            1,
        ),
        cwd=tmp_path,
    )
    assert "left out: " in done.err
    assert "broken.png" in done.err
    assert "broken.png: " in (tmp_path / "runs/photos/skipped.txt").read_text()
    assert "the sigmoid gives the probability of 'rot'" in done.err
    assert "files that cannot be read as pictures and are left out: 1 of 49" in done.err
    assert "precision" in done.out
    run("export", "--quantize", cwd=tmp_path)
    answer = run("infer", "photos/rot/3.png", "photos/grün/3.png", cwd=tmp_path).out
    assert [line.split("  ")[1] for line in answer.splitlines()] == ["rot", "grün"]
    assert "sigmoid, threshold 0.5" in run("inspect", "exported/photos.int8.onnx", cwd=tmp_path).out
    assert "verified" in run("verify", "exported/photos.int8.onnx", cwd=tmp_path).out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plants.csv",), "which column holds the labels? Say --target NAME. There are width, colour, length, kind"),
        (("plants.csv", "--target", "kind", "--colour"), "--colour or --grey means nothing for a table"),
        (("--resume", "runs/plants", "--epochs", 3), "--epochs: a resumed run keeps its data and settings"),
        (("plants.csv", "--resume", "runs/plants"), "SOURCE: a resumed run keeps its data and settings"),
        (
            ("plants.csv", "--target", "kind", "--head", "sigmoid"),
            "one logit tells two classes apart, but plants has 3",
        ),
        (("--size", "0x", "photos"), "--size '0x'"),
    ],
)
def test_wrong_commands_are_usage_errors(folder, arguments, message):
    done = run("train", *arguments, cwd=folder, code=2)
    assert message in done.err
    assert done.err.count("error: ") == 1


def test_one_bad_file_or_row_does_not_stop_the_others(folder):
    good = "width,colour,length\n0,red,0\n8000,red,0\n"
    (folder / "good.csv").write_text(good)
    (folder / "bad.csv").write_text(good.replace("0,red,0\n8", '0,"red,0\n8', 1) + "1e39,red,0\n90000000,red,0\n")
    (folder / "folder.csv").mkdir(exist_ok=True)
    model = ("--model", "exported/plants.onnx")
    done = run("infer", "missing.csv", "folder.csv", "bad.csv", "good.csv", "--json", *model, cwd=folder, code=1)
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert [(answer["path"], "error" in answer) for answer in answers] == [
        ("missing.csv", True),
        ("folder.csv", True),
        ("bad.csv:2", True),
        ("bad.csv:3", False),
        ("bad.csv:4", True),
        ("bad.csv:5", False),
        ("good.csv:2", False),
        ("good.csv:3", False),
    ]
    assert answers[0]["error"].startswith("no such file")
    assert "a quote is opened and never closed" in answers[2]["error"]
    assert answers[5]["label"] == "unknown"
    assert "width 9e+07: training saw " in answers[5]["warnings"][0]
    always = run("infer", "bad.csv", "--json", "--reject", "0", *model, cwd=folder, code=1)
    assert "unknown" not in always.out
