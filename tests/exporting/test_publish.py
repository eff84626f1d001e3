"""Files appear whole or not at all, whatever happens in between."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from edgesoft.errors import EdgesoftError
from edgesoft.exporting.publish import publish, report_document
from edgesoft.inference.verify import verify
from edgesoft.model.file import open_model
from tests.conftest import environment


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
    publish(dataclasses.replace(tiny_export, attempts=()), mnist, tmp_path)
    assert listed(tmp_path) == ["mnist.onnx", "mnist.report.html", "mnist.report.json"]
    assert json.loads((tmp_path / "mnist.report.json").read_text())["int8"] is None


def test_an_int8_file_that_missed_its_gate_is_not_published(tiny_export, mnist, tmp_path):
    publish(tiny_export, mnist, tmp_path)
    missed = tuple(dataclasses.replace(attempt, failures=("too bad",)) for attempt in tiny_export.attempts)
    publish(dataclasses.replace(tiny_export, attempts=missed), mnist, tmp_path)
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


def test_a_stale_int8_file_that_cannot_be_removed_is_named(tiny_export, mnist, tmp_path):
    (tmp_path / "mnist.int8.onnx").mkdir()
    with pytest.raises(EdgesoftError, match=r"mnist\.int8\.onnx: belongs to another model now, and cannot be removed"):
        publish(dataclasses.replace(tiny_export, attempts=()), mnist, tmp_path)


# For every line that comes in, a process that publishes two exports in turns until it is killed.
PUBLISH_FOR_EVER = """
import os, pickle, sys
from pathlib import Path
from edgesoft.exporting import publish as module
with open(sys.argv[1], "rb") as file: exports, dataset = pickle.load(file)
module.report_html = lambda result, dataset: "<html>" + "x" * 200_000  # the real one takes a second, in which nothing is written
for turn in sys.stdin:
    child = os.fork()
    while child == 0:
        for result in exports:
            module.publish(result, dataset, Path(sys.argv[2]))
    print(child, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_killed_at_any_moment_each_file_is_an_old_one_or_a_new_one(tiny_export, small, tmp_path):
    import pickle

    # Two exports that differ in the card; both are whole and sealed.
    from tests import edits

    def other(content):
        (tmp_path / "x").write_bytes(content)
        edits.edited(tmp_path / "x", tmp_path / "x", lambda model: edits.edit_card(model, metrics={"other": True}))
        return (tmp_path / "x").read_bytes()

    second = dataclasses.replace(
        tiny_export,
        float_model=dataclasses.replace(tiny_export.float_model, content=other(tiny_export.float_model.content)),
        attempts=tuple(
            dataclasses.replace(attempt, content=other(attempt.content)) for attempt in tiny_export.attempts
        ),
    )
    with (tmp_path / "pickle").open("wb") as file:
        pickle.dump(((tiny_export, second), dataclasses.replace(small, train=small.test)), file)
    folder = tmp_path / "out"
    seen = set()
    parent = subprocess.Popen(
        [sys.executable, "-c", PUBLISH_FOR_EVER, tmp_path / "pickle", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    for turn in range(40):
        parent.stdin.write("go\n")
        parent.stdin.flush()
        child = int(parent.stdout.readline())
        time.sleep(0.0005 * 1.15**turn)
        os.kill(child, signal.SIGKILL)
        assert parent.stdout.readline() == "dead\n"
        for name, versions in (
            ("mnist.onnx", (tiny_export.float_model.content, second.float_model.content)),
            ("mnist.int8.onnx", (tiny_export.attempts[0].content, second.attempts[0].content)),
        ):
            if (folder / name).exists():
                content = (folder / name).read_bytes()
                assert content in versions
                open_model(folder / name)
                seen.add((name, versions.index(content)))
        if (folder / "mnist.report.json").exists():
            json.loads((folder / "mnist.report.json").read_text())
        others = [name for name in listed(folder) if not name.startswith("mnist.")] if folder.exists() else []
        assert all(
            name.startswith(".mnist.") and name.endswith(".partial") for name in others
        )  # what was being written
        for name in others:
            (folder / name).unlink()
    parent.communicate(timeout=30)
    assert parent.returncode == 0
    assert len(seen) == 4  # or the kills always came at the same moment
