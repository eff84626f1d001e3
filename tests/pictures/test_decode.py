"""Reading leaves the process as it was: what others write to standard error arrives, and nothing else does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import environment
from tests.pictures.disguises import encoded
from tests.pictures.test_pictures import seven

IN_THREADS = """
import os, sys, warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from edgesoft.pictures import PictureError, PictureSpec, read_picture

SPEC = PictureSpec(normaliser="resize")

def read(path):
    try:
        return read_picture(path, SPEC).pixels.any()
    except PictureError:
        return None

sys.setswitchinterval(1e-5)
warnings.filterwarnings("ignore", module=r"PIL\\.", append=True)  # a program's own choice; the command line makes it too
filters = list(warnings.filters)
paths = sys.argv[1:] * 10
with ThreadPoolExecutor(16) as pool:
    for turn in range(20):
        answers = pool.map(read, paths)
        os.write(2, b"turn %d\\n" % turn)
        print(*answers)
os.write(2, b"end\\n")
assert warnings.filters == filters, warnings.filters[:3]
"""

BARE_PILLOW = """
import sys
from PIL import Image

for path in sys.argv[1:]:
    image = Image.open(path)
    image.getexif()
    image.load()
"""


@pytest.fixture
def odd_files(tmp_path: Path) -> list[Path]:
    """Pictures that can be read, and of which libtiff or Pillow has something to say."""
    fax = bytearray(encoded(seven().convert("1"), "TIFF", compression="group4"))
    fax[len(fax) // 2] ^= 0xFF
    cut_exif = encoded(seven(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0")
    paths = [tmp_path / "fax.tiff", tmp_path / "exif.jpg", tmp_path / "good.tiff"]
    for path, data in zip(paths, (fax, cut_exif, encoded(seven(), "TIFF", compression="tiff_lzw")), strict=True):
        path.write_bytes(data)
    return paths


def run(script: str, paths: list[Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, paths)], capture_output=True, text=True, env=environment()
    )


def test_threads_leave_standard_error_and_the_warning_filters_alone(odd_files):
    process = run(IN_THREADS, odd_files)
    assert process.returncode == 0, process.stderr
    assert process.stderr.splitlines() == [*(f"turn {turn}" for turn in range(20)), "end"]
    assert "True" in process.stdout


def test_the_command_line_hushes_pillow_too(odd_files, cli, exported):
    ended = cli("infer", "-q", "--model", exported, *odd_files)
    assert ended.code == 0
    assert "Corrupt EXIF data" not in ended.err
    assert "Fax4" not in ended.err


def test_bare_pillow_has_something_to_say(odd_files):
    # The negative control: else the silence above would prove little.
    process = run(BARE_PILLOW, odd_files)
    assert "Corrupt EXIF data" in process.stderr
    assert "Fax4" in process.stderr
