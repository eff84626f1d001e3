"""A model as one page, opened by a real browser from a file."""

import base64
import csv
import dataclasses
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

import edgesoft
from edgesoft.data.load import load_dataset
from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError
from edgesoft.exporting.export import export
from edgesoft.model.file import GOLDEN_KEY, open_model
from edgesoft.pictures.render import render_glyph
from edgesoft.pictures.spec import PictureSpec
from edgesoft.targets.replay import replay
from edgesoft.targets.steps import Step
from edgesoft.targets.web import page as page_module
from edgesoft.targets.web.page import FUNCTIONS, PAGE, write_page
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings
from edgesoft.training.train import train
from tests.conftest import ROOT
from tests.targets.browse import browse, digest, need_browser
from tests.targets.pen import SCRIBBLE, STROKES, points
from tests.targets.questions import DRAWINGS, FORM, GLYPHS, REACH, UPLOADS, glyph_cases, logits_of, text, uploads

LABELS = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<!-- &lt; ${x} $name \\",
    "\U0001f98a '",
)
COLUMNS = ("</script>", "weight & <b>", "colour", "wet", "label")
COLOURS = ("red</option>", 'g"reen', "bl&ue")


def page_of(file):
    return write_page(open_model(file))[PAGE].decode()


def floats(answer, width):
    return np.frombuffer(base64.b64decode(answer), np.float32).reshape(-1, width)


