"""What every option of every command takes, whatever its name."""

import pytest

from edgesoft.cli import COMMANDS, _load
from edgesoft.errors import EdgesoftError
from edgesoft.transaction import check_writable


def parameters(kind):
    found = [(name, item) for name in COMMANDS for item in _load(name).params if item.type.name.startswith(kind)]
    assert found
    return [pytest.param(item, id=f"{name} {item.name}") for name, item in found]


def refused(parameter, text):
    with pytest.raises(Exception, match="expected a|it is empty") as error:
        parameter.type(text, parameter, None)
    return type(error.value).__name__ == "BadParameter"


@pytest.mark.parametrize("parameter", [*parameters("int"), *parameters("float")])
def test_numbers_are_those_of_ascii(parameter):
    for text in ("١", "1_0", "１", "²", " 1", "1 ", "0x1", "one", "", "9" * 5000, "--1"):
        if text in (" 1", "1 ") and parameter.type.name.startswith("float"):
            continue  # blanks around a number are those of a table's cell
        assert refused(parameter, text), text
    low = getattr(parameter.type, "min", None)
    assert parameter.type(str(low or 1), parameter, None) == (low or 1)  # negative control


@pytest.mark.parametrize("parameter", [*parameters(("str", "text")), *parameters("path")])
def test_a_variable_of_the_shell_that_is_not_set_is_refused(parameter):
    assert refused(parameter, "")
    assert str(parameter.type("x", parameter, None)) == "x"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_paragraph_of_help_flows_with_the_terminal(name):
    paragraphs = _load(name).help.split("\n\n")
    assert all("\n" not in paragraph and "  " not in paragraph for paragraph in paragraphs)
    assert all(paragraph.endswith(".") for paragraph in paragraphs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--size", "0x5"), "--size '0x5': expected 1 to 1024 pixels a side"),
        (("train", "--hidden", "١"), "--hidden '١': expected widths"),
        (("train", "--val-split", "7"), "--val-split 7.0: expected a share"),
        (("train", "--head", "soft"), "--head 'soft': expected softmax or sigmoid"),
        (("train", "--threshold", "0.3"), "--threshold 0.3: softmax takes the largest"),
        (("export", "--max-drop", "-1"), "--max-drop -1.0: expected percentage points"),
        (("bench", "m.onnx", "--batch", "1,2,1"), "--batch: 1 stands there twice"),
        (("bench", "m.onnx", "--threads", "١"), "--threads '١': expected numbers"),
        (("bench", "m.onnx", "--provider", "cpu,cpu"), "--provider: 'cpu' stands there twice"),
    ],
)
def test_a_message_shows_what_was_given_and_names_the_option(cli, arguments, message):
    ended = cli(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"error: {message}")


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/new"])
def test_an_output_that_cannot_be_written_is_found_before_the_work(cli, tmp_path, place):
    (tmp_path / "file").write_text("mine")
    ended = cli("train", "no-such-set", "--output", place)
    assert ended.code == 1
    assert ended.err.startswith(f"error: {place}: ")
    assert "Choose another folder" in ended.err
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_what_is_refused_leaves_no_folder(cli, tmp_path):
    ended = cli("train", "no-such-set", "--output", "new/er/folder")
    assert ended.err.startswith("error: no-such-set: no such data set")
    assert cli("train", "no-such-set").code == 1
    assert list(tmp_path.iterdir()) == []
    check_writable(tmp_path / "new" / "er")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(EdgesoftError, match="cannot be written"):
        check_writable(tmp_path / ("x" * 300))
