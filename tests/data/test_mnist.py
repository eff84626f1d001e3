import numpy as np
import pytest

from edgesoft.data import mnist as module
from edgesoft.data.mnist import load_mnist
from edgesoft.errors import EdgesoftError


def test_the_splits(mnist):
    assert [len(split) for split in (mnist.train, mnist.validation, mnist.test)] == [55_000, 5_000, 10_000]
    for split in (mnist.train, mnist.validation, mnist.test):
        assert split.inputs.shape == (len(split), 28, 28)
        assert split.inputs.dtype == np.uint8
        assert split.targets.dtype == np.int64
        assert set(split.targets.tolist()) == set(range(10))
    assert mnist.labels == tuple("0123456789")
    assert np.bincount(mnist.test.targets).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(np.concatenate([mnist.train.targets, mnist.validation.targets])).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949
    ]  # fmt: skip


def test_the_splits_share_no_example(mnist):
    def seen(split):
        return {example.tobytes() for example in split.inputs}

    assert not seen(mnist.validation) & seen(mnist.test)
    assert len(seen(mnist.train) & seen(mnist.validation)) == 0


def test_the_digest_is_of_all_of_it(mnist, small):
    assert mnist.digest == load_mnist().digest
    assert mnist.digest != small.digest


@pytest.mark.parametrize("change", ["flip", "truncate", "missing", "folder"])
def test_a_damaged_file_is_one_clear_error(tmp_path, change):
    path = tmp_path / "mnist.npz"
    content = bytearray(module.FILE.read_bytes())
    if change == "flip":
        content[len(content) // 2] ^= 1
    if change == "truncate":
        content = content[:-1]
    if change == "folder":
        path.mkdir()
    elif change != "missing":
        path.write_bytes(content)
    with pytest.raises(EdgesoftError, match="does not match its digest|no such file|this is a folder"):
        load_mnist(file=path)
