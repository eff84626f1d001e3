"""Nothing is published that was not held against PyTorch; the same checkpoint gives the same bytes."""

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from edgesoft.errors import EdgesoftError, GateMissedError, UsageError
from edgesoft.exporting import export as export_module
from edgesoft.exporting.export import export
from edgesoft.exporting.gate import Gate
from edgesoft.exporting.settings import QuantizeSettings
from edgesoft.inference.verify import verify
from edgesoft.model.card import Scheme
from edgesoft.model.layers import Linear
from edgesoft.npz import write_npz
from edgesoft.training.checkpoint import Checkpoint, read_arrays
from tests.conftest import ROOT, NoInt8, environment


@pytest.fixture(scope="module")
def small_checkpoint(tiny_checkpoint, small, tmp_path_factory):
    """The tiny model, said to be trained on the small data set, so that an export takes no time."""
    path = tmp_path_factory.mktemp("small") / "checkpoint.npz"
    return trained_on(small, tiny_checkpoint, path)


def trained_on(dataset, source, target):
    training = Checkpoint.load(source).card.training
    return change_card(source, target, training=dataclasses.replace(training, data_sha256=dataset.digest))


def change_card(source, target, **changes):
    trained = Checkpoint.load(source)
    dataclasses.replace(trained, card=dataclasses.replace(trained.card, **changes)).save(target)
    return target


def test_what_is_measured(tiny_export, tiny_checkpoint, mnist):
    assert tiny_export.float_model.passed
    assert tiny_export.float_model.parity.max_logit_difference <= 1e-4
    assert tiny_export.int8_model is tiny_export.attempts[-1]
    assert len(tiny_export.attempts) == 1
    assert tiny_export.checkpoint_sha256 == hashlib.sha256(tiny_checkpoint.read_bytes()).hexdigest()
    for candidate in (tiny_export.float_model, *tiny_export.attempts):
        assert candidate.parity.examples == 10_000
        assert candidate.parity.candidate_accuracy == (candidate.logits.argmax(axis=1) == mnist.test.targets).mean()
        assert set(candidate.latencies) == {1, 256}
        assert all(seconds > 0 for batch in candidate.latencies.values() for seconds in batch)


def test_one_wrong_weight_in_the_float_graph_misses_the_gate(small_checkpoint, small, monkeypatch):
    """The graph is built from other layers than PyTorch has; everything else is real."""
    build = export_module.build_graph

    def wrong(layers, *rest, **named):
        pixels, first, relu, last = layers
        weight = first.weight.copy()
        weight[np.abs(last.weight).sum(axis=0).argmax(), 14 * 28 + 14] += 0.01
        return build((pixels, Linear(weight, first.bias), relu, last), *rest, **named)

    monkeypatch.setattr(export_module, "build_graph", wrong)
    with pytest.raises(
        GateMissedError, match="the float file does not answer like PyTorch: largest logit difference"
    ) as caught:
        export(Checkpoint.load(small_checkpoint), small)
    assert caught.value.exit_code == 3


def test_a_wrong_output_that_is_no_logit_is_refused(small_checkpoint, small, monkeypatch):
    """Probabilities of another temperature than the card says."""
    build = export_module.build_graph

    def wrong(layers, *rest, **named):
        graph = build(layers, *rest, **named)
        for tensor in graph.graph.initializer:
            if tensor.name == "inverse_temperature":
                tensor.raw_data = np.float32(3).tobytes()
        return graph

    monkeypatch.setattr(export_module, "build_graph", wrong)
    with pytest.raises(EdgesoftError, match="does not fit together at Mul 'scaled_logits'"):
        export(Checkpoint.load(small_checkpoint), small)


