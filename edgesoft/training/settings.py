"""Everything that decides the weights, besides the data. Imports no torch, so that --help is quick."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgesoft.errors import UsageError
from edgesoft.model.architecture import Architecture, Stages, stages_text
from edgesoft.model.inputs import InputKind
from edgesoft.settings import MOST_THREADS, check, count, read_settings, setting, whole_number

WIDEST = 65_536
MOST_LAYERS = 100
FEW = 5000
"""Fewer examples than this do not fill the layers that many have."""
SCARCE = 2500
"""Up to so many rows of a table, the whole weight decay is needed; beyond, the rows themselves leave ever less to chance."""
FEWEST_STEPS = 2000
"""Steps that a small data set is trained for."""

PRESETS: Mapping[str, Stages] = {
    "tiny": ((8,), (16,), (24,)),
    "small": ((16,), (32,), (64,)),
    "base": ((16,), (32, 32), (64, 64)),
}
"""Name -> stages for pictures of about 28 x 28 pixels. A second convolution where these are still large would take most of the time."""
FEWEST_EPOCHS, FEWEST_EPOCHS_CONV, FEWEST_EPOCHS_DEEP = 30, 14, 22
"""Of an MLP, of convolutions, and of several convolutions a stage, which go on gaining."""
LARGEST_LAST = 7
"""Height or width, in places, of what the last stage of a preset may leave."""
MOST_BYTES = 2**30
USUAL_SIDES = (28, 28)
CONVOLUTIONAL: Mapping[str, Any] = {
    "hidden": (),
    "channels": "small",
    "batch_norm": True,
    "lr": 0.015,
    "weight_decay": 0.05,
    "distortion": 0.5,
}
"""What suits convolutional networks."""

_BY_SIZE = "by the size of the data"


def _hidden(given: str | list[int] | tuple[int, ...]) -> tuple[int, ...]:
    """Widths: of "520,320" or "none", or as they are."""
    if isinstance(given, str):
        given = () if given.strip().lower() == "none" else [whole_number(part.strip()) for part in given.split(",")]
    if not all(type(width) is int for width in given) or not _widths(given):
        raise ValueError
    return tuple(given)


def _widths(hidden: list[int] | tuple[int, ...]) -> bool:
    return len(hidden) <= MOST_LAYERS and all(1 <= width <= WIDEST for width in hidden)


def _stages(given: str | list[Any] | tuple[Any, ...]) -> Stages | str:
    """Channels: of "16,32,32" or "16+16,32+32", or as they are; the name of a preset stays one until the pictures are known."""
    if isinstance(given, str):
        if given.strip().lower() in PRESETS:
            return given.strip().lower()
        given = [[whole_number(count.strip()) for count in stage.split("+")] for stage in given.split(",")]
    if not all(type(stage) in (int, list, tuple) for stage in given):
        raise ValueError
    stages = tuple((stage,) if type(stage) is int else tuple(stage) for stage in given)
    if not all(type(count) is int for stage in stages for count in stage):
        raise ValueError
    return stages


def _channels(stages: Stages | str) -> bool:
    if isinstance(stages, str):
        return stages in PRESETS
    counts = [count for stage in stages for count in stage]
    return all(stages) and len(counts) <= MOST_LAYERS and all(1 <= count <= WIDEST for count in counts)


def _one_of(*words: str) -> dict[str, Any]:
    return {"takes": str, "holds": words.__contains__, "expected": f"{', '.join(words[:-1])} or {words[-1]}"}


def _bytes(given: str | int) -> int:
    """Bytes: of "64k" or "65536", or as they are; k and M are powers of 1,024."""
    if isinstance(given, int):
        return given
    text = given.strip().lower().removesuffix("b")
    factor = {"k": 2**10, "m": 2**20}.get(text[-1:], 1)
    size = whole_number(text[:-1] if factor > 1 else text) * factor
    if not size:  # which would be no limit
        raise ValueError
    return size


def _size(where: str, what: str) -> Any:
    return setting(
        0,
        f"Take the widest network whose INT8 form has room in so much {where} of a device: {what}",
        takes=(str, int),
        expected='a number of bytes such as 65536 or "64k"',
        holds=lambda size: 0 <= size <= MOST_BYTES,
        convert=_bytes,
        shown="any",
    )


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one training run; the defaults suit MNIST, `suited` says what suits other data.

    Raises
    ------
    UsageError
        A value is out of its range, or two do not go together.
    """

    network: str = setting(
        "mlp",
        "mlp, or conv for a convolutional network, which takes pictures only and needs fewer weights; auto tries both, or for tables "
        "an MLP, a wider one and plain regression, and keeps what the validation split likes best",
        **_one_of("mlp", "conv", "auto"),
        shown=f"mlp; auto for tables of fewer than {FEW:,} training rows, without --hidden, --flash or --ram",
    )
    channels: tuple[tuple[int, ...], ...] = setting(
        (),
        'Of the 3x3 convolutions of --network conv: "16,32,32", "16+16,32+32" for two in each stage, or tiny, small or base; each stage '
        "halves the picture",
        takes=(str, list, tuple),
        expected=f'channels from 1 to {WIDEST} such as "16,32,32" or "16+16,32+32", or one of {", ".join(PRESETS)}',
        holds=_channels,
        convert=_stages,
        shown="small",
    )
    hidden: tuple[int, ...] = setting(
        (520, 320, 240, 120),
        'Widths of the hidden layers, "520,320", or "none" for plain regression',
        takes=(str, list, tuple),
        expected=f'widths from 1 to {WIDEST} such as "520,320,240,120", at most {MOST_LAYERS} of them, or "none"',
        holds=_widths,
        convert=_hidden,
        shown=_BY_SIZE,
    )
    flash: int = _size("flash", "its weights and other constants")
    ram: int = _size("RAM", "its activations")
    head: str = setting("softmax", "softmax, or sigmoid for two classes", **_one_of("softmax", "sigmoid"))
    threshold: float = setting(
        0.5,
        "Probability above which a sigmoid head answers the second class",
        takes=float,
        expected="a probability between 0 and 1",
        holds=lambda value: 0 < value < 1,
    )
    epochs: int = setting(30, "Passes over the training split", **count(1), shown=_BY_SIZE)
    patience: int = setting(
        0,
        "Stop after this many epochs without a better one",
        **count(1, zero="to never stop early"),
        shown="never",
    )
    batch_size: int = setting(256, "Examples a step", **count(1), shown=_BY_SIZE)
    lr: float = setting(
        3e-3,
        "Largest learning rate",
        takes=float,
        expected="a number above 0, such as 0.003",
        holds=lambda value: math.isfinite(value) and value > 0,
    )
    weight_decay: float = setting(
        0.1,
        "AdamW's weight decay",
        takes=float,
        expected="0 or more",
        holds=lambda value: math.isfinite(value) and value >= 0,
        shown="0.1; for tables 1, less from 2,500 rows on",
    )
    label_smoothing: float = setting(
        0.05,
        "Share of the target spread over all classes",
        takes=float,
        expected="0 up to, but not including, 1",
        holds=lambda value: 0 <= value < 1,
        shown="0.05; 0.1 for tables",
    )
    class_weights: bool = setting(
        False, "Give every class the same weight", takes=bool, shown="", flags="--class-weights/--no-class-weights"
    )
    augment: bool = setting(
        True, "Distort training pictures", takes=bool, shown="augment", flags="--augment/--no-augment"
    )
    distortion: float = setting(
        1.0,
        "How strongly training pictures are distorted, next to what suits an MLP and handwriting, or a few photographs",
        takes=float,
        expected="a number from 0 to 2",
        holds=lambda value: 0 <= value <= 2,
        is_option=False,
    )
    outliers: float = setting(
        0.1,
        "Letters, scrawls and blots of no class mixed into each step, as a share of its examples; for mnist, qmnist, emnist "
        "and usps with a softmax head",
        takes=float,
        expected="a share from 0 to 1 of a step's examples",
        holds=lambda value: 0 <= value <= 1,
    )
    teacher: str = setting(
        "",
        "A run, or its checkpoint, whose larger network this one learns to answer like",
        takes=(str, Path),
        expected="the folder of a run, or a checkpoint",
        convert=os.fspath,
        shown="none",
    )
    seed: int = setting(
        0,
        "The same seed on the same machine gives the same weights",
        takes=int,
        expected="a whole number from 0 to 2^63 - 1",
        holds=lambda value: 0 <= value < 2**63,
    )
    precision: str = setting(
        "auto",
        "Arithmetic of the steps: float32, bfloat16, or auto (bfloat16 where the CPU has it)",
        **_one_of("auto", "float32", "bfloat16"),
    )
    device: str = setting("cpu", "cpu or cuda", **_one_of("cpu", "cuda"))
    threads: int = setting(
        0,
        "CPU threads; 0 takes as many as a step keeps busy",
        **count(1, MOST_THREADS, zero="for as many as a step keeps busy"),
        shown="by the size of a step",
    )
    batch_norm: bool = setting(
        True,
        "Batch-normalise hidden layers while they learn; what is exported is a plain network either way",
        takes=bool,
        shown=_BY_SIZE,
        is_option=False,
    )

    def __post_init__(self) -> None:
        check(self)
        if self.channels and self.network == "mlp":
            raise UsageError(f"--channels {stages_text(self.channels)}: an MLP has no convolutions; add --network conv")
        if self.batch_norm and self.batch_size == 1:
            raise UsageError("--batch-size 1: batch normalisation needs at least 2 examples a step")
        if self.threshold != 0.5 and self.head != "sigmoid":
            raise UsageError(f"--threshold {self.threshold}: softmax takes the largest probability; add --head sigmoid")

    def architecture(self, shape: tuple[int, ...], classes: int) -> Architecture:
        """How large the parts of the network will be, for inputs of `shape`."""
        return Architecture(shape, self.channels, self.hidden, 1 if self.head == "sigmoid" else classes)

    def batches(self, examples: int) -> int:
        """Steps that an epoch over so many examples takes."""
        # A last batch of one has nothing to be normalised by; its example comes earlier in another epoch.
        return max(1, math.ceil((examples - 1) / self.batch_size))

    def to_json(self) -> dict[str, Any]:
        """The settings as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TrainSettings:
        """Read `to_json`'s object back; raises KeyError when a setting is missing, UsageError when one is wrong."""
        read = read_settings([cls], document)
        return cls(**{name: read[name] for name in cls.__dataclass_fields__})


