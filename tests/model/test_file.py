"""Whoever gives us a file decides its bytes, but not what we do with them."""

import json
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import edgesoft
from edgesoft.errors import EdgesoftError
from edgesoft.inference.verify import verify
from edgesoft.model.file import (
    CARD_KEY,
    GOLDEN_KEY,
    METADATA_LIMITS,
    ModelFile,
    format_digests,
    open_model,
    parse_digests,
    read_model,
)
from edgesoft.model.golden import INFLATED_LIMIT
from tests import edits, hostile
from tests.conftest import environment

MEMORY_LIMIT = 300e6  # bytes, of the whole process


@pytest.fixture(scope="module")
def hostile_files(exported, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "canary.bin").write_bytes(bytes(1000))
    expected = {}
    for name, content, match in hostile.files(exported / "mnist.onnx", folder / "scratch"):
        path = folder / f"{name}.onnx".replace(" ", "-").replace(":", "")
        path.write_bytes(content)
        expected[path] = match
    return expected


# One process opens them all, so that its peak of memory is the worst of them.
OPEN_ALL = """
import json, pathlib, sys
import edgesoft
from edgesoft.inference.verify import verify
messages = {}
for path in json.load(sys.stdin):
    for read in (edgesoft.load, verify):
        try:
            answer = read(path) if read is edgesoft.load else verify(pathlib.Path(path))
            messages.setdefault(path, []).append("; ".join(item.message for item in getattr(answer, "findings", ())))
        except edgesoft.EdgesoftError as error:
            messages.setdefault(path, []).append(str(error))
# Not ru_maxrss: that one remembers the memory of whoever started this process.
peak = pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(json.dumps({"messages": messages, "peak": 1024 * int(peak)}))
"""


def open_all(paths):
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of memory is read from /proc, which this system does not have")
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", OPEN_ALL],
        input=json.dumps([str(path) for path in paths]),
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(),
    )
    assert process.returncode == 0, process.stderr[-2000:]
    assert process.stderr == ""
    return json.loads(process.stdout)


def test_hostile_files_are_one_clear_error_each_in_little_memory(hostile_files):
    result = open_all(hostile_files)
    for path, match in hostile_files.items():
        for message in result["messages"][str(path)]:
            assert re.search(match, message), (path.name, message)
            assert "\n" not in message
            assert len(message) < 1000
        assert result["messages"][str(path)][0].startswith(str(path))
    assert result["peak"] < MEMORY_LIMIT


def test_hostile_golden_blocks_are_one_clear_error_each_in_little_memory(exported, tmp_path):
    logits = {"targets": ["int64", 1], "reference": ["float32", 1, 10], "expected": ["float32", 1, 10]}
    whole = {"labels": list("0123456789"), "arrays": {"inputs": ["uint8", 1, 28, 28], **logits}}
    arrays = whole["arrays"]
    body = bytes(784 + 8 + 40 + 40)
    blocks = {
        "bomb": (hostile.golden_bomb(), "unpack to more than"),
        "no base64": ("*" * 100, "damaged"),
        "no zlib": (hostile.golden_text(b"junk" * 100), "damaged"),
        "no header": (hostile.golden_text(zlib.compress(bytes(100))), "no header"),
        "header of lists": (hostile.golden_block([[]]), "no header"),
        "arrays of lists": (hostile.golden_block({**whole, "arrays": [1]}, body), "no header"),
        "wide header": (hostile.golden_text(zlib.compress(b"[" + b"[]," * 8_000_000)), "no header"),
        "deep header": (hostile.golden_text(zlib.compress(b"[" * 1_000_000 + b"\n")), "damaged"),
        "another array": (
            hostile.golden_block({**whole, "arrays": {**arrays, "x": ["uint8", 1]}}, body + b"1"),
            "damaged",
        ),
        "missing array": (hostile.golden_block({**whole, "arrays": {"inputs": ["uint8", 1]}}, b"1"), "damaged"),
        "huge array": (
            hostile.golden_block({**whole, "arrays": {**arrays, "inputs": ["uint8", 2**62]}}, body),
            "too soon",
        ),
        "object array": (
            hostile.golden_block({**whole, "arrays": {**arrays, "inputs": ["object", 1]}}, body),
            "another dtype",
        ),
        "no dtype": (hostile.golden_block({**whole, "arrays": {**arrays, "inputs": []}}, body), "damaged"),
        "no labels": (hostile.golden_block({"arrays": arrays}, body), "damaged"),
        "target beyond": (hostile.golden_block({**whole, "labels": []}, body), "none of the labels"),
        "too few logits": (
            hostile.golden_block({**whole, "arrays": {**arrays, "expected": ["float32", 10]}}, body),
            "the logits",
        ),
        "left over": (hostile.golden_block(whole, body + b"more"), "left over"),
        "other input": (
            hostile.golden_block({**whole, "arrays": {**arrays, "inputs": ["uint8", 1, 784]}}, body),
            "got uint8",
        ),
    }
    paths = {}
    for name, (text, match) in blocks.items():
        path = tmp_path / f"{name}.onnx"
        paths[edits.edited(exported / "mnist.onnx", path, hostile.with_metadata(GOLDEN_KEY, text))] = match
    result = open_all(paths)
    for path, match in paths.items():
        loaded, verified = result["messages"][str(path)]
        assert loaded == ""  # to classify, nobody reads the golden examples
        assert re.search(match, verified), (path.name, verified)
        assert "\n" not in verified
    assert result["peak"] < MEMORY_LIMIT


