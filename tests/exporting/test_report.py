import dataclasses
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from edgesoft.exporting.report import report_html

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


class Elements(HTMLParser):
    """Every tag with its attributes, and all text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(tiny_export, mnist):
    return report_html(tiny_export, mnist)


@pytest.fixture(scope="module")
def odd_page(tiny_export, mnist):
    """Labels as people would never choose them, and a name too."""
    labels = (
        "<b>",
        "</svg><script>alert(1)</script>",
        '" onload="x',
        "$\\frac{1}{",
        "日本",
        "&amp;",
        "'",
        "a" * 60,
        "€",
        "$$",
    )
    return report_html(dataclasses.replace(tiny_export, name="<i>x</i>"), dataclasses.replace(mnist, labels=labels))


def check_self_contained(page):
    for tag, attributes in Elements(page).tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form", "foreignobject"), tag
        for name, value in attributes.items():
            assert not name.startswith("on"), name
            if name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
                assert value.startswith(("data:image/png;base64,", "#")), (tag, name, value[:60])
    assert "@import" not in page
    assert "@font-face" not in page
    assert not re.search(r"url\((?!['\"]?#)", page)


def test_nothing_comes_from_elsewhere(page):
    check_self_contained(page)


def test_labels_and_names_are_text_whatever_they_hold(odd_page):
    check_self_contained(odd_page)
    elements = Elements(odd_page)
    assert not {"b", "i"} & {tag for tag, _ in elements.tags}
    assert {"<b>", "日本", "&amp;", "$$"} <= {text.strip() for text in elements.text}
    assert "<i>x</i>" in elements.text


def test_what_a_person_wants_to_know_is_there(page, tiny_export):
    text = " ".join(Elements(page).text)
    parity = tiny_export.attempts[0].parity
    for expected in (
        "mnist", "PyTorch", "float32", "INT8, 7-bit weights per tensor", "published", "held",
        f"{len(parity.label_changes)} of 10,000", f"{100 * parity.candidate_accuracy:.2f} %", "Confusion", "Latency",
        "expected calibration error", f"test example {parity.label_changes[0].example}",
    ):  # fmt: skip
        assert expected in text, expected
    assert sum(tag == "figure" for tag, _ in Elements(page).tags) == min(60, len(parity.label_changes))
    assert sum(tag == "svg" for tag, _ in Elements(page).tags) == 4


def test_a_missed_gate_is_said(tiny_export, mnist):
    missed = tuple(dataclasses.replace(attempt, failures=("accuracy <drops>",)) for attempt in tiny_export.attempts)
    page = report_html(dataclasses.replace(tiny_export, attempts=missed), mnist)
    assert "missed its gate" in page
    assert "accuracy &lt;drops&gt;" in page


def test_without_int8(tiny_export, mnist):
    page = report_html(dataclasses.replace(tiny_export, attempts=()), mnist)
    assert "No INT8 file was asked for" in page
    assert "None: float32 labels every example like PyTorch" in page


def test_the_same_export_gives_the_same_page(tiny_export, mnist, page):
    assert report_html(tiny_export, mnist) == page


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to open the page with")
@pytest.mark.parametrize("which", ["page", "odd_page"])
def test_a_browser_opens_it_without_complaint(request, tmp_path, which):
    (tmp_path / "page.html").write_text(request.getfixturevalue(which), encoding="utf-8")
    process = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
            f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1280,2000", "--virtual-time-budget=3000",
            "--dump-dom", (tmp_path / "page.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=100,
    )  # fmt: skip
    assert process.returncode == 0
    assert "CONSOLE" not in process.stderr
    assert process.stdout.count("<section>") == 6
    if which == "odd_page":
        assert "<script" not in process.stdout
