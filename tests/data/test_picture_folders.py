"""Folders of pictures as training data."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgesoft.data import folders
from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
from edgesoft.data.splits import MOST_CLASSES
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.pictures import read_picture
from edgesoft.pictures.spec import SHALLOW


def draw(folder: Path, count: int, value: int = 0, *, size: tuple[int, int] = (12, 10)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(sum(folder.name.encode()) + value)
    for index in range(count):
        pixels = generator.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{value}-{index}.png")


def load(path: Path, **options):
    return load_dataset(DataSettings(source=str(path), **options))


@pytest.fixture
def photos(tmp_path):
    for name in ("cat", "日本 ♥", "ünïcode"):
        draw(tmp_path / "photos" / name, 10)
    return tmp_path / "photos"


def test_subfolders_are_classes(photos):
    data = load(photos)
    assert data.labels == ("cat", "ünïcode", "日本 ♥")
    assert data.name == "photos"
    assert data.input.shape == (32, 32)
    assert data.input.normaliser == "resize"
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 21, "validation": 3, "test": 6}
    assert data.warnings == ()


def test_size_and_colour(photos):
    data = load(photos, size=(8, 6), colour=True)
    assert data.train.inputs.shape == (21, 8, 6, 3)
    assert load(photos, size=(8, 8)).train.inputs.shape == (21, 8, 8)


def test_pixels_are_those_that_a_device_makes(photos):
    data = load(photos, size=(8, 8), colour=True)
    ours = {example.tobytes() for split in data.splits.values() for example in split.inputs}
    theirs = {read_picture(file, data.input).pixels.tobytes() for file in photos.rglob("*.png")}
    assert ours == theirs


def test_split_folders_keep_their_splits(tmp_path):
    for split, count in (("train", 6), ("val", 2), ("test", 3)):
        for name in ("a", "b"):
            draw(tmp_path / split / name, count, len(split))
    data = load(tmp_path)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 12, "validation": 4, "test": 6}


def test_a_missing_validation_split_comes_from_the_training_split(tmp_path):
    for split, count in (("train", 10), ("test", 3)):
        for name in ("a", "b"):
            draw(tmp_path / split / name, count, len(split))
    data = load(tmp_path, val_split=0.3)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 14, "validation": 6, "test": 6}


def test_classes_may_be_called_train_and_test(tmp_path):
    for name in ("train", "test"):
        draw(tmp_path / name, 10)
    assert load(tmp_path).labels == ("test", "train")


def test_files_that_are_no_pictures_are_listed_and_counted(photos):
    (photos / "cat" / "notes.txt").write_text("no picture")
    (photos / "cat" / "cut.png").write_bytes((photos / "cat" / "0-0.png").read_bytes()[:200])
    (photos / "loose.png").write_bytes(b"")
    (photos / "cat" / ".DS_Store").write_bytes(b"x")
    data = load(photos)
    assert sum(map(len, data.splits.values())) == 30
    assert len(data.skipped) == 2
    assert "notes.txt: this is a text file" in "\n".join(data.skipped)
    assert "cut.png: the PNG file is damaged or truncated" in "\n".join(data.skipped)
    assert "files that cannot be read as pictures and are left out: 2 of 32" in data.warnings
    assert f"files in {photos} that belong to no class are not used: 1" in data.warnings


def test_what_is_odd_about_pictures_that_are_used_is_counted(photos):
    (folder, *_) = (place for place in photos.iterdir() if place.is_dir())
    for number in range(3):
        dark = np.full((20, 20), 200 + number, np.uint16)
        Image.fromarray(dark).save(folder / f"dark{number}.png")
    warnings = load(photos).warnings
    assert sum(f"pictures: {SHALLOW}" in warning and warning.startswith("3 of ") for warning in warnings) == 1


def test_imbalance_is_reported(photos):
    draw(photos / "dog", 40)
    assert any("'dog' has" in warning and "--class-weights" not in warning for warning in load(photos).warnings)


def test_the_same_picture_on_both_sides_is_reported(tmp_path):
    for split in ("train", "test"):
        for name in ("a", "b"):
            draw(tmp_path / split / name, 8)
    warnings = load(tmp_path).warnings
    assert any("of 16 examples of the test split stand in the training split too" in warning for warning in warnings)


def test_large_sets_are_mapped_from_a_file_and_train(photos, monkeypatch, tmp_path):
    expected = load(photos).digest
    monkeypatch.setattr(folders, "MEMORY_LIMIT", 1000)
    data = load(photos)
    assert isinstance(data.train.inputs.base, np.memmap) or isinstance(data.train.inputs, np.memmap)
    assert data.digest == expected
    from edgesoft.training.runs import RunFolder
    from edgesoft.training.settings import TrainSettings
    from edgesoft.training.train import train

    result = train(data, TrainSettings(hidden=(), epochs=1, batch_size=8, threads=1), RunFolder(tmp_path / "run"))
    assert len(result.epochs) == 1


def test_no_room_for_a_large_set_is_said_first(photos, monkeypatch):
    monkeypatch.setattr(folders, "MEMORY_LIMIT", 1000)
    monkeypatch.setattr(folders.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(EdgesoftError, match=r"the decoded pictures take .* GB free. Choose a smaller --size"):
        load(photos)


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot reserve space")
def test_a_disk_that_fills_is_an_error_and_not_a_signal(photos, monkeypatch):
    """Whatever it said was free, another program may take it before the pictures come."""
    monkeypatch.setattr(folders, "MEMORY_LIMIT", 1000)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(EdgesoftError, match=r"cannot hold \(no space left on device\). Choose a smaller --size"):
        load(photos)


def test_the_space_of_a_large_set_is_taken_before_the_first_picture(tmp_path, monkeypatch):
    """In blocks of the disk, not in promises; also where nothing reserves them at once."""
    for _ in range(2):
        with (tmp_path / "file").open("w+b") as file:
            folders._reserve(file, 3_000_001)
            assert os.fstat(file.fileno()).st_size == 3_000_001
            assert os.fstat(file.fileno()).st_blocks * 512 >= 3_000_001
        monkeypatch.delattr(os, "posix_fallocate", raising=False)


def test_more_classes_than_a_table_may_have_are_refused_before_they_are_read(tmp_path):
    for number in range(MOST_CLASSES + 1):
        (tmp_path / f"{number}").mkdir()
    with pytest.raises(EdgesoftError, match=r"holds 1,001 classes, and a classifier may have 1,000"):
        load(tmp_path)
    (tmp_path / "0").rmdir()
    with pytest.raises(EdgesoftError, match=r"1: holds no pictures"):
        load(tmp_path)


def test_bad_folders_are_refused(tmp_path):
    with pytest.raises(EdgesoftError, match=r"holds no folders of pictures"):
        load(tmp_path)
    draw(tmp_path / "cat", 4)
    with pytest.raises(EdgesoftError, match=r"holds 1 class \('cat'\)"):
        load(tmp_path)
    (tmp_path / "dog").mkdir()
    with pytest.raises(EdgesoftError, match=r"dog: holds no pictures"):
        load(tmp_path)
    (tmp_path / "dog" / "a.png").write_bytes(b"broken")
    with pytest.raises(EdgesoftError, match=r"the training split has no example of 'dog'"):
        load(tmp_path)
    with pytest.raises(UsageError, match="--target means nothing for a folder of pictures"):
        load(tmp_path, target="kind")


def test_a_class_that_was_never_trained_is_refused(tmp_path):
    for name in ("a", "b"):
        draw(tmp_path / "train" / name, 5)
    draw(tmp_path / "test" / "c", 2)
    with pytest.raises(EdgesoftError, match=r"c: no such class in the training split, which has a, b"):
        load(tmp_path)


def test_two_classes_that_are_one_folder_are_refused(tmp_path):
    draw(tmp_path / "a", 5)
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(EdgesoftError, match="a and .*b: are one folder, by a link"):
        load(tmp_path)


def test_a_class_that_is_missing_in_the_validation_split_is_a_warning(tmp_path):
    for name in ("a", "b"):
        draw(tmp_path / "train" / name, 8)
    draw(tmp_path / "val" / "a", 4)
    assert "the validation split has no example of 'b'" in load(tmp_path).warnings


def test_sizes_are_checked():
    with pytest.raises(UsageError, match=r"--size \(2000, 2000\): expected 1 to 1024"):
        DataSettings(size=(2000, 2000))
    with pytest.raises(UsageError, match=r"--val-split 1\.5: expected a share"):
        DataSettings(val_split=1.5)
