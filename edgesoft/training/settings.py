"""Everything that decides the weights, besides the data. Imports no torch, so that --help is quick."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgesoft.errors import UsageError

WIDEST = 65_536
MOST_THREADS = 1024
FEW = 5000
"""Fewer pictures than this do not fill MNIST's layers."""
FEWEST_STEPS = 2000
"""Steps that a small data set is trained for."""


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one training run.

    Raises
    ------
    UsageError
        A number is out of its range.
    """

    hidden: tuple[int, ...] = (520, 320, 240, 120)
    """Widths of the hidden layers, in units; empty for plain softmax regression."""
    epochs: int = 30
    """Passes over the training split."""
    batch_size: int = 256
    """Examples a step."""
    lr: float = 3e-3
    """Largest learning rate of the one-cycle schedule."""
    weight_decay: float = 0.1
    """AdamW's weight decay; biases do not decay."""
    label_smoothing: float = 0.05
    """Share of the target that is spread evenly over all classes."""
    augment: bool = True
    """Whether training pictures are distorted; means nothing for tables."""
    outliers: float = 0.1
    """Pictures of none of the classes mixed into each step, as a share of its examples, so that the model knows what it does not
    know; means something for handwriting and the like (the normaliser `ink`) with a softmax head only."""
    batch_norm: bool = True
    """Whether hidden layers are batch-normalised while they learn; what is exported is a plain network either way."""
    patience: int = 0
    """Stop after this many epochs without a better one; 0 never stops early."""
    class_weights: bool = False
    """Whether every class weighs the same in the loss and in the choice of the best epoch, however few examples it has."""
    head: str = "softmax"
    """How logits become probabilities; "sigmoid" is for two classes."""
    threshold: float = 0.5
    """Probability above which a sigmoid head answers the second class."""
    seed: int = 0
    """Decides the first weights, the order of the examples, and the distortions."""
    precision: str = "auto"
    """Arithmetic of the training steps: "float32", "bfloat16", or "auto": bfloat16 on a CPU that multiplies it natively."""
    device: str = "cpu"
    """Where PyTorch computes: "cpu" or "cuda"."""
    threads: int = 0
    """CPU threads; 0 takes every core that this process may use."""

    def __post_init__(self) -> None:
        for name, value in (("epochs", self.epochs), ("batch size", self.batch_size)):
            if value < 1:
                raise UsageError(f"{name} {value}: expected at least 1")
        if self.batch_norm and self.batch_size == 1:
            raise UsageError("batch size 1: batch normalisation needs at least 2 examples a step")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise UsageError(f"learning rate {self.lr}: expected a number above 0, such as 0.003")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise UsageError(f"weight decay {self.weight_decay}: expected 0 or more")
        self._check_head()
        self._check_objective()
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"seed {self.seed}: expected an integer from 0 to 2^63 - 1")
        if self.patience < 0:
            raise UsageError(f"patience {self.patience}: expected at least 1 epoch, or 0 to never stop early")
        if not 0 <= self.threads <= MOST_THREADS:
            raise UsageError(f"threads {self.threads}: expected 1 to {MOST_THREADS}, or 0 for every core")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise UsageError(f"precision {self.precision!r}: expected auto, float32 or bfloat16")
        if self.device not in ("cpu", "cuda"):
            raise UsageError(f"device {self.device!r}: expected cpu or cuda")

    def _check_objective(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise UsageError(f"label smoothing {self.label_smoothing}: expected 0 up to, but not including, 1")
        if not 0 <= self.outliers <= 1:
            raise UsageError(f"outliers {self.outliers}: expected a share from 0 to 1 of a step's examples")

    def _check_head(self) -> None:
        if self.head not in ("softmax", "sigmoid"):
            raise UsageError(f"head {self.head!r}: expected softmax or sigmoid")
        if not 0 < self.threshold < 1:
            raise UsageError(f"threshold {self.threshold}: expected a probability between 0 and 1")
        if self.threshold != 0.5 and self.head != "sigmoid":
            raise UsageError(f"threshold {self.threshold}: softmax takes the largest probability; add --head sigmoid")

    def to_json(self) -> dict[str, Any]:
        """The settings as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TrainSettings:
        """Read `to_json`'s object back; raises TypeError or KeyError when it is not one."""
        return cls(**{**document, "hidden": tuple(document["hidden"])})


def suited(examples: int, kind: str) -> dict[str, Any]:
    """Settings that suit a data set, where they differ from `TrainSettings`'s, which suit MNIST.

    Parameters
    ----------
    examples
        Size of the training split.
    kind
        What the model takes: "pixels" or "features".
    """
    # Few examples need small steps, and many passes to make enough of them.
    batch_size = max(8, min(256, 2 ** round(math.log2(max(1, examples) / 16))))
    epochs = max(30, min(300, math.ceil(FEWEST_STEPS * batch_size / examples)))
    # In batches of a few examples, their mean and spread are mostly noise.
    batch_norm = kind == "pixels" and batch_size >= 32
    settings: dict[str, Any] = {"batch_size": batch_size, "epochs": epochs, "batch_norm": batch_norm}
    if kind == "pixels" and examples < FEW:
        settings["hidden"] = (256, 128)
    if kind == "features":
        settings |= {"hidden": (64, 32), "weight_decay": 0.05, "label_smoothing": 0.0, "precision": "float32"}
    return settings


def parse_hidden(text: str) -> tuple[int, ...]:
    """Read the widths of the hidden layers: "520,320,240,120", or "none" for plain softmax regression.

    Raises
    ------
    UsageError
        The text has another form, or a width is not between 1 and 65,536.
    """
    if text.strip().lower() == "none":
        return ()
    try:
        widths = tuple(int(part) for part in text.split(","))
    except ValueError:
        widths = (0,)
    if not all(1 <= width <= WIDEST for width in widths):
        raise UsageError(
            f'hidden layers {text!r}: expected widths from 1 to {WIDEST} such as "520,320,240,120", or "none"'
        )
    return widths
