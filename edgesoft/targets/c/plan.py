"""Steps -> the calls of the C program, its constants, and where in its one buffer each value lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgesoft.model.graph import Array
from edgesoft.model.products import KERNEL
from edgesoft.targets.steps import BYTE_MAX, Kind, Step

_TYPES = {"int8": "int8_t", "int32": "int32_t", "float32": "float"}
_NUMBERS = ("level", "limit", "reach")
"""Constants of one number, which are handed over as such."""
_FEW = 3
"""Channels of pictures in which the surroundings of a place are too short for a vector of them."""
_SIDE_BY_SIDE = 8
"""Outputs that are computed at once there."""
_SIZES: dict[Kind, int] = {"bytes": 1, "floats": 4}


class Constant(NamedTuple):
    """One array in flash."""

    kind: str
    """Type of an element."""
    name: str
    values: Array


@dataclass(frozen=True)
class Plan:
    """The body of the one function, and what it needs."""

    steps: tuple[Step, ...]
    calls: tuple[str, ...]
    """Statements in C, one a step."""
    constants: tuple[Constant, ...]
    buffer_bytes: int
    """Memory for what flows between the steps."""
    gathered: int
    """Bytes of the lines of a picture that a product takes at once, each with those above and below it."""
    sums: int
    """Whole numbers of 32 bits that a dense layer of bytes adds up."""
    others: int
    """Floats that a convolution holds while it looks for the largest."""

    @property
    def functions(self) -> frozenset[str]:
        """What is called."""
        return frozenset(map(_function, self.steps))

    @property
    def constant_bytes(self) -> int:
        """Flash that the constants take."""
        return sum(constant.values.nbytes for constant in self.constants)

    @property
    def ram_bytes(self) -> int:
        """Static memory in all."""
        return self.buffer_bytes + self.gathered + 4 * (self.sums + self.others)

    @property
    def pair(self) -> str:
        """The narrowest type that has room for two products of a dense layer of bytes: the narrower, the more are computed at once."""
        weights = [step.constants["weights"].astype(np.int32) for step in self.steps if _is_dense_of_bytes(step)]
        largest = max((int(np.abs(values).max()) for values in weights), default=0)
        return "int16_t" if 2 * BYTE_MAX * largest <= np.iinfo(np.int16).max else "int32_t"

    @property
    def multiplications(self) -> int:
        """In one call."""
        return sum(step.multiplications for step in self.steps)


def plan(steps: Sequence[Step], argument: str) -> Plan:
    """Give every value a place, and every constant a name.

    Parameters
    ----------
    steps
        From the input to the logits.
    argument
        What the C function calls its input.
    """
    places = _places(steps, argument)
    constants: list[Constant] = []
    calls = []
    for step, source, target in zip(steps, places, places[1:], strict=False):
        if step.function == "relu":
            calls.append(f"relu({source}, {step.inputs});")
            continue
        picture = step.picture
        sizes = [step.inputs] if picture is None else [picture.height, picture.width, picture.channels, picture.side]
        arguments = [source, *map(str, sizes)]
        for name, values in step.constants.items():
            stored = _by_inputs(step, values) if name == "weights" else values
            named = f"{name}{1 + sum(constant.name.rstrip('0123456789') == name for constant in constants)}"
            constants.append(Constant(_TYPES[stored.dtype.name], named, stored))
            arguments.append(f"&{named}[0][0]" if stored.ndim == 2 else f"{named}[0]" if name in _NUMBERS else named)
        if "factors" in step.constants:
            arguments.append(str(int(len(step.constants["factors"]) > 1)))
        if "weights" in step.constants:
            arguments.append(str(len(step.constants["weights"])))
        calls.append(f"{_function(step)}({', '.join([*arguments, target])});")
    bytewise = [step.picture for step in steps if step.picture is not None and step.function != "convolve"]
    lines = [picture.side * KERNEL * (picture.width + KERNEL - 1) * picture.channels for picture in bytewise]
    others = max((len(step.constants["bias"]) for step in steps if step.function == "convolve"), default=0)
    sums = max((step.outputs for step in steps if _is_dense_of_bytes(step)), default=0)
    return Plan(tuple(steps), tuple(calls), tuple(constants), _room(steps), max(lines, default=0), sums, others)


def _function(step: Step) -> str:
    """What computes it."""
    is_short = step.picture is not None and step.picture.channels <= _FEW
    return step.function.replace("convolve_bytes", "convolve_few_bytes") if is_short else step.function


def _is_dense_of_bytes(step: Step) -> bool:
    return step.function.startswith("dense_bytes")


def _by_inputs(step: Step, weights: Array) -> Array:
    """Weights by inputs where compilers are to compute several outputs at once: they cannot add floats in another order."""
    if weights.dtype == np.float32 or _is_dense_of_bytes(step):
        return np.ascontiguousarray(weights.T)
    if _function(step) == step.function:
        return weights
    return np.pad(weights.T, ((0, 0), (0, -len(weights) % _SIDE_BY_SIDE)))


def _rooms(steps: Sequence[Step]) -> list[int]:
    """Bytes of each value between two steps that is none in place, in whole floats, so that the next one is aligned."""
    moving = [step for step in steps if step.function != "relu"]
    return [-(-step.outputs * _SIZES[step.gives] // 4) * 4 for step in moving[:-1]]


def _room(steps: Sequence[Step]) -> int:
    rooms = _rooms(steps)
    return max((sum(rooms[index : index + 2]) for index in range(len(rooms))), default=0)


def _places(steps: Sequence[Step], argument: str) -> list[str]:
    """Where the input lies, and what each step gives: by turns at the two ends of the buffer; the logits at their own place."""
    rooms, total = _rooms(steps), _room(steps)
    places, count = [argument], 0
    for step in steps:
        if step.function == "relu":
            places.append(places[-1])
        elif count == len(rooms):
            places.append("logits")
        else:
            start = (total - rooms[count]) // _SIZES[step.gives] if count % 2 else 0
            places.append(f"buffer.{step.gives}{f' + {start}' if start else ''}")
            count += 1
    return places