def check_early(given: Mapping[str, Any]) -> None:
    """Refuse a wrong setting before the data are read; raises UsageError."""
    TrainSettings(**{"batch_norm": False, **given, "channels": stages_for(given.get("channels", ()), USUAL_SIDES)})


def suited(examples: int, kind: str, network: str = "mlp") -> dict[str, Any]:
    """Settings that suit a data set, where they differ from `TrainSettings`'s, which suit MNIST.

    Parameters
    ----------
    examples
        Size of the training split.
    kind
        What the model takes: "pixels" or "features".
    network
        "mlp" or "conv".
    """
    # Few examples need small steps, and many passes to make enough of them.
    batch_size = max(8, min(256, 2 ** round(math.log2(max(1, examples) / 16))))
    epochs = max(
        FEWEST_EPOCHS_CONV if network == "conv" else FEWEST_EPOCHS,
        min(300, math.ceil(FEWEST_STEPS * batch_size / examples)),
    )
    # In batches of a few examples, their mean and spread are mostly noise.
    batch_norm = kind == "pixels" and batch_size >= 32
    settings: dict[str, Any] = {"batch_size": batch_size, "epochs": epochs, "batch_norm": batch_norm}
    if kind == "pixels" and examples < FEW:
        settings["hidden"] = (256, 128)
    if network == "conv":
        # Each channel has many places in each picture, so a few pictures are enough to normalise by.
        settings |= {**CONVOLUTIONAL, "batch_size": min(batch_size, 128)}
    if kind == "features":
        settings |= {
            "hidden": (64, 32) if examples < FEW else (128, 64),
            # Strong decay finds the simple truth behind few or noisy rows.
            "weight_decay": round(min(1.0, SCARCE / max(1, examples)), 3),
            "label_smoothing": 0.1,
            "precision": "float32",
        }
    return settings


