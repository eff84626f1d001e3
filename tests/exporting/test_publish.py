"""The files of an export appear together or not at all, whatever happens in between."""

import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from edgesoft.errors import EdgesoftError
from edgesoft.exporting import publish as publishing
from edgesoft.exporting.publish import publish, report_document
from edgesoft.inference.find_model import find_model
from edgesoft.inference.verify import verify
from edgesoft.pages import GENERATOR
from edgesoft.transaction import locked
from tests import edits
from tests.conftest import environment
from tests.strikes import KILLS, STRIKES, struck


def listed(folder):
    return sorted(item.name for item in folder.iterdir())


def test_what_is_published(tiny_export, mnist, tmp_path):
    paths = publish(tiny_export, mnist, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["mnist.onnx", "mnist.int8.onnx", "mnist.report.json", "mnist.report.html"]
    assert listed(paths[0].parent) == sorted(path.name for path in paths)
    assert paths[0].read_bytes() == tiny_export.float_model.content
    assert all(verify(path).passed for path in paths[:2])


def test_without_int8_a_file_of_an_earlier_export_goes(tiny_export, mnist, tmp_path):
    publish(tiny_export, mnist, tmp_path)
    publish(dataclasses.replace(tiny_export, attempts=()), mnist, tmp_path, overwrite=True)
    assert listed(tmp_path) == ["mnist.onnx", "mnist.report.html", "mnist.report.json"]
    assert json.loads((tmp_path / "mnist.report.json").read_text())["int8"] is None


def test_an_int8_file_that_missed_its_gate_is_not_published(tiny_export, mnist, tmp_path):
    publish(tiny_export, mnist, tmp_path)
    missed = tuple(dataclasses.replace(attempt, failures=("too bad",)) for attempt in tiny_export.attempts)
    publish(dataclasses.replace(tiny_export, attempts=missed), mnist, tmp_path, overwrite=True)
    assert "mnist.int8.onnx" not in listed(tmp_path)
    report = json.loads((tmp_path / "mnist.report.json").read_text())
    assert report["int8"] is None
    assert report["int8_attempts"][0]["gates_missed"] == ["too bad"]


def test_the_keys_of_the_report(tiny_export):
    report = report_document(tiny_export)
    assert set(report) == {
        "schema_version", "name", "checkpoint_sha256", "recommended", "float32", "int8", "int8_attempts",
    }  # fmt: skip
    assert set(report["int8"]) == {
        "arithmetic", "bytes", "sha256", "passed", "gates_missed", "parity", "temperature",
        "expected_calibration_error", "median_seconds", "finishing_seconds",
    }  # fmt: skip
    assert set(report["int8"]["parity"]) == {
        "examples", "max_logit_difference", "mean_logit_difference", "max_probability_difference", "label_changes",
        "reference_accuracy", "candidate_accuracy", "lost", "won",
    }  # fmt: skip
    for change in report["int8"]["parity"]["label_changes"]:
        assert set(change) == {"example", "reference", "candidate", "reference_probability", "candidate_probability"}
    assert set(report["int8"]["median_seconds"]) == {"1", "256"}
    assert report["schema_version"] == 1
    json.dumps(report, allow_nan=False)


def test_an_error_before_the_first_file_publishes_nothing(tiny_export, mnist, tmp_path):
    """A report that cannot be made must not leave files behind that no report describes."""
    broken = dataclasses.replace(mnist, test=dataclasses.replace(mnist.test, inputs=mnist.test.inputs[:0]))
    with pytest.raises(IndexError):
        publish(tiny_export, broken, tmp_path)
    assert listed(tmp_path) == []


def test_what_is_no_file_is_not_replaced_even_when_asked(tiny_export, mnist, tmp_path):
    (tmp_path / "mnist.int8.onnx").mkdir()
    for overwrite in (False, True):
        with pytest.raises(EdgesoftError, match=r"mnist\.int8\.onnx: (expected a|is no model file)"):
            publish(dataclasses.replace(tiny_export, attempts=()), mnist, tmp_path, overwrite=overwrite)
    assert listed(tmp_path) == ["mnist.int8.onnx"]


def with_other_cards(result, folder):
    """The same models with another card: whole, with digests that fit, and other bytes."""

    def other(model):
        path = folder / "x"
        path.write_bytes(model.content)
        edits.edited(path, path, lambda model: edits.edit_card(model, metrics={"other": True}))
        content = path.read_bytes()
        path.unlink()
        return dataclasses.replace(model, content=content)

    attempts = tuple(map(other, result.attempts))
    return dataclasses.replace(result, float_model=other(result.float_model), attempts=attempts)


@pytest.fixture(scope="module")
def sets(tiny_export, tmp_path_factory):
    """Three exports of one name: two that differ in every file, and one without INT8."""
    first, second = tiny_export, with_other_cards(tiny_export, tmp_path_factory.mktemp("with_other_cards"))
    return first, second, dataclasses.replace(first, attempts=())


@pytest.fixture
def quick(monkeypatch):
    """The page takes a second, in which nothing is written; and what is synced is for power cuts."""
    monkeypatch.setattr(publishing, "report_html", lambda result, _: GENERATOR + str(report_document(result)))
    monkeypatch.setattr(os, "fsync", lambda _: None)


def files_of(result):
    """Name -> content, as it is published."""
    report = report_document(result)
    files = {
        "mnist.onnx": result.float_model.content,
        "mnist.report.json": (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode(),
        "mnist.report.html": (GENERATOR + str(report)).encode(),
    }
    return files if result.int8_model is None else {**files, "mnist.int8.onnx": result.int8_model.content}


def found(folder):
    """What the next command finds: opening any model of the folder mends it first."""
    find_model(folder, provider="cpu")
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if not entry.name.startswith(".")}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("strike", STRIKES)
@pytest.mark.parametrize("new", [1, 2], ids=["all files", "one less"])
def test_struck_at_each_step_it_is_one_export_or_the_other(sets, mnist, tmp_path, quick, strike, new):
    old_files, new_files = files_of(sets[0]), files_of(sets[new])
    seen = set()
    for step in range(1, 300, 1 if strike == "killed" else 3):
        publish(sets[0], mnist, tmp_path, overwrite=True)
        code = struck(lambda: publish(sets[new], mnist, tmp_path, overwrite=True), STRIKES[strike], step)
        files = found(tmp_path)
        assert files in (old_files, new_files), (step, sorted(files))
        seen.add((code == 0, files == new_files))
        if code == 0 and step > 30:
            break
    else:
        pytest.fail("it never got through")
    assert {(False, False), (False, True), (True, True)} <= seen
    publish(sets[new], mnist, tmp_path, overwrite=True)
    assert listed(tmp_path) == sorted(new_files)


PUBLISH_FOR_EVER = """
import os, pickle, sys
from pathlib import Path
from edgesoft.exporting import publish as module
from edgesoft.pages import GENERATOR
with open(sys.argv[1], "rb") as file: exports, dataset = pickle.load(file)
module.report_html = lambda result, _: GENERATOR + str(module.report_document(result))
for turn in sys.stdin:
    child = os.fork()
    while child == 0:
        for result in exports:
            module.publish(result, dataset, Path(sys.argv[2]), overwrite=True)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_killed_at_any_moment_it_is_one_export_or_the_other(sets, small, tmp_path):
    with (tmp_path / "pickle").open("wb") as file:
        pickle.dump((sets, dataclasses.replace(small, train=small.test)), file)
    folder, whole, seen = tmp_path / "out", [files_of(result) for result in sets], set()
    parent = subprocess.Popen(
        [sys.executable, "-c", PUBLISH_FOR_EVER, tmp_path / "pickle", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    generator = np.random.default_rng()
    for _ in range(KILLS):
        parent.stdin.write("go\n")
        parent.stdin.flush()
        child = int(parent.stdout.readline())
        time.sleep(generator.uniform(0.01, 0.3))
        os.kill(child, signal.SIGKILL)
        assert parent.stdout.readline() == "dead\n"
        if folder.exists() and any(folder.glob("*.onnx")):
            files = found(folder)
            assert files in whole, sorted(files)
            seen.add(whole.index(files))
            assert all(verify(path).passed for path in folder.glob("*.onnx"))
    parent.communicate(timeout=30)
    assert parent.returncode == 0
    assert seen  # or nothing was ever published


def test_two_exports_into_one_folder_at_once_never_mix(sets, small, tmp_path):
    with (tmp_path / "pickle").open("wb") as file:
        pickle.dump((sets[:2], dataclasses.replace(small, train=small.test)), file)
    folder, whole = tmp_path / "out", [files_of(result) for result in sets[:2]]
    script = PUBLISH_FOR_EVER.replace("for turn in sys.stdin:", "for turn in range(1):").replace("os.fork()", "0")
    writers = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path / "pickle", folder], env=environment())
        for _ in range(2)
    ]
    deadline = time.monotonic() + 60
    looks = 0
    while looks < 10 and time.monotonic() < deadline:
        if (folder / "mnist.onnx").exists():
            with locked(folder):
                files = {entry.name: entry.read_bytes() for entry in folder.glob("mnist.*")}
            assert files in whole
            looks += 1
    for writer in writers:
        assert writer.poll() is None
        writer.kill()
        writer.wait()
    assert looks == 10
