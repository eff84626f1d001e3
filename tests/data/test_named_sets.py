"""Known sets: small archives in the sets' own formats, made here, so that what must come out is known."""

import bz2
import dataclasses
import gzip
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgesoft.data.load import load_dataset
from edgesoft.data.named_sets import SETS
from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError, UsageError


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


def contents(name: str) -> dict[str, bytes]:
    """Archive -> its bytes, for a set of a few examples a class."""
    described = SETS[name]
    if name == "usps":
        lines = [
            f"{label + 1} " + " ".join(f"{place + 1}:{label / 10:.4f}" for place in range(256)) for label in range(10)
        ]
        return {item.name: bz2.compress("\n".join(lines * 4).encode() + b"\n") for item in described.archives}
    pixels, targets = examples(len(described.labels), first=1 if name == "emnist-letters" else 0)
    if name.startswith("emnist"):
        everything = io.BytesIO()
        with zipfile.ZipFile(everything, "w") as archive:
            for part in ("train", "test"):
                stem = f"gzip/{name}-{part}"
                images = gzip.compress(idx(pixels.transpose(0, 2, 1)))
                archive.writestr(f"{stem}-images-idx3-ubyte.gz", images)
                archive.writestr(f"{stem}-labels-idx1-ubyte.gz", gzip.compress(idx(targets)))
        return {"gzip.zip": everything.getvalue()}
    labels = idx(targets)
    if name == "qmnist":
        labels = idx(np.column_stack([targets, *[targets * 0 + 7] * 7]), code=12)
    return {item.name: gzip.compress(idx(pixels) if "images" in item.name else labels) for item in described.archives}


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Puts small archives where a set's belong, and takes them for those that were published."""

    def put(name: str) -> Path:
        described = SETS[name]
        folder = tmp_path / described.folder
        folder.mkdir(parents=True, exist_ok=True)
        made = contents(name)
        for file, content in made.items():
            (folder / file).write_bytes(content)
        published = tuple(
            dataclasses.replace(item, sha256=hashlib.sha256(made[item.name]).hexdigest()) for item in described.archives
        )
        monkeypatch.setitem(SETS, name, dataclasses.replace(described, archives=published))
        return folder

    return put


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_read(make, tmp_path, name):
    make(name)
    data = load_dataset(DataSettings(source=name, root=str(tmp_path)))
    assert data.labels == SETS[name].labels
    assert data.train.inputs.shape[1:] == data.input.shape
    assert data.train.inputs.dtype == np.uint8
    for split in data.splits.values():
        assert set(split.targets.tolist()) == set(range(len(data.labels)))
    if name == "usps":  # each picture has one grey level, made of its label
        levels = ((np.arange(10, dtype=np.float32) / 10 + 1) / 2 * 255).astype(np.uint8)
        np.testing.assert_array_equal(
            data.test.inputs, np.tile(levels, 4)[:, np.newaxis, np.newaxis].repeat(16, 1).repeat(16, 2)
        )
        np.testing.assert_array_equal(data.test.targets, np.tile(np.arange(10), 4))
        return
    pixels, targets = examples(len(data.labels))
    assert (data.test.inputs[:, 0, 1:] == 200).all(), "the picture is transposed"
    np.testing.assert_array_equal(data.test.targets, targets)
    np.testing.assert_array_equal(data.test.inputs[:, 20, 3], targets + (name == "emnist-letters"))
    np.testing.assert_array_equal(data.test.inputs[:, :20], pixels[:, :20])


@pytest.mark.parametrize("name", SETS)
def test_without_files_the_message_says_which_go_where(tmp_path, name):
    with pytest.raises(EdgesoftError, match=r"no usable files") as caught:
        load_dataset(DataSettings(source=name, root=str(tmp_path / "none")))
    message = str(caught.value)
    assert "--download" in message
    assert str(tmp_path / "none" / SETS[name].folder) in message
    assert all(archive.name in message for archive in SETS[name].archives)
    assert "\n" not in message


@pytest.mark.parametrize("name", SETS)
def test_foreign_archives_do_not_pass_for_the_set(tmp_path, name):
    """They are whole and of the right form: only the SHA-256 of what was published tells them apart."""
    folder = tmp_path / SETS[name].folder
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in contents(name).items():
        (folder / file).write_bytes(content)
    with pytest.raises(EdgesoftError, match=rf"is not {name} as it was published .* edgesoft train {name} --download"):
        load_dataset(DataSettings(source=name, root=str(tmp_path)))


@pytest.mark.parametrize(
    "change", [lambda b: b[:-1], lambda b: b + b"0", lambda b: b[:30] + bytes([b[30] ^ 1]) + b[31:]]
)
def test_a_changed_archive_is_refused(make, tmp_path, change):
    file = make("kmnist") / "t10k-labels-idx1-ubyte.gz"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(EdgesoftError, match=r"t10k-labels-idx1-ubyte.gz: is not kmnist as it was published"):
        load_dataset(DataSettings(source="kmnist", root=str(tmp_path)))


def test_unpacked_files_and_old_pickles_are_never_read(make, tmp_path):
    """The pickle would leave a mark; the unpacked file would change the pixels."""
    folder = make("fashion-mnist")
    mark = tmp_path / "mark"
    pickled = b"cos\nmkdir\n(V" + str(mark).encode() + b"\ntR."
    (folder.parent / "processed").mkdir()
    for name in ("training.pt", "test.pt"):
        (folder.parent / "processed" / name).write_bytes(pickled)
    (folder / "train-images-idx3-ubyte").write_bytes(idx(np.full((40, 28, 28), 9)))
    data = load_dataset(DataSettings(source="fashion-mnist", root=str(tmp_path)))
    assert (data.train.inputs[:, 0, 1:] == 200).all()
    assert not mark.exists()
    import pickle

    pickle.loads(pickled)  # negative control: read as torchvision once did, it does leave the mark
    assert mark.exists()


def test_every_address_is_encrypted_and_every_number_is_a_sha256():
    archives = {archive.name: archive for described in SETS.values() for archive in described.archives}
    assert len(archives) >= 4 + 4 + 1 + 2
    for described in SETS.values():
        for archive in described.archives:
            assert archive.address.startswith("https://")
            assert archive.address.endswith(f"/{archive.name}")
            assert len(bytes.fromhex(archive.sha256)) == 32


def test_a_download_puts_the_archives_into_their_place(make, tmp_path, monkeypatch):
    folder = make("kmnist")
    held = {file.name: file.read_bytes() for file in folder.iterdir()}
    (folder / "train-images-idx3-ubyte.gz").unlink()
    asked = []

    def answer(address):
        asked.append(address)
        return io.BytesIO(held[address.rpartition("/")[2]])

    monkeypatch.setattr("edgesoft.data.fetch._open", answer)
    data = load_dataset(DataSettings(source="kmnist", root=str(tmp_path), download=True))
    assert asked == [
        f"https://codh.rois.ac.jp/kmnist/dataset/kmnist/{name}" for name in ("train-images-idx3-ubyte.gz",)
    ]
    assert data.options is not None and not data.options.download
    assert {file.name for file in folder.iterdir()} == set(held)


def test_settings_of_other_sources_are_refused(tmp_path):
    with pytest.raises(UsageError, match="--size means nothing for usps"):
        load_dataset(DataSettings(source="usps", root=str(tmp_path), size=(8, 8)))


def test_mnist_takes_another_validation_split():
    data = load_dataset(DataSettings(source="mnist", val_split=0.1))
    assert len(data.validation) == pytest.approx(6000, abs=5)
    assert len(data.train) + len(data.validation) == 60_000
