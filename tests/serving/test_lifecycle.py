"""Stopping and swapping under load, with real processes and signals; and what several workers do."""

import os
import shutil
import signal

import numpy as np
import pytest

import edgesoft
from tests.serving.conftest import MNIST
from tests.serving.load import Load
from tests.serving.running import Running, binary, wait_for


def logits_of(content, length, rows):
    return np.frombuffer(content[length : length + 40 * rows], np.float32).reshape(rows, 10)


@pytest.fixture(scope="module")
def question(mnist):
    inputs = mnist.test.inputs[:2]
    body, headers = binary(inputs)
    return inputs, body, headers


def judge_by(**models):
    """Which model gave an answer, by its bits; "mixed" where its rows are not of one model."""

    def judge(content):
        length = content.index(b"]}") + 2
        for name, expected in models.items():
            if np.allclose(logits_of(content, length, len(expected)), expected, atol=1e-4):
                return name
        return "mixed"

    return judge


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_under_load_loses_no_request(workers, question, ready, tmp_path):
    inputs, body, headers = question
    with Running(MNIST, "--workers", workers, folder=tmp_path) as server:
        load = Load(server.port, body, headers, judge_by(right=ready(inputs).logits))
        wait_for(lambda: load.found["right"] > 200)
        assert server.stop() == 0
        found = load.stop()
    assert set(found) == {"right"}, found
    assert server.log()[-1]["event"] == "stopped"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_is_swapped_under_load_and_only_when_it_verifies(workers, question, exported, ready, tmp_path):
    inputs, body, headers = question
    served, staged = tmp_path / "mnist.onnx", tmp_path / "staged"
    shutil.copy(MNIST, served)
    judge = judge_by(old=ready(inputs).logits, new=edgesoft.load(exported / "mnist.onnx")(inputs).logits)
    with Running(served, "--workers", workers, "--quiet", folder=tmp_path) as server:

        def reloads(key):
            return [line for line in server.log() if line["event"] == "reload" and key in line]

        def all_said(key):
            return len({line.get("worker") for line in reloads(key)}) == workers

        load = Load(server.port, body, headers, judge)
        wait_for(lambda: load.found["old"] > 50)
        damaged = bytearray(MNIST.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        served.write_bytes(damaged)
        server.signal(signal.SIGHUP)
        wait_for(lambda: reloads("error"))  # by the one that keeps the workers
        assert reloads("error")[0]["served"] == "as before"
        before = load.found["old"]
        wait_for(lambda: load.found["old"] > before + 50)
        assert "new" not in load.found
        shutil.copy(exported / "mnist.onnx", staged)
        staged.replace(served)
        server.signal(signal.SIGHUP)
        wait_for(lambda: all_said("models"))
        before = load.found["new"]
        wait_for(lambda: load.found["new"] > before + 100)
        late = load.found["old"]
        wait_for(lambda: load.found["new"] > before + 200)
        found = load.stop()
        assert set(found) == {"old", "new"}, found
        assert found["old"] == late, "an old answer after the swap"
        assert server.stop() == 0


def test_a_worker_that_dies_is_replaced_and_its_numbers_stay(question, mnist, tmp_path):
    _, body, headers = question
    with Running(MNIST, "--workers", "2", folder=tmp_path) as server:
        for _ in range(6):
            assert server.ask("POST", "/v2/models/mnist/infer", body, **headers).status == 200
        count = b'edgesoft_requests_total{route="infer",status="200"} 6.0'
        assert count in server.ask("GET", "/metrics").body
        requests = wait_for(lambda: [line for line in server.log() if line["event"] == "request"])
        victim = requests[0]["worker"]
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: any(line.get("next") == "another one is started" for line in server.log()))
        wait_for(
            lambda: len({line["worker"] for line in server.log() if line["event"] == "request" and asked(server)}) > 1
        )
        assert count in server.ask("GET", "/metrics").body
        assert server.stop() == 0


def asked(server):
    try:
        return server.ask("GET", "/v2").status == 200
    except OSError:  # the one that was killed had taken it
        return False


def test_too_many_at_once_are_refused_at_once_and_told_when_to_come_again(exported, mnist, tmp_path):
    """One input may wait, and the rest of sixteen that come at once with sixteen each is refused, not kept."""
    body, headers = binary(mnist.test.inputs[:16])
    with Running(exported / "mnist.onnx", "--max-batch", "16", "--max-queue", "16", folder=tmp_path) as server:
        load = Load(server.port, body, headers, lambda _: "good", threads=16)
        wait_for(lambda: load.found["status 429"] and load.found["good"] > 100)
        found = load.stop()
        assert set(found) == {"good", "status 429"}
        text = server.ask("GET", "/metrics").body.decode()
        assert f'edgesoft_refused_total{{reason="queue"}} {float(found["status 429"])}' in text
