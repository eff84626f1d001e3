"""Steps -> the calls of the C program, its constants, and where in its one buffer each value lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgesoft.model.graph import Array
from edgesoft.targets.steps import Kind, Step

_TYPES = {"int8": "int8_t", "int32": "int32_t", "float32": "float"}
_NUMBERS = ("level", "limit", "reach")
"""Constants of one number, which are handed over as such."""
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

    @property
    def functions(self) -> frozenset[str]:
        """What is called."""
        return frozenset(step.function for step in self.steps)

    @property
    def constant_bytes(self) -> int:
        """Flash that the constants take."""
        return sum(constant.values.nbytes for constant in self.constants)

    @property
    def widest(self) -> int:
        """Largest number of bytes that enter an integer product; 0 where there is none."""
        return max((step.inputs for step in self.steps if step.function.startswith("dense_bytes")), default=0)

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
        arguments = [source, str(step.inputs)]
        for name, values in step.constants.items():
            # Float weights lie by inputs, so that compilers can compute several outputs at once without adding in another order.
            stored = np.ascontiguousarray(values.T if step.function == "dense" else values)
            named = f"{name}{1 + sum(constant.name.rstrip('0123456789') == name for constant in constants)}"
            constants.append(Constant(_TYPES[stored.dtype.name], named, stored))
            arguments.append(f"&{named}[0][0]" if stored.ndim == 2 else f"{named}[0]" if name in _NUMBERS else named)
        if "factors" in step.constants:
            arguments.append(str(int(len(step.constants["factors"]) > 1)))
        if "weights" in step.constants:
            arguments.append(str(step.outputs))
        calls.append(f"{step.function}({', '.join([*arguments, target])});")
    return Plan(tuple(steps), tuple(calls), tuple(constants), _room(steps))


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
