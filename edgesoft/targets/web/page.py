"""One page: the model and its golden examples as data, and the scripts and styles that its kind of input needs."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
from collections.abc import Sequence
from functools import cache
from importlib.resources import files as resources
from string import Template
from typing import Any, get_args

import numpy as np

from edgesoft.errors import EdgesoftError
from edgesoft.model.card import ModelCard
from edgesoft.model.file import ModelFile
from edgesoft.model.graph import Array
from edgesoft.model.heads import Head, Sigmoid
from edgesoft.model.inputs import PictureInput, TableInput
from edgesoft.model.network import read_network
from edgesoft.pages.markup import digest, read_style
from edgesoft.tables.column import Column
from edgesoft.tables.values import NumberForm
from edgesoft.targets.proof import Proof, read_proof, without_zeros
from edgesoft.targets.steps import Function, InexpressibleError, Step, steps
from edgesoft.version import __version__

PAGE = "index.html"
FUNCTIONS = frozenset(get_args(Function))
"""Of the steps: network.js has all of them."""
_FIRST = ("network.js", "replay.js", "answer.js")
_HERE = "Everything is computed in this page: nothing that you enter leaves this device."
_THERE = (
    "Drawings and rows are computed in this page; pictures from files and cameras go to the server that it comes from."
)


def write_page(model: ModelFile) -> dict[str, bytes]:
    """A model as one page: file name -> content; the same model gives the same bytes.

    Parameters
    ----------
    model
        Unchanged since export.

    Raises
    ------
    EdgesoftError
        It carries no golden examples, or its network has no form on a page.
    """
    return {PAGE: _page(model, server=None)}


def write_served_page(model: ModelFile, server: str) -> bytes:
    """The same page, whose picture files are answered by a server, with edgesoft's whole normaliser.

    Parameters
    ----------
    model
        Unchanged since export.
    server
        Where it is asked, a URL relative to the page.

    Raises
    ------
    EdgesoftError
        As of `write_page`.
    """
    return _page(model, server=f"{server}&seen=true&top_k={len(model.card.labels)}")


def _page(model: ModelFile, *, server: str | None) -> bytes:
    proof = read_proof(model)
    network, card = read_network(model), model.card
    try:
        row = steps(network, card.input.shape)
        strange = next((step.function for step in row if step.function not in FUNCTIONS), None)
        if strange is not None:
            raise InexpressibleError(f"a step {strange}")
        taken = _input(card, network.largest_input(card.input.shape))
    except InexpressibleError as error:
        raise EdgesoftError(
            f"{model.path}: cannot be written as a page: it holds {error}. Convert it to C instead: --to c"
        ) from None
    data = {**_judgement(card), "input": taken, "steps": [*map(_step, row)], "golden": _golden(proof)}
    script = "\n".join(map(_text, (*_FIRST, *_scripts(card, asks=server is not None), "start.js")))
    style, reach = read_style("colours.css") + _text("style.css"), "'none'" if server is None else "'self'"
    words = {
        "name": html.escape(card.name),
        "version": __version__,
        "file": html.escape(model.path.name.encode("utf-8", "backslashreplace").decode()),
        "sha256": hashlib.sha256(model.content).hexdigest(),
        "precision": card.precision,
        "lead": _HERE if server is None else _THERE,
        **_sections(card, asks=server is not None),
        "seen": _seen_html(card),
        "style": style,
        "script": script,
        "model": _data(data if server is None else {**data, "server": server}),
        "policy": f"default-src 'none'; script-src {digest(script)}; style-src {digest(style)}; img-src data: blob:; "
        f"connect-src {reach}; base-uri 'none'; form-action 'none'",
    }
    return Template(_text("page.html")).substitute(words).encode()


@cache
def _text(name: str) -> str:
    return (resources(__package__) / "templates" / name).read_text(encoding="utf-8")


def _data(document: object) -> str:
    """JSON that cannot end or change the element that it stands in, whatever a label holds."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _array(values: Array) -> dict[str, str]:
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return {"dtype": values.dtype.name, "base64": base64.b64encode(little.tobytes()).decode()}


