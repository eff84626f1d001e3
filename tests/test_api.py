"""The same from Python: `edgesoft.train` and `edgesoft.export`."""

import dataclasses
import hashlib
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

import edgesoft
from edgesoft import files
from edgesoft.data.arrays import from_arrays
from edgesoft.errors import EdgesoftError, GateMissedError, UsageError
from edgesoft.inference import providers
from edgesoft.inference.batches import classify
from edgesoft.inference.verify import Finding
from edgesoft.model.file import GOLDEN_KEY, open_model
from edgesoft.model.golden import Golden
from edgesoft.model.network import read_network
from edgesoft.pictures import PictureSpec, encode_png, read_picture
from edgesoft.training import checkpoint as checkpoint_module

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
    names = {
        "float32": "blobs.onnx",
        "int8": "blobs.int8.onnx",
    }  # which of so small files is quicker differs from run to run
    assert exported.model.name == names[exported.result.recommended.precision]
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


def test_whatever_is_shown_at_a_prompt_is_short(tmp_path, mnist, ready):
    run = edgesoft.train(*blobs(2), output=tmp_path, **QUICK)
    exported = edgesoft.export(run, output=tmp_path / "exported")
    model = open_model(exported.model)
    golden = Golden.decode(model.metadata[GOLDEN_KEY], "a test")
    (reading,) = classify(ready, [("a digit", encode_png(mnist.test.inputs[0]))])
    shown = [
        run, run.dataset, run.dataset.train, run.checkpoint, exported, exported.result, exported.result.float_model,
        *exported.result.attempts, model, golden, read_network(model), edgesoft.load(exported.model), mnist, mnist.test,
        read_picture(encode_png(mnist.test.inputs[0]), PictureSpec()), reading, edgesoft.verify(exported.model),
        run.dataset.input, run.checkpoint.card, ready.card, ready(mnist.test.inputs), model.card,
    ]  # fmt: skip
    for item in shown:
        assert len(repr(item)) < 1000, type(item)
        assert type(item).__name__ in repr(item)
    short = [item for item in shown if len(repr(item)) < 250]
    assert len(short) >= len(shown) - 2  # a reading shows its probabilities
    assert repr(exported).startswith(f"Exported({str(exported.model)!r}, ")
    changed = dataclasses.replace(edgesoft.verify(exported.model), findings=(Finding("graph", "is another"),) * 2)
    assert repr(edgesoft.verify(exported.model)).endswith("on cpu, passed)")
    assert repr(changed).endswith("on cpu, graph: is another and 1 more)")


def test_results_tell_the_figures_that_one_looks_for(tmp_path):
    run = edgesoft.train(*blobs(2), feature_names=list("wxyz"), output=tmp_path, **QUICK)
    assert run.accuracy == run.checkpoint.card.metrics["test"]["accuracy"]
    assert run.macro_f1 == run.checkpoint.card.metrics["test"]["macro_f1"]
    assert run.validation_accuracy == run.best.validation_accuracy
    assert run.labels == ("0", "1")
    assert run.feature_names == tuple("wxyz")
    assert f"test accuracy {100 * run.accuracy:.2f} %" in repr(run)
    card = dataclasses.replace(run.checkpoint.card, metrics={})
    interrupted = dataclasses.replace(
        run, interrupted=True, checkpoint=dataclasses.replace(run.checkpoint, card=card), scores=()
    )
    assert interrupted.accuracy is None
    assert "interrupted, 15 epochs, validation accuracy" in repr(interrupted)


def test_progress_is_shown_when_asked_for_on_stderr_only(tmp_path, capsys):
    seen = []
    quick = {**QUICK, "epochs": 2}
    edgesoft.train(*blobs(2), output=tmp_path / "quiet", **quick)
    assert capsys.readouterr() == ("", "")
    edgesoft.train(*blobs(2), output=tmp_path / "run", verbose=True, on_epoch=seen.append, name="blobs", **quick)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == "blobs: 2 classes, 102 train, 18 validation, 30 test examples"
    assert re.fullmatch(r"epoch 2/2  loss [\d.]+  validation loss [\d.]+  accuracy [\d.]+ %  [\d.]+ s", lines[-1])
    assert [epoch.number for epoch in seen] == [1, 2]
    with pytest.raises(UsageError, match="epochs 0: expected"):
        edgesoft.train(*blobs(2), output=tmp_path / "none", verbose=True, epochs=0)


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
    with pytest.raises(UsageError, match="the data are None: expected inputs, a path or a known name"):
        edgesoft.train(None)
    with pytest.raises(UsageError, match="the run is None: expected a run, its folder or its checkpoint"):
        edgesoft.export(None)
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


@pytest.fixture
def reads(monkeypatch):
    """The files that are read as a checkpoint, in their order."""
    paths = []

    def read(path, **named):
        paths.append(path)
        return files.read_bytes(path, **named)

    monkeypatch.setattr(checkpoint_module, "read_bytes", read)
    return paths


def test_a_checkpoint_is_read_once(tmp_path, monkeypatch, reads):
    monkeypatch.chdir(tmp_path)
    x, y = blobs(2)
    np.savez("blobs.npz", x=x, y=y)
    run = edgesoft.train("blobs.npz", output="run", **QUICK)
    assert not reads
    exported = edgesoft.export("run", quantize=False)
    assert reads == [run.folder.checkpoint]
    assert edgesoft.verify(exported.model, against="run").against.examples == len(run.dataset.test)
    assert len(reads) == 2
    assert exported.result.checkpoint_sha256 == hashlib.sha256(run.folder.checkpoint.read_bytes()).hexdigest()


def test_cuda_is_looked_for_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y = blobs(2)
    np.savez("blobs.npz", x=x, y=y)
    exported = edgesoft.export(edgesoft.train("blobs.npz", output="run", **QUICK), quantize=False)
    probes, find = [], providers.find_driver
    monkeypatch.setattr(providers, "find_driver", lambda: probes.append(1) or find())
    choices = []
    report = edgesoft.verify(exported.model, provider="auto", against="run", on_start=choices.append)
    assert report.passed
    assert [choice.provider for choice in choices] == [report.provider]
    assert len(probes) == 1


def test_an_unreadable_checkpoint_is_said_before_its_data_are_looked_for(tmp_path):
    (tmp_path / "c.npz").write_bytes(b"junk")
    with pytest.raises(EdgesoftError, match="c.npz: damaged, or no checkpoint"):
        edgesoft.export(tmp_path / "c.npz", data="nowhere")


def test_a_settings_file_and_settings_that_win_over_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y = blobs(2)
    np.savez("blobs.npz", x=x, y=y)
    (tmp_path / "a.toml").write_text(
        '[data]\nsource = "blobs.npz"\n[training]\nepochs = 3\nhidden = [5]\nthreads = 1\n'
    )
    run = edgesoft.train(config="a.toml", epochs=2)
    assert (run.dataset.name, run.settings.hidden, len(run.epochs)) == ("blobs", (5,), 2)


def test_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y = blobs(2)
    np.savez("blobs.npz", x=x, y=y)
    whole = edgesoft.train("blobs.npz", output="whole", **QUICK)

    def stop(epoch):
        if epoch.number == 4:
            raise KeyboardInterrupt

    assert edgesoft.train("blobs.npz", output="part", on_epoch=stop, **QUICK).interrupted
    resumed = edgesoft.resume("part")
    assert not resumed.interrupted
    assert resumed.folder.checkpoint.read_bytes() == whole.folder.checkpoint.read_bytes()
