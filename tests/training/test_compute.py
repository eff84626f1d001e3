"""How many threads a training takes, and what they do while they wait."""

import importlib
import os

import pytest

import edgesoft.training
from edgesoft.model.inputs import PictureInput
from edgesoft.training import compute
from edgesoft.training.settings import TrainSettings, suited

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


@pytest.mark.parametrize(("cores", "expected"), [(1, [1, 1, 1]), (2, [1, 1, 2]), (64, [1, 1, 17])])
def test_threads_by_the_size_of_a_step(monkeypatch, cores, expected):
    monkeypatch.setattr(compute, "usable_cores", lambda: cores)
    # A table of 30 features; a thousand small pictures; MNIST.
    found = [compute.threads_for(*work) for work in ((256, 4_500), (64, 240_000), (256, 682_090))]
    assert found == expected


def test_threads_that_were_asked_for_stay(monkeypatch):
    monkeypatch.setattr(compute, "usable_cores", lambda: 8)
    few = TrainSettings(**suited(500, "features"))
    assert compute.resolve(few, PictureInput(), 4_500).threads == 1
    assert compute.resolve(TrainSettings(threads=3), PictureInput(), 4_500).threads == 3
    assert compute.resolve(TrainSettings(), PictureInput(), 682_090).threads == 8


@pytest.mark.parametrize("given", [None, *WAITING])
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(monkeypatch, given):
    for name in WAITING:
        monkeypatch.setenv(name, "")  # so that what it was comes back afterwards
        monkeypatch.delenv(name)
    if given is not None:
        monkeypatch.setenv(given, "1")
    importlib.reload(edgesoft.training)
    found = {name: os.environ[name] for name in WAITING if name in os.environ}
    assert found == ({"OMP_WAIT_POLICY": "passive"} if given is None else {given: "1"})
