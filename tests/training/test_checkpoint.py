import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest
import torch

from edgesoft.errors import EdgesoftError
from edgesoft.npz import write_npz
from edgesoft.training.checkpoint import Checkpoint, read_arrays
from edgesoft.training.network import SoftmaxNetwork


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.npz"


def arrays_of(checkpoint):
    with np.load(checkpoint) as arrays:
        return dict(arrays)


def test_there_and_back(tiny_checkpoint, path):
    trained = Checkpoint.load(tiny_checkpoint)
    trained.save(path)
    again = Checkpoint.load(path)
    assert again.card == trained.card
    for one, other in zip(trained.linears, again.linears, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)
        np.testing.assert_array_equal(one.bias, other.bias)
    back = Checkpoint(again.card, SoftmaxNetwork(again.layers).to_layers())
    np.testing.assert_array_equal(back.linears[1].weight, trained.linears[1].weight)


def test_the_same_checkpoint_gives_the_same_arrays_and_no_pickle(tiny_checkpoint):
    with np.load(tiny_checkpoint, allow_pickle=False) as arrays:
        assert set(arrays.files) == {"card", "weight0", "bias0", "weight1", "bias1"}
        assert arrays["weight0"].dtype == np.float32


def test_its_network_is_on_the_cpu_and_evaluates(tiny_checkpoint):
    network = SoftmaxNetwork(Checkpoint.load(tiny_checkpoint).layers)
    assert not network.training
    assert all(parameter.device == torch.device("cpu") for parameter in network.parameters())


def test_truncated_at_any_length(tiny_checkpoint, path):
    content = tiny_checkpoint.read_bytes()
    for length in [0, 1, 4, 30, 100, *np.linspace(200, len(content) - 1, 40).astype(int)]:
        path.write_bytes(content[:length])
        with pytest.raises(EdgesoftError, match="damaged, or no checkpoint of edgesoft") as caught:
            Checkpoint.load(path)
        assert "\n" not in str(caught.value)


def test_flipped_bits_are_an_error_or_change_nothing(tiny_checkpoint, path, rng):
    content = tiny_checkpoint.read_bytes()
    honest = arrays_of(tiny_checkpoint)
    for turn in range(200):
        flipped = bytearray(content)
        place = int(rng.integers(len(content))) if turn % 2 else int(rng.choice([*range(300), *range(-700, 0)]))
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            found = Checkpoint.load(path)
        except EdgesoftError as error:
            assert "\n" not in str(error)
        else:
            np.testing.assert_array_equal(found.linears[0].weight, honest["weight0"])
            np.testing.assert_array_equal(found.linears[1].bias, honest["bias1"])


def without(name):
    return lambda arrays: arrays.pop(name)


def with_array(name, value):
    return lambda arrays: arrays.update({name: value})


def with_nan(arrays):
    arrays["weight1"][3, 4] = np.nan


def with_card(**changes):
    def change(arrays):
        card = {**json.loads(arrays["card"].tobytes()), **changes}
        arrays["card"] = np.frombuffer(json.dumps(card).encode(), np.uint8)

    return change


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (without("card"), "has no array 'card'"),
        (without("weight1"), "has no array 'weight1'"),
        (with_array("card", np.zeros(0, np.uint8)), "card is not JSON"),
        (with_array("card", np.frombuffer(b"[1]", np.uint8)), "not a JSON object"),
        (with_array("weight0", np.zeros((32, 700), np.float32)), r"weight0 is float32 \[32, 700\]"),
        (with_array("bias1", np.zeros((10, 1), np.float32)), r"bias1 is float32 \[10, 1\]"),
        (with_array("bias1", np.array(3.0, np.float32)), r"bias1 is float32 \[\]"),
        (with_array("bias1", np.array(["a"] * 10)), r"bias1 is <U1 \[10\]"),
        (with_array("weight0", np.full((32, 784), 1 + 2j)), "holds complex128"),
        (with_array("weight0", np.full((32, 784), 1e300)), "weight0 is float64"),
        (with_array("bias0", np.full(32, np.inf, np.float32)), "bias0 has numbers that are not finite"),
        (with_nan, "weight1 has numbers that are not finite"),
        (with_card(hidden=[64]), r"the card promises float32 \[64, 784\]"),
        (with_card(hidden=[32] * 5), r"the card promises float32 \[32, 32\]"),
        (with_card(schema_version=5), "schema version '5'"),
    ],
)
def test_what_is_no_checkpoint(tiny_checkpoint, path, change, match):
    arrays = arrays_of(tiny_checkpoint)
    change(arrays)
    np.savez(path, **arrays)
    with pytest.raises(EdgesoftError, match=match) as caught:
        Checkpoint.load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_pickle_is_never_opened(path, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    np.savez(path, card=np.array([Evil()], dtype=object), allow_pickle=True)
    with pytest.raises(EdgesoftError, match="damaged, or no checkpoint"):
        Checkpoint.load(path)
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(EdgesoftError, match="damaged, or no checkpoint|has no array"):
        Checkpoint.load(path)
    assert not (tmp_path / "owned").exists()


def npy(shape, dtype="|u1"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def test_a_zip_bomb_is_not_unpacked(path):
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("card.npy", "w", force_zip64=True) as file,
    ):
        file.write(npy((2**31,)))
        for _ in range(128):
            file.write(bytes(2**24))
    assert path.stat().st_size < 20e6
    with pytest.raises(EdgesoftError, match="unpacks to 2,147 MB, more than a checkpoint"):
        read_arrays(path)


@pytest.mark.parametrize("shape", [(2**40,), (2**62, 2**62), (-1,)])
def test_an_array_that_promises_terabytes(path, shape):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("card.npy", npy(shape) + b"x")
    with pytest.raises(EdgesoftError, match="damaged, or no checkpoint"):
        read_arrays(path)


def test_arrays_there_and_back(path, rng):
    arrays = {"a": rng.normal(size=(3, 4)), "b": np.zeros(0, np.uint8)}
    write_npz(path, arrays)
    assert set(read_arrays(path)) == {"a", "b"}
    np.testing.assert_array_equal(read_arrays(path)["a"], arrays["a"])


def test_a_card_with_other_labels_needs_other_weights(tiny_checkpoint, path):
    trained = Checkpoint.load(tiny_checkpoint)
    dataclasses.replace(trained, card=dataclasses.replace(trained.card, labels=("a", "b"))).save(path)
    with pytest.raises(EdgesoftError, match=r"the card promises float32 \[2, 32\]"):
        Checkpoint.load(path)
