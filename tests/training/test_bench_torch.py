"""PyTorch as a candidate of `edgesoft bench`."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from edgesoft.errors import EdgesoftError
from edgesoft.model.card import ModelCard
from edgesoft.model.heads import Softmax
from edgesoft.model.inputs import PictureInput
from edgesoft.model.scaling import GreyLevels
from edgesoft.training.bench_torch import torch_candidates
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.network import SoftmaxNetwork, reference_logits

ROOT = Path(__file__).resolve().parents[2]
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 28, 28), dtype=np.uint8)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A network with random weights."""
    path = tmp_path_factory.mktemp("run") / "checkpoint.npz"
    card = ModelCard("tiny", ("a", "b", "c"), PictureInput(), (16,), head=Softmax(2.0))
    network = SoftmaxNetwork.untrained(card.architecture, [GreyLevels()], torch.Generator().manual_seed(0))
    Checkpoint(card, network.to_layers()).save(path)
    return path


def test_eager_does_what_a_model_file_does(checkpoint):
    (candidate,) = torch_candidates(checkpoint, PIXELS, threads=[1])
    assert candidate.name == "PyTorch eager, 1 thread"
    logits, probabilities, labels = candidate.open()(PIXELS)
    assert np.array_equal(logits, reference_logits(SoftmaxNetwork(Checkpoint.load(checkpoint).layers), PIXELS))
    assert probabilities == pytest.approx(torch.softmax(torch.from_numpy(logits) / 2, dim=1).numpy())
    assert np.array_equal(labels, logits.argmax(axis=1))


def test_the_threads_of_a_turn_are_those_of_its_name(checkpoint):
    before = torch.get_num_threads()
    try:
        for candidate, threads in zip(torch_candidates(checkpoint, PIXELS, threads=[1, 2]), (1, 2), strict=True):
            candidate.enter()
            assert torch.get_num_threads() == threads
            assert candidate.name.endswith(f"{threads} thread{'s' * (threads > 1)}")
    finally:
        torch.set_num_threads(before)


def test_other_inputs_are_refused(checkpoint):
    with pytest.raises(EdgesoftError, match=r"takes inputs of shape \[28, 28\], the models \[8, 8\]"):
        torch_candidates(checkpoint, PIXELS[:, :8, :8], threads=[1])


def test_bench_against_a_checkpoint_goes_on_without_a_compiler(checkpoint, tmp_path):
    process = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "edgesoft",
                "bench",
                ROOT / "exported" / "mnist.int8.onnx",
                "--against",
                checkpoint,
            ),
            *("--batch", "1", "--rounds", "6", "--threads", "1"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        # No compiler, and no code from an earlier compilation.
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "CXX": "no-such-compiler",
            "TORCHINDUCTOR_CACHE_DIR": str(tmp_path),
        },
    )
    assert process.returncode == 0, process.stderr
    assert "left out: torch.compile does not work here" in process.stderr
    assert "PyTorch eager, 1 thread" in process.stdout
    assert "compiled" not in process.stdout
