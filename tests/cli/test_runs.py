"""The second day: what was trained, and how the runs differ."""

import csv
import json
import shutil

import pytest

import edgesoft
from edgesoft.errors import EdgesoftError
from tests.conftest import edgesoft_in_a_fork


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with two runs of one table, and one of another."""
    folder = tmp_path_factory.mktemp("trained")
    rows = [f"{number % 7},{number % 5},{'ab'[number % 2]}" for number in range(90)]
    (folder / "one.csv").write_text("\n".join(["p,q,y", *rows]) + "\n")
    (folder / "two.csv").write_text("\n".join(["p,q,y", *rows[::-1], "1,2,b"]) + "\n")
    for words in (
        "train one.csv --target y --epochs 2 --hidden 4",
        "train one.csv --target y --epochs 3 --hidden 8,4 --lr 0.02",
        "train two.csv --target y --epochs 1 --hidden none",
    ):
        ended = edgesoft_in_a_fork(*words.split(), cwd=folder)
        assert ended.code == 0, ended.err
    return folder


def test_runs_are_listed_the_newest_first(cli, trained):
    ended = cli("runs", cwd=trained)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0].split() == ["run", "data", "network", "epochs", "test", "accuracy", "flash", "when"]
    assert [line.split()[:4] for line in lines[2:]] == [
        ["runs/two", "two", "none", "1"], ["runs/one-2", "one", "8-4", "3"], ["runs/one", "one", "4", "2"]
    ]  # fmt: skip
    document = json.loads(cli("runs", "--json", cwd=trained).out)
    assert [run["path"] for run in document["runs"]] == ["runs/two", "runs/one-2", "runs/one"]
    metrics = json.loads((trained / "runs/one-2/metrics.json").read_text())
    told = document["runs"][1]
    assert told["test_accuracy"] == metrics["test"]["accuracy"]
    assert told["parameters"] == 2 * 8 + 8 + 8 * 4 + 4 + 4 * 2 + 2
    assert told["flash_bytes"] > told["parameters"]  # a byte a weight, four a bias, and scales
    assert told["settings"]["lr"] == 0.02
    assert [str(run.path) for run in edgesoft.runs([trained / "runs" / "one"])] == [str(trained / "runs" / "one")]
    assert edgesoft.runs(str(trained / "runs")) == edgesoft.runs([trained / "runs"])


def test_compare_shows_what_differs_and_nothing_else(cli, trained):
    ended = cli("runs", "--compare", "runs/one", "runs/one-2", cwd=trained)
    assert (ended.code, ended.err) == (0, "")
    rows = {line.split("  ")[0]: line.split()[-2:] for line in ended.out.splitlines()}
    assert rows["network"] == ["8-4", "4"] and rows["lr"][0] == "0.02" and rows["epochs"] == ["3", "2"]
    assert "seed" not in rows and "hidden" not in rows and "95 % interval" in rows
    mixed = cli("runs", "--compare", cwd=trained)
    assert mixed.code == 0 and "different data" in mixed.one_line()
    alone = cli("runs", "--compare", "runs/one", "runs/one", cwd=trained)
    assert alone.code == 2 and "--compare: takes two runs or more, and there is 1" in alone.one_line()


def test_epochs_are_a_table_for_spreadsheets(trained):
    with (trained / "runs/one-2/metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    history = json.loads((trained / "runs/one-2/metrics.json").read_text())["history"]
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    for row, epoch in zip(rows, history, strict=True):
        for name in ("loss", "validation_loss", "validation_accuracy"):
            assert float(row[name]) == epoch[name]


def test_a_damaged_run_does_not_hide_the_others(cli, trained, tmp_path):
    shutil.copytree(trained / "runs", tmp_path / "runs")
    (tmp_path / "runs/one/checkpoint.npz").write_bytes(b"PK\x03\x04 nothing")
    (tmp_path / "runs/notes").mkdir()
    (tmp_path / "runs/a file").write_text("x")
    ended = cli("runs")
    assert ended.code == 1
    assert ended.one_line().startswith("error: runs/one/checkpoint.npz: ")
    assert [line.split()[0] for line in ended.out.splitlines()[2:]] == ["runs/two", "runs/one-2"]
    with pytest.raises(EdgesoftError, match="one/checkpoint"):
        edgesoft.runs([tmp_path / "runs"])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("runs", 1, "error: runs: no such folder. "),
        ("runs empty", 1, "error: empty: holds no run. Train one: edgesoft train"),
        ("runs file", 1, "error: file: no such folder. "),
        ("runs empty --compare", 1, "error: empty: holds no run"),
        ("runs --epochs 3", 2, "error: No such option: --epochs"),
    ],
)
def test_where_there_is_none(cli, tmp_path, words, code, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    ended = cli(*words.split())
    assert (ended.code, ended.out) == (code, "")
    assert ended.one_line().startswith(message)
