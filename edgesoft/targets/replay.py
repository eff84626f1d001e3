"""Runs a converted folder where its tools are: the golden examples must give what ONNX Runtime gave for them."""

from __future__ import annotations

import html
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edgesoft.errors import EdgesoftError, GateMissedError
from edgesoft.model.file import open_model
from edgesoft.model.network import read_network
from edgesoft.targets.folder import Manifest, check_unchanged, read_manifest
from edgesoft.targets.proof import read_proof

TIME_LIMIT = 600
"""Seconds: a network of 60 million weights takes a compiler minutes."""
FLAGS = ("-std=c99", "-O2")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Replay:
    """What a converted folder answered."""

    target: str
    model: str
    """Name of the model file that it was made from."""
    sha256: str
    """Of that file."""
    tool: str
    """What ran it."""
    said: str
    """What it said of itself."""
    passed: bool


def replay(folder: Path, *, sha256: str | None = None) -> Replay:
    """Check the files of a converted folder, and replay its golden examples. Nothing is written into it.

    The code in it is compiled and run: digests tell damage, not malice.

    Parameters
    ----------
    folder
        As `convert` wrote it.
    sha256
        What the SHA-256 of the model file must have been, in hexadecimal.

    Raises
    ------
    EdgesoftError
        It is no such folder, or what runs it is not installed.
    GateMissedError
        A file was changed since it was written, or another model was converted.
    """
    manifest = read_manifest(folder)
    if manifest.target not in _RUNNERS:
        raise EdgesoftError(f"{folder}: was made for {manifest.target!r}, which this version of edgesoft does not know")
    if sha256 is not None and sha256.lower() != manifest.sha256:
        raise GateMissedError(
            f"{folder}: was made from a model with SHA-256 {manifest.sha256}, expected {sha256.lower()}"
        )
    check_unchanged(folder, manifest)
    tool, code, said = _RUNNERS[manifest.target](folder, manifest)
    return Replay(manifest.target, manifest.model, manifest.sha256, tool, said, code == 0)


def _run_c(folder: Path, manifest: Manifest) -> tuple[str, int, str]:
    compiler = (
        shlex.split(os.environ.get("CC", "")) or [name for name in ("cc", "gcc", "clang") if shutil.which(name)][:1]
    )
    if not compiler or shutil.which(compiler[0]) is None:
        raise EdgesoftError(
            f"{folder}: no C compiler ({' '.join(compiler) or 'cc, gcc, clang'}) is here to run it with. Install one "
            "(Debian: apt install gcc libc6-dev), or name it: CC=..."
        )
    sources = [str((folder / name).absolute()) for name in manifest.files if name.endswith(".c")]
    with TemporaryDirectory(prefix="edgesoft-") as place:
        program = Path(place) / "check"
        built = _run([*compiler, *FLAGS, "-o", str(program), *sources, "-lm"], place)
        if built.returncode:
            lines = built.stderr.splitlines() or [""]
            raise EdgesoftError(
                f"{folder}: {compiler[0]} does not compile it: {next((x for x in lines if 'error' in x), lines[0])}"
            )
        done = _run([str(program)], place)
    return compiler[0], done.returncode, (done.stdout or done.stderr).strip()


def _run_web(folder: Path, manifest: Manifest) -> tuple[str, int, str]:
    browser = next((name for name in BROWSERS if shutil.which(name)), None)
    if browser is None:
        raise EdgesoftError(
            f"{folder}: no browser ({', '.join(BROWSERS)}) is here to open it with. Install one (Debian: apt install chromium), "
            "or open the page yourself: it says below whether it passes"
        )
    page = next(folder / name for name in manifest.files)
    with TemporaryDirectory(prefix="edgesoft-") as place:
        done = _run(browser_command(browser, page, place), place)
    # Chromium says on stderr what else troubles it: what counts is what the page says.
    found = re.search(r'<p id="proof"([^>]*)>([^<]*)</p>', done.stdout)
    if found is None:
        raise EdgesoftError(f"{folder}: {browser} does not open it (exit status {done.returncode})")
    return browser, int('data-passed="true"' not in found[1]), html.unescape(found[2])


def _run_triton(folder: Path, manifest: Manifest) -> tuple[str, int, str]:
    """The model in the repository, by plain numpy: no Triton is needed to see whether it still is what it was."""
    model = open_model(next(folder / name for name in manifest.files if name.endswith(".onnx")))
    proof = read_proof(model)
    golden, logits = proof.golden, read_network(model).logits(proof.golden.inputs)
    passed = int((np.abs(logits - golden.expected).max(axis=1) <= (proof.tolerance or 0.0)).sum())
    said = f"{model.card.name}: {passed} of {len(golden)} golden examples: {proof.said}"
    return "numpy; on a server: python client.py", int(passed < len(golden)), said


def browser_command(browser: str, page: Path, profile: str) -> list[str]:
    """What opens a page without a window and prints it as its scripts left it; no setting of the user's own browser is touched.

    Parameters
    ----------
    browser
        One of `BROWSERS`.
    page
        The file.
    profile
        An empty folder for what the browser writes.
    """
    # Timers run as soon as nothing else does, so that the budget in milliseconds is none of real time. root has no sandbox.
    no_sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    quiet = ["--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", *no_sandbox]
    return [
        browser,
        *quiet,
        f"--user-data-dir={profile}",
        f"--virtual-time-budget={1000 * TIME_LIMIT}",
        "--dump-dom",
        page.absolute().as_uri(),
    ]


def _run(command: list[str], place: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - the user's own compiler, and what it made of files that are as they were written
            command, cwd=place, capture_output=True, text=True, errors="replace", timeout=TIME_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EdgesoftError(f"{command[0]}: cannot be run ({error})") from error


_RUNNERS: Mapping[str, Callable[[Path, Manifest], tuple[str, int, str]]] = {
    "c": _run_c,
    "web": _run_web,
    "triton": _run_triton,
    "triton-gpu": _run_triton,
}
