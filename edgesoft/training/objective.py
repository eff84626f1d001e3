"""What training minimises, and how good a network is: cross entropy over softmax or over a sigmoid, with weights for the classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from edgesoft.data.dataset import Split
from edgesoft.model.heads import Head, Sigmoid, cross_entropy
from edgesoft.training.network import SoftmaxNetwork, reference_logits


def balanced_weights(targets: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Weights that make every class count the same, with mean 1 over the examples.

    Parameters
    ----------
    targets
        int64 `[n]`; every class has at least one example.
    classes
        How many classes there are.

    Returns
    -------
    NDArray[np.float32]
        float32 `[classes]`.
    """
    counts = np.bincount(targets, minlength=classes)
    return (len(targets) / (classes * np.maximum(counts, 1))).astype(np.float32)


def loss_of(
    head: Head, logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Mean cross entropy in nats: of softmax, or the binary one of a sigmoid.

    Parameters
    ----------
    head
        What the logits mean.
    logits
        float32 `[n, outputs]`.
    targets
        int64 `[n]`.
    label_smoothing
        Share of the target that is spread evenly over all classes.
    weights
        float32 `[classes]`, or None; the mean is then over the weights.
    """
    if not isinstance(head, Sigmoid):
        return functional.cross_entropy(logits, targets, weight=weights, label_smoothing=label_smoothing)
    wanted = targets.float() * (1 - label_smoothing) + label_smoothing / 2
    losses = functional.binary_cross_entropy_with_logits(logits[:, 0], wanted, reduction="none")
    if weights is None:
        return losses.mean()
    return (losses * weights[targets]).sum() / weights[targets].sum()


def divergence(logits: Tensor, wanted: Tensor, temperature: float = 1.0) -> Tensor:
    """How far the probabilities are from those of another network, in nats: of wanted from logits, the mean over the examples.

    Parameters
    ----------
    logits, wanted
        float32 `[n, outputs]`.
    temperature
        What both are divided by.
    """
    if logits.shape[1] == 1:  # a sigmoid's one logit stands for two, 0 and itself
        logits, wanted = functional.pad(logits, (1, 0)), functional.pad(wanted, (1, 0))
    mine, its = ((item / temperature).log_softmax(1) for item in (logits, wanted))
    return functional.kl_div(mine, its, reduction="batchmean", log_target=True)


def with_none_of_them(logits: Tensor, targets: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Add the class "none of them", whose logit is always 0, so that the other logits also say whether they know the input at all.

    The network keeps its outputs: where the logarithm of the sum of their exponentials is below 0, none of them is the most
    probable answer.

    Parameters
    ----------
    logits
        float32 `[n + m, classes]`; the last m are of outliers.
    targets
        int64 `[n]`.
    weights
        float32 `[classes]`, or None.

    Returns
    -------
    tuple
        float32 `[n + m, classes + 1]`, int64 `[n + m]`, and float32 `[classes + 1]` or None: what `loss_of` takes.
    """
    count, classes = logits.shape
    return (
        functional.pad(logits, (0, 1)),
        functional.pad(targets, (0, count - len(targets)), value=classes),
        None if weights is None else functional.pad(weights, (0, 1), value=1.0),
    )


def evaluate(
    network: SoftmaxNetwork, head: Head, split: Split, *, weights: NDArray[np.float32] | None = None
) -> tuple[float, float]:
    """Mean cross entropy in nats, and accuracy as a fraction, of a network on a split.

    Parameters
    ----------
    network
        In any mode; it is left in evaluation mode.
    head
        What its logits mean.
    split
        Raw inputs and their classes.
    weights
        float32 `[classes]`: both are then means over the weights, so the accuracy is that over classes, not examples.
    """
    logits = reference_logits(network, split.inputs)
    weight = np.ones(len(split)) if weights is None else weights[split.targets].astype(np.float64)
    losses = cross_entropy(head.class_logits(logits), split.targets)
    right = head.predict(logits) == split.targets
    return float(np.average(losses, weights=weight)), float(np.average(right, weights=weight))
