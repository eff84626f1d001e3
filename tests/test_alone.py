"""What edgesoft keeps to itself: it reaches no network, writes nowhere but where it was told to, and runs no code from the current folder.

Python's own audit sees none of what a library in C++ does, so strace watches the system calls. Every check has its control, which
shows that the watcher would have seen it.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
READY = ROOT / "exported"
SCRIPT = Path(sys.executable).with_name("edgesoft")

strace = pytest.mark.skipif(
    shutil.which("strace") is None or subprocess.run(["strace", "-qq", "true"], capture_output=True).returncode != 0,
    reason="strace is not installed or may not be used here: apt-get install strace",
)
installed = pytest.mark.skipif(not SCRIPT.exists(), reason="the command is not beside Python: pip install -e .")
no_network = pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode != 0,
    reason="this user may not take the network away: run as root, with util-linux (apt-get install util-linux)",
)


def bare(**changes: str | os.PathLike) -> dict[str, str]:
    """An environment with nothing in it: a CI server's variables would silence ONNX Runtime by themselves."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
    common = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return {**kept, **common, **{name: str(value) for name, value in changes.items()}}


class Watched:
    """A process, and what the system saw of it."""

    def __init__(self, folder: Path, command: list, **environment: str | os.PathLike) -> None:
        self.home, self.temporary, self.work = (folder / name for name in ("home", "temporary", "work"))
        for path in (self.home, self.temporary, self.work):
            path.mkdir(parents=True, exist_ok=True)
        self._trace = folder / "trace"
        calls = "socket,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mknod,mknodat"
        watch = [
            "strace",
            "-f",
            "-qq",
            "-y",
            "-e",
            "signal=none",
            "-s",
            "400",
            "-o",
            self._trace,
            "-e",
            f"trace={calls}",
        ]
        self.process = subprocess.Popen(
            [str(word) for word in (*watch, *command)],
            cwd=self.work,
            env=bare(**{"HOME": self.home, "TMPDIR": self.temporary, **environment}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def end(self) -> "Watched":
        self.out, self.err = self.process.communicate(timeout=240)
        assert self.process.returncode == 0, self.err
        return self

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def lines(self) -> list[str]:
        return self._trace.read_text(errors="replace").splitlines() if self._trace.exists() else []

    def network(self) -> list[str]:
        """Every socket that leaves this machine, or asks for a name."""
        return [line for line in self.lines() if re.search(r"\bsocket\(AF_(INET6?|PACKET)", line)]

    def written(self) -> list[str]:
        """What was made or opened for writing outside the folder it works in and the temporary one."""
        found = []
        for line in self.lines():
            call, _, arguments = line.partition(" ")[2].strip().partition("(")
            opens = call in ("open", "openat")
            if "= -1 E" in line or call in ("socket", "") or (opens and not re.search("O_(CREAT|WRONLY|RDWR)", line)):
                continue
            # A path is whole, or relative to the folder that strace writes beside the descriptor.
            for base, path in re.findall(r'(?:<([^>]*)>, )?"([^"]*)"', arguments.partition(") = ")[0]):
                whole = os.path.normpath(Path(base or self.work) / path)
                if not whole.startswith((str(self.work), str(self.temporary), "/dev/", "/proc/")):
                    found.append(line)
        return found

    def left_behind(self) -> list[Path]:
        return [*self.home.rglob("*"), *self.temporary.rglob("*")]


TELEMETRY = """
import time
from edgesoft.inference.runtime import onnxruntime
session = onnxruntime.InferenceSession({model!r}, providers=["CPUExecutionProvider"])
time.sleep(60)
"""


@strace
def test_onnx_runtime_keeps_no_identifier_and_calls_nobody(tmp_path):
    """Two processes side by side: when the one that may has looked its collector up, the other has done nothing of the kind."""
    script = TELEMETRY.format(model=str(READY / "mnist.onnx"))
    silent = Watched(tmp_path / "silent", [sys.executable, "-c", script])
    control = Watched(tmp_path / "control", [sys.executable, "-c", script], ORT_DISABLE_TELEMETRY="0")
    try:
        until = time.monotonic() + 45
        while not control.network() and time.monotonic() < until:
            time.sleep(0.5)
        assert silent.process.poll() is None, "it must have lived as long"
        if not control.left_behind():
            pytest.skip("this ONNX Runtime has no telemetry, even where it is wanted: nothing to hold")
        assert control.network(), "the control must be seen calling"
        assert silent.network() == []
        assert silent.left_behind() == []
        assert silent.written() == []
    finally:
        silent.stop()
        control.stop()


def device_commands() -> list[tuple]:
    """Every command of the half that runs on a device."""
    small, large = READY / "mnist.int8.onnx", READY / "mnist.onnx"
    return [
        ("--help",),
        ("infer", READY / "samples" / "7-mnist.png", "--model", READY),
        ("verify", small),
        ("inspect", small),
        ("diff", large, small),
        ("doctor",),
        ("bench", small, "--provider", "cpu", "--batch", "1", "--rounds", "6"),
    ]


def workshop_commands(folder: Path) -> list[tuple]:
    """Every command of the half that trains, in an order that works."""
    lines = [f"{number * 7 % 31},{number * 5 % 37},{'yes' if number % 2 else 'no'}" for number in range(200)]
    (folder / "rows.csv").write_text("\n".join(["a,b,kind", *lines]) + "\n")
    return [
        ("train", "rows.csv", "--target", "kind", "--hidden", "4", "--epochs", "1", "--quiet"),
        ("train", "--resume", "runs/rows", "--quiet"),
        ("export", "runs/rows"),
        ("verify", "exported/rows.onnx", "--against", "runs/rows"),
    ]


def series(commands: list[tuple]) -> list[str]:
    """The commands one after the other, in a shell."""
    return ["sh", "-c", " && ".join(shlex.join([str(SCRIPT), *map(str, command)]) for command in commands)]


MODULES = (
    "numpy",
    "json",
    "typing",
    "re",
    "torch",
    "onnx",
    "onnxruntime",
    "PIL",
    "typer",
    "rich",
)


def plant(folder: Path, *names: str) -> Path:
    """Modules that leave a mark when they are run; returns the mark."""
    for name in names:
        (folder / f"{name}.py").write_text(f"open('MARK', 'a').write('{name} ')\nraise SystemExit('{name} was run')\n")
    return folder / "MARK"


@strace
@installed
def test_no_command_of_the_device_calls_out_writes_elsewhere_or_runs_foreign_code(tmp_path):
    (tmp_path / "work").mkdir()
    mark = plant(tmp_path / "work", *MODULES, "edgesoft", "sitecustomize")
    watched = Watched(tmp_path, series(device_commands())).end()
    assert not mark.exists(), mark.read_text()
    assert watched.network() == []
    assert watched.written() == []
    assert watched.left_behind() == []


@strace
@installed
def test_no_command_of_the_workshop_does_either_nor_says_anything_foreign(tmp_path):
    """Torch would make folders, look into the current one, and warn of a home that it cannot use."""
    work = tmp_path / "work"
    work.mkdir()
    mark = plant(work, *MODULES, "edgesoft", "sitecustomize")
    watched = Watched(tmp_path, series(workshop_commands(work)), HOME="/dev/null").end()
    assert not mark.exists(), mark.read_text()
    assert watched.network() == []
    assert watched.written() == []
    assert watched.left_behind() == []
    assert watched.err.splitlines() == [
        "next:  edgesoft export --quantize",
        "next:  edgesoft export runs/rows --quantize",
        "exporting runs/rows/checkpoint.npz",
        "next:  edgesoft infer ROWS.csv",
    ]
    made = {path.name for path in work.iterdir() if path.suffix != ".py"}
    assert made == {"rows.csv", "runs", "exported"}


@strace
def test_the_watcher_sees_a_socket_and_a_file_of_c_code(tmp_path):
    """The control: a name that is looked up by libc, and a file in the home made by a shell."""
    look_up = f"{sys.executable} -c 'import socket; socket.getaddrinfo(\"nobody.invalid\", 80)' 2>/dev/null"
    watched = Watched(tmp_path, ["sh", "-c", f"mkdir -p $HOME/.cache; echo x > $HOME/.cache/y; {look_up}; true"]).end()
    assert watched.network()
    assert any(".cache/y" in line for line in watched.written())
    assert [path.name for path in watched.left_behind()] == [".cache", "y"]


@no_network
@installed
@pytest.mark.parametrize("home", [None, "/dev/null", "/proc/nowhere"], ids=["missing", "null device", "not writable"])
def test_without_network_and_home_the_device_answers_as_ever(home, usual, tmp_path):
    """Every command says, on both streams, what it says with both."""
    environment = bare(TMPDIR=tmp_path, **({} if home is None else {"HOME": home}))
    for command, (out, err) in zip(device_commands(), usual, strict=True):
        words = ["unshare", "-n", SCRIPT, *map(str, command)]
        alone = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert (alone.returncode, alone.stderr) == (0, err)
        assert alone.stdout == out or command[0] == "bench"  # whose times differ
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def usual(tmp_path_factory) -> list[tuple[str, str]]:
    """What the commands of the device say where nothing is missing."""
    folder = tmp_path_factory.mktemp("usual")
    words = [[SCRIPT, *map(str, command)] for command in device_commands()]
    ended = [subprocess.run(w, capture_output=True, text=True, cwd=folder, env=bare(HOME=folder)) for w in words]
    return [(process.stdout, process.stderr) for process in ended]


def test_python_m_edgesoft_runs_none_of_its_libraries_from_the_current_folder(tmp_path):
    """Only edgesoft itself, and what Python needs to start it, are looked for there; -P looks for nothing."""
    mark = plant(tmp_path, *MODULES)
    environment = bare(HOME=tmp_path, TMPDIR=tmp_path)
    for command in (device_commands()[1], device_commands()[-1]):
        words = [sys.executable, "-m", "edgesoft", *map(str, command)]
        process = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert process.returncode == 0, (command, process.stderr)
        assert not mark.exists(), mark.read_text()
    plant(tmp_path, "edgesoft")
    isolated = [sys.executable, "-P", "-m", "edgesoft", "--version"]
    assert subprocess.run(isolated, capture_output=True, cwd=tmp_path, env=environment).returncode == 0
    assert not mark.exists()
    # The control: without -P it is found, as for every `python -m`.
    subprocess.run([sys.executable, "-m", "edgesoft", "--version"], capture_output=True, cwd=tmp_path, env=environment)
    assert mark.read_text() == "edgesoft "