def settings_for(examples: int, kind: InputKind, given: Mapping[str, Any]) -> TrainSettings:
    """The settings that were given, and for the others those that suit the data.

    Parameters
    ----------
    examples
        Size of the training split.
    kind
        What the model takes.
    given
        Name -> value, as `read_settings` returns them.

    Raises
    ------
    UsageError
        A convolutional network was asked for, and the data are no pictures; or two settings do not go together.
    """
    network = given.get("network", "mlp")
    if network == "conv" and not kind.is_picture:
        raise UsageError(
            "--network conv: convolutional networks take pictures, and these are rows of a table. Use --network mlp, or auto"
        )
    stages = stages_for(given.get("channels", CONVOLUTIONAL["channels"] if network == "conv" else ()), kind.shape)
    settings = suited(examples, kind.kind, network) | {"channels": stages}
    if any(len(stage) > 1 for stage in stages):
        settings["epochs"] = max(settings["epochs"], FEWEST_EPOCHS_DEEP)
    if kind.augmentation == "picture":
        # Many photographs show what few must be bent into.
        settings["distortion"] = 1.0 if examples < FEW else 0.5
    return TrainSettings(**{**settings, **given, "channels": stages})


def alternatives(examples: int, kind: InputKind, given: Mapping[str, Any]) -> list[TrainSettings]:
    """Of `network="auto"` the settings among which the validation split chooses, else those of `settings_for` alone.

    For pictures each kind of network, without what only the other has. For tables the MLP that suits their size; a wider one with a
    tenth of the weight decay, which finds more where there is more to be found; and plain regression, which errs less where there
    is not. Few rows are learned in seconds, so of them it is asked unless something else was said.

    Parameters
    ----------
    examples, kind, given
        As `settings_for` has them.

    Raises
    ------
    UsageError
        As `settings_for`.
    """
    asks_by_itself = not kind.is_picture and examples < FEW and not given.keys() & {"hidden", "flash", "ram"}
    if given.get("network", "auto" if asks_by_itself else "mlp") != "auto":
        return [settings_for(examples, kind, given)]
    if kind.is_picture:
        found = [
            settings_for(
                examples, kind, {name: value for name, value in given.items() if name != other} | {"network": network}
            )
            for network, other in (("mlp", "channels"), ("conv", "hidden"))
        ]
    else:
        usual = settings_for(examples, kind, {**given, "network": "mlp"})
        others: list[dict[str, Any]] = [{"hidden": (128, 64), "weight_decay": usual.weight_decay / 10}, {"hidden": ()}]
        found = [
            usual,
            *(replace(usual, **{name: new for name, new in other.items() if name not in given}) for other in others),
        ]
    return list(dict.fromkeys(found))


def stages_for(channels: Stages | str, shape: tuple[int, ...]) -> Stages:
    """The stages that a preset has for pictures of `shape`, or those that were given.

    A preset's last stage is repeated until the picture is small enough for the linear layer.
    """
    if not isinstance(channels, str):
        return channels
    stages, side = PRESETS[channels], max(shape[:2])
    for _ in stages:
        side //= 2
    while side > LARGEST_LAST:
        stages, side = (*stages, stages[-1]), side // 2
    return stages