@pytest.fixture(scope="module")
def server():
    """What a page would reach if it could."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, seen
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A table whose labels, columns and values try to get out of where they stand."""
    folder = tmp_path_factory.mktemp("odd")
    rng = np.random.default_rng(2)
    with (folder / "odd.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for index in range(160):
            kind = index % 4
            weight, wet = round(rng.uniform(-2, 2), 3), "" if index % 11 == 5 else "ny"[index // 3 % 2]
            first = round(rng.normal(5 * kind, 1), 3)
            writer.writerow([first, "" if index % 9 == 4 else weight, COLOURS[index % 3], wet, LABELS[kind]])
    dataset = load_dataset(DataSettings(source=str(folder / "odd.csv"), target="label"))
    run = train(dataset, TrainSettings(hidden=(8,), epochs=20, batch_size=16, threads=1), RunFolder(folder / "run"))
    (folder / "odd.onnx").write_bytes(export(run.checkpoint, dataset).float_model.content)
    return folder / "odd.onnx"


OTHER, MISSING = "(another value)", "(missing)"
ROWS = [
    ["4.9", "0.1", "0", "1"],
    ["4.9", "", OTHER, "0"],
    ["1e6", "0", "1", "1"],
    ["", "0", "1", "1"],
    ["15", "-1.5", "2", MISSING],
]


@pytest.fixture(scope="module")
def opened(mnist, exported, kinds, convolutions, odd, server, tmp_path_factory):
    """Every page and what a browser made of it: one browser for all."""
    need_browser()
    ready = page_of(ROOT / "exported" / "mnist.int8.onnx")
    small = page_of(exported / "mnist.int8.onnx")
    glyphs = [
        {"page": text(page), "height": page.shape[0], "width": page.shape[1], "spec": spec.to_card(), "contrast": contrast, "floor": floor}
        for page, contrast, floor, spec in glyph_cases(mnist)
    ]  # fmt: skip
    drawings = {name: points(strokes) for name, strokes in {**STROKES, "scribble": SCRIBBLE}.items()}
    pages = {
        "mnist": (ready, logits_of(mnist.test.inputs[:1000])),
        "float": (page_of(exported / "mnist.onnx"), logits_of(mnist.test.inputs[:200])),
        "glyphs": (small, GLYPHS % json.dumps(glyphs)),
        "drawings": (ready, DRAWINGS % json.dumps(drawings)),
        "uploads": (
            ready,
            UPLOADS % json.dumps({name: base64.b64encode(x).decode() for name, x in uploads(mnist).items()}),
        ),
        "odd": (page_of(odd), FORM % json.dumps(ROWS)),
        "closed": (small, REACH.replace("PORT", str(server[0])).replace("/fetch", "/closed-fetch")),
        "open": (without_policy(small), REACH.replace("PORT", str(server[0])).replace("127.0.0.1", "localhost")),
        "changed": (with_a_changed_weight(small), "return 0;"),
        "changed convolution": (with_a_changed_weight(page_of(convolutions[0]), layer=1), "return 0;"),
    }
    for name, (dataset, files) in kinds.items():
        inputs = np.concatenate([split.inputs for split in (dataset.train, dataset.test)])
        for index, file in enumerate(files):
            pages[f"{name} {index}"] = (page_of(file), logits_of(inputs))
    return browse(pages, tmp_path_factory.mktemp("pages"))


def without_policy(page):
    return re.sub(r'<meta http-equiv="Content-Security-Policy" content="[^"]*">', "<!-- script-src -->", page)


def with_a_changed_weight(page, layer=-1):
    """A few bits of one weight."""
    parts = page.split(mark := '"weights":{"dtype":"int8","base64":"')
    text = parts[layer]
    parts[layer] = f"{text[0]}{'B' if text[1] == 'A' else 'A'}{text[2:]}"
    return mark.join(parts)


def test_the_replay_says_what_c_says(opened):
    answers, _ = opened
    assert answers["mnist"]["proof"] == "64 of 64 golden examples: the same bits as ONNX Runtime"
    assert answers["float"]["proof"] == "64 of 64 golden examples: ONNX Runtime's logits within 0.0001"
    assert {answer["passed"] for name, answer in answers.items() if not name.startswith("changed")} == {"true"}


@pytest.mark.parametrize("name", ["changed", "changed convolution"])
def test_a_changed_weight_is_found(name, opened):
    answer = opened[0][name]
    assert answer["passed"] == "false"
    assert re.match(r"\d+ of \d+ golden examples: not the same bits .*Do not trust this page", answer["proof"])


def test_mnist_bit_for_bit(opened, ready, mnist):
    logits = floats(opened[0]["mnist"]["result"], 10)
    assert np.array_equal(logits.view(np.int32), ready(mnist.test.inputs[:1000]).logits.view(np.int32))


def test_float_logits(opened, exported, mnist):
    expected = edgesoft.load(exported / "mnist.onnx")(mnist.test.inputs[:200]).logits
    assert np.abs(floats(opened[0]["float"]["result"], 10) - expected).max() < 1e-4


def test_every_kind_head_and_scheme(opened, kinds):
    exact = 0
    for name, (dataset, files) in kinds.items():
        inputs = np.concatenate([split.inputs for split in (dataset.train, dataset.test)])
        for index, file in enumerate(files):
            card, expected = open_model(file).card, edgesoft.load(file)(inputs).logits
            logits = floats(opened[0][f"{name} {index}"]["result"], card.outputs)
            scheme = card.quantization and card.quantization.scheme
            if scheme and scheme.same_bits_everywhere:
                exact += 1
                assert np.array_equal(logits.view(np.int32), expected.view(np.int32))
            else:
                assert np.abs(logits - expected).max() <= (0.02 if scheme else 1e-5) * np.abs(expected).max()
    assert exact >= 5


def test_a_glyph_is_drawn_as_python_draws_it(opened, mnist):
    for case, found in zip(glyph_cases(mnist), opened[0]["glyphs"]["result"], strict=True):
        page, contrast, floor, spec = case
        expected = render_glyph(page, page > np.float32(0.3 * contrast), contrast, floor, spec)
        assert np.array_equal(np.frombuffer(base64.b64decode(found), np.uint8).reshape(expected.shape), expected)


def test_drawn_digits_are_read_and_equal_pythons(opened):
    drawn = opened[0]["drawings"]["result"]["drawn"]
    for name, drawing in drawn.items():
        raster = np.frombuffer(base64.b64decode(drawing["raster"]), np.float32).reshape(112, 112)
        expected = render_glyph(raster, raster > np.float32(0.3), 1.0, 0.2, PictureSpec())
        assert base64.b64decode(drawing["pixels"]) == expected.tobytes()
        if name in STROKES:
            assert drawing["said"][0] == name, drawing["said"]
            assert drawing["said"][2].startswith(f"{name}, ")


def test_a_scribble_is_unknown_and_an_empty_page_is_no_answer(opened):
    result = opened[0]["drawings"]["result"]
    label, reason, spoken = result["drawn"]["scribble"]["said"]
    assert label == "unknown"
    assert reason.startswith(("the picture does not look like the training data", "low confidence"))
    assert spoken.startswith("unknown, nearest: ")
    assert result["start"][:2] == result["cleared"][1][:2] == ["\u2013", "Nothing is drawn yet."]


def test_keys_pens_and_palms(opened):
    result = opened[0]["drawings"]["result"]
    assert (result["strokes"], result["undone"]) == (2, 1)
    assert result["palm"] == [2, 1]
    assert result["cancelled"] == 1
    assert result["cleared"][0] == 0
    assert result["example"][1].startswith("example 1 of 64, right: ")


def test_pictures_from_files(opened, mnist):
    result = opened[0]["uploads"]["result"]
    assert base64.b64decode(result["input.png"]["pixels"]) == mnist.test.inputs[0].tobytes()
    assert result["input.png"]["label"] == "7"
    assert result["paper.png"]["label"] == result["board.png"]["label"] == "0"
    assert result["white.png"] == {**result["white.png"], "label": "unknown"}
    assert result["white.png"]["reason"].startswith("the picture is blank")
    assert (
        result["broken.png"]["reason"]
        == "broken.png: this browser cannot read it as a picture. Save it as PNG or JPEG."
    )


def test_a_form(opened, odd):
    result = opened[0]["odd"]["result"]
    assert result["names"] == list(COLUMNS[:4])
    assert sorted(result["bars"]) == sorted(LABELS)
    assert sorted(result["values"]) == sorted([*COLOURS, "(another value)"])
    model = edgesoft.load(odd)
    words = [*model.card.input.columns[2].vocabulary, "none such"]
    for given, row in zip(ROWS, result["rows"], strict=True):
        label, reason = row["said"]
        if not given[0]:
            assert (label, reason) == ("\u2013", "</script>: expected a number")
            continue
        cells = [*given[:2], words[-1] if given[2] == OTHER else words[int(given[2])], given[3].replace(MISSING, "")]
        values, notes, is_unfamiliar = model.card.input.encode(cells)
        assert np.array_equal(np.array(row["features"], np.float32), values)
        assert label == ("unknown" if is_unfamiliar else model(values).labels[0]) or "low confidence" in reason
        assert reason.count("training saw") == sum("training saw" in note for note in notes)
        assert ("read as none of them" in reason) == (given[2] == OTHER)


def test_nothing_leaves_the_page(opened, server):
    """The same attempts, with the policy and, as a check of this check, without."""
    answers, _ = opened
    reached = server[1]
    assert {"/fetch", "/image", "/beacon", "/script", "/style"} <= set(reached)
    assert answers["open"]["result"] == "run"
    assert "/closed-fetch" not in reached
    assert len(reached) == 5
    assert answers["closed"]["result"] == "mnist"
    assert set(answers["closed"]["violations"]) == {"connect-src", "img-src", "script-src-elem", "style-src-elem"}
    assert not [name for name, answer in answers.items() if answer["violations"] and name != "closed"]


def test_the_browser_has_nothing_to_complain_of(opened):
    assert [line for line in opened[1] if "closed.html" not in line and "open.html" not in line] == []


def test_what_stands_in_the_page(odd):
    page = page_of(odd)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; ")
    (style,), (script,) = (
        re.findall(r"<style>(.*?)</style>", page, re.DOTALL),
        re.findall(r"<script>(.*?)</script>", page, re.DOTALL),
    )
    assert digest(style) in policy
    assert digest(script) in policy
    assert "unsafe" not in policy
    assert not re.search(r"""\s(style|on\w+)=["']""", page)
    assert page.count("<script") == page.count("</script>") == 2
    assert "http" not in page.replace("http-equiv", "")
    assert str(ROOT) not in page
    assert str(odd.parent) not in page
    assert page == page_of(odd)


def test_sizes(exported):
    assert len(write_page(open_model(ROOT / "exported" / "mnist.int8.onnx"))[PAGE]) <= 1.2e6
    assert len(write_page(open_model(ROOT / "exported" / "conv" / "mnist.int8.onnx"))[PAGE]) <= 150e3
    assert len(write_page(open_model(exported / "mnist.int8.onnx"))[PAGE]) <= 200e3


def test_verify_opens_the_page(exported, tmp_path):
    need_browser()
    edgesoft.convert(exported / "mnist.int8.onnx", "web", tmp_path / "out")
    said = replay(tmp_path / "out")
    assert (said.target, said.passed, said.said) == (
        "web",
        True,
        "64 of 64 golden examples: the same bits as ONNX Runtime",
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["edgesoft.json", PAGE]


def test_no_browser(exported, tmp_path, monkeypatch):
    edgesoft.convert(exported / "mnist.int8.onnx", "web", tmp_path / "out")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EdgesoftError, match=r"no browser \(chromium, .* apt install chromium"):
        replay(tmp_path / "out")


def test_a_page_that_does_not_open(exported, tmp_path, monkeypatch):
    edgesoft.convert(exported / "mnist.int8.onnx", "web", tmp_path / "out")
    (tmp_path / "chromium").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "chromium").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(EdgesoftError, match=r"chromium does not open it \(exit status 3\)"):
        replay(tmp_path / "out")


def test_the_scripts_have_every_step():
    script = page_module._text("network.js")
    assert set(re.findall(r"^  (\w+)\(step, x, y\)", script, re.MULTILINE)) == FUNCTIONS


def test_what_has_no_form_on_a_page(exported, odd, monkeypatch):
    model = open_model(odd)
    row = (Step("fourier", 3, 4, "floats"),)  # type: ignore[arg-type]
    monkeypatch.setattr(page_module, "steps", lambda *_: row)
    with pytest.raises(EdgesoftError, match="cannot be written as a page: it holds a step fourier"):
        write_page(model)
    monkeypatch.undo()
    metadata = {key: value for key, value in model.metadata.items() if key != GOLDEN_KEY}
    with pytest.raises(EdgesoftError, match="no golden examples"):
        write_page(dataclasses.replace(model, metadata=metadata))
