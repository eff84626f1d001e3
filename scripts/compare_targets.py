"""C and web page of `edgesoft convert` beside emx-onnx-cgen and emlearn (PyPI) and onnxruntime-web (npm), on the models in `exported/`.

    python -m venv rivals && rivals/bin/pip install emx-onnx-cgen==1.4.0 emlearn==0.23.2 scikit-learn==1.9.1
    npm install onnxruntime-web@1.30.0
    python scripts/compare_targets.py --c rivals --web node_modules/onnxruntime-web

Needs gcc and Chromium. The generated C is compiled with the same flags and called in turns; both pages come from a server on this machine
and are timed by the browser's own clock. Prints tables in Markdown.
"""

from __future__ import annotations

import argparse
import base64
import ctypes
import functools
import hashlib
import itertools
import json
import platform
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from compiled import FLAGS, classify
from measuring import microseconds, say, table

import edgesoft
from edgesoft.inference.bench import interleave
from edgesoft.inference.doctor import processor
from edgesoft.model.file import open_model
from edgesoft.model.heads import Softmax, probabilities
from edgesoft.model.layers import Linear
from edgesoft.model.network import read_network

EXPORTED = Path(__file__).resolve().parent.parent / "exported"
MODELS = {
    "MLP, float32": EXPORTED / "mnist.onnx",
    "MLP, INT8": EXPORTED / "mnist.int8.onnx",
    "convolutional, float32": EXPORTED / "conv" / "mnist.onnx",
    "convolutional, INT8": EXPORTED / "conv" / "mnist.int8.onnx",
}
CALLS = 200
"""Answers of a page after its first one."""


def pictures() -> np.ndarray:
    from edgesoft.data.mnist import load_mnist

    return np.ascontiguousarray(load_mnist().test.inputs[:1000])


