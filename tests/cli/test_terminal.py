"""What every command shows on real terminals of 60, 80 and 120 columns; what pipes get stays as it is."""

import os
import re
import shutil
import struct
import threading
from pathlib import Path

import pytest

from edgesoft.terminal import cells
from tests.conftest import ROOT, edgesoft_in_a_fork
from tests.server import shared

fcntl, pty, termios = map(pytest.importorskip, ("fcntl", "pty", "termios"))
READY = ROOT / "exported"
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# Commands that print tables or facts, in an order that works; the first two make what the others look at.
LASTING = ["runs", "runs . --compare", "inspect m/plants.int8.onnx --boards", "diff m/plants.onnx m/plants.int8.onnx"]
LASTING += ["verify m/plants.onnx", "evaluate m/plants.int8.onnx plants.csv --against m/plants.onnx -q", "doctor"]
LASTING += [
    "infer --model m plants.csv --top-k 3",
    "infer --model digits digits/seven.png --show",
    "verify missing.onnx",
]
CHANGING = [
    "train plants.csv --target kind --epochs 2 --hidden 16,8 --seed 3 --output again",
    "export runs/plants --quantize --output new",
    "evaluate m/plants.int8.onnx plants.csv --against m/plants.onnx",  # whose bar moves while there is talk
    "bench m --provider cpu --batch 1 --rounds 6",
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory, exported, digit) -> Path:
    """A folder with a table, two runs and two models, and a model of pictures."""
    folder = tmp_path_factory.mktemp("shop")
    kinds = ("common dandelion", "meadow buttercup", "日本の桜")
    rows = [f"{number * 7 % 31},{number % 3 + number % 5 / 9:.2f},{kinds[number % 3]}" for number in range(150)]
    (folder / "plants.csv").write_text("\n".join(["length,width,kind", *rows]) + "\n")
    for words in (
        "train plants.csv --target kind --epochs 2 --hidden 8",
        "train plants.csv --target kind --epochs 1 --hidden 4",
        "export runs/plants --quantize --output m --max-drop 100",
    ):
        ended = edgesoft_in_a_fork(*words.split(), cwd=folder)
        assert ended.code == 0, ended.err
    shutil.copytree(exported, folder / "digits")
    shutil.copy(digit, folder / "digits" / "seven.png")
    return folder


def shown(words: str, folder: Path, width: int, **environment: str | None) -> str:
    """What a terminal of `width` columns gets when a command is run on it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    parts: list[bytes] = []

    def listen():
        while True:
            try:
                parts.append(os.read(ours, 65536))
            except OSError:  # nobody has it open any more
                return

    listener = threading.Thread(target=listen)
    listener.start()
    changes = {"COLUMNS": None, "NO_COLOR": None, "COLORTERM": None, "TERM": "xterm-256color", **environment}
    shared().run(words.split(), folder, limited=False, terminal=os.ttyname(theirs), environment=changes)
    os.close(theirs)
    listener.join()
    os.close(ours)
    return b"".join(parts).decode().replace("\r\n", "\n")


def lines_of(text: str) -> list[str]:
    """The lines that stay, without control codes; a bar that moves has none."""
    return [CODES.sub("", line).rpartition("\r")[2] for line in text.splitlines()]


def too_wide(text: str, width: int) -> list[str]:
    """Lines that do not fit, but for one word or one command, which is copied."""
    command = re.compile(r" *(edgesoft .*|pip install .*|[^ ]+)")
    return [line for line in lines_of(text) if cells(line) > width and not command.fullmatch(line)]


@pytest.mark.parametrize("words", [*LASTING, *CHANGING], ids=lambda words: words[:22])
def test_what_is_shown_fits_the_terminal(shop, words):
    for width in (60, 80, 120):
        for made in ("again", "new"):
            shutil.rmtree(shop / made, ignore_errors=True)
        text = shown(words, shop, width)
        assert len(lines_of(text)) >= 1 and "Traceback" not in text
        assert too_wide(text, width) == []


@pytest.mark.parametrize("words", LASTING, ids=lambda words: words[:22])
def test_a_terminal_gets_what_a_pipe_gets(shop, words):
    """Word for word on a wide one; and on a narrow one no word is lost."""
    ended = edgesoft_in_a_fork(*words.split(), cwd=shop)
    assert "\x1b" not in ended.out + ended.err
    wide, narrow = (CODES.sub("", shown(words, shop, width, NO_COLOR="1")) for width in (1000, 60))
    assert sorted(wide.splitlines()) == sorted((ended.out + ended.err).splitlines())
    drawn = re.compile(r"-+|[|+].*|.*[|+]|[ .:=+*#%@|-]+")  # pictures, and lines below headings
    if words.startswith("evaluate"):  # which tells the most frequent confusions where their matrix does not fit
        return
    assert {word for word in wide.split() if not drawn.fullmatch(word)} <= set(narrow.split())


def test_only_a_terminal_with_colours_gets_them(shop):
    words = "verify m/plants.onnx"
    assert COLOURS.search(shown(words, shop, 80))
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": None}):
        assert "\x1b" not in shown(words, shop, 80, **variables)
    assert COLOURS.search(shown(words, shop, 80, NO_COLOR=""))  # which asks for nothing


def test_pictures_are_drawn_in_half_blocks_where_they_can_be(shop):
    words = "infer --model digits digits/seven.png --show --quiet"
    true = shown(words, shop, 80, COLORTERM="truecolor")
    assert re.search(r"\x1b\[38;2;\d+;\d+;\d+;48;2;", true) and true.count("▀") == 28 * 14
    palette = shown(words, shop, 80)
    assert re.search(r"\x1b\[38;5;\d+;48;5;", palette) and palette.count("▀") == 28 * 14
    for variables in ({"NO_COLOR": "1"}, {"TERM": "xterm"}):
        assert "▀" not in shown(words, shop, 80, **variables) and "@@" in shown(words, shop, 80, **variables)


def test_a_width_that_was_set_wins_and_nonsense_does_not(shop):
    words = "inspect m/plants.int8.onnx"
    assert too_wide(shown(words, shop, 200, COLUMNS="60"), 60) == []
    usual = shown(words, shop, 60)
    for nonsense in ("0", "-5", "wide", "٦٠", ""):
        assert shown(words, shop, 60, COLUMNS=nonsense) == usual
    assert too_wide(shown(words, shop, 0), 80) == []  # a terminal that does not know
    assert "Traceback" not in shown(words, shop, 1)


def test_while_networks_are_tried_a_bar_says_how_far_it_is(shop):
    words = "train plants.csv --target kind --epochs 4 --output tried"
    text = shown(words, shop, 80, NO_COLOR="1")
    stays = re.sub(r"[^\n]*\n\x1b\[\?25h\r\x1b\[1A\x1b\[2K", "", text)  # a bar that goes takes its line with it
    assert "trying networks" in text and "trying networks" not in stays
    assert sum(line.startswith("tried ") for line in lines_of(stays)) == 3
    shutil.rmtree(shop / "tried")
    assert "trying networks" not in shown(f"{words} --hidden 8", shop, 80)
    shutil.rmtree(shop / "tried")


def test_words_that_the_checks_would_find():
    """The negative control of this file."""
    assert too_wide("one two three", 10) == ["one two three"]
    assert too_wide("\x1b[1m日本語 日本語\x1b[0m", 12) == ["日本語 日本語"]
    assert too_wide("\x1b[1mone two\x1b[0m\none", 7) == []
