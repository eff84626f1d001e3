"""The files of a model repository: model, configuration, labels, warm-up, a client, and a manifest for KServe."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from functools import cache, partial
from importlib.resources import files as resources
from string import Template

import numpy as np

from edgesoft.errors import EdgesoftError
from edgesoft.model.card import ModelCard
from edgesoft.model.file import ModelFile
from edgesoft.model.graph import Array, TensorSpec
from edgesoft.names import served_name
from edgesoft.targets.proof import Proof, read_proof
from edgesoft.version import __version__

VERSION = "1"
MODEL = "model.onnx"
"""What Triton looks for in the folder of a version."""
MOST_ROWS = 256
"""Inputs of one call: beyond it a call of a small network takes longer in proportion."""
DELAY = 2000
"""Microseconds that Triton may wait for more inputs."""
GPU_TOLERANCE = 1e-3
"""How far a logit may lie from that on the CPU: a GPU adds in another order."""
DATATYPES = {"uint8": "UINT8", "float32": "FP32", "int64": "INT64"}


def write_repository(model: ModelFile, *, gpu: bool = False) -> dict[str, bytes]:
    """A model as a repository: file name -> content; the same model gives the same bytes.

    Parameters
    ----------
    model
        Unchanged since export.
    gpu
        Whether its instances run on GPUs.

    Raises
    ------
    EdgesoftError
        It carries no golden examples, or it is INT8 and a GPU is asked for.
    """
    if gpu and model.card.quantization is not None:
        raise EdgesoftError(
            f"{model.path}: is INT8, for which ONNX Runtime has no matrix product on a GPU. Convert the float file, or for the CPU: "
            "--to triton"
        )
    proof, name = read_proof(model), served_name(model.path.name)
    golden = proof.golden
    return {
        f"{name}/config.pbtxt": _configuration(model, name, gpu=gpu).encode(),
        f"{name}/labels.txt": "".join(f"{label}\n" for label in model.card.labels).encode(),
        f"{name}/{VERSION}/{MODEL}": model.content,
        f"{name}/warmup/{model.inputs[0].name}": golden.inputs[:1].tobytes(),
        "client.py": _client(model, name, proof, gpu=gpu).encode(),
        "golden-inputs.npy": _npy(golden.inputs),
        "golden-logits.npy": _npy(golden.expected),
        "kserve.yaml": _manifest(name, gpu=gpu).encode(),
    }


write_gpu_repository = partial(write_repository, gpu=True)


def _configuration(model: ModelFile, name: str, *, gpu: bool) -> str:
    given = model.inputs[0]
    outputs = ",\n".join(_output(spec, model.card) for spec in model.outputs)
    return Template(_text("config.pbtxt")).substitute(
        version=__version__,
        name=json.dumps(name, ensure_ascii=False),
        rows=MOST_ROWS,
        input=_tensor(given),
        outputs=outputs,
        delay=DELAY,
        kind="KIND_GPU" if gpu else "KIND_CPU",
        input_name=json.dumps(given.name),
        type=f"TYPE_{DATATYPES[given.dtype]}",
        dims=_dims(given),
    )


def _inner(spec: TensorSpec) -> Sequence[int | str]:
    """The shape without the batch."""
    return spec.shape[1:]


def _dims(spec: TensorSpec) -> str:
    return f"[ {', '.join(map(str, _inner(spec) or [1]))} ]"


def _tensor(spec: TensorSpec, more: str = "") -> str:
    # A number for each input has no shape but the batch, for which the configuration has this way only.
    reshape = "" if _inner(spec) else "\n    reshape { shape: [ ] }"
    described = (
        f"    name: {json.dumps(spec.name)}\n    data_type: TYPE_{DATATYPES[spec.dtype]}\n    dims: {_dims(spec)}"
    )
    return f"  {{\n{described}{reshape}{more}\n  }}"


def _output(spec: TensorSpec, card: ModelCard) -> str:
    has_labels = tuple(_inner(spec)) == (len(card.labels),)
    return _tensor(spec, '\n    label_filename: "labels.txt"' if has_labels else "")


def _client(model: ModelFile, name: str, proof: Proof, *, gpu: bool) -> str:
    tolerance = 0.0 if proof.tolerance is None else proof.tolerance
    return Template(_text("client.py.txt")).substitute(
        version=__version__,
        model=json.dumps(name),
        input=json.dumps(model.inputs[0].name),
        datatype=json.dumps(DATATYPES[model.inputs[0].dtype]),
        tolerance=repr(max(tolerance, GPU_TOLERANCE) if gpu else tolerance),
    )


def _manifest(name: str, *, gpu: bool) -> str:
    plain = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-") or "model"
    return Template(_text("kserve.yaml")).substitute(
        version=__version__, name=plain, gpu='\n          nvidia.com/gpu: "1"' if gpu else ""
    )


def _npy(values: Array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


@cache
def _text(name: str) -> str:
    return (resources(__package__) / "templates" / name).read_text(encoding="utf-8")
