"""The files of a C folder: header, network, probabilities, and a program that replays the golden examples."""

from __future__ import annotations

import hashlib
import math
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files as resources
from string import Template
from typing import ClassVar

import numpy as np

from edgesoft.errors import EdgesoftError
from edgesoft.model.card import ModelCard
from edgesoft.model.file import ModelFile
from edgesoft.model.golden import Golden
from edgesoft.model.heads import Sigmoid
from edgesoft.model.inputs import TableInput
from edgesoft.model.network import FLOAT32_MAX, read_network
from edgesoft.targets.c.drawing import handwriting, normaliser
from edgesoft.targets.c.literals import array, comment, identifier, number, text
from edgesoft.targets.c.plan import Plan, plan
from edgesoft.targets.c.rows import COLUMNS, has_weekdays, judgement, row_lines
from edgesoft.targets.proof import read_proof, without_zeros
from edgesoft.targets.steps import InexpressibleError, steps
from edgesoft.version import __version__

# Function -> those that it calls, in the order in which they are written.
_FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "convolve_few_bytes": ("input", "gather", "eight_products", "to_byte"),
    "convolve_few_bytes_to_floats": ("input", "gather", "eight_products"),
    "convolve_bytes": ("input", "products", "gather", "pooled_products", "to_byte"),
    "convolve_bytes_to_floats": ("input", "products", "gather", "pooled_products"),
    "convolve": ("add_products", "convolve_place"),
    "dense_bytes": ("sums", "add_nonzero_in_integers", "to_byte"),
    "dense_bytes_to_floats": ("sums", "add_nonzero_in_integers"),
    "dense": ("add_nonzero",),
    "relu": (),
    "scale_features": (),
    "smooth_clip": (),
    "bytes_of_floats": ("to_byte",),
    "floats_of_bytes": (),
}


_TO_FLOATS, _IN_INTEGERS = "_to_floats", "_in_integers"
_FLOATS = {"input": "float", "weight": "float", "held": "float", "total": "float", "pair": ""}
"""The types of what is added up: of inputs, weights, inputs when they are multiplied, sums, and of two products if they need a cast."""
_OF_DRAWINGS = {"normaliser": "drawing.h", "normalised": "drawing.md"}
"""Words of the header and of the README, and what they are made of where a model reads handwriting."""
_OF_ROWS = {"familiar": "familiar.c"}
"""The same of the file of the probabilities, where a model takes rows."""
_OF_WEEKDAYS = {"weekday": "weekday.h", "weekday_function": "weekday.c"}
"""The same of the network's file, where rows have days of the week."""


class _Template(Template):
    """Of C and of Makefiles, where `$` has a meaning."""

    delimiter: ClassVar[str] = "@"