def _step(step: Step) -> dict[str, Any]:
    constants = {name: _array(values) for name, values in step.constants.items()}
    sizes = {"inputs": step.inputs, "outputs": step.outputs, "gives": step.gives}
    picture = {} if step.picture is None else {"picture": {**step.picture._asdict(), "side": step.picture.side}}
    return {"function": step.function, **sizes, **picture, "constants": constants}


def _golden(proof: Proof) -> dict[str, Any]:
    golden = proof.golden
    inputs = golden.inputs
    return {
        "count": len(golden),
        "tolerance": proof.tolerance,
        "said": proof.said,
        "inputs": {**_array(without_zeros(inputs)), "size": inputs.size}
        if inputs.dtype == np.uint8
        else _array(inputs),
        "logits": _array(golden.expected),
        "targets": _array(golden.targets.astype(np.int32)),
    }


def _judgement(card: ModelCard) -> dict[str, Any]:
    """What the card says of answers, with the roundings that the graph has."""
    return {
        "name": card.name,
        "labels": card.labels,
        "noun": card.input.noun,
        "head": _head(card.head),
        "rejection": {
            "min_confidence": card.rejection.min_confidence,
            "min_energy_score": card.rejection.min_energy_score,
        },
    }


def _head(head: Head) -> dict[str, Any]:
    numbers = {"inverse_temperature": 1 / head.temperature}
    if isinstance(head, Sigmoid):
        numbers["logit_threshold"] = head.logit_threshold
    return {"kind": head.kind, **{name: float(np.float32(number)) for name, number in numbers.items()}}


def _input(card: ModelCard, largest: float) -> dict[str, Any]:
    spec = card.input
    if not isinstance(spec, TableInput):
        return {"kind": spec.kind, **spec.to_card()}
    reach = spec.reach if math.isfinite(spec.reach) else None
    return {"kind": spec.kind, "columns": [*map(_column, spec.columns)], "reach": reach, "largest": largest}


def _column(column: Column) -> dict[str, Any]:
    """A field of the form."""
    field = {"name": column.name, "is_marked": column.marks_missing}
    if column.vocabulary is not None:
        return {**field, "kind": "text", "vocabulary": column.vocabulary}
    form = column.form
    unit = form.prefix or form.suffix if isinstance(form, NumberForm) else ""
    return {
        **field,
        "kind": form.kind,
        "parts": form.parts,
        "ranges": column.ranges,
        "fill": column.fill,
        "unit": unit,
    }


def _scripts(card: ModelCard, *, asks: bool) -> Sequence[str]:
    if not isinstance(card.input, PictureInput):
        return ("dates.js", "form.js")
    is_ink = card.input.normaliser == "ink"
    drawing = ("glyph.js", "draw.js") if is_ink else ()
    reading = ("ask.js",) if asks else ("background.js", "decode.js") if is_ink else ("decode.js",)
    return ("resample.js", *drawing, *reading, "picture.js")


def _sections(card: ModelCard, *, asks: bool) -> dict[str, str]:
    """What stands before and after the answer."""
    spec = card.input
    if not isinstance(spec, PictureInput):
        return {"before": _text("form.html"), "after": ""}
    picture = Template(_text("picture.html"))
    if spec.normaliser == "ink":
        return {
            "before": _text("draw.html"),
            "after": picture.substitute(example="", note=_NOTE_ON_ASKING if asks else _NOTE_ON_INK),
        }
    note = _NOTE_ON_ASKING if asks else _NOTE_ON_WHOLE.format(spec.width, spec.height)
    example = '<button type="button" id="example">Next example</button>'
    return {"before": picture.substitute(example=example, note=note), "after": ""}


def _seen_html(card: ModelCard) -> str:
    spec = card.input
    if not isinstance(spec, PictureInput):
        return ""
    return f'<canvas id="seen" width="{spec.width}" height="{spec.height}" role="img" aria-label="What the model sees"></canvas>'


_NOTE_ON_INK = """\
A drawing becomes the model's pixels by edgesoft's own last step. A picture from a file is decoded by the browser and freed of its
background by a simpler rule, so that its answer may differ from that of <code>edgesoft infer</code>."""
_NOTE_ON_WHOLE = """\
The whole picture is scaled to {} x {} pixels. It is decoded by the browser, so that its answer may differ a little from that of
<code>edgesoft infer</code>."""
_NOTE_ON_ASKING = "A picture goes to the server, which reads it as <code>edgesoft infer</code> does."
