"""Imports torchvision next to a PyTorch that it was not compiled for.

torchvision's wheels carry operators compiled against one build of PyTorch. Beside another build (the CPU build is the usual case)
they do not load, and `import torchvision` fails with "operator torchvision::nms does not exist": it registers a Python
implementation for an operator that nobody declared. edgesoft uses none of these operators, only data sets and transforms, so it
declares the two in question where they are missing, and the import goes through.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


@cache
def _declarations() -> torch.library.Library:
    # Kept for the life of the process: the declarations go when the library object goes.
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS.values():
        library.define(schema)  # type: ignore[no-untyped-call]
    return library


def import_torchvision() -> ModuleType:
    """The torchvision package, with `datasets` and `transforms` loaded.

    Raises
    ------
    ImportError
        torchvision is not installed, or fails for another reason than the missing operators.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        _declarations()
        import torchvision
    return torchvision  # type: ignore[no-any-return]
