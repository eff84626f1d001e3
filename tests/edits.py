"""Changes model files as an attacker or a bad disk would, with the onnx package, and optionally writes the digests that fit."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, helper, numpy_helper

from edgesoft.model.file import CARD_KEY, DIGEST_KEY, GOLDEN_KEY, format_digests, parse_model
from edgesoft.model.golden import Golden


def read(path: Path) -> ModelProto:
    return onnx.load_model_from_string(path.read_bytes())


def write(model: ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


def edited(source: Path, target: Path, change: Callable[[ModelProto], None], *, fresh_digests: bool = True) -> Path:
    """A copy of a model file with a change; `fresh_digests`: the digests are made to fit it, as somebody with this code could."""
    model = read(source)
    change(model)
    if fresh_digests:
        digests = parse_model(model.SerializeToString(deterministic=True), source).digests
        set_metadata(model, DIGEST_KEY, format_digests(digests))
    return write(model, target)


def metadata(model: ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def set_metadata(model: ModelProto, key: str, value: str | None) -> None:
    values = {**metadata(model), key: value}
    helper.set_model_props(model, {key: value for key, value in values.items() if value is not None})


def constant(model: ModelProto, name: str) -> np.ndarray:
    return numpy_helper.to_array(next(tensor for tensor in model.graph.initializer if tensor.name == name)).copy()


def set_constant(model: ModelProto, name: str, value: np.ndarray) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(value, constant(model, name).dtype), name))


def node(model: ModelProto, operator: str) -> onnx.NodeProto:
    return next(item for item in model.graph.node if item.op_type == operator)


def has(model: ModelProto, name: str) -> bool:
    return any(tensor.name == name for tensor in model.graph.initializer)


def edit_card(model: ModelProto, **changes: object) -> None:
    card = json.loads(metadata(model)[CARD_KEY])
    set_metadata(model, CARD_KEY, json.dumps({**card, **changes}))


def card(model: ModelProto) -> dict:
    return json.loads(metadata(model)[CARD_KEY])


def golden(model: ModelProto) -> Golden:
    return Golden.decode(metadata(model)[GOLDEN_KEY], "a test")


def edit_golden(model: ModelProto, **changes: object) -> None:
    set_metadata(model, GOLDEN_KEY, dataclasses.replace(golden(model), **changes).encode())