def test_as_many_golden_examples_as_fit_are_replayed_in_little_memory(exported, tmp_path):
    """The file decides how many it carries; they are replayed a batch at a time."""

    source = exported / "mnist.int8.onnx"
    golden = edits.golden(edits.read(source))
    arrays = {
        name: np.concatenate([getattr(golden, name)] * 500) for name in ("inputs", "targets", "reference", "expected")
    }
    assert arrays["inputs"].nbytes > 0.7 * INFLATED_LIMIT
    header = {
        "labels": golden.labels,
        "arrays": {name: [array.dtype.name, *array.shape] for name, array in arrays.items()},
    }
    block = hostile.golden_block(header, b"".join(array.tobytes() for array in arrays.values()))
    path = edits.edited(source, tmp_path / "many.onnx", hostile.with_metadata(GOLDEN_KEY, block))
    result = open_all([path])
    assert result["messages"][str(path)] == ["", ""]
    assert result["peak"] < MEMORY_LIMIT


def test_the_canary_of_external_data_is_never_opened(hostile_files, exported):
    """Not even when it is there, beside the model: Python's audit hook sees every file that is opened by us."""
    script = (
        "import sys; opened = []; import edgesoft, edgesoft.inference.classifier\n"
        "sys.addaudithook(lambda event, args: opened.append(args[0]) if event == 'open' else None)\n"
        "for path in sys.argv[1:]:\n"
        "    try: edgesoft.load(path)\n"
        "    except edgesoft.EdgesoftError: pass\n"
        "print([name for name in opened if isinstance(name, str) and not name.endswith(('.onnx', '.py', '.pyc', '.so'))])"
    )
    external = [str(path) for path in hostile_files if "external" in path.name]
    assert len(external) == 4
    process = subprocess.run(
        [sys.executable, "-c", script, *external], capture_output=True, text=True, env=environment(), check=True
    )
    assert process.stdout.strip() == "[]"


@pytest.mark.parametrize("how", ["symlink", "hardlink"])
def test_linked_external_data_is_refused_as_well(exported, tmp_path, how):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(1000))
    folder = tmp_path / "folder"
    folder.mkdir()
    if how == "symlink":
        (folder / "data.bin").symlink_to(secret)
    else:
        os.link(secret, folder / "data.bin")
    path = folder / "model.onnx"
    path.write_bytes(hostile.changed(exported / "mnist.onnx", hostile.external("data.bin")))
    with pytest.raises(EdgesoftError, match="which edgesoft never writes"):
        edgesoft.load(path)


