import base64
import dataclasses
import hashlib
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from edgesoft.exporting.report import report_html
from edgesoft.training.results import Epoch
from tests.reports import ODD_LABELS, ODD_NAME, missed


class Elements(HTMLParser):
    """Every tag with its attributes, all text, and the sections by their headings."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def words(page):
    return " ".join("".join(Elements(page).text).split())


def section(page, heading):
    """One part of the page, as markup."""
    return next(part for part in page.split("<section>") if part.startswith(f"<h2>{heading}</h2>"))


@pytest.fixture(scope="module")
def page(pages):
    return pages["digits"]


def check_self_contained(page):
    for tag, attributes in Elements(page).tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form", "foreignobject"), tag
        assert "style" not in attributes  # the policy would refuse it
        for name, value in attributes.items():
            assert not name.startswith("on"), name
            if name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
                assert value.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")), (tag, name, value[:60])
    assert "@import" not in page
    assert "@font-face" not in page
    assert "url(" not in page


def test_nothing_comes_from_elsewhere_and_pages_are_small(pages):
    for name, page in pages.items():
        check_self_contained(page)
        assert len(page) < 600_000, name


def test_the_policy_lets_in_the_style_sheet_and_nothing_else(pages):
    for page in pages.values():
        style = re.search("<style>(.*?)</style>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        found = re.search('http-equiv="Content-Security-Policy" content="(.*?)"', page)[1]
        assert found == (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
        )


def test_labels_and_names_are_text_whatever_they_hold(pages):
    page = pages["odd names"]
    elements = Elements(page)
    assert not {"b", "i", "script"} & {tag for tag, _ in elements.tags}
    texts = {text.strip() for text in elements.text}
    assert {*ODD_LABELS, ODD_NAME} <= texts


def test_what_a_person_wants_to_know_is_there(page, tiny_export):
    text = words(page)
    parity = tiny_export.attempts[0].parity
    for expected in (
        "mnist", "PyTorch", "float32", "INT8, 7-bit weights per tensor", "published", "held",
        f"{len(parity.label_changes)} of 10,000", f"{100 * parity.candidate_accuracy:.2f} %", "Confusion", "Latency",
        "expected calibration error", f"test example {parity.label_changes[0].example}", "Learning curve", "weight_decay",
    ):  # fmt: skip
        assert expected in text, expected
    headings = re.findall("<h2>(.*?)</h2>", page)
    assert headings == [
        "Accuracy and parity", "How an answer comes about", "What the network looks at", "The worst mistakes", "Labels that changed",
        "Confusion", "Per class", "Confidence", "Learning curve", "Latency", "Settings",
    ]  # fmt: skip
    changes = section(page, "Labels that changed")
    assert changes.count("<figure>") == min(24, len(parity.label_changes))


def test_softmax_is_worked_out_with_numbers_of_the_model(page, tiny_export, mnist):
    lesson = section(page, "How an answer comes about")
    model = tiny_export.recommended
    example = int(re.search(r"Test example (\d+)", lesson)[1])
    logits = model.logits[example].astype(np.float64)
    assert model.predictions[example] == mnist.test.targets[example]  # what is right is the better example
    powers = np.exp((logits - logits.max()) / model.temperature)
    shares = powers / powers.sum()
    assert 0.7 < shares.max() < 0.9
    for place in np.argsort(-logits)[:8]:
        for shown in (f"{logits[place]:.2f}", f"{powers[place]:.4f}", f"{100 * shares[place]:.2f} %"):
            assert f"<span>{shown}</span>" in lesson, (place, shown)
    assert f"Divided by their sum, {powers.sum():.4f}" in lesson
    assert f"<strong><bdi>{mnist.labels[int(logits.argmax())]}</bdi></strong>" in lesson


def test_the_sigmoid_is_worked_out_with_numbers_of_the_model(pages, tumours):
    lesson = section(pages["sigmoid"], "How an answer comes about")
    model = tumours.recommended
    example = int(re.search(r"<tbody><tr><td><bdi>(\d+)</bdi>", lesson)[1])
    logit = float(model.logits[example, 0])
    share = 1 / (1 + np.exp(-logit / model.temperature))
    assert f"<strong>{logit:.3f}</strong>" in lesson
    assert f"<strong>{100 * share:.2f} %</strong>" in lesson
    assert f"<span>{100 * (1 - share):.2f} %</span>" in lesson
    assert "threshold of 0.3: the answer is" in lesson
    answer = "malignant" if share > 0.3 else "benign"
    assert f'<li class="answer"><span><bdi>{answer}</bdi>' in lesson
    assert "softmax of the two logits 0 and z" in lesson.lower()


def test_the_worst_mistakes_are_those_that_were_surest(page, tiny_export, mnist):
    model = tiny_export.recommended
    logits = model.logits.astype(np.float64) / model.temperature
    sure = 1 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)
    wrong = np.flatnonzero(model.predictions != mnist.test.targets)
    expected = wrong[np.argsort(-sure[wrong], kind="stable")][:24]
    gallery = section(page, "The worst mistakes")
    assert [int(number) for number in re.findall(r", test example (\d+)<", gallery)] == expected.tolist()
    source = re.search('src="data:image/png;base64,(.*?)"', gallery)[1]
    with Image.open(io.BytesIO(base64.b64decode(source))) as image:
        assert (np.asarray(image) == mnist.test.inputs[expected[0]]).all()


def test_rows_are_shown_as_people_wrote_them_by_the_columns_that_count(pages):
    page = pages["table that missed"]
    looks = section(page, "What the network looks at")
    assert "the first 15 of 23" in looks
    changes = section(page, "The worst mistakes")
    assert "<td><bdi>town " in changes or '<th scope="col"><bdi>size</bdi>' in changes
    assert "=town" not in page  # one-hot
    heading = re.findall(r'<th scope="col"><bdi>(.*?)</bdi>', changes)
    assert heading[:4] == ["example", "right", "answered", "confidence"]
    assert heading[4:] == re.findall(r"<li><span><bdi>(.*?)</bdi>", looks)[:6]


def test_large_pictures_become_thumbnails_and_one_layer_shows_its_weights(pages):
    page = pages["large pictures"]
    looks = section(page, "What the network looks at")
    assert looks.count('alt="weights of class') == 24
    assert "The first 24 of 45 classes" in looks
    assert "data:image/jpeg" in section(page, "The worst mistakes")
    assert "weights of" not in section(pages["digits"], "What the network looks at")
    assert "The most frequent" in section(page, "Confusion")
    assert "<svg" not in section(page, "Confusion")  # of 45 classes


def test_temperature_that_made_it_worse_is_said(tiny_export, mnist, page):
    said = "On the test split the temperature made worse"
    model = tiny_export.float_model
    assert (said in page) == (
        any(
            model.scaled.expected_calibration_error > model.unscaled.expected_calibration_error
            for model in (model, *tiny_export.attempts)
        )
    )
    # As if 2 had been chosen, which is too timid by far.
    spoiled = dataclasses.replace(
        model,
        temperature=3.0,
        unscaled=model.scaled,
        scaled=dataclasses.replace(model.scaled, accuracies=model.scaled.accuracies * 0.9),
    )
    after = report_html(dataclasses.replace(tiny_export, float_model=spoiled, attempts=()), mnist)
    assert said in after
    before, error = (100 * bins.expected_calibration_error for bins in (spoiled.unscaled, spoiled.scaled))
    assert (
        f"the expected calibration error of float32 from {before:.2f} % to {error:.2f} %; the log loss of float32 from"
        in after
    )


def test_a_missed_gate_is_said(pages, tiny_export, mnist):
    page = report_html(missed(tiny_export), mnist)
    assert "missed its gate" in page
    assert "and &lt;another&gt;" in page
    assert page.count('class="bad">missed</span>') == 3


def test_without_int8_and_without_a_history(tiny_export, mnist):
    page = report_html(dataclasses.replace(tiny_export, attempts=(), epochs=()), mnist)
    assert "No INT8 file was asked for" in page
    assert "None: float32 labels every example like PyTorch" in page
    assert "Learning curve" not in page


def test_every_answer_right(tiny_export, mnist):
    model = tiny_export.float_model
    right = dataclasses.replace(mnist, test=dataclasses.replace(mnist.test, targets=model.predictions))
    page = report_html(dataclasses.replace(tiny_export, attempts=()), right)
    assert "None: float32 labels all 10,000 test examples rightly" in page


@pytest.mark.parametrize("count", [1, 2, 3, 400])
def test_a_learning_curve_of_any_length(tiny_export, mnist, count):
    epochs = tuple(Epoch(number + 1, 0.0, 1 / (number + 1), 1.0, 1.0) for number in range(count))
    curve = section(report_html(dataclasses.replace(tiny_export, epochs=epochs), mnist), "Learning curve")
    lines = re.findall('points="(.*?)"', curve)
    assert [len(line.split()) for line in lines] == [count] * 3
    assert "nan" not in curve and "inf" not in curve
    assert curve.count("<circle") == (3 * count if count < 3 else 0)


def test_the_same_export_gives_the_same_page(tiny_export, mnist, page):
    assert report_html(tiny_export, mnist) == page