class Emx:
    """A model as emx-onnx-cgen writes it, compiled into a library."""

    def __init__(self, rivals: Path, model: Path, folder: Path) -> None:
        folder.mkdir()
        self.source, library = folder / "model.c", folder / "model.so"
        program = rivals / "bin" / "emx-onnx-cgen"
        command = [
            str(program),
            "compile",
            "--input-dim",
            "batch=1",
            "--model-name",
            "model",
            str(model),
            str(self.source),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run(["gcc", *FLAGS, "-o", str(library), str(self.source), "-lm"], check=True)
        loaded = ctypes.CDLL(str(library))
        self.weights = folder / "model.bin"
        if self.weights.exists() and not loaded.model_load(str(self.weights).encode()):
            raise SystemExit(f"{self.weights}: emx-onnx-cgen's code does not load it")
        self.function = loaded.model
        self.logits, chances, label = np.empty(10, np.float32), np.empty(10, np.float32), np.empty(1, np.int64)
        self.outputs = [ctypes.c_void_p(array.ctypes.data) for array in (self.logits, chances, label)]
        self.kept = chances, label

    def __call__(self, picture: np.ndarray) -> None:
        """Fill in the logits."""
        self.function(ctypes.c_void_p(picture.ctypes.data), *self.outputs)


def emlearn(rivals: Path, model: Path, folder: Path, given: np.ndarray) -> list[str]:
    """The row of emlearn, which has float only: the same weights, rounded to six decimals."""
    folder.mkdir()
    layers = [layer for layer in read_network(open_model(model)).layers if isinstance(layer, Linear)]
    np.savez(folder / "weights.npz", *(array for layer in layers for array in (layer.weight, layer.bias)))
    python, script = rivals / "bin" / "python", Path(__file__).with_name("compare_emlearn.py")
    command = [str(python), str(script), str(folder / "weights.npz"), str(folder)]
    # It leaves what it compiles in the folder where it runs.
    headers = f"-I{subprocess.check_output(command, text=True, cwd=folder).splitlines()[-1]}"
    # Its own code is not C99 without a warning, nor without libm.
    library = folder / "model.so"
    flags = [flag for flag in FLAGS if not flag.startswith("-std")]
    subprocess.run(["gcc", "-w", *flags, headers, "-o", str(library), str(folder / "model.c"), "-lm"], check=True)
    function = ctypes.CDLL(str(library)).classify
    answers = np.empty(10, np.float32)
    scaled = np.ascontiguousarray(given.reshape(len(given), -1) / np.float32(255), dtype=np.float32)
    where = ctypes.c_void_p(answers.ctypes.data)
    each = itertools.cycle([ctypes.c_void_p(row.ctypes.data) for row in scaled])
    seconds = interleave({"emlearn": lambda: function(next(each), where)}, rounds=60, calls=20)
    expected, found = edgesoft.load(model)(given), []
    for row in scaled:
        function(ctypes.c_void_p(row.ctypes.data), where)
        found.append(answers.copy())
    away = np.abs(np.stack(found) - probabilities(Softmax(), expected.logits)).max()
    flash, ram = sizes(folder / "model.c", "-w", headers)
    return [
        "MLP, float32, emlearn",
        f"{flash:,}",
        f"{ram:,}",
        "no",
        microseconds(seconds["emlearn"]),
        f"probabilities within {away:.1g}",
    ]


def sizes(source: Path, *flags: str) -> tuple[int, int]:
    """Bytes of code and constants, and of static memory, that gcc -Os makes of a file."""
    compiled = source.with_suffix(".o")
    subprocess.run(["gcc", "-Os", *flags, "-c", "-o", str(compiled), str(source)], check=True)
    text, data, bss = (
        int(word) for word in subprocess.check_output(["size", str(compiled)], text=True).splitlines()[1].split()[:3]
    )
    return text + data, data + bss


def in_c(rivals: Path, folder: Path) -> None:
    """Size, memory, speed and bits of the C that all write."""
    given = pictures()
    rows = [["C, gcc", "code and constants", "static RAM", "malloc", "batch 1", "logits of 1,000 pictures"]]
    for name, model in MODELS.items():
        say(f"{name} ...")
        expected = edgesoft.load(model).logits(given)
        theirs = Emx(rivals, model, folder / f"emx-{len(rows)}")
        mine = classify(model, folder / f"edgesoft-{len(rows)}", given)
        each = itertools.cycle(given)
        seconds = interleave(
            {"edgesoft": mine, "emx": lambda call=theirs, each=each: call(next(each))}, rounds=60, calls=20
        )
        source = folder / f"edgesoft-{len(rows)}" / "mnist.c"
        logits: dict[str, list[np.ndarray]] = {"edgesoft": [], "emx": []}
        answers = np.empty(10, np.float32)
        function = ctypes.CDLL(str(folder / f"edgesoft-{len(rows)}.so")).mnist_classify
        for one in given:
            function(ctypes.c_void_p(one.ctypes.data), ctypes.c_void_p(answers.ctypes.data))
            theirs(one)
            logits["edgesoft"].append(answers.copy())
            logits["emx"].append(theirs.logits.copy())
        for tool, file in (("edgesoft", source), ("emx", theirs.source)):
            flash, ram = sizes(file)
            weights = theirs.weights.stat().st_size if tool == "emx" and theirs.weights.exists() else 0
            found = np.stack(logits[tool])
            same = int((found.view(np.int32) == expected.view(np.int32)).all(axis=1).sum())
            rows.append(
                [
                    f"{name}, {'emx-onnx-cgen' if tool == 'emx' else tool}",
                    f"{flash:,}" + (f" and a file of {weights:,}" if weights else ""),
                    f"{ram:,}",
                    "yes" if "malloc(" in file.read_text() else "no",
                    microseconds(seconds[tool]),
                    f"{same:,} the same bits; within {np.abs(found - expected).max():.1g}",
                ]
            )
        if name == "MLP, float32":
            rows.append(emlearn(rivals, model, folder / "emlearn", given))
    table("C beside emx-onnx-cgen and emlearn", rows)


TIMED = """
const first = performance.now();
const each = [];
for (let i = 0; i < CALLS; i++) {
  const start = performance.now();
  await call();
  each.push(performance.now() - start);
}
await fetch("/answer", { method: "POST", body: JSON.stringify({ first, each }) });
"""
OURS = """<script>(async () => {
const input = Uint8Array.from(PICTURE);
const call = () => logitsOf(input);
while (!document.getElementById("proof").dataset.passed) { await new Promise((go) => setTimeout(go, 1)); }
call();
TIMED
})();</script>"""
THEIRS = """<!doctype html><script src="ort.wasm.min.js"></script><script>(async () => {
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create("model.onnx", { executionProviders: ["wasm"] });
const pixels = new ort.Tensor("uint8", Uint8Array.from(PICTURE), [1, 28, 28]);
const call = () => session.run({ pixels });
await call();
TIMED
})();</script>"""


def in_browser(page: str, folder: Path) -> tuple[float, list[float]]:
    """Milliseconds from opening a page to its first answer, and of each further answer."""
    (folder / "index.html").write_text(page, encoding="utf-8")
    arrived = threading.Event()
    said: list[dict[str, object]] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take what the page measured."""
            said.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            arrived.set()

        def log_message(self, *_: object) -> None:
            """Say nothing of each request."""

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        if chromium is None:
            raise SystemExit("no Chromium: apt install chromium")
        profile = tempfile.mkdtemp(dir=folder.parent)
        browser = subprocess.Popen(
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", f"http://127.0.0.1:{server.server_port}/"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            if not arrived.wait(120):
                raise SystemExit("the page did not answer within two minutes")
        finally:
            browser.kill()
            browser.wait()
            server.shutdown()
    return float(said[0]["first"]), [float(x) for x in said[0]["each"]]  # type: ignore[arg-type, attr-defined]


def on_the_web(ort_web: Path, folder: Path) -> None:
    """Bytes, first answer and further answers of both pages."""
    rows = [["Chromium", "bytes to load", "first answer after", "each further"]]
    timed = TIMED.replace("CALLS", str(CALLS))
    picture = json.dumps(pictures()[0].ravel().tolist())
    for name, model in MODELS.items():
        say(f"{name}, in the browser ...")
        mine, theirs = folder / f"page-{len(rows)}", folder / f"ort-{len(rows)}"
        edgesoft.convert(model, "web", mine)
        page = (mine / "index.html").read_text(encoding="utf-8")
        size = {"edgesoft": len(page.encode())}
        script = OURS.replace("TIMED", timed).replace("PICTURE", picture)
        code = script.removeprefix("<script>").removesuffix("</script>")
        allowed = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        page = page.replace("script-src ", f"connect-src 'self'; script-src 'sha256-{allowed}' ")
        page = re.sub(r"connect-src 'none'; ?", "", page).replace("</body>", f"{script}</body>")
        theirs.mkdir()
        for file in ("ort.wasm.min.js", "ort-wasm-simd-threaded.wasm", "ort-wasm-simd-threaded.mjs"):
            shutil.copy(ort_web / "dist" / file, theirs)
        shutil.copy(model, theirs / "model.onnx")
        size["onnxruntime-web"] = sum(path.stat().st_size for path in theirs.iterdir())
        opened = {
            "edgesoft": (page, mine),
            "onnxruntime-web": (THEIRS.replace("TIMED", timed).replace("PICTURE", picture), theirs),
        }
        for tool, (content, home) in opened.items():
            first, each = in_browser(content, home)
            rows.append(
                [f"{name}, {tool}", f"{size[tool]:,}", f"{first:,.0f} ms", microseconds([x / 1000 for x in each])]
            )
    table("The page beside onnxruntime-web, one thread", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--c", type=Path, help="the environment that has emx-onnx-cgen and emlearn")
    parser.add_argument("--web", type=Path, help="the folder of the package onnxruntime-web")
    options = parser.parse_args()
    print(f"{processor()}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}")
    parts: list[Callable[[Path], None]] = []
    if options.c:
        parts.append(functools.partial(in_c, options.c.absolute()))
    if options.web:
        parts.append(functools.partial(on_the_web, options.web))
    if not parts:
        parser.error("name --c, --web or both")
    for part in parts:
        with tempfile.TemporaryDirectory() as name:
            part(Path(name))


if __name__ == "__main__":
    main()