def test_truncated_at_any_length_is_one_clear_error(model, tmp_path):
    content = model.read_bytes()
    path = tmp_path / "truncated.onnx"
    lengths = {*range(200), *np.linspace(0, len(content) - 1, 150).astype(int).tolist(), len(content) - 1}
    for length in sorted(lengths):
        path.write_bytes(content[:length])
        with pytest.raises(EdgesoftError, match=r"truncated\.onnx: ") as caught:
            edgesoft.load(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bits", [1, 8])
def test_flipped_bits_are_refused_or_change_nothing(model, tmp_path, rng, mnist, bits):
    """Some bits stand in names and in the producer, which no answer depends on."""
    content = model.read_bytes()
    honest = edgesoft.load(model)(mnist.test.inputs[:8]).logits
    path = tmp_path / "flipped.onnx"
    refused = 0
    # Half of the places in the first kilobytes and the last, where the structure is: the rest is mostly weights.
    structure = [*range(3000), *range(len(content) - 9000, len(content))]
    for turn in range(250):
        flipped = bytearray(content)
        for _ in range(bits):
            place = int(rng.choice(structure)) if turn % 2 else int(rng.integers(len(content)))
            flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            classifier = edgesoft.load(path)
        except EdgesoftError:
            refused += 1
            continue
        np.testing.assert_array_equal(classifier(mnist.test.inputs[:8]).logits, honest)
    assert refused > 200


@pytest.mark.parametrize("bits", [1, 4])
def test_flipped_bits_with_digests_that_fit_never_raise_anything_else(model, tmp_path, rng, bits):
    """As when somebody gives a damaged model digests that fit: `verify` may find something or refuse it, but must not fall over."""
    content = model.read_bytes()
    path = tmp_path / "flipped.onnx"
    for _ in range(60):
        flipped = bytearray(content)
        for _ in range(bits):
            flipped[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            edits.edited(path, path, lambda _: None)
        except Exception:  # neither the onnx package nor our reader can read it: then nobody can write its digests
            continue
        for read in (edgesoft.load, verify):
            try:
                read(path)
            except EdgesoftError as error:
                assert "\n" not in str(error)


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, match in (
        ("missing.onnx", "no such file"),
        ("link", "no such file"),
        ("loop", "cannot be read"),
        ("zero\0byte", "cannot be read"),
        ("pipe", "this is a pipe that nobody writes to"),
        ("x" * 300, "cannot be read"),
    ):
        for read in (edgesoft.load, verify):
            with pytest.raises(EdgesoftError, match=match):
                read(tmp_path / name)
    with pytest.raises(EdgesoftError, match="expected a model file .*, but this is a folder"):
        verify(tmp_path)
    with pytest.raises(EdgesoftError, match="no exported model here"):  # where one might stand
        edgesoft.load(tmp_path)
    with pytest.raises(EdgesoftError, match="this is a device"):
        edgesoft.load("/dev/zero")


def test_a_file_too_large_is_not_read(tmp_path):
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(EdgesoftError, match="more than a model file"):
        edgesoft.load(path)


def test_reading_gives_what_onnx_gives(model):
    ours, theirs = open_model(model), edits.read(model)
    assert isinstance(ours, ModelFile)
    assert [node.operator for node in ours.nodes] == [node.op_type for node in theirs.graph.node]
    for tensor in ours.initializers:
        value = edits.constant(theirs, tensor.name)
        assert tensor.dtype == value.dtype
        assert tensor.shape == value.shape
        assert bytes(tensor.data) == value.tobytes()
    assert dict(ours.metadata) == edits.metadata(theirs)
    assert (ours.opset, ours.ir_version, ours.producer) == (13, 8, f"edgesoft {edgesoft.__version__}")
    assert ours.inputs[0].shape == ("batch", 28, 28)
    assert ours.changed_parts() == ()


def test_no_path_date_or_host_is_inside(model, tmp_path):
    import getpass
    import platform

    content = model.read_bytes()
    inside = [edits.metadata(edits.read(model))[CARD_KEY].encode(), content]
    for word in (str(tmp_path.parent.parent), platform.node(), "/site-packages", "/home/", "pytest", "stack_trace"):
        assert len(word) < 4 or not any(word.encode() in text for text in inside), word
    assert f'"{getpass.getuser()}' not in inside[0].decode()


def test_reading_leaves_the_digests_to_the_caller(model, tmp_path):
    path = edits.edited(
        model, tmp_path / "m.onnx", lambda model: edits.edit_card(model, name="other"), fresh_digests=False
    )
    assert read_model(path).changed_parts() == ("labels and preprocessing",)
    with pytest.raises(EdgesoftError, match="the labels and preprocessing do not match their digest"):
        open_model(path)


def change_the_graph(model):
    edits.node(model, "ArgMax").attribute[0].i = 0


def change_the_weights(model):
    edits.set_constant(model, "pixel_scale", np.float32(1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([change_the_graph], "the graph does not match its digest"),
        ([change_the_weights], "the weights do not match their digest"),
        ([change_the_weights, change_the_graph], "the weights and the graph do not match their digest"),
    ],
)
def test_the_changed_parts_are_named(exported, tmp_path, changes, message):
    path = tmp_path / "m.onnx"
    edits.edited(
        exported / "mnist.onnx", path, lambda model: [change(model) for change in changes], fresh_digests=False
    )
    with pytest.raises(EdgesoftError) as caught:
        open_model(path)
    assert str(caught.value) == f"{path}: {message} (changed after export?). Export it again: edgesoft export"


def test_digests_there_and_back():
    digests = {"weights": "ab", "graph": "cd: ef"}
    assert parse_digests(format_digests(digests), "here") == digests
    assert parse_digests("hello\nweights: ab\n\n", "here") == {"weights": "ab"}
    for text in ("", "hello", "weights:ab"):
        with pytest.raises(EdgesoftError, match="^here: the digest inside the file is damaged"):
            parse_digests(text, "here")


@pytest.mark.parametrize("key", METADATA_LIMITS)
def test_metadata_may_be_as_long_as_its_limit(exported, tmp_path, key):
    """A character that takes two bytes counts as two."""
    path, limit = tmp_path / "m.onnx", METADATA_LIMITS[key]

    def with_length(length):
        def change(model):
            text = edits.metadata(model)[key]
            edits.set_metadata(model, key, text + (length - len(text.encode()) - 2) * " " + "ü")

        return edits.edited(exported / "mnist.onnx", path, change, fresh_digests=False)

    if key == CARD_KEY:  # a card is no card with a letter behind it, but it is looked at
        with pytest.raises(EdgesoftError, match="is not JSON"):
            read_model(with_length(limit))
    else:
        assert len(read_model(with_length(limit)).metadata[key].encode()) == limit
    with pytest.raises(EdgesoftError, match=f"its {key} is larger than {limit:,} bytes"):
        read_model(with_length(limit + 1))


def test_it_shows_itself_in_a_line(model):
    found = open_model(model)
    assert repr(found) == f"ModelFile({str(model)!r}, {model.stat().st_size:,} bytes, {len(found.nodes)} nodes)"
