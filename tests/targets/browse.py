"""Opens pages in Chromium, many at once: each in a frame, with a script of the test behind its own, which tells the page around."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess

import pytest

from edgesoft.targets.replay import BROWSERS, browser_command

SCRIPT = """
(async () => {
  const answers = { violations: [], failures: [] };
  document.addEventListener("securitypolicyviolation", (event) => answers.violations.push(event.effectiveDirective));
  const base64 = (array) => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    let text = "";
    bytes.forEach((byte) => { text += String.fromCharCode(byte); });
    return btoa(text);
  };
  const decodedFloats = (text) => decoded({ base64: text, dtype: "float32" });
  const decodedBytes = (text) => decoded({ base64: text, dtype: "uint8" });
  const wait = () => new Promise((go) => setTimeout(go, 5));
  while (!element("proof").dataset.passed) { await wait(); }
  try {
    answers.result = await (async () => {
BODY
    })();
  } catch (error) {
    answers.failures.push(String(error.stack));
  }
  for (const id of ["proof", "label", "confidence", "reason", "spoken"]) { answers[id] = element(id).textContent; }
  answers.passed = element("proof").dataset.passed;
  answers.text = document.body.innerText;
  parent.postMessage([NAME, answers], "*");
})();
"""
OUTER = """<!doctype html><meta charset="utf-8"><pre id="answers"></pre><script>
const answers = {};
addEventListener("message", ({ data }) => {
  answers[data[0]] = data[1];
  document.getElementById("answers").textContent = JSON.stringify(answers);
});
</script>"""


def need_browser():
    browser = next((name for name in BROWSERS if shutil.which(name)), None)
    if browser is None:
        pytest.skip("no Chromium: apt install chromium")
    return browser


def digest(script):
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def with_script(page, name, body):
    script = SCRIPT.replace("BODY", body).replace("NAME", json.dumps(name))
    assert page.count("script-src ") == page.count("</body>") == 1
    page = page.replace("script-src ", f"script-src {digest(script)} ")
    return page.replace("</body>", f"<script>{script}</script></body>")


def browse(pages, folder):
    """Name -> page and body of a script; gives name -> what the script answered and what the page says, and the browser's complaints."""
    browser = need_browser()
    outer = OUTER
    for name, (page, body) in pages.items():
        (folder / f"{name}.html").write_text(with_script(page, name, body), encoding="utf-8")
        outer += f'<iframe width="390" height="800" src="{name}.html"></iframe>'
    (folder / "outer.html").write_text(outer, encoding="utf-8")
    command = browser_command(browser, folder / "outer.html", str(folder / "profile"))
    done = subprocess.run(
        [command[0], "--enable-logging=stderr", "--v=0", *command[1:]], capture_output=True, text=True, timeout=300
    )
    found = re.search(r'<pre id="answers">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-3000:]
    answers = json.loads(html.unescape(found[1]))
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert set(answers) == set(pages), (complaints, set(answers))
    assert not [answer["failures"] for answer in answers.values() if answer["failures"]]
    return answers, complaints