def write_program(model: ModelFile) -> dict[str, bytes]:
    """A model as C99: file name -> content; the same model gives the same bytes.

    Parameters
    ----------
    model
        Unchanged since export.

    Raises
    ------
    EdgesoftError
        It carries no golden examples, or its network has no form in C.
    """
    proof = read_proof(model)
    network, card = read_network(model), model.card
    try:
        body = plan(steps(network, card.input.shape), card.input.kind)
    except InexpressibleError as error:
        raise EdgesoftError(
            f"{model.path}: cannot be written in C: it holds {error}. Export it again: edgesoft export"
        ) from None
    tolerance, said = proof.tolerance, proof.said
    name = identifier(card.name)
    largest = number(network.largest_input(card.input.shape)) if card.input.kind == "features" else ""
    words = {
        **_names(model, name),
        **_sizes(card, body, proof.golden),
        **_calls(card, body, largest),
        **_judgement(card),
        "takes": "\n".join(f" * {line}".rstrip() for line in _takes(card)),
        "refuses": f", or -1 where a feature is no number from -{largest} to {largest}" if largest else "",
        "promise": f"{said[0].upper()}{said[1:]}."
        if tolerance is not None
        else "The logits are ONNX Runtime's, bit for bit.",
        "said": said,
        "recorded": "next_golden_picture()" if card.input.is_picture else "golden_inputs[example]",
        "unpacked": _template("pictures.c").substitute(_names(model, name)) if card.input.is_picture else "",
        "compare": _EQUAL if tolerance is None else _NEAR.format(number(tolerance)),
        "arrays": "\n".join(_golden_arrays(card, proof.golden)),
    }
    words |= dict.fromkeys((*_OF_DRAWINGS, *_OF_ROWS, *_OF_WEEKDAYS, "given", "handed", "and_familiar", "unlike"), "")
    templates = {f"{name}.c": "model.c", f"{name}_probabilities.c": "probabilities.c"}
    if (spec := handwriting(card)) is not None:
        templates[f"{name}_normalise.c"] = "normalise.c"
        words |= normaliser(spec)
        words |= _made(_OF_DRAWINGS, words)
    if isinstance(card.input, TableInput):
        words |= judgement(card.input, name, always_answers=card.rejection.min_confidence == 0)
        words |= _made(_OF_ROWS, words)
        words |= _made(_OF_WEEKDAYS, words) if has_weekdays(card.input) else {}
    words["sources"] = " ".join(templates)
    words["objects"] = words["sources"].replace(".c", ".o")
    templates |= {f"{name}.h": "model.h"} | {
        file: file for file in ("golden.h", "main.c", "Makefile", "CMakeLists.txt", "README.md")
    }
    return {file: _template(template).substitute(words).encode() for file, template in templates.items()}


@cache
def _template(name: str) -> _Template:
    return _Template((resources(__package__) / "templates" / name).read_text(encoding="utf-8"))


def _made(files: Mapping[str, str], words: Mapping[str, str]) -> dict[str, str]:
    """Words that are templates themselves."""
    return {key: _template(file).substitute(words) for key, file in files.items()}


def _names(model: ModelFile, name: str) -> dict[str, str]:
    kind = model.card.input.kind
    digest = hashlib.sha256(model.content).hexdigest()
    return {
        "name": name,
        "NAME": name.upper(),
        "what": comment(model.card.name),
        "origin": comment(f"{model.path.name}, SHA-256 {digest}"),
        "version": __version__,
        "argument": kind,
        "type": "float" if kind == "features" else "uint8_t",
    }


def _sizes(card: ModelCard, body: Plan, golden: Golden) -> dict[str, str]:
    return {
        "inputs": str(math.prod(card.input.shape)),
        "logits": str(card.outputs),
        "classes": str(len(card.labels)),
        "flash": str(body.constant_bytes),
        "ram": str(body.ram_bytes),
        "wide": f" x86 and NEON, which multiply in 16 bits, take {body.gathered} bytes more.\n *"
        if body.gathered
        else "",
        "multiplications": str(body.multiplications),
        "count": str(len(golden)),
    }


def _takes(card: ModelCard) -> Iterator[str]:
    """What the caller has to bring, in lines of the header's comment."""
    spec = card.input
    if isinstance(spec, TableInput):
        yield from row_lines(spec)
        return
    colours = ", each as red, green and blue" if len(spec.shape) == 3 else ""
    yield f"Input: {spec.shape[1]} x {spec.shape[0]} levels from 0 to 255, row by row from the top left{colours}."
    yield from textwrap.wrap(f"How edgesoft brings a picture into this form: {comment(spec.describe())}.", COLUMNS)


