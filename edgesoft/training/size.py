"""How large a network may be."""

from __future__ import annotations

import math

from edgesoft.errors import UsageError
from edgesoft.model.architecture import Architecture
from edgesoft.model.layers import MOST_ACTIVATIONS

MOST_PARAMETERS = 60_000_000
"""Their float32 values fill the largest model file that is read."""


def check_size(architecture: Architecture) -> None:
    """Refuse a network that no model file could hold.

    Raises
    ------
    UsageError
        It has too many parameters or activations.
    """
    if architecture.activations > MOST_ACTIVATIONS:
        raise UsageError(
            f"{architecture.describe()} on {math.prod(architecture.input):,} inputs have {architecture.activations:,} activations "
            f"after one layer, expected at most {MOST_ACTIVATIONS:,}. Choose a smaller --size or fewer --channels"
        )
    if architecture.parameters > MOST_PARAMETERS:
        smaller = "--channels" if architecture.stages else "--hidden"
        raise UsageError(
            f"hidden layers {architecture.describe()} on {math.prod(architecture.input):,} inputs have "
            f"{architecture.parameters / 1e6:.0f} million parameters, expected at most {MOST_PARAMETERS / 1e6:.0f} million. "
            f"Choose a smaller --size or {smaller}"
        )
