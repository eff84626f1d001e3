"""The Ray engine, with a real Ray: on this machine alone, and on three nodes of which one is killed in the middle."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgesoft.bulk.blocks import Inputs, Sources
from edgesoft.bulk.cluster import RayEngine
from edgesoft.bulk.processes import LocalEngine
from edgesoft.bulk.run import Watcher, answer_into
from edgesoft.errors import EdgesoftError, UsageError
from tests.bulk.conftest import MODEL, ROOT
from tests.conftest import environment

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install -e '.[ray]'")


@pytest.fixture
def short():
    """A temporary folder with a short name: Ray makes sockets below it."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="ray-") as folder:
        yield Path(folder)


def start(*arguments, cwd, temporary, home):
    command = [
        sys.executable,
        "-m",
        "edgesoft",
        "infer",
        "--model",
        str(MODEL),
        "--engine",
        "ray",
        *map(str, arguments),
    ]
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=environment(TMPDIR=str(temporary), HOME=str(home)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def left(temporary):
    """Processes that have a folder in their command line."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(temporary) in place.read_bytes():
                found.append(place.parent.name)
        except OSError:
            continue
    return found


def listening(temporary):
    """What the processes of a run listen to: hexadecimal addresses of the kernel."""
    sockets = {
        str(handle.readlink())
        for process in left(temporary)
        for handle in Path(f"/proc/{process}/fd").glob("*")
        if handle.is_symlink()
    }
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {line[1].split(":")[0] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets}


@needs_ray
def test_a_killed_run_goes_on_and_writes_the_lines_of_the_local_engine(pictures, tmp_path, short):
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir(), work.mkdir()
    listing = work / "list.txt"
    names = sorted(path for path in pictures.rglob("*.png") if "\n" not in path.name)
    listing.write_bytes(b"\n".join([os.fsencode(path) for path in names] * 40))
    arguments = ("--paths-from", listing, "--output", "out.jsonl", "--workers", 2)
    unfinished = work / "out.jsonl.unfinished"

    process = start(*arguments, cwd=work, temporary=short, home=home)
    deadline = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        if unfinished.exists() and unfinished.read_bytes().count(b'{"block"') > 2:
            break
        time.sleep(0.002)
    addresses = listening(short)
    process.kill()
    _, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, err
    assert addresses <= {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    for _ in range(600):
        if not left(short):
            break
        time.sleep(0.05)
    assert not left(short), "Ray outlives its run"
    kept = unfinished.read_bytes().count(b'{"block"')
    assert not (work / "out.jsonl").exists() and kept > 2

    for _ in range(3):  # Ray gives its own start 30 seconds, which on a crowded machine are not enough
        process = start(*arguments, cwd=work, temporary=short, home=home)
        _, err = process.communicate(timeout=180)
        if b"error: Ray cannot be started" not in err:
            break
    assert process.returncode == 1, err
    assert b"going on with out.jsonl.unfinished" in err and len(err.splitlines()) == 3, err
    local = [sys.executable, "-m", "edgesoft", "infer", "--model", str(MODEL), "--paths-from", listing, "--json", "-q"]
    expected = subprocess.run(local, cwd=work, env=environment(), capture_output=True).stdout
    assert (work / "out.jsonl").read_bytes() == expected
    assert sorted(path.name for path in work.iterdir()) == ["list.txt", "out.jsonl"]
    assert list(home.iterdir()) == []
    assert left(short) == []


@pytest.fixture
def cluster(short, monkeypatch):
    """Three nodes on this machine, of one CPU each; it hands over the cluster and its other two nodes."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_TMPDIR", str(short))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "object_store_memory": 2**27, "include_dashboard": False}
    found = Cluster(initialize_head=True, head_node_args=head)
    nodes = [found.add_node(num_cpus=1, object_store_memory=2**27) for _ in range(2)]
    yield found, nodes
    found.shutdown()


def die(worker, block):
    os._exit(7)


def outputs(pictures, work, output, engine, **options):
    names = [str(pictures)] * 6
    with Inputs(names, (), None) as inputs:
        return answer_into(output, inputs, work, engine, **options)


