"""README.md is run: its commands end well and print what it shows, but for the numbers."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Threads that wait sleep, so that the examples also end in time on a busy machine.
PATIENT = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def shape(line):
    """A line without its numbers and column widths."""
    return re.sub(r"\s+", " ", re.sub(r"[\d.,]+(e-\d+)?", "#", re.sub(r"-{3,}", "---", line))).strip()


def test_the_tour_prints_what_it_shows(tmp_path):
    (tour,) = blocks("console")
    shutil.copytree(ROOT / "exported" / "samples", tmp_path / "exported" / "samples")
    commands = re.split(r"^\$ ", tour, flags=re.MULTILINE)[1:]
    assert [command.split()[:2] for command in commands] == [
        ["edgesoft", name] for name in ("train", "export", "infer")
    ]
    for text in commands:
        command, _, shown = text.partition("\n")
        process = subprocess.run(
            [sys.executable, "-m", *shlex.split(command)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            env=PATIENT,
        )
        assert process.returncode == 0, process.stdout
        printed, promised = (
            # Notes say what this machine made of it: whether INT8 had to be finished, and how fast it is.
            sorted(shape(line) for line in text.splitlines() if not line.startswith("note: "))
            for text in (process.stdout, shown)
        )
        assert printed == promised, command


def test_the_library_examples_run(tmp_path):
    shutil.copytree(ROOT / "exported", tmp_path / "exported")  # the examples write there
    answers = []
    for example in blocks("python"):
        process = subprocess.run(
            [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, timeout=600, env=PATIENT
        )
        assert process.returncode == 0, process.stderr
        answers.append(process.stdout)
    assert answers[0].endswith("(2, 10)\n")
    assert set(re.findall(r"'(\w+)'", answers[1])) <= {"yes", "no"}
    assert answers[2].startswith("1.0 ('width', 'colour') Prediction('virginica' ")
    assert float(answers[2].splitlines()[-1]) == 1


def test_the_layout_names_every_folder():
    named = set(re.findall(r"^\| `([a-z/]+)/` \|", README, flags=re.MULTILINE))
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    packages = {
        str(Path(file).parent)
        for file in tracked
        if file.startswith("edgesoft/") and file.count("/") < 3 and "data" not in file
    }
    tops = {file.split("/")[0] for file in tracked if "/" in file and not file.startswith(".")}
    assert named >= (packages | tops) - {"edgesoft/data/embedded"}
