"""torchvision's sets: its own code reads small files in the sets' own formats, made here."""

import bz2
from pathlib import Path

import numpy as np
import pytest

from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
from edgesoft.data.torchvision_sets import SETS
from edgesoft.errors import EdgesoftError, UsageError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torchvision's own


def idx(array: np.ndarray, code: int = 8) -> bytes:
    """The IDX format: 0, 0, element type, dimensions, sizes as big-endian 32-bit integers, elements."""
    head = bytes([0, 0, code, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return head + array.astype(">i4" if code == 12 else np.uint8).tobytes()


def examples(classes: int, first: int = 0, count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Pictures with a bright top row, so that a transposed one shows, and their labels."""
    targets = np.repeat(np.arange(first, first + classes), count)
    pixels = np.zeros((len(targets), 28, 28), np.uint8)
    pixels[:, 0, :] = 200
    pixels[:, 20, 3] = targets
    return pixels, targets


def make(root: Path, name: str) -> None:
    described = SETS[name]
    folder = root / described.folder
    folder.mkdir(parents=True, exist_ok=True)
    if name == "usps":
        for file in described.files:
            lines = [
                f"{label + 1} " + " ".join(f"{place + 1}:{label / 10:.4f}" for place in range(256))
                for label in range(10)
            ]
            (folder / file).write_bytes(bz2.compress("\n".join(lines * 4).encode() + b"\n"))
        return
    pixels, targets = examples(len(described.labels), first=1 if name == "emnist-letters" else 0)
    if name.startswith("emnist"):
        pixels = pixels.transpose(0, 2, 1)
    for file in described.files:
        if "images" in file:
            content = idx(pixels)
        elif name == "qmnist":
            content = idx(np.column_stack([targets, *[targets * 0 + 7] * 7]), code=12)
        else:
            content = idx(targets)
        (folder / file).write_bytes(content)


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_read_by_torchvision(tmp_path, name):
    make(tmp_path, name)
    data = load_dataset(DataSettings(source=name, root=str(tmp_path)))
    assert data.labels == SETS[name].labels
    assert data.train.inputs.shape[1:] == data.input.shape
    assert data.train.inputs.dtype == np.uint8
    for split in data.splits.values():
        assert set(split.targets.tolist()) == set(range(len(data.labels)))
    if name == "usps":
        assert data.test.inputs[data.test.targets == 5].max() == int((0.5 + 1) / 2 * 255)
    else:
        assert (data.test.inputs[:, 0, 1:] == 200).all(), "the picture is transposed"
        offset = 1 if name == "emnist-letters" else 0
        assert (data.test.inputs[:, 20, 3] == data.test.targets + offset).all()


@pytest.mark.parametrize("name", SETS)
def test_without_files_the_message_says_which_go_where(tmp_path, name):
    with pytest.raises(EdgesoftError, match=r"no usable files") as caught:
        load_dataset(DataSettings(source=name, root=str(tmp_path / "none")))
    message = str(caught.value)
    assert "--download" in message
    assert str(tmp_path / "none" / SETS[name].folder) in message
    assert all(file in message for file in SETS[name].files)
    assert "\n" not in message


def test_a_damaged_file_is_an_error(tmp_path):
    make(tmp_path, "fashion-mnist")
    file = tmp_path / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(EdgesoftError, match=r"fashion-mnist: no usable files"):
        load_dataset(DataSettings(source="fashion-mnist", root=str(tmp_path)))


def test_files_of_another_set_are_refused(tmp_path):
    make(tmp_path, "kmnist")
    for file in (tmp_path / "KMNIST" / "raw").glob("*labels*"):
        file.write_bytes(idx(np.full(40, 77)))
    with pytest.raises(EdgesoftError, match=r"its files hold something else than kmnist"):
        load_dataset(DataSettings(source="kmnist", root=str(tmp_path)))


def test_a_download_that_fails_says_where_the_files_go(tmp_path, monkeypatch):
    torchvision = pytest.importorskip("edgesoft.data.torchvision_import").import_torchvision()
    monkeypatch.setattr(
        torchvision.datasets.KMNIST, "mirrors", ["http://127.0.0.1:9/"]
    )  # nothing listens on the discard port
    with pytest.raises(
        EdgesoftError, match=r"kmnist: could not be fetched or read .* Without a network, .*KMNIST/raw must hold"
    ):
        load_dataset(DataSettings(source="kmnist", root=str(tmp_path), download=True))


def test_settings_of_other_sources_are_refused(tmp_path):
    with pytest.raises(UsageError, match="--size means nothing for usps"):
        load_dataset(DataSettings(source="usps", root=str(tmp_path), size=(8, 8)))


def test_mnist_takes_another_validation_split():
    data = load_dataset(DataSettings(source="mnist", val_split=0.1))
    assert len(data.validation) == pytest.approx(6000, abs=5)
    assert len(data.train) + len(data.validation) == 60_000
