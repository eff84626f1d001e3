"""Pictures and rows for runs of very many, of which a few must do here."""

import os
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from edgesoft.bulk.worker import Work
from edgesoft.model.file import open_model

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "exported" / "mnist.int8.onnx"


def png(pixels) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def digits(mnist) -> list[bytes]:
    """Eighty small pictures, as files have them."""
    return [png(pixels) for pixels in mnist.test.inputs[:80]]


@pytest.fixture(scope="session")
def pictures(digits, tmp_path_factory) -> Path:
    """A folder of them, with one that is none, an empty one, and names that are hard to write. Do not change what is in it."""
    folder = tmp_path_factory.mktemp("pictures") / "many"
    for number, content in enumerate(digits):
        place = folder / f"{number % 3}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:03d}.png").write_bytes(content)
    (folder / "1" / "bad.png").write_text("no picture")
    (folder / "1" / "empty.png").write_bytes(b"")
    (folder / "2" / '=a,"b" %20?#\n.png').write_bytes(digits[0])
    (folder / "2" / os.fsdecode(b"\xff.png")).write_bytes(digits[1])
    return folder


@pytest.fixture(scope="session")
def work() -> Work:
    content = open_model(MODEL).content
    return Work(content, MODEL, "cpu", threads=1, device_id=0, tf32=False, reject=None, top_k=1)
