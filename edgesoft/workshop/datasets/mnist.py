"""MNIST, embedded in the package: no download, no network."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np

from edgesoft.errors import EdgesoftError
from edgesoft.files import read_bytes
from edgesoft.pictures.spec import PictureSpec
from edgesoft.workshop.datasets import Dataset, Split

FILE = Path(__file__).parent / "data" / "mnist.npz"
SHA256 = "8e083283c91432a55ec214b424b750f347064b1c21bf79cd5a9a425e1c6c2048"
VALIDATION_EXAMPLES = 5_000


def load_mnist(file: Path = FILE) -> Dataset:
    """MNIST's 60,000 training and 10,000 test digits; the last 5,000 training digits are the validation split.

    Raises
    ------
    EdgesoftError
        The embedded file is missing or damaged.
    """
    content = read_bytes(file, limit=32 * 2**20, what="the embedded MNIST")
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise EdgesoftError(f"{file}: the embedded MNIST does not match its digest. Install edgesoft again")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        pixels, targets = arrays["x_train"], arrays["y_train"].astype(np.int64)
        test = Split(arrays["x_test"], arrays["y_test"].astype(np.int64))
    return Dataset(
        name="mnist",
        labels=tuple("0123456789"),
        input=PictureSpec(),
        train=Split(pixels[:-VALIDATION_EXAMPLES], targets[:-VALIDATION_EXAMPLES]),
        validation=Split(pixels[-VALIDATION_EXAMPLES:], targets[-VALIDATION_EXAMPLES:]),
        test=test,
    )
