"""The same from Python: `edgesoft.train` and `edgesoft.export`."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch

import edgesoft
from edgesoft.data.arrays import from_arrays
from edgesoft.errors import EdgesoftError, GateMissedError, UsageError

QUICK = {"hidden": (8,), "epochs": 15, "lr": 0.02, "batch_size": 16, "threads": 1}


def blobs(classes: int = 3, count: int = 150) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(5)
    y = np.arange(count) % classes
    return generator.normal(size=(count, 4)) + 4 * np.eye(4)[y], y


@pytest.mark.parametrize("kind", ["numpy", "torch", "lists"])
def test_arrays_of_every_kind_train_export_and_classify(tmp_path, kind):
    x, y = blobs()
    convert = {"numpy": lambda a: a, "torch": torch.from_numpy, "lists": lambda a: a.tolist()}[kind]
    run = edgesoft.train(convert(x), convert(y), labels=["a", "b", "c"], name="blobs", output=tmp_path / "run", **QUICK)
    exported = edgesoft.export(run, output=tmp_path / "exported")
    assert exported.model.name == "blobs.int8.onnx"
    classifier = edgesoft.load(exported.model)
    labels = classifier(x[:50].astype(np.float32)).labels
    assert np.mean([label == "abc"[target] for label, target in zip(labels, y, strict=False)]) > 0.9
    assert classifier.card.labels == ("a", "b", "c")


def test_words_as_labels_and_given_splits(tmp_path):
    x, y = blobs(2)
    words = np.array(["yes", "no"])[y]
    run = edgesoft.train(
        x, words, validation=(x[:20], words[:20]), test=(x[20:50], words[20:50]), output=tmp_path, **QUICK
    )
    assert run.dataset.labels == ("no", "yes")
    assert [len(split) for split in run.dataset.splits.values()] == [150, 20, 30]


def test_pictures_train(tmp_path):
    y = np.arange(60) % 2
    pixels = (np.random.default_rng(0).integers(0, 90, (60, 8, 8)) + 150 * y[:, None, None]).astype(np.uint8)
    run = edgesoft.train(torch.from_numpy(pixels), y, output=tmp_path, head="sigmoid", **QUICK)
    assert run.checkpoint.card.input.kind == "pixels"
    assert run.checkpoint.card.metrics["test"]["accuracy"] == 1


def test_a_file_trains_by_its_path_and_is_found_again(tmp_path, monkeypatch):
    x, y = blobs()
    np.savez(tmp_path / "blobs.npz", x=x, y=y, class_names=["a", "b", "c"], feature_names=list("wxyz"))
    run = edgesoft.train(tmp_path / "blobs.npz", output=tmp_path / "run", **QUICK)
    assert run.dataset.input.features == tuple("wxyz")
    monkeypatch.chdir(tmp_path / "run")
    exported = edgesoft.export(tmp_path / "run", quantize=False, output=tmp_path / "exported")
    assert edgesoft.load(exported.model).card.labels == ("a", "b", "c")
    (tmp_path / "blobs.npz").rename(tmp_path / "moved.npz")
    with pytest.raises(EdgesoftError, match="no such file"):
        edgesoft.export(tmp_path / "run", output=tmp_path / "exported")
    edgesoft.export(tmp_path / "run", tmp_path / "moved.npz", quantize=False, output=tmp_path / "exported")


def test_npz_with_its_own_splits(tmp_path):
    x, y = blobs()
    np.savez(
        tmp_path / "s.npz",
        x_train=x[:100],
        y_train=y[:100],
        x_val=x[100:120],
        y_val=y[100:120],
        x_test=x[120:],
        y_test=y[120:],
    )
    from edgesoft.data.load import load_dataset
    from edgesoft.data.settings import DataSettings

    data = load_dataset(DataSettings(source=str(tmp_path / "s.npz")))
    assert [len(split) for split in data.splits.values()] == [100, 20, 30]
    (tmp_path / "s.npz").write_bytes(b"PK nothing")
    with pytest.raises(EdgesoftError, match=r"damaged, or no \.npz file"):
        load_dataset(DataSettings(source=str(tmp_path / "s.npz")))
    np.savez(tmp_path / "s.npz", a=x)
    with pytest.raises(EdgesoftError, match=r"has the arrays a. Expected x and y"):
        load_dataset(DataSettings(source=str(tmp_path / "s.npz")))


def test_notebooks_show_tables(tmp_path):
    x, y = blobs(2)
    run = edgesoft.train(x, np.array(["<b>", "ok"])[y], output=tmp_path, **QUICK)
    page = run._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<td><b></td>" not in page
    assert "test accuracy" in page
    exported = edgesoft.export(run, output=tmp_path / "exported")
    assert "INT8, 7-bit weights per tensor" in exported._repr_html_()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((4, 2)), [0, 1], "4 inputs and 2 labels"),
        (np.zeros((0, 2)), [], "0 inputs and 0 labels"),
        (np.zeros(4), [0, 1, 0, 1], r"features are float64 \[4\]. Expected numbers \[n, features\]"),
        (np.zeros((4, 3, 8, 8), np.uint8), [0, 1, 0, 1], r"pictures are uint8 \[4, 3, 8, 8\]. Expected uint8"),
        (np.zeros((4, 8, 8), np.float32), [0, 1, 0, 1], r"pictures are float32 \[4, 8, 8\]"),
        ([[1.0], [np.nan], [2.0], [np.inf]], [0, 1, 0, 1], r"2 of 4 rows hold NaN, infinite .* \(first: row 1\)"),
        (np.zeros((4, 2)), [0.5, 1, 0, 1], "a quantity is no class"),
        (np.zeros((4, 2)), [1, 1, 1, 1], r"holds 1 class \('1'\)"),
    ],
)
def test_bad_arrays_are_refused(x, y, message):
    with pytest.raises(EdgesoftError, match=message):
        from_arrays({"train": (x, y)})


def test_labels_that_do_not_fit_are_refused():
    x, y = blobs(2, 20)
    with pytest.raises(EdgesoftError, match="the test split has the label '6', which no training example has"):
        from_arrays({"train": (x, y), "test": (x, y + 6)})
    with pytest.raises(EdgesoftError, match="labels must be integers from 0 to 0"):
        from_arrays({"train": (x, y)}, labels=["only"])
    with pytest.raises(EdgesoftError, match="1 names for 4 features"):
        from_arrays({"train": (x, y)}, feature_names=["w"])
    with pytest.raises(EdgesoftError, match="the splits differ in shape"):
        from_arrays({"train": (x, y), "test": (x[:, :2], y)})


def test_wrong_calls_are_refused(tmp_path):
    x, y = blobs(2, 20)
    with pytest.raises(UsageError, match=r"unknown setting 'epoch'. Did you mean 'epochs'"):
        edgesoft.train(x, y, epoch=3)
    with pytest.raises(UsageError, match="inputs without labels"):
        edgesoft.train(x)
    with pytest.raises(UsageError, match=r"brings its own labels"):
        edgesoft.train("mnist", y)
    with pytest.raises(UsageError, match="--target means nothing for arrays"):
        edgesoft.train(x, y, target="kind")
    run = edgesoft.train(x, y, output=tmp_path, **QUICK)
    with pytest.raises(EdgesoftError, match="already holds a run"):
        edgesoft.train(x, y, output=tmp_path, **QUICK)
    training = dataclasses.replace(run.checkpoint.card.training, data_sha256="0")
    other = dataclasses.replace(run.checkpoint, card=dataclasses.replace(run.checkpoint.card, training=training))
    other.save(run.folder.checkpoint)
    with pytest.raises(EdgesoftError, match="was trained on other data"):
        edgesoft.export(run, output=tmp_path / "exported")
    assert issubclass(GateMissedError, EdgesoftError)


def test_importing_edgesoft_imports_nothing_heavy():
    code = "import sys, edgesoft; print(sorted({'torch', 'numpy', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
