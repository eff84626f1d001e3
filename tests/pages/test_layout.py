"""Pages in a real browser, at the width of a phone, a tablet and a computer."""

import html
import json
import re
import subprocess

import pytest

from edgesoft.pages.markup import digest, page
from edgesoft.targets.replay import browser_command
from tests.targets.browse import need_browser

WIDTHS = (360, 768, 1280)
LOOK = """
const shown = [...document.querySelectorAll("svg text")].map((text) => {
  const [mine, all] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
  return [text.textContent, mine.left - all.left, all.right - mine.right, mine.top - all.top, all.bottom - mine.bottom];
});
const scroller = (element) => element.closest(".scroll");
parent.postMessage([NAME, {
  width: innerWidth,
  content: document.scrollingElement.scrollWidth,
  sections: document.querySelectorAll("section").length,
  styled: getComputedStyle(document.querySelector("section")).borderRadius,
  nameless: [...document.querySelectorAll("svg:not([aria-hidden])")].filter((svg) =>
    svg.getAttribute("role") !== "img" || !svg.querySelector(":scope > title")?.textContent).length
    + [...document.querySelectorAll("img")].filter((image) => !image.alt).length
    + [...document.querySelectorAll("[role=region]")].filter((region) => !region.ariaLabel).length,
  broken: [...document.images].filter((image) => !image.naturalWidth).length,
  cut: [...document.querySelectorAll("section *")].filter((element) => !scroller(element) &&
    element.getBoundingClientRect().right > element.closest("section").getBoundingClientRect().right + 1).length,
  clipped: shown.filter(([, ...sides]) => Math.min(...sides) < -3).map(([text]) => text),
  smallest: Math.min(...[...document.querySelectorAll(".bars rect")].map((bar) => bar.parentElement.clientWidth)),
}], "*");
"""
OUTER = """<!doctype html><meta charset="utf-8"><pre id="answers"></pre><script>
const answers = {};
addEventListener("message", ({ data }) => {
  answers[data[0]] = data[1];
  document.getElementById("answers").textContent = JSON.stringify(answers);
});
</script>"""


def measured(pages, folder):
    """(Name, width) -> what the page says of itself; and the browser's complaints."""
    browser, outer, names = need_browser(), OUTER, []
    for name, text in pages.items():
        for width in WIDTHS:
            names.append((name, width))
            script = LOOK.replace("NAME", json.dumps(str(len(names) - 1)))
            text_with = text.replace("default-src 'none';", f"default-src 'none'; script-src {digest(script)};", 1)
            file = f"{len(names)}.html"
            (folder / file).write_text(
                text_with.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8"
            )
            outer += f'<iframe width="{width}" height="800" style="border: 0" src="{file}"></iframe>'
    (folder / "outer.html").write_text(outer, encoding="utf-8")
    first, *rest = browser_command(browser, folder / "outer.html", str(folder / "profile"))
    done = subprocess.run(
        [first, "--enable-logging=stderr", "--v=0", "--hide-scrollbars", *rest],
        capture_output=True,
        text=True,
        timeout=300,
    )
    found = re.search(r'<pre id="answers">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-3000:]
    answers = json.loads(html.unescape(found[1]))
    assert len(answers) == len(names)
    return {name: answers[str(place)] for place, name in enumerate(names)}, [
        line for line in done.stderr.splitlines() if "CONSOLE" in line
    ]


def test_every_page_fits_every_screen_and_says_what_it_shows(pages, tmp_path):
    answers, complaints = measured(pages, tmp_path)
    assert complaints == []
    for (name, width), answer in answers.items():
        what = f"{name} at {width}: {answer}"
        assert answer["width"] == width, what
        assert answer["content"] <= width, what
        assert answer["cut"] == 0, what
        assert answer["clipped"] == [], what
        assert answer["nameless"] == answer["broken"] == 0, what
        assert answer["sections"] >= 5, what
        assert answer["styled"] == "10px", what  # the policy lets the style sheet in
        if not name.startswith("evaluation"):
            assert answer["smallest"] > width / 5, what


def test_what_does_not_fit_is_seen(tmp_path):
    """Or the test above would see nothing."""
    wide = page("wide", '<section class="scroll">').replace(
        "</main>",
        '<section><p><img src="data:,"></p><svg width="2000" height="9"><text x="1990" y="9">too long</text></svg></section></main>',
    )
    answers, _ = measured({"wide": wide}, tmp_path)
    for width in WIDTHS:
        answer = answers["wide", width]
        assert answer["content"] > width
        assert answer["cut"] >= 1
        assert answer["clipped"] == ["too long"]
        assert answer["nameless"] == 2
        assert answer["broken"] == 1


@pytest.mark.parametrize("dark", [False, True])
def test_the_theme_of_the_system_is_followed(pages, tmp_path, dark):
    browser = need_browser()
    script = "document.title = getComputedStyle(document.body).backgroundColor + getComputedStyle(document.querySelector('svg text')).fill"
    text = pages["sigmoid"].replace("default-src 'none';", f"default-src 'none'; script-src {digest(script)};", 1)
    (tmp_path / "page.html").write_text(text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    first, *rest = browser_command(browser, tmp_path / "page.html", str(tmp_path / "profile"))
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    done = subprocess.run([first, scheme, *rest], capture_output=True, text=True, timeout=100)
    title = re.search("<title>(.*?)</title>", done.stdout)[1]
    assert title == ("rgb(18, 22, 29)rgb(230, 233, 239)" if dark else "rgb(245, 246, 248)rgb(29, 36, 48)")
