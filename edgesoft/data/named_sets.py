"""Known sets of small pictures, by name; torchvision's own code reads the files.

They lie where torchvision keeps them, so that what it has fetched is found. But only archives as their publishers made them are taken,
by the SHA-256 that stands here, and torchvision is handed a folder that holds nothing but what was unpacked of them: neither unpacked
files, which nobody can check, nor the pickles that its old versions left behind are ever read. The numbers are those of torchvision's
own prototype of these sets (pytorch/vision, torchvision/prototype/datasets/_builtin), and of NIST's archive as its many users report it.
"""

from __future__ import annotations

import gzip
import hashlib
import string
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from edgesoft.data.dataset import Dataset, Split
from edgesoft.data.settings import DataSettings
from edgesoft.data.splits import check_classes, divide
from edgesoft.errors import EdgesoftError
from edgesoft.files import read_bytes
from edgesoft.model.inputs import PictureInput

_WHOLE = PictureInput(normaliser="resize", stroke_high=0.0)
# EMNIST fits the ink into the picture less a border of 2 pixels (Cohen, Afshar, Tapson and van Schaik, "EMNIST", 2017).
_LETTERS = PictureInput(ink_box=24, centring="box")
# USPS digits fill their 16 x 16 pixels.
_USPS = PictureInput(16, 16, ink_box=16, centring="box", stroke_high=0.0)

_DIGITS = tuple(string.digits)
# EMNIST "balanced" merges the small letters that look like capitals.
_BALANCED = (*string.digits, *string.ascii_uppercase, *"abdefghnqrt")

LARGEST = 2**30
"""Bytes; the largest archive, EMNIST's, has 562 MB."""


@dataclass(frozen=True)
class Archive:
    """One file as its publisher made it."""

    name: str
    sha256: str
    address: str
    """Where it can be fetched."""


@dataclass(frozen=True)
class NamedSet:
    """How one set is loaded."""

    labels: tuple[str, ...]
    spec: PictureInput
    folder: str
    """Where the archives lie, below the root."""
    archives: tuple[Archive, ...]
    loader: str
    """torchvision's class."""
    train: Mapping[str, Any]
    """Its arguments for the training part."""
    test: Mapping[str, Any]


def _archives(base: str, numbers: Mapping[str, str]) -> tuple[Archive, ...]:
    return tuple(Archive(name, sha256, f"{base}/{name}") for name, sha256 in numbers.items())


def _four(base: str, *numbers: str) -> tuple[Archive, ...]:
    names = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    return _archives(base, dict(zip(names, numbers, strict=True)))


_BY_FLAG = ({"train": True}, {"train": False})


def _emnist(split: str, labels: Sequence[str]) -> NamedSet:
    archives = _archives(
        "https://biometrics.nist.gov/cs_links/EMNIST",
        {"gzip.zip": "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e"},
    )
    parts = ({"split": split, **flag} for flag in _BY_FLAG)
    return NamedSet(tuple(labels), _LETTERS, "EMNIST/raw", archives, "EMNIST", *parts)


