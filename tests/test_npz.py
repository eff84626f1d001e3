"""Whatever a file that ends in .npz holds: plain arrays, or one clear error. Checkpoints and data are read by the same code."""

import io
import warnings
import zipfile

import numpy as np
import pytest

from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError
from edgesoft.npz import read_npz, write_npz
from edgesoft.training.checkpoint import Checkpoint


def header(text):
    """A member's header that says `text`."""
    content = text.encode()
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content


def shaped(shape, dtype="|u1"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def archive(*members, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as file:
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


def honest():
    buffer = io.BytesIO()
    np.savez(buffer, x=np.zeros((4, 2)), y=np.arange(4))
    return buffer.getvalue()


def saved(x):
    buffer = io.BytesIO()
    np.savez(buffer, x=x, y=np.arange(4), card=x)
    return buffer.getvalue()


def doubled():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile finds it odd, too
        return archive(("x.npy", shaped((1,)) + b"x"), ("x.npy", shaped((1,)) + b"y"))


def flagged(bit, field=0, value=None):
    """An honest archive whose members say something else about themselves, in both of zip's headers."""
    content = bytearray(honest())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(signature)
        while place >= 0:
            if value is None:
                content[place + offset] |= bit
            else:
                content[place + offset + field] = value
            place = content.find(signature, place + 4)
    return bytes(content)


HOSTILE = {
    "nothing": b"",
    "no archive": b"PK\x03\x04" + bytes(100),
    "an empty archive": archive(),
    "encrypted": flagged(1),
    "compressed as numpy never does": flagged(0, field=2, value=99),
    "LZMA": archive(("x.npy", b"damaged" * 100), compression=zipfile.ZIP_LZMA)[:-40],
    "a damaged sum": honest().replace(b"\x93NUMPY", b"\x93NUMPX"),
    "a giant header": archive(("x.npy", header("{" + " " * 60_000 + "}"))),
    "a header that never closes": archive(("x.npy", header("{'descr': '<f8', 'shape': ("))),
    "a header of brackets": archive(("x.npy", header("(" * 5_000))),
    "a header that is no literal": archive(("x.npy", header("__import__('os').getpid()"))),
    "terabytes": archive(("x.npy", shaped((2**45,)) + b"x")),
    "more than an integer holds": archive(("x.npy", shaped((2**62, 2**62)) + b"x")),
    "more than any integer holds": archive(("x.npy", shaped((2**70,)) + b"x")),
    "less than nothing": archive(("x.npy", shaped((-1,)) + b"x")),
    "an array of no bytes and no end": archive(("x.npy", shaped((2**62,), "<U0"))),
    "half of an array": archive(("x.npy", shaped((4,), "<f8") + bytes(16))),
    "more than an array": archive(("x.npy", shaped((4,), "<f8") + bytes(64))),
    "two of one name": doubled(),
    "a million members": archive(*((f"{number}.npy", b"") for number in range(10_001))),
    "LZMA, undamaged": archive(("x.npy", shaped((1,)) + b"x"), compression=zipfile.ZIP_LZMA),
    "bzip2, undamaged": archive(("x.npy", shaped((1,)) + b"x"), compression=zipfile.ZIP_BZIP2),
    "complex numbers": saved(np.zeros(4, complex)),
    "dates": saved(np.zeros(4, "datetime64[s]")),
    "spans of time": saved(np.zeros(4, "timedelta64[s]")),
    "structures": saved(np.zeros(4, [("a", float), ("b", int)])),
    "raw bytes": saved(np.zeros(4, "V3")),
    "numbers of sixteen bytes": saved(np.zeros(4, np.longdouble)),
    "objects": archive(("x.npy", shaped((1,), "|O") + b"cposix\nsystem\n.")),
    "a member that is no array": archive(("x", b"hello"), ("y", b"hello")),
    "a type that there is not": archive(("x.npy", shaped((1,), "<q9"))),
    "cut off": honest()[:-30],
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_one_clear_error(tmp_path, content):
    path = tmp_path / "evil.npz"
    path.write_bytes(content)
    for read in (Checkpoint.load, lambda path: load_dataset(DataSettings(str(path)))):
        with pytest.raises(EdgesoftError) as caught:
            read(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
        assert len(message) < 500


def test_an_honest_file_is_read(tmp_path):
    write_npz(tmp_path / "a.npz", {"a": np.arange(3), "b": np.zeros(0, np.uint8)})
    found = read_npz(tmp_path / "a.npz", limit=2**20, what="a test", advice="Pray")
    assert {name: array.tolist() for name, array in found.items()} == {"a": [0, 1, 2], "b": []}


def test_a_file_that_would_unpack_to_more_than_its_limit(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(2**21, np.uint8))
    with pytest.raises(EdgesoftError, match=r"unpacks to 2 MB, more than a test may have \(1 MB\)"):
        read_npz(tmp_path / "a.npz", limit=2**20, what="a test", advice="Pray")


@pytest.mark.parametrize("dtype", [">f4", ">i8", "<f2", "|b1", "<U3", ">U3", "|S4", "|u1"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("pack", [np.savez, np.savez_compressed])
def test_whatever_numpy_writes_of_numbers_and_text_is_read(tmp_path, dtype, order, pack):
    array = np.asarray(np.arange(12).reshape(3, 4) % 5, dtype, order=order)
    pack(tmp_path / "a.npz", a=array, scalar=np.float32(3), none=array[:0])
    found = read_npz(tmp_path / "a.npz", limit=2**20, what="a test", advice="Pray")
    np.testing.assert_array_equal(found["a"], array)
    assert found["a"].dtype.isnative and found["a"].flags.writeable
    assert found["scalar"] == 3 and found["none"].shape == (0, 4)
