"""README.md, CONTRIBUTING.md and docs/ are run: every command, every block of Python; and every link in them leads somewhere.

The blocks of a document run one after the other in a folder of its own, in which lies what `workshop` made; those of a tutorial in an
empty one. What a block is says its fence:

- `sh`: commands, which end well;
- `console`: commands behind "$ ", and what they print, but for numbers, the order of lines, and notes, which say what this machine made
  of it. A line "..." stands for lines that are left out;
- `python`: a script; a `text` block right behind it is what it prints;
- `text`, `json`, `c`, ... : to look at.

A block whose first line is "# not tested: REASON" is not run; NOT_TESTED has them all. What is run in another way than it stands there,
because it would take too long, is in SHORTER.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import typer
from PIL import Image

from edgesoft.cli import ALIASES, COMMANDS, app
from tests.conftest import ROOT, environment
from tests.server import shared
from tests.targets.browse import need_browser
from tests.targets.test_c import need

DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
)
INSTALLS = "installs from the network"
QUICK_DIGITS = ("--epochs 4", "--epochs 1 --hidden 32 --no-augment --outliers 0")
NOT_TESTED = {
    "README.md": (INSTALLS, INSTALLS),
    "CONTRIBUTING.md": ("runs the tests themselves",),
    "docs/devices.md": (INSTALLS, "installs from the network, and needs an NVIDIA GPU"),
    "docs/many.md": ("needs a cluster, and shared storage",),
    "docs/measuring.md": ("takes 20 minutes of a quiet machine",),
    "docs/serving.md": ("installs from the network, and serves until it is stopped", "needs Triton"),
    "docs/training.md": ("fetches archives from the network",),
}
RUN_ELSEWHERE = {
    "docs/serving.md": ({"curl", "import numpy"}, "tests/serving/test_document.py asks a real server"),
}
"""Document -> how the blocks begin that another test runs, and which."""
SHORTER = {
    "README.md": [QUICK_DIGITS],
    "docs/tutorials/own-pictures.md": [QUICK_DIGITS, ("range(60)", "range(40)")],
    "docs/tutorials/browser.md": [QUICK_DIGITS],
    "docs/tutorials/microcontroller.md": [QUICK_DIGITS],
    "docs/tutorials/table.md": [("--target species", "--target species --epochs 40")],
    "docs/lesson.md": [("edgesoft train", "edgesoft train --epochs 2")],
    "docs/many.md": [("infer photos/", "infer photos/ --workers 1")],
    "docs/python.md": [('head="sigmoid"', 'head="sigmoid", epochs=5')],
    "docs/networks.md": [("edgesoft train", "edgesoft train --epochs 1")],
    "docs/training.md": [("edgesoft train", "edgesoft train --epochs 1")],
    "docs/devices.md": [("edgesoft bench exported", "edgesoft bench exported --rounds 6 --batch 1")],
}
"""Document -> what stands there, and what is run instead; each must stand there."""
EXACT = ("docs/lesson.md", "docs/file-format.md")
"""Documents whose Python prints what stands there to the letter: the numbers are those of an INT8 file."""
NEEDED = {
    "docs/converting.md": ("gcc", "make", "chromium"),
    "docs/tutorials/browser.md": ("chromium",),
    "docs/tutorials/microcontroller.md": ("gcc", "make", "arm-none-eabi-gcc", "qemu-system-arm"),
}
"""Tools of some documents; without them the document is not run."""


class Block(NamedTuple):
    """One fenced block."""

    kind: str
    text: str
    follows: str
    """What stands between it and the block before."""

    @property
    def untested(self) -> str | None:
        """Why it is not run."""
        found = re.match(r"# not tested: (.+)\n", self.text)
        return found and found[1]


def written(document):
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document):
    parts = re.split(r"^```(.*)\n((?:.*\n)*?)```$", written(document), flags=re.MULTILINE)
    return [Block(kind, text, before) for before, kind, text in zip(parts[::3], parts[1::3], parts[2::3], strict=False)]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """What the documents take for granted: the models and samples of a clone, some photographs, some tables, and a model of one."""
    folder = tmp_path_factory.mktemp("workshop")
    shutil.copytree(ROOT / "exported", folder / "exported")
    generator = np.random.default_rng(0)
    for name, colour in (("cats", 90), ("dogs", 160)):
        (folder / "photos" / name).mkdir(parents=True)
        for place in range(12):
            pixels = generator.integers(colour - 60, colour + 60, (24, 30, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{place}.png")
    kinds = np.repeat(["setosa", "versicolor", "virginica"], 30)
    lengths = np.round(generator.normal(5, 0.3, (90, 4)) + np.repeat([0, 3, 6], 30)[:, None], 1)
    iris = pd.DataFrame(lengths, columns=["sepal length", "sepal width", "petal length", "petal width"])
    for name in ("rows.csv", "more.csv"):
        iris.to_csv(folder / name, index=False)
    iris.assign(species=kinds).to_csv(folder / "iris.csv", index=False)
    iris.assign(species=kinds).sample(20, random_state=0).to_csv(folder / "measured.csv", index=False)
    codes = {
        "zip": np.arange(60) % 3,
        "school": np.arange(60) % 4,
        "name": [f"name {place % 6}" for place in range(60)],
    }
    for name in "abc":
        size = np.round(generator.normal(size=60), 2)
        table = pd.DataFrame({**codes, "size": size, "kind": np.where(size > 0, "large", "small")})
        (table if name == "a" else table.head(20)).to_csv(folder / f"{name}.csv", index=False)
    (folder / "settings.toml").write_text("[training]\nseed = 1\n")
    for command in (
        "train photos --network conv --epochs 1",
        "train iris.csv --target species --hidden 8 --epochs 20",
        "export runs/iris --quantize --output models",
    ):
        done = shared().run([*command.split(), "--quiet"], folder, limited=False)
        assert done.code == 0, done.err
    return folder


def statements(script):
    """Commands, each with the lines that belong to it."""
    lines, found = script.splitlines(), []
    while lines:
        first, *lines = lines
        here = re.search(r"<<-?\s*'?(\w+)'?", first)
        while first.endswith("\\") or (here and first.splitlines()[-1] != here[1]):
            first, lines = f"{first}\n{lines[0]}", lines[1:]
        if first.strip() and not first.startswith("#"):
            found.append(first)
    return found


def run(command, folder):
    """Exit code, and what was printed."""
    words = shlex.split(command, comments=True)
    if words[0] == "edgesoft" and not re.search(r"[|<>&;*]", re.sub(r"\"[^\"]*\"|#.*", "", command)):
        done = shared().run(words[1:], folder, limited=False)
        return done.code, (done.out + done.err).decode()
    path = f"{Path(sys.executable).parent}:{environment()['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, env=environment(PATH=path),
    )  # fmt: skip
    return done.returncode, done.stdout


def shape(line):
    """A line without its numbers (also in hexadecimal) and column widths, and without which of two files was the quicker one."""
    line = re.sub(r"\b[0-9a-f]*\d[0-9a-f]*\b", "0", line)
    line = re.sub(r"[\d.,]+(e-\d+)?(-[\d.,]+)*", "#", re.sub(r"-{3,}", "---", line))
    return re.sub(r"\s+", " ", line.replace("#int8.onnx", "#onnx")).strip()


def shapes(text):
    return {shape(line) for line in text.splitlines() if line.strip() and not line.startswith("note: ")}


def check_shown(shown, printed, what):
    promised, found = shapes(shown), shapes(printed)
    if "..." in shown.splitlines():
        assert promised - {"#"} <= found, what
    else:
        assert promised == found, what


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_it_shows_runs(document, workshop, tmp_path):
    needed = NEEDED.get(document, ())
    need(*(tool for tool in needed if tool != "chromium"))
    if "chromium" in needed:
        need_browser()
    folder = tmp_path / "folder"
    if document.startswith("docs/tutorials/"):
        folder.mkdir()
    else:
        shutil.copytree(workshop, folder)
    all_of_it = blocks(document)
    for before, after in SHORTER.get(document, ()):
        assert any(before in block.text for block in all_of_it), before
        all_of_it = [block._replace(text=block.text.replace(before, after)) for block in all_of_it]
    printed = None
    for block in all_of_it:
        if block.kind == "text" and printed is not None and not block.follows.strip():
            check_shown(block.text, printed, block.text)
            assert document not in EXACT or block.text == printed
        printed = None
        if block.untested or block.text.startswith(tuple(RUN_ELSEWHERE.get(document, ((),))[0])):
            continue
        if block.kind == "python":
            done = shared().run([], folder, limited=False, code=block.text)
            assert done.code == 0, done.err.decode()
            printed = done.out.decode()
        elif block.kind == "sh":
            for command in statements(block.text):
                code, said = run(command, folder)
                assert code == 0, f"{command}\n{said}"
        elif block.kind == "console":
            for text in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                command, *rest = statements(text)
                code, said = run(command, folder)
                assert code == 0, f"{command}\n{said}"
                check_shown("\n".join(rest), said, command)


def test_what_is_not_run_is_known():
    found = {document: tuple(block.untested for block in blocks(document) if block.untested) for document in DOCUMENTS}
    assert {document: reasons for document, reasons in found.items() if reasons} == NOT_TESTED


def test_every_block_says_what_it_is():
    for document in DOCUMENTS:
        for block in blocks(document):
            assert block.kind in ("sh", "console", "python", "text", "json", "c", "yaml"), f"{document}: {block.text}"
            if block.kind not in ("sh", "console"):
                assert not re.search(r"^(\$ |edgesoft (?!.*\[OPTIONS\])|pip )", block.text, flags=re.MULTILINE), (
                    f"{document}: {block.text}"
                )
        assert written(document).count("```") == 2 * len(blocks(document)), document


def anchors(document):
    """As GitHub makes them of headings."""
    text = re.sub(r"^```.*?^```$", "", written(document), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(document):
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", written(document), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    return [link for link in found if not link.startswith(("https://", "http://"))]


def target(document, link):
    path, _, anchor = link.partition("#")
    place = (ROOT / document).parent / path if path else ROOT / document
    return place.resolve(), anchor


@pytest.mark.parametrize("document", DOCUMENTS)
def test_its_links_lead_somewhere(document):
    for link in links(document):
        place, anchor = target(document, link)
        assert place.exists(), link
        assert not anchor or anchor in anchors(str(place.relative_to(ROOT))), link


def test_every_document_is_found_from_the_first():
    seen, to_read = set(), ["README.md"]
    while to_read:
        document = to_read.pop()
        seen.add(document)
        places = (str(target(document, link)[0].relative_to(ROOT)) for link in links(document))
        to_read += [place for place in places if place.endswith(".md") and place not in seen]
    assert set(DOCUMENTS) <= seen


def test_commands_within_sentences_exist():
    """`edgesoft train --seed 1` within a sentence is not run, but there is such a command with such an option."""
    group = typer.main.get_command(app)
    options = {
        name: {
            flag
            for parameter in group.get_command(None, name).params
            for flag in (*parameter.opts, *parameter.secondary_opts)
        }
        for name in COMMANDS
    }
    count = 0
    for document in DOCUMENTS:
        text = re.sub(r"^```.*?^```$", "", written(document), flags=re.MULTILINE | re.DOTALL)
        for words in re.findall(r"`edgesoft ([a-z]+ ?[^`]*)`", text):
            name, *rest = words.split()
            name = ALIASES.get(name, name)
            assert name in COMMANDS, f"{document}: edgesoft {words}"
            given = {word.partition("=")[0] for word in rest if re.fullmatch(r"--?[a-z].*", word)}
            assert given <= options[name] | {"--help", "-h"}, f"{document}: edgesoft {words}"
            count += 1
    assert count > 20


def test_the_layout_names_every_folder():
    named = set(re.findall(r"^\| `([a-z/]+)/` \|", written("CONTRIBUTING.md"), flags=re.MULTILINE))
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    packages = {
        str(Path(file).parent)
        for file in tracked
        if file.startswith("edgesoft/") and file.count("/") < 3 and "data" not in file
    }
    tops = {file.split("/")[0] for file in tracked if "/" in file and not file.startswith(".")}
    assert named >= (packages | tops) - {"edgesoft/data/embedded"}


def test_a_wrong_promise_is_found():
    """The control of the controls."""
    with pytest.raises(AssertionError):
        check_shown("label 7\n", "label seven\n", "")
    with pytest.raises(AssertionError):
        check_shown("gone\n...\n", "other\nlines\n", "")
    check_shown("a  12.5 %\n", "a 3 %\nnote: of this machine\n", "")
    assert statements("cat > x <<'END'\n1\nEND\nls \\\n  -l\n# talk\n") == ["cat > x <<'END'\n1\nEND", "ls \\\n  -l"]
    assert anchors("CONTRIBUTING.md") >= {"the-house-in-one-picture"}