def test_the_order_of_the_schemes():
    plain = [str(scheme) for scheme in QuantizeSettings().schemes()]
    assert plain == [
        "7-bit weights per tensor",
        "7-bit weights per channel",
        "7-bit weights per channel, first layer in float",
        "7-bit weights per channel, last layer in float",
    ]
    assert [str(scheme) for scheme in QuantizeSettings(eight_bit=True).schemes()] == [
        plain[0], "8-bit weights per tensor", plain[1], "8-bit weights per channel", *plain[2:]
    ]  # fmt: skip
    assert QuantizeSettings(per_channel=True).schemes()[0] == Scheme(per_channel=True)
    assert all(scheme.per_channel for scheme in QuantizeSettings(per_channel=True, eight_bit=True).schemes())


def test_every_scheme_is_measured_in_order_until_none_is_left(small_checkpoint, small):
    result = export(
        Checkpoint.load(small_checkpoint), small, int8=QuantizeSettings(calibration_samples=100), gate=NoInt8()
    )
    assert [attempt.arithmetic for attempt in result.attempts] == [
        f"INT8, {scheme}"
        for scheme in QuantizeSettings().schemes()
        if not scheme.float_first  # for tables only
    ]
    assert result.int8_model is None
    assert all(attempt.failures and attempt.parity.examples == 1000 for attempt in result.attempts)
    assert len({attempt.parity.max_logit_difference for attempt in result.attempts}) == 3


def test_the_first_scheme_that_passes_is_the_last_tried(small_checkpoint, small, monkeypatch):
    """A gate between the attempts: what the first misses and the second holds."""
    attempts = export(
        Checkpoint.load(small_checkpoint), small, int8=QuantizeSettings(calibration_samples=100), gate=NoInt8()
    ).attempts
    differences = [attempt.parity.max_logit_difference for attempt in attempts]
    second = next(index for index in range(1, 3) if differences[index] < differences[0])

    def failures(self, parity, precision):
        too_far = precision == "int8" and parity.max_logit_difference > differences[second]
        return ["too far"] if too_far else []

    monkeypatch.setattr(Gate, "failures", failures)
    result = export(Checkpoint.load(small_checkpoint), small, int8=QuantizeSettings(calibration_samples=100))
    assert [attempt.passed for attempt in result.attempts] == [False] * second + [True]
    assert result.int8_model is result.attempts[-1]


def test_ranges_that_cut_activations_off_miss_the_gate_for_real(small_checkpoint, small, monkeypatch):
    monkeypatch.setattr(export_module, "NEGLIGIBLE_DROP", 1.0)  # nothing is finished
    measure = export_module.activation_maxima
    monkeypatch.setattr(export_module, "activation_maxima", lambda *given: [top / 100 for top in measure(*given)])
    result = export(Checkpoint.load(small_checkpoint), small, int8=QuantizeSettings())
    # Behind the only hidden layer stands a float layer on the last attempt, so that one does not depend on the ranges.
    assert [attempt.passed for attempt in result.attempts] == [False, False, True]
    assert "accuracy drops by" in result.attempts[0].failures[0]
    assert result.attempts[0].max_drop >= 100 * result.attempts[0].parity.accuracy_drop


def test_calibration_settings_are_in_the_card(small_checkpoint, small, tmp_path):
    result = export(
        Checkpoint.load(small_checkpoint), small, int8=QuantizeSettings(calibration_samples=50), gate=Gate(100)
    )
    path = tmp_path / "m.onnx"
    path.write_bytes(result.attempts[0].content)
    from edgesoft.model.file import open_model

    quantization = open_model(path).card.quantization
    assert (quantization.scheme, quantization.examples) == (Scheme(), 50)
    assert len(quantization.activation_maxima) == 1
    assert verify(path).passed


@pytest.mark.parametrize("config", [{"calibration_samples": 0}, {"calibration_samples": -5}], ids=str)
def test_settings_that_make_no_sense(config):
    with pytest.raises(UsageError, match="expected"):
        QuantizeSettings(**config)


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".hidden", "a b", "a\n", "-", "x.int8", "a\0"])
def test_a_name_that_is_no_file_name_is_refused(small_checkpoint, small, name, tmp_path):
    with pytest.raises(UsageError, match="^name '.*' (is none for files: expected letters|is empty|holds)"):
        export(Checkpoint.load(small_checkpoint), small, name=name)


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "a/b"])
def test_a_checkpoint_cannot_choose_the_folder(small_checkpoint, tmp_path, name):
    arrays = read_arrays(small_checkpoint)
    card = {**json.loads(arrays["card"].tobytes()), "name": name}
    write_npz(tmp_path / "c.npz", {**arrays, "card": np.frombuffer(json.dumps(card).encode(), np.uint8)})
    with pytest.raises(EdgesoftError, match="the model card is damaged .the name is none for files"):
        Checkpoint.load(tmp_path / "c.npz")


