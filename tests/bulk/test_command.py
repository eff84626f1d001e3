"""`edgesoft infer --output` and `--workers`, on the real command line, killed and started again."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.bulk.conftest import MODEL, ROOT
from tests.conftest import environment


def start(*arguments, cwd):
    command = [sys.executable, "-m", "edgesoft", "infer", "--model", str(MODEL), *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def infer(*arguments, cwd):
    process = start(*arguments, cwd=cwd)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err.decode()


@pytest.fixture(scope="module")
def lines(pictures, tmp_path_factory):
    """What stdout gets, as JSON lines and as CSV."""
    folder = tmp_path_factory.mktemp("lines")
    return {form: infer(pictures, form, "--quiet", cwd=folder)[1] for form in ("--json", "--csv")}


def test_the_file_holds_the_lines_of_stdout(pictures, lines, tmp_path):
    code, out, err = infer(pictures, "--output", "out.jsonl", "--workers", 2, cwd=tmp_path)
    assert (code, out) == (1, b"")
    assert err.splitlines()[-1] == "out.jsonl: 84 pictures, 2 of which could not be read"
    assert (tmp_path / "out.jsonl").read_bytes() == lines["--json"]
    assert infer(pictures, "--output", "out.csv", "--quiet", cwd=tmp_path) == (1, b"", "")
    assert (tmp_path / "out.csv").read_bytes() == lines["--csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.jsonl"]


def test_parquet_holds_the_keys_of_json(pictures, lines, tmp_path):
    infer(pictures, "--output", "out.parquet", "--workers", 1, cwd=tmp_path)
    expected = [json.loads(line) for line in lines["--json"].splitlines()]
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    for row, answer in zip(rows, expected, strict=True):
        answer["path"] = answer["path"].encode(errors="backslashreplace").decode()
        kept = {key: value for key, value in row.items() if value is not None}
        kept["probabilities"] = dict(kept["probabilities"]) if "probabilities" in kept else None
        assert kept == {"probabilities": None, **answer}


def test_several_workers_write_the_same_lines_in_the_same_order(pictures, lines, tmp_path):
    assert infer(pictures, "--json", "--quiet", "--workers", 3, cwd=tmp_path) == (1, lines["--json"], "")


def gone(group):
    """Whether no process of a group is left, in a while."""
    for _ in range(400):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_at_random_moments_it_goes_on_and_nothing_is_lost_or_doubled(pictures, lines, tmp_path, number):
    unfinished = tmp_path / "out.jsonl.unfinished"
    kept = [0]
    # Many times the same pictures: each time is an input of its own.
    listing = tmp_path / "list.txt"
    paths = [os.fsencode(json.loads(line)["path"]) for line in lines["--json"].splitlines()]
    paths = [path for path in paths if b"\n" not in path]
    listing.write_bytes(b"\n".join(paths * 20))
    for _ in range(2):
        process = start("--paths-from", listing, "--output", "out.jsonl", "--workers", 2, cwd=tmp_path)
        # It is killed after it has done something more than the last time.
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if unfinished.exists() and unfinished.stat().st_size > kept[-1] + 3000:
                break
            time.sleep(0.005)
        time.sleep(random.random() * 0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert gone(process.pid), "a worker outlives its run"
        assert not (tmp_path / "out.jsonl").exists(), "it was finished before it could be killed"
        assert process.returncode == (-9 if number == signal.SIGKILL else 143)
        if number == signal.SIGTERM:
            assert b"the same command goes on\ninterrupted\n" in err and b"Traceback" not in err
        assert unfinished.stat().st_size > kept[-1]
        kept.append(unfinished.stat().st_size)
    code, _, err = infer("--paths-from", listing, "--output", "out.jsonl", "--workers", 2, cwd=tmp_path)
    assert code == 1
    assert "going on with out.jsonl.unfinished: " in err and f" of {len(paths) * 20:,} pictures are done" in err
    answers = [
        line
        for line in lines["--json"].splitlines(keepends=True)
        if b"\n" not in json.loads(line)["path"].encode(errors="replace")
    ]
    assert (tmp_path / "out.jsonl").read_bytes() == b"".join(answers * 20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list.txt", "out.jsonl"]


def test_another_model_and_other_inputs_are_refused_until_it_is_to_begin_anew(digits, tmp_path, cli):
    (tmp_path / "in").mkdir()
    for number in range(3):
        (tmp_path / "in" / f"{number}.png").write_bytes(digits[number])
    # As a killed run leaves it: its first line, and nothing done.
    process = start("in", "--output", "out.csv", cwd=tmp_path)
    unfinished = tmp_path / "out.csv.unfinished"
    while process.poll() is None and not (unfinished.exists() and unfinished.stat().st_size):
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert unfinished.exists()
    other = cli("infer", "in", "--output", "out.csv", "--model", ROOT / "exported" / "mnist.onnx", "--quiet")
    assert other.code == 2 and "was begun with another model and another path of the model" in other.one_line()
    assert (
        "another --reject"
        in cli("infer", "in", "--output", "out.csv", "--model", MODEL, "--quiet", "--reject", "0").one_line()
    )
    (tmp_path / "in" / "new.png").write_bytes(digits[4])
    more = cli("infer", "in", "--output", "out.csv", "--model", MODEL, "--quiet")
    assert more.code == 2 and "another list of inputs" in more.one_line() and "--overwrite" in more.one_line()
    code, _, err = infer("in", "--output", "out.csv", "--overwrite", cwd=tmp_path)
    assert (code, err.splitlines()[-1]) == (0, "out.csv: 4 pictures")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["a.png", "--output", "out.txt"], 2, "expected a name that ends with .jsonl, .ndjson, .csv, .parquet"),
        (["a.png", "--output", "out"], 2, "expected a name that ends with"),
        (["a.png", "--output", "there.csv"], 2, "there.csv: exists already"),
        (["a.png", "--output", "folder.csv"], 2, "folder.csv: is a folder"),
        (["a.png", "--output", "there.csv/out.csv"], 1, "there.csv/out.csv: cannot be written"),
        (["a.png", "--output", "/proc/out.csv"], 1, "/proc/out.csv: cannot be written"),
        (["-", "--output", "out.csv"], 2, "standard input cannot be read again"),
        (["pipe", "--output", "out.csv"], 2, "pipe: is a pipe"),
        (["a.png", "--output", "out.csv", "--json"], 2, "--json: does not go with --output"),
        (["a.png", "--output", "out.csv", "--save-seen", "x"], 2, "--save-seen: does not go with --output"),
        (["a.png", "--overwrite"], 2, "--overwrite: goes with --output FILE only"),
        (["a.png", "--column", "x"], 2, "--column: goes with --output FILE only"),
        (["a.png", "--workers", "0"], 2, "0 is not in the range"),
        (["a.png", "--output", "out.csv", "--reject", "2"], 2, "2"),
        (["a.png", "--output", ""], 2, "it is empty"),
        (["--paths-from", "missing.txt", "--output", "out.csv"], 1, "expected a list of paths"),
        (["nothing://x/y", "--output", "out.csv"], 1, "nothing://x/: cannot be opened"),
        (["two.parquet", "--output", "out.csv"], 2, "two.parquet: which column holds the pictures"),
        (["there.csv", "--output", "there.csv", "--overwrite"], 2, "there.csv: is an input and the output"),
        (["a.png", "there.csv", "--output", "there.csv", "--overwrite"], 2, "there.csv: is an input and the output"),
        (["--paths-from", "there.csv", "--output", "there.csv", "--overwrite"], 2, "which it would replace"),
    ],
)
def test_what_cannot_be_is_refused_before_the_work_and_leaves_nothing(tmp_path, cli, digits, arguments, code, message):
    (tmp_path / "a.png").write_bytes(digits[0])
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe")
    parquet.write_table(pa.table({"a": [b"x"], "b": [b"x"]}), tmp_path / "two.parquet")
    before = sorted(tmp_path.iterdir())
    ended = cli("infer", *arguments, "--model", MODEL, "--quiet")
    assert ended.code == code and message in ended.one_line() and ended.out == ""
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_workers_take_no_code_from_the_current_folder(tmp_path, digits):
    (tmp_path / "a.png").write_bytes(digits[0])
    for name in ("multiprocessing", "numpy", "signal", "pickle", "runpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken from the current folder')")
    process = subprocess.run(
        [sys.executable, "-P", "-m", "edgesoft", "infer", "--model", MODEL, "a.png", "--output", "out.csv", "--quiet"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        timeout=120,
    )
    assert (process.returncode, process.stderr) == (0, b"")


def test_without_pyarrow_parquet_says_what_to_install(tmp_path, digits):
    (tmp_path / "a.png").write_bytes(digits[0])
    from tests.test_imports import BLOCKED

    script = BLOCKED.format(names=["pyarrow"]) + (
        "import runpy; sys.argv = ['edgesoft', *sys.argv[1:]]; runpy.run_module('edgesoft', run_name='__main__')"
    )
    for arguments in (["a.png", "--output", "out.parquet"], ["s3://a/b.png", "--output", "out.csv"]):
        process = subprocess.run(
            [sys.executable, "-c", script, "infer", "--model", MODEL, "--quiet", *arguments],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            timeout=120,
        )
        assert process.returncode == 1 and b"needs pyarrow. Install it: pip install pyarrow" in process.stderr
