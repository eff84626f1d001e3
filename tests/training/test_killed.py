"""A training that is killed anywhere is resumed to the bit, or has left nothing; two never write one folder."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from edgesoft.errors import EdgesoftError
from edgesoft.training import charts
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.runs import RunFolder
from edgesoft.transaction import locked
from tests.conftest import environment
from tests.strikes import KILLS

SCRIPT = """
import dataclasses, os, signal, sys, time
from pathlib import Path
import numpy as np
import edgesoft
from edgesoft.training import charts, train as training
from edgesoft.training.runs import RunFolder
from tests.strikes import KILLED, STRIKES, struck

charts.learning_curve = lambda epochs: b"curve of %d" % len(epochs)
charts.confusion_matrix = lambda *_: b"matrix"
training.SAVE_SECONDS = 0  # every epoch is saved
os.fsync = lambda _: None  # it is for power cuts
place, kind = Path(sys.argv[1]), sys.argv[2]
settings = {"epochs": 3, "batch_size": 16, "hidden": (4,), "threads": 1, "config": None}
data = place / "data.csv"

def start(folder):
    edgesoft.train(data, target="y", output=folder, **settings)

def at_last(folder):
    "Start, or go on."
    if RunFolder(folder).last.exists() or list(folder.glob(".edgesoft-journal.json")):
        return edgesoft.resume(folder)
    return start(folder)

start(place / "whole")
# An error may be one that does no harm, so only a kill that did not come ends the row.
strikes = {"killed": range(1, 2000, 7), "full disk": range(1, 150, 11)}.get(kind, range(int(sys.argv[3])))
for number in strikes:
    folder = place / f"{kind}-{number}"
    if kind in STRIKES:
        code = struck(lambda: start(folder), STRIKES[kind], number)
    else:
        child = os.fork()
        if child == 0:
            start(folder)
            os._exit(0)
        time.sleep(np.random.default_rng().uniform(0, 0.3))
        os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    states = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(".")) if folder.exists() else []
    at_last(folder)
    print(number, code, *states, flush=True)
    if code == 0 and kind == "killed":
        break
"""


def files(folder):
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("kind", ["killed", "full disk", "any moment"])
def test_it_is_resumed_to_the_bit_or_there_is_nothing(tmp_path, kind):
    rng = np.random.default_rng(0)
    rows = [f"{a:.4f},{b:.4f},{'xy'[int(a + b > 0)]}" for a, b in rng.normal(size=(60, 2))]
    (tmp_path / "data.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path, kind, str(KILLS)],
        capture_output=True,
        text=True,
        timeout=900,
        env=environment(),
    )
    assert process.returncode == 0, process.stderr[-3000:]
    whole = files(tmp_path / "whole")
    lines = process.stdout.splitlines()
    assert len(lines) >= min(KILLS, 10)
    for line in lines:
        folder = tmp_path / f"{kind}-{line.split()[0]}"
        assert sorted(files(folder)) == sorted(whole), line
        assert files(folder)["checkpoint.npz"] == whole["checkpoint.npz"], line
        assert Checkpoint.load(folder / "last.npz").sha256 is not None
        history = json.loads((folder / "metrics.json").read_text())
        assert history["test"] == json.loads(whole["metrics.json"])["test"]
    if kind == "killed":
        # Negative control: it was struck before the first file, between, and after the last one.
        assert len({len(line.split()) for line in lines}) >= 3


def test_a_folder_in_which_another_training_writes_is_refused(small, tmp_path):
    from edgesoft.training.train import train
    from tests.conftest import TINY

    folder = RunFolder(tmp_path / "run")
    with locked(folder.path):
        started = time.monotonic()
        for resume in (False, True):
            with pytest.raises(EdgesoftError, match="run: another edgesoft is writing there"):
                train(small, TINY, folder, resume=resume)
        assert time.monotonic() - started < 5
    assert not folder.path.exists()


def test_a_second_ctrl_c_while_the_weights_are_saved_breaks_nothing(small, tmp_path, monkeypatch):
    import dataclasses

    from edgesoft.training.resume import stored_settings
    from edgesoft.training.train import train
    from tests.conftest import TINY

    config = dataclasses.replace(TINY, epochs=3)
    whole, parts = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts")
    train(small, config, whole)

    def interrupt(*_):
        raise KeyboardInterrupt

    presses = []

    def pressed_again(descriptor):
        if len(presses) < 3:
            presses.append(descriptor)
            interrupt()

    with monkeypatch.context() as patched:
        patched.setattr(charts, "learning_curve", interrupt)
        patched.setattr(os, "fsync", pressed_again)  # three times while the state is being written
        with pytest.raises(KeyboardInterrupt):
            train(small, config, parts, on_epoch=interrupt)
    assert sorted(files(parts.path)) == ["config.json", "last.npz"]
    assert len(presses) == 3
    train(small, stored_settings(parts), parts, resume=True)
    assert files(parts.path)["checkpoint.npz"] == files(whole.path)["checkpoint.npz"]
