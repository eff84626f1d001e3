"""Servers that many tests ask."""

import numpy as np
import pandas as pd
import pytest

import edgesoft
from tests.conftest import ROOT
from tests.serving.running import Running

MNIST = ROOT / "exported" / "mnist.int8.onnx"


@pytest.fixture(scope="session")
def flowers(tmp_path_factory):
    """A model of a table with numbers and words."""
    folder = tmp_path_factory.mktemp("flowers")
    generator = np.random.default_rng(1)
    width = generator.normal(size=240)
    frame = pd.DataFrame(
        {
            "width": width,
            "colour": np.where(generator.random(240) > 0.5, "blue", "white"),
            "kind": np.where(width > 0, "b", "a"),
        }
    )
    run = edgesoft.train(frame, target="kind", name="flowers", epochs=3, output=folder / "run")
    return edgesoft.export(run, output=folder, quantize=False).model


@pytest.fixture(scope="session")
def server(flowers, tmp_path_factory):
    """Two models: pictures and rows."""
    folder = tmp_path_factory.mktemp("server")
    arguments = ["--max-batch", "16", "--max-body", "1", "--timeout", "2"]
    with Running(MNIST, f"flowers={flowers}", *arguments, folder=folder) as running:
        yield running