SETS: dict[str, NamedSet] = {
    "fashion-mnist": NamedSet(
        ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        _WHOLE,
        "FashionMNIST/raw",
        _four(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        "FashionMNIST",
        *_BY_FLAG,
    ),
    "kmnist": NamedSet(
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        _WHOLE,
        "KMNIST/raw",
        _four(
            "https://codh.rois.ac.jp/kmnist/dataset/kmnist",
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        ),
        "KMNIST",
        *_BY_FLAG,
    ),
    "qmnist": NamedSet(
        _DIGITS,
        PictureInput(),
        "QMNIST/raw",
        _archives(
            "https://raw.githubusercontent.com/facebookresearch/qmnist/master",
            {
                "qmnist-train-images-idx3-ubyte.gz": "9e26a7bf1683614e065d7b76460ccd52807165b3f22561fb782bd9f38c52b51d",
                "qmnist-train-labels-idx2-int.gz": "2c05dc77f6b916b38e455e97ab129a42a444f3dbef09b278a366f82904e0dd9f",
                "qmnist-test-images-idx3-ubyte.gz": "43fc22bf7498b8fc98de98369d72f752d0deabc280a43a7bcc364ab19e57b375",
                "qmnist-test-labels-idx2-int.gz": "9fbcbe594c3766fdf4f0b15c5165dc0d1e57ac604e01422608bb72c906030d06",
            },
        ),
        "QMNIST",
        {"what": "train"},
        {"what": "test"},
    ),
    "emnist-letters": _emnist("letters", string.ascii_uppercase),
    "emnist-balanced": _emnist("balanced", _BALANCED),
    "emnist-digits": _emnist("digits", _DIGITS),
    "usps": NamedSet(
        _DIGITS,
        _USPS,
        ".",
        _archives(
            "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass",
            {
                "usps.bz2": "3771e9dd6ba685185f89867b6e249233dd74652389f263963b3b741e994b034f",
                "usps.t.bz2": "a9c0164e797d60142a50604917f0baa604f326e9a689698763793fa5d12ffc4e",
            },
        ),
        "USPS",
        *_BY_FLAG,
    ),
}
"""Name on the command line -> how it is loaded."""


def load_named_set(name: str, options: DataSettings) -> Dataset:
    """Load one of `SETS`; its validation split is held out from the training part.

    Parameters
    ----------
    name
        One of `SETS`.
    options
        `root`, `download`, `val_split` and `split_seed` count.

    Raises
    ------
    EdgesoftError
        An archive is not there, is another, or cannot be fetched: the message says which belong where.
    """
    options.refuse(name, "target", "ignore_columns", "categorical", "val", "test", "size", "colour", "test_split")
    described = SETS[name]
    folder = Path(options.root) / described.folder
    if options.download:
        from edgesoft.data.fetch import fetch

        for archive in described.archives:
            fetch(archive.address, folder / archive.name, sha256=archive.sha256, limit=LARGEST)
    train, test = _read(name, described, _read_archives(name, described, folder))
    parts = divide(train.targets, options, has_validation=False, has_test=True)
    splits = {part: Split(train.inputs[chosen], train.targets[chosen]) for part, chosen in parts.items()} | {
        "test": test
    }
    notes = check_classes({part: split.targets for part, split in splits.items()}, described.labels, name)
    return Dataset.of(name, described.labels, described.spec, splits, warnings=notes)


def _read_archives(name: str, described: NamedSet, folder: Path) -> dict[str, bytes]:
    """Name -> bytes of every archive, each the one that was published."""
    contents = {}
    for archive in described.archives:
        path = folder / archive.name
        try:
            content = read_bytes(path, limit=LARGEST, what=f"an archive of {name}")
        except EdgesoftError as error:
            where = f"{folder} must hold {', '.join(archive.name for archive in described.archives)}"
            raise EdgesoftError(
                f"{name}: no usable files ({error}). Fetch them: edgesoft train {name} --download; or by hand: {where}"
            ) from error
        if hashlib.sha256(content).hexdigest() != archive.sha256:
            raise EdgesoftError(
                f"{path}: is not {name} as it was published (its SHA-256 is another). "
                f"Remove it, and fetch it again: edgesoft train {name} --download"
            )
        contents[archive.name] = content
    return contents


def _read(name: str, described: NamedSet, archives: Mapping[str, bytes]) -> tuple[Split, Split]:
    """The training part and the test part."""
    try:
        from edgesoft.data.torchvision_import import import_torchvision

        loader = getattr(import_torchvision().datasets, described.loader)
    except ImportError as error:
        raise EdgesoftError(
            f"{name}: needs torchvision ({error}). Install it: pip install 'edgesoft[train]'"
        ) from error
    try:
        with tempfile.TemporaryDirectory(prefix="edgesoft-") as root:
            folder = Path(root) / described.folder
            folder.mkdir(parents=True, exist_ok=True)
            for archive, content in archives.items():
                for file, inner in _unpack(archive, content, described.train.get("split")):
                    (folder / file).write_bytes(inner)
            train, test = (
                _split(loader(root=root, **arguments), described) for arguments in (described.train, described.test)
            )
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise EdgesoftError(
            f"{name}: its archives cannot be unpacked and read ({said}). Name another folder: TMPDIR=FOLDER"
        ) from error
    return train, test


def _unpack(archive: str, content: bytes, split: str | None) -> list[tuple[str, bytes]]:
    """Name and bytes of each file that torchvision takes; `split` is the one of EMNIST's sets that is wanted."""
    if archive.endswith(".gz"):
        return [(archive.removesuffix(".gz"), gzip.decompress(content))]
    if not archive.endswith(".zip"):
        return [(archive, content)]  # torchvision reads USPS packed
    with zipfile.ZipFile(BytesIO(content)) as members:
        wanted = [item for item in members.namelist() if f"emnist-{split}-" in item and item.endswith(".gz")]
        return [(Path(item).stem, gzip.decompress(members.read(item))) for item in wanted]


def _split(loaded: Any, described: NamedSet) -> Split:
    pixels, targets = np.asarray(loaded.data).astype(np.uint8), np.asarray(loaded.targets).astype(np.int64)
    if described.loader == "QMNIST":
        targets = targets[:, 0]  # the other columns tell who wrote the digit
    if described.loader == "EMNIST":
        pixels = np.ascontiguousarray(pixels.transpose(0, 2, 1))  # the files hold columns where others hold rows
    if described.train.get("split") == "letters":
        targets = targets - 1  # counted from 1 in the files
    return Split(pixels, targets)
