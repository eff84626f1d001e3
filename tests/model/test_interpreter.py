"""The second runtime must be right, or it would accuse the wrong one."""

import numpy as np
import pytest

import edgesoft
from edgesoft.exporting.export import QuantizeSettings, export
from edgesoft.model import interpreter
from edgesoft.model.file import open_model
from tests import edits


def test_it_gives_the_int8_files_bits(exported, mnist):
    path = exported / "mnist.int8.onnx"
    outputs = interpreter.run(open_model(path), mnist.test.inputs[:3000])
    prediction = edgesoft.load(path)(mnist.test.inputs[:3000])
    np.testing.assert_array_equal(outputs["logits"], prediction.logits)
    np.testing.assert_array_equal(outputs["label"], prediction.indices)
    np.testing.assert_allclose(outputs["probabilities"], prediction.probabilities, atol=1e-6)


def test_it_gives_the_float_files_answers(exported, mnist):
    path = exported / "mnist.onnx"
    outputs = interpreter.run(open_model(path), mnist.test.inputs[:3000])
    prediction = edgesoft.load(path)(mnist.test.inputs[:3000])
    np.testing.assert_allclose(outputs["logits"], prediction.logits, atol=2e-5)
    np.testing.assert_array_equal(outputs["label"], prediction.indices)


def test_per_channel_and_a_float_last_layer(tiny_checkpoint, small, mnist, tmp_path):
    """The attempts of the ladder that the shared model did not need; a gate that nothing holds makes it climb to the top."""
    import dataclasses

    from edgesoft.exporting.gate import Gate
    from edgesoft.training.checkpoint import Checkpoint

    trained = Checkpoint.load(tiny_checkpoint)
    card = dataclasses.replace(trained.card, training={**trained.card.training, "data_sha256": small.digest})
    dataclasses.replace(trained, card=card).save(tmp_path / "c.npz")
    result = export(tmp_path / "c.npz", small, gate=Gate(-100), int8=QuantizeSettings(eight_bit=True))
    assert len(result.attempts) == 5
    for number, attempt in enumerate(result.attempts):
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(attempt.content)
        logits = interpreter.run(open_model(path), small.test.inputs)["logits"]
        difference = np.abs(logits - attempt.logits).max()
        assert difference <= (1e-4 if "float" in attempt.arithmetic else 0), attempt.arithmetic


def test_a_bias_scale_that_does_not_belong_is_taken_at_its_word(exported, mnist, tmp_path):
    """The standard says that each scale counts, so a bias with another scale is another bias."""

    def change(model):
        edits.set_constant(model, "bias1_scale", 2 * edits.constant(model, "bias1_scale"))

    path = exported / "mnist.int8.onnx"
    honest = interpreter.run(open_model(path), mnist.test.inputs[:50])["logits"]
    model = edits.read(path)
    bias = edits.constant(model, "bias1_quantized") * edits.constant(model, "bias1_scale")
    other = interpreter.run(open_model(edits.edited(path, tmp_path / "m.onnx", change)), mnist.test.inputs[:50])[
        "logits"
    ]
    np.testing.assert_allclose(other - honest, np.broadcast_to(bias, honest.shape), atol=1e-3)


@pytest.mark.parametrize("count", [1, interpreter.BATCH_SIZE, interpreter.BATCH_SIZE + 1])
def test_batches_join_in_order(exported, mnist, count):
    model = open_model(exported / "mnist.int8.onnx")
    logits = interpreter.run(model, mnist.test.inputs[:count])["logits"]
    assert logits.shape == (count, 10)
    np.testing.assert_array_equal(logits[-1:], interpreter.run(model, mnist.test.inputs[count - 1 : count])["logits"])
