"""The two recipes that `benchmark.py` trains side by side: the classic lesson's, written anew, and `edgesoft train`."""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn


def lecture(seed: int) -> tuple[float, float]:
    """The classic lesson: seconds, and accuracy on the test set.

    SGD 0.01 with momentum 0.5, batches of 64 from a DataLoader, one picture at a time through ToTensor, 9 epochs.
    """
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    from edgesoft.data.mnist import load_mnist
    from edgesoft.data.torchvision_import import import_torchvision

    mnist = load_mnist()
    to_tensor = import_torchvision().transforms.ToTensor()

    class Pictures(Dataset):  # type: ignore[type-arg]
        def __init__(self, inputs: np.ndarray, targets: np.ndarray) -> None:
            self.inputs, self.targets = inputs, targets

        def __len__(self) -> int:
            return len(self.targets)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            return to_tensor(Image.fromarray(self.inputs[index])), int(self.targets[index])

    torch.manual_seed(seed)
    widths = (784, 520, 320, 240, 120, 10)
    layers = [layer for sizes in pairwise(widths) for layer in (nn.Linear(*sizes), nn.ReLU())]
    network = nn.Sequential(nn.Flatten(), *layers[:-1])
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.5)
    criterion = nn.CrossEntropyLoss()
    # The lesson trains on all 60,000 pictures and looks at the test set after each epoch; only the training is timed.
    inputs = np.concatenate([mnist.train.inputs, mnist.validation.inputs])
    targets = np.concatenate([mnist.train.targets, mnist.validation.targets])
    loader = DataLoader(Pictures(inputs, targets), batch_size=64, shuffle=True)
    started = time.perf_counter()
    for epoch in range(9):
        for x, y in loader:
            optimizer.zero_grad()
            criterion(network(x), y).backward()
            optimizer.step()
        print(f"  lecture: epoch {epoch + 1}/9, {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return time.perf_counter() - started, test_accuracy(network)


def test_accuracy(network: nn.Module) -> float:
    from edgesoft.data.mnist import load_mnist

    test = load_mnist().test
    with torch.inference_mode():
        predicted = network(torch.from_numpy(test.inputs).float() / 255).argmax(dim=1).numpy()
    return float((predicted == test.targets).mean())


def ours(epochs: int, seed: int, **settings: object) -> tuple[float, float]:
    """The same network by `edgesoft train`: seconds of training (its validation included), and accuracy on the test set."""
    from edgesoft.data.mnist import load_mnist
    from edgesoft.training.runs import RunFolder
    from edgesoft.training.settings import TrainSettings
    from edgesoft.training.train import train

    config = TrainSettings(epochs=epochs, seed=seed, **settings)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        result = train(load_mnist(), config, RunFolder(Path(folder)))
    return result.epochs[-1].seconds, float(result.checkpoint.card.metrics["test"]["accuracy"])