def _calls(card: ModelCard, body: Plan, largest: str) -> dict[str, str]:
    """What stands in the network's file."""
    room = body.buffer_bytes
    buffer = f"\nstatic union {{\n    float floats[{-(-room // 4)}];\n    uint8_t bytes[{room}];\n}} buffer;\n"
    wanted: dict[str, None] = {}
    for function, needed in _FUNCTIONS.items():
        if function in body.functions:
            wanted |= dict.fromkeys((*needed, function))
    head = card.head
    is_sigmoid = isinstance(head, Sigmoid)
    return {
        "constants": "\n".join(line for constant in body.constants for line in array(*constant)),
        "labels": ",\n".join(f"    {text(label)}" for label in card.labels),
        "math": "\n#include <math.h>" if "smooth_clip" in body.functions else "",
        "buffer": buffer if room else "",
        "functions": "\n".join(_function(function, body) for function in wanted),
        "declarations": ("    int label = 0, other;\n" if not is_sigmoid else "") + ("    int i;\n" if largest else ""),
        "guard": _GUARD.format(len(card.input.names), largest) if largest else "",
        "calls": "\n".join(f"    {call}" for call in body.calls),
        "answer": (
            f"    return logits[0] > {number(np.float32(head.logit_threshold))};"
            if isinstance(head, Sigmoid)
            else _ARGMAX.format(card.outputs)
        ),
    }


def _function(function: str, body: Plan) -> str:
    """One function of the network's file: some differ only in what they take, or in what they give."""
    base = function.removesuffix(_IN_INTEGERS).removesuffix(_TO_FLOATS)
    rounds = not function.endswith(_TO_FLOATS)
    words = {
        "suffix": function.removeprefix(base),
        "number": "uint8_t" if rounds else "float",
        "value": "to_byte(value)" if rounds else "value",
        "sums": body.sums,
        "gathered": body.gathered,
        "others": body.others,
    }
    if function.endswith(_IN_INTEGERS):
        words |= {
            "input": "uint8_t",
            "weight": "int8_t",
            "held": body.pair,
            "total": "int32_t",
            "pair": f"({body.pair})",
        }
    else:
        words |= _FLOATS
    return _template(f"functions/{base}.c").substitute(words)


def _judgement(card: ModelCard) -> dict[str, str]:
    """What stands in the file of the probabilities."""
    head, rejection = card.head, card.rejection
    inverse = number(np.float32(1 / head.temperature))
    always_answers = rejection.min_confidence == 0
    energy = -FLOAT32_MAX if always_answers or rejection.min_energy_score is None else rejection.min_energy_score
    return {
        "confidence": number(rejection.min_confidence or 0.0),
        "energy": number(energy),
        "sum": "" if isinstance(head, Sigmoid) else ", sum = 0.0f",
        "probabilities": (
            _SIGMOID.format(inverse, number(np.float32(head.logit_threshold)))
            if isinstance(head, Sigmoid)
            else _SOFTMAX.format(len(card.labels), inverse)
        ),
    }


def _golden_arrays(card: ModelCard, golden: Golden) -> Iterator[str]:
    if golden.inputs.dtype == np.uint8:
        yield "/* For each row of zeros in a picture, at most 255, stand a 0 and how many they are. */"
        yield from array("uint8_t", "golden_pictures", without_zeros(golden.inputs))
    else:
        yield from array("float", "golden_inputs", golden.inputs)
    yield from array("float", "golden_logits", golden.expected)
    yield from array("int", "golden_labels", card.head.predict(golden.expected))


_GUARD = """\
    for (i = 0; i < {0}; i++) {{
        if (!(features[i] >= -{1} && features[i] <= {1})) {{
            return -1;
        }}
    }}
"""

_ARGMAX = """\
    for (other = 1; other < {0}; other++) {{
        label = logits[other] > logits[label] ? other : label;
    }}
    return label;"""

_SOFTMAX = """\
    for (i = 0; i < {0}; i++) {{
        probabilities[i] = expf(logits[i] * {1} - largest * {1});
        sum += probabilities[i];
    }}
    for (i = 0; i < {0}; i++) {{
        probabilities[i] /= sum;
        confidence = probabilities[i] > confidence ? probabilities[i] : confidence;
    }}"""

_SIGMOID = """\
    probabilities[0] = 1.0f / (1.0f + expf(logits[0] * {0}));
    probabilities[1] = 1.0f / (1.0f + expf(logits[0] * -{0}));
    confidence = probabilities[logits[0] > {1}];"""

_EQUAL = "memcmp(&logits[i], &golden_logits[example][i], sizeof logits[i]) == 0"
_NEAR = "fabsf(logits[i] - golden_logits[example][i]) <= {}"