def test_other_data_are_refused(small_checkpoint, mnist, tmp_path):
    with pytest.raises(EdgesoftError, match="was trained on other data"):
        export(Checkpoint.load(small_checkpoint), mnist)
    with pytest.raises(EdgesoftError, match="no such file"):
        export(Checkpoint.load(tmp_path / "missing.npz"), mnist)


def test_plain_softmax_regression(small, tmp_path):
    from edgesoft.training.runs import RunFolder
    from edgesoft.training.train import train
    from tests.conftest import TINY

    folder = RunFolder(tmp_path)
    train(small, dataclasses.replace(TINY, hidden=()), folder)
    result = export(Checkpoint.load(folder.checkpoint), small, int8=QuantizeSettings(), gate=Gate(100))
    for number, candidate in enumerate((result.float_model, *result.attempts)):
        (tmp_path / f"{number}.onnx").write_bytes(candidate.content)
        assert verify(tmp_path / f"{number}.onnx").passed


EXPORT = """
import dataclasses, hashlib, json, sys
from pathlib import Path
import edgesoft
from edgesoft.data.dataset import Split
from edgesoft.data.mnist import load_mnist
from edgesoft.exporting.export import export
from edgesoft.exporting.settings import QuantizeSettings
from edgesoft.exporting.gate import Gate
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.exporting import finishing
finishing.FEWEST_STEPS = finishing.MOST_STEPS = 20  # as in conftest
whole = load_mnist()
cut = lambda split, count: Split(split.inputs[:count], split.targets[:count])
small = dataclasses.replace(whole, train=cut(whole.train, 2000), validation=cut(whole.validation, 500), test=cut(whole.test, 1000))
result = export(Checkpoint.load(Path(sys.argv[1])), small, int8=QuantizeSettings(), gate=Gate(100))
contents = [result.float_model.content, result.attempts[0].content]
print(json.dumps([str(Path(edgesoft.__file__).parent), [hashlib.sha256(content).hexdigest() for content in contents]]))
"""


def test_the_same_bytes_wherever_and_whenever(small_checkpoint, small, tmp_path):
    copy = tmp_path / "somewhere else" / "edgesoft"
    shutil.copytree(ROOT / "edgesoft", copy, ignore=shutil.ignore_patterns("__pycache__"))
    os.utime(copy / "__init__.py", (0, 0))
    result = export(Checkpoint.load(small_checkpoint), small, int8=QuantizeSettings(), gate=Gate(100))
    here = [hashlib.sha256(content).hexdigest() for content in (result.float_model.content, result.attempts[0].content)]
    process = subprocess.run(
        [sys.executable, "-c", EXPORT, small_checkpoint],
        cwd=copy.parent,
        capture_output=True,
        text=True,
        env=environment(
            PYTHONPATH=str(copy.parent), PYTHONHASHSEED="12345", TZ="Asia/Tokyo", LANG="C", HOME=str(tmp_path)
        ),
    )
    assert process.returncode == 0, process.stderr
    package, there = json.loads(process.stdout.splitlines()[-1])
    assert package == str(copy)
    assert there == here


def test_another_checkpoint_gives_other_bytes(small_checkpoint, small, tmp_path):
    one = export(Checkpoint.load(small_checkpoint), small).float_model.content
    other = export(
        Checkpoint.load(change_card(small_checkpoint, tmp_path / "c.npz", metrics={"x": 1})), small
    ).float_model.content
    assert one != other
    assert one == export(Checkpoint.load(small_checkpoint), small).float_model.content
