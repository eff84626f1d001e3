"""What a network takes on a device, told from the plan of its C form without writing any file."""

from __future__ import annotations

from typing import NamedTuple

from edgesoft.model.graph import Shape
from edgesoft.model.network import Network
from edgesoft.targets.c.plan import plan
from edgesoft.targets.steps import steps


class Cost(NamedTuple):
    """Of one answer, in C."""

    constant_bytes: int
    """Flash of weights, biases and scales; code and labels come on top."""
    ram_bytes: int
    """Static memory of what is computed, besides the input and the logits."""
    multiplications: int
    """Multiply-accumulates of weights."""


def cost(network: Network, shape: Shape) -> Cost:
    """What the header of the C form will say of a network.

    Parameters
    ----------
    network
        With any weights: only their number, their type and their scales' number count.
    shape
        Of one input.

    Raises
    ------
    InexpressibleError
        The network has no form in C.
    """
    body = plan(steps(network, shape), "input")
    return Cost(body.constant_bytes, body.ram_bytes, body.multiplications)
