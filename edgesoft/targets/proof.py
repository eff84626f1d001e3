"""What a converted model is held to: the golden examples, and how near its logits must come to those of ONNX Runtime."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError
from edgesoft.model.file import GOLDEN_KEY, ModelFile
from edgesoft.model.golden import Golden

FLOAT_TOLERANCE = 1e-4
"""How far logits of a float model may lie from those of ONNX Runtime, which adds in another order."""
MIXED_TOLERANCE = 0.02
"""The same where integers follow floats: a share of the largest logit, because a sum on the edge may round to the next level."""


@dataclass(frozen=True)
class Proof:
    """Examples and a limit."""

    golden: Golden
    tolerance: float | None
    """How far a logit may lie from the expected one; None where the bits must be the same."""

    @property
    def said(self) -> str:
        """What holds when every example passes."""
        if self.tolerance is None:
            return "the same bits as ONNX Runtime"
        return f"ONNX Runtime's logits within {self.tolerance:.2g}"


def read_proof(model: ModelFile) -> Proof:
    """What a model file carries to prove a conversion by; raises EdgesoftError where it carries nothing."""
    if GOLDEN_KEY not in model.metadata:
        raise EdgesoftError(
            f"{model.path}: carries no golden examples to prove a conversion by. Export it again: edgesoft export"
        )
    golden = Golden.decode(model.metadata[GOLDEN_KEY], model.path)
    quantization = model.card.quantization
    if quantization is None:
        return Proof(golden, FLOAT_TOLERANCE)
    exact = quantization.scheme.same_bits_everywhere
    return Proof(golden, None if exact else MIXED_TOLERANCE * float(np.abs(golden.expected).max()))


def without_zeros(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures one after the other, in which for each row of zeros, at most 255, stand a 0 and how many they are: most pixels are ground.

    Parameters
    ----------
    pictures
        uint8 `[n, ...]`.

    Returns
    -------
    NDArray[np.uint8]
        uint8 `[bytes]`. No row of zeros goes on from one picture into the next.
    """
    packed = (re.sub(rb"\0{1,255}", lambda row: bytes((0, len(row[0]))), picture.tobytes()) for picture in pictures)
    return np.frombuffer(b"".join(packed), np.uint8)