@needs_ray
@pytest.mark.filterwarnings("ignore")  # of Ray's own
def test_a_node_that_dies_costs_no_row_and_doubles_none(pictures, work, tmp_path, cluster, monkeypatch):
    found, nodes = cluster
    killed = []

    def on_answers(answers, count):
        if answers > 32 and not killed:
            killed.append(answers)
            found.remove_node(nodes[0], allow_graceful=False)

    engine = RayEngine(3, found.address)
    total = outputs(pictures, work, tmp_path / "ray.jsonl", engine, watcher=Watcher(on_answers=on_answers))
    assert killed and killed[0] < total.answers == 84 * 6
    assert outputs(pictures, work, tmp_path / "local.jsonl", LocalEngine(2)) == total
    assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "local.jsonl").read_bytes()
    # While the cluster stands: what cannot be there.
    with pytest.raises(UsageError, match=r"--workers 9: the cluster has \d CPUs"):
        outputs(pictures, work, tmp_path / "more.jsonl", RayEngine(9, found.address))
    with pytest.raises(UsageError, match="the cluster has 0 GPUs"):
        outputs(
            pictures, dataclasses.replace(work, provider="cuda"), tmp_path / "gpu.jsonl", RayEngine(1, found.address)
        )
    # Inputs that kill every process end the run, and not never.
    monkeypatch.setattr("edgesoft.bulk.cluster.RESTARTS", 1)
    with pytest.raises(EdgesoftError, match="Ray has given up"):
        list(RayEngine(1, found.address)(work, enumerate([Sources((("a", "a"),))]), die))
    # An error of an actor comes back as what it is.
    monkeypatch.setattr("edgesoft.bulk.cluster.__version__", "0.0.1")
    with pytest.raises(EdgesoftError, match=r"node \S+ has edgesoft .*: expected 0.0.1"):
        outputs(pictures, work, tmp_path / "old.jsonl", RayEngine(1, found.address))


@pytest.mark.parametrize("address", ["somewhere", "host:", ":1", "h:99999", "ray://127.0.0.1:10001", "a/b:1", ""])
def test_what_is_no_address_is_refused(work, address):
    with pytest.raises(UsageError, match="expected HOST:PORT"):
        list(RayEngine(1, address)(work, iter(()), max))


@pytest.mark.parametrize("says", [None, b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_a_cluster_that_is_not_there_is_said_at_once(work, monkeypatch, says):
    import threading

    monkeypatch.setattr("edgesoft.bulk.cluster.PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer():
            connection, _ = server.accept()
            with connection:
                if says is None:
                    time.sleep(1)
                else:
                    connection.sendall(says)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(EdgesoftError, match=f"127.0.0.1:{port}: no Ray cluster answers there .*ray start --head"):
            list(RayEngine(1, f"127.0.0.1:{port}")(work, iter(()), max))
        thread.join()
    with pytest.raises(EdgesoftError, match="connection refused"):
        list(RayEngine(1, f"127.0.0.1:{port}")(work, iter(()), max))


def test_without_ray_it_says_what_to_install(cli, tmp_path, digits):
    (tmp_path / "a.png").write_bytes(digits[0])
    (tmp_path / "hide" / "ray").mkdir(parents=True)
    (tmp_path / "hide" / "ray" / "__init__.py").write_text("raise ImportError('not here')")
    ended = cli(
        *("infer", "a.png", "--model", MODEL, "--engine", "ray", "--output", "out.csv", "-q"),
        PYTHONPATH=f"{tmp_path / 'hide'}:{ROOT}",
    )
    assert ended.code == 1 and "pip install 'edgesoft[ray]'" in ended.one_line()


def test_ray_is_for_output_and_addresses_for_ray(cli, tmp_path, digits):
    (tmp_path / "a.png").write_bytes(digits[0])
    for arguments, message in [
        (("--engine", "ray"), "--engine: goes with --output FILE only"),
        (("--address", "a:1"), "--address: goes with --output FILE only"),
        (("--address", "a:1", "--output", "out.csv"), "--address: goes with --engine ray only"),
        (("--engine", "spark", "--output", "out.csv"), "spark"),
    ]:
        ended = cli("infer", "a.png", "--model", MODEL, "-q", *arguments)
        assert ended.code == 2 and message in ended.one_line()
