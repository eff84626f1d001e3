"""Matplotlib, imported by us in a fresh process; what the whole commands leave behind is watched in tests/test_alone.py."""

import subprocess
import sys

from tests.conftest import environment

ASK = """
from edgesoft.training.matplotlib_import import import_matplotlib
mpl = import_matplotlib()
import os
print(dict.__getitem__(mpl.rcParams, "backend"), os.environ.get("MPLBACKEND"), "MPLCONFIGDIR" in os.environ)
"""


def ask(cwd, **changes):
    process = subprocess.run(
        [sys.executable, "-c", ASK], capture_output=True, text=True, cwd=cwd, env=environment(**changes)
    )
    return process.stdout.strip(), process.stderr


def test_the_users_backend_is_there_when_they_draw(tmp_path):
    """A notebook names its own in MPLBACKEND: `train` must not take it away."""
    assert ask(tmp_path, MPLBACKEND="svg") == ("svg svg False", "")


def test_a_backend_that_is_none_is_no_obstacle(tmp_path):
    said, talk = ask(tmp_path, MPLBACKEND="bad", HOME="/dev/null")
    assert said.endswith(" bad False")
    assert talk == ""


def test_a_settings_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "matplotlibrc").write_bytes(b"\xff\xfe")
    said, talk = ask(tmp_path)
    assert said == ""
    assert "EdgesoftError: matplotlib does not start ('utf-8' codec can't decode" in talk
    assert talk.rstrip().endswith("takes a file matplotlibrc in the current folder for its settings: remove that")
