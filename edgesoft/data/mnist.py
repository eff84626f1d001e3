"""MNIST, embedded in the package: no download, no network."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np

from edgesoft.data.dataset import Dataset, Split
from edgesoft.data.settings import DataSettings
from edgesoft.data.splits import divide
from edgesoft.errors import EdgesoftError
from edgesoft.files import read_bytes
from edgesoft.model.inputs import PictureInput

FILE = Path(__file__).parent / "embedded" / "mnist.npz"
SHA256 = "8e083283c91432a55ec214b424b750f347064b1c21bf79cd5a9a425e1c6c2048"
VALIDATION_EXAMPLES = 5_000


def load_mnist(options: DataSettings = DataSettings(), *, file: Path = FILE) -> Dataset:
    """MNIST's 60,000 training and 10,000 test digits; the last 5,000 training digits are the validation split, or a chosen share.

    Raises
    ------
    EdgesoftError
        The embedded file is missing or damaged.
    """
    options.refuse(
        "mnist",
        "target",
        "ignore_columns",
        "categorical",
        "val",
        "test",
        "size",
        "colour",
        "test_split",
        "root",
        "download",
    )
    content = read_bytes(file, limit=32 * 2**20, what="the embedded MNIST")
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise EdgesoftError(f"{file}: the embedded MNIST does not match its digest. Install edgesoft again")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        pixels, targets = arrays["x_train"], arrays["y_train"].astype(np.int64)
        test = Split(arrays["x_test"], arrays["y_test"].astype(np.int64))
    if options.val_split is None:
        kept, held = slice(None, -VALIDATION_EXAMPLES), slice(-VALIDATION_EXAMPLES, None)
        train, validation = Split(pixels[kept], targets[kept]), Split(pixels[held], targets[held])
    else:
        parts = divide(targets, options, has_validation=False, has_test=True)
        train, validation = (Split(pixels[parts[name]], targets[parts[name]]) for name in ("train", "validation"))
    return Dataset("mnist", tuple("0123456789"), PictureInput(), train, validation, test)
