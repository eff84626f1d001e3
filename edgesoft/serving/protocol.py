"""The Open Inference Protocol v2 with its binary tensor and classification extensions: bytes in, arrays out, and back.

Nothing here knows of a web framework. Whatever the bytes are, the result is a request or a `Refusal`.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.model.file import ModelFile
from edgesoft.serving.refusal import Refusal, wrong

DATATYPES: Mapping[str, str] = {"uint8": "UINT8", "float32": "FP32", "int64": "INT64"}
"""numpy's name -> the protocol's, of what edgesoft's models take and give."""
EXTENSIONS = ("binary_tensor_data", "classification", "model_repository", "model_configuration")
MOST_NAMED = 16  # outputs that a request asks for
LONGEST_ID = 256  # letters of a request's id
LONGEST_REMEMBERED = 2048
"""Bytes of a request's JSON that is kept for the next one like it."""
IS_LITTLE = sys.byteorder == "little"
SHOWN = 60  # letters of a stranger's name that are shown back


@dataclass(frozen=True, eq=False)
class Signature:
    """What a model takes and gives."""

    input: str
    dtype: str
    """numpy's name of the input's element type."""
    shape: tuple[int, ...]
    """Of one input, without the batch."""
    outputs: Mapping[str, tuple[str, tuple[int, ...]]]
    """Name -> numpy's name of the element type, and the shape without the batch."""
    labels: tuple[str, ...]
    most_rows: int
    """Most inputs of one request."""

    @classmethod
    def of(cls, model: ModelFile, most_rows: int) -> Signature:
        """The signature of a model file."""
        given = model.inputs[0]
        outputs = {spec.name: (spec.dtype, _inner(spec.shape)) for spec in model.outputs}
        return cls(given.name, given.dtype, _inner(given.shape), outputs, model.card.labels, most_rows)

    @cached_property
    def bytes_of_one(self) -> int:
        """Of one input."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @cached_property
    def little(self) -> np.dtype[Any]:
        """The input's element type as it travels."""
        return np.dtype(self.dtype).newbyteorder("<")


def _inner(shape: Sequence[int | str]) -> tuple[int, ...]:
    return tuple(size for size in shape[1:] if isinstance(size, int))


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output that a request asks for."""

    name: str
    is_binary: bool
    classes: int
    """How many of the best classes are asked for instead of the numbers; 0 for the numbers."""


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request that can be answered."""

    id: str | None
    inputs: NDArray[Any]
    """`[n, ...]`, in the type and shape of the signature."""
    wanted: tuple[Wanted, ...]


def parse(body: bytes, header_length: str | None, signature: Signature) -> InferRequest:
    """Read the body of an inference request.

    Parameters
    ----------
    body
        All of it, unpacked.
    header_length
        What `Inference-Header-Content-Length` says: how many bytes of the body are JSON; None for all, "0" for none, when the body is
        the one input itself.
    signature
        Of the model that is asked.

    Raises
    ------
    Refusal
        400, with what is wrong.
    """
    length = _length(header_length, len(body))
    if length == 0:
        if not body or len(body) % signature.bytes_of_one:
            raise wrong(
                f"a body of {len(body):,} bytes: expected {signature.bytes_of_one:,} for each input {signature.input!r}"
            )
        rows = len(body) // signature.bytes_of_one
        _check_rows(rows, signature)
        return InferRequest(None, _from_bytes(body, rows, signature), _all_outputs(signature, is_binary=True))
    # A client that sends binary data sends the same head again and again.
    read = _remembered if header_length is not None and length <= LONGEST_REMEMBERED else _head
    head = read(bytes(body[:length]), signature)
    rest = memoryview(body)[length:]
    if head.size is None:
        if len(rest):
            raise wrong(f"{len(rest):,} bytes after the JSON that belong to no input: leave them out")
        return InferRequest(head.id, _from_json(head.data, head.rows, signature), head.wanted)
    expected = head.rows * signature.bytes_of_one
    if head.size != expected or len(rest) != expected:
        raise wrong(
            f"binary_data_size {head.size:,} and {len(rest):,} bytes after the JSON: expected {expected:,}, for {head.rows:,} "
            f"inputs of {signature.bytes_of_one:,} bytes"
        )
    return InferRequest(head.id, _from_bytes(rest, head.rows, signature), head.wanted)


@dataclass(frozen=True, slots=True)
class _Head:
    """What the JSON of a request says."""

    id: str | None
    rows: int
    size: int | None
    """Bytes of the input behind the JSON; None where it stands in it."""
    data: Any
    wanted: tuple[Wanted, ...]


def _head(text: bytes, signature: Signature) -> _Head:
    document = _json(text)
    parameters = _object(document.get("parameters", {}), "parameters")
    name = document.get("id")
    if name is not None and (not isinstance(name, str) or len(name) > LONGEST_ID):
        raise wrong(f"id: expected a text of at most {LONGEST_ID} letters")
    wanted = _wanted(document.get("outputs"), parameters, signature)
    return _Head(name, *_input(document.get("inputs"), signature), wanted)


_remembered = lru_cache(maxsize=256)(_head)


def encode(
    request: InferRequest, outputs: Mapping[str, NDArray[Any]], signature: Signature, *, model: str, version: str
) -> tuple[bytes, int | None]:
    """The body of a response, and how many bytes of it are JSON where others follow."""
    rows = len(request.inputs)
    if all(wanted.is_binary and not wanted.classes for wanted in request.wanted):
        head = _binary_head(request.wanted, rows, signature, model, version)
        if request.id is not None:
            head = b'%s,"id":%s}' % (head[:-1], json.dumps(request.id).encode())
        return b"".join([head, *(_little(outputs[wanted.name]) for wanted in request.wanted)]), len(head)
    described, blobs = [], []
    for wanted in request.wanted:
        entry, blob = _output(wanted, outputs[wanted.name], signature)
        described.append(entry)
        blobs += [] if blob is None else [blob]
    document = {"model_name": model, "model_version": version, "outputs": described}
    if request.id is not None:
        document["id"] = request.id
    text = json.dumps(document).encode()
    return (b"".join([text, *blobs]), len(text)) if blobs else (text, None)


@lru_cache(maxsize=256)
def _binary_head(wanted: tuple[Wanted, ...], rows: int, signature: Signature, model: str, version: str) -> bytes:
    described = []
    for name in (each.name for each in wanted):
        dtype, inner = signature.outputs[name]
        size = rows * math.prod(inner) * np.dtype(dtype).itemsize
        described.append(
            {
                "name": name,
                "datatype": DATATYPES[dtype],
                "shape": [rows, *inner],
                "parameters": {"binary_data_size": size},
            }
        )
    return json.dumps({"model_name": model, "model_version": version, "outputs": described}).encode()


def _output(wanted: Wanted, values: NDArray[Any], signature: Signature) -> tuple[dict[str, Any], bytes | None]:
    """One output of a response, and its bytes where they follow the JSON."""
    dtype, inner = signature.outputs[wanted.name]
    entry: dict[str, Any] = {"name": wanted.name, "datatype": DATATYPES[dtype], "shape": [len(values), *inner]}
    if wanted.classes:
        texts = _classes(values, wanted.classes, signature.labels)
        entry |= {"datatype": "BYTES", "shape": [len(values), len(texts) // len(values)]}
        blob, data = _bytes_tensor(texts), texts
    else:
        blob, data = _little(values), values.ravel().tolist()
    if not wanted.is_binary:
        return {**entry, "data": data}, None
    return {**entry, "parameters": {"binary_data_size": len(blob)}}, blob


def _length(text: str | None, size: int) -> int:
    if text is None:
        return max(size, 1)  # an empty body is no JSON, and no raw input either
    if not (text.isascii() and text.isdigit() and len(text) < 12) or int(text) > size:
        raise wrong(
            f"Inference-Header-Content-Length {_shown(text)}: expected a whole number of bytes, at most the body's {size:,}"
        )
    return int(text)


def _json(text: bytes) -> dict[str, Any]:
    try:
        document = _DECODER.decode(text.decode())
    except UnicodeDecodeError:
        raise wrong(
            "the body is not UTF-8: expected JSON. Where binary data follow, say so: Inference-Header-Content-Length"
        ) from None
    except RecursionError:
        raise wrong("lists within lists without end: expected JSON of the inference protocol") from None
    except ValueError as error:
        message = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise wrong(f"no JSON ({message[:100]}): expected an object with inputs") from None
    return _object(document, "the request")


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
"""Made once, because to make it takes as long as to read a picture with it."""


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(f"{what}: expected a JSON object")
    return value


def _flag(parameters: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise wrong(f"{name}: expected true or false")
    return value


def _count(parameters: Mapping[str, Any], name: str) -> int | None:
    value = parameters.get(name)
    if value is not None and (type(value) is not int or value < 0):
        raise wrong(f"{name}: expected a whole number")
    return value


def _refuse_shared_memory(parameters: Mapping[str, Any]) -> None:
    if any(name.startswith("shared_memory") for name in parameters):
        raise wrong("shared memory is not supported: send the data in the request")


def _wanted(given: Any, parameters: Mapping[str, Any], signature: Signature) -> tuple[Wanted, ...]:
    binary = _flag(parameters, "binary_data_output", default=False)
    if given is None or given == []:
        return _all_outputs(signature, is_binary=binary)
    if not isinstance(given, list) or len(given) > MOST_NAMED:
        raise wrong(f"outputs: expected a list of at most {MOST_NAMED} objects")
    found = []
    for item in given:
        entry = _object(item, "an output")
        name, own = entry.get("name"), _object(entry.get("parameters", {}), "the parameters of an output")
        if not isinstance(name, str) or name not in signature.outputs:
            raise wrong(f"output {_shown(name)}: expected one of {', '.join(signature.outputs)}")
        _refuse_shared_memory(own)
        classes = _count(own, "classification") or 0
        if classes and signature.outputs[name][1] != (len(signature.labels),):
            raise wrong(f"output {name!r} has no number for each class: ask for the classes of another one")
        found.append(Wanted(name, _flag(own, "binary_data", default=binary), classes))
    if len({wanted.name for wanted in found}) < len(found):
        raise wrong("an output is named twice: name it once")
    return tuple(found)


def _all_outputs(signature: Signature, *, is_binary: bool) -> tuple[Wanted, ...]:
    return tuple(Wanted(name, is_binary, 0) for name in signature.outputs)


def _input(given: Any, signature: Signature) -> tuple[int, int | None, Any]:
    """Of the one input of a request: how many rows, how many bytes follow the JSON, or else what stands in it."""
    if not isinstance(given, list) or len(given) != 1:
        raise wrong(f"inputs: expected a list of one object, for {signature.input!r}")
    entry = _object(given[0], "an input")
    if entry.get("name") != signature.input:
        raise wrong(f"input {_shown(entry.get('name'))}: expected {signature.input!r}")
    if entry.get("datatype") != DATATYPES[signature.dtype]:
        raise wrong(
            f"datatype {_shown(entry.get('datatype'))} of {signature.input!r}: expected {DATATYPES[signature.dtype]}"
        )
    rows = _rows(entry.get("shape"), signature)
    parameters = _object(entry.get("parameters", {}), "the parameters of an input")
    _refuse_shared_memory(parameters)
    size = _count(parameters, "binary_data_size")
    if size is None and "data" not in entry:
        raise wrong(f"input {signature.input!r} has no data, and no binary_data_size")
    if size is not None and "data" in entry:
        raise wrong(f"input {signature.input!r} has data and a binary_data_size: leave one out")
    return rows, size, entry.get("data")


def _rows(shape: Any, signature: Signature) -> int:
    expected = f"[n, {', '.join(map(str, signature.shape))}]"
    if not isinstance(shape, list) or any(type(size) is not int for size in shape):
        raise wrong(f"shape: expected a list of whole numbers, {expected}")
    if tuple(shape[1:]) != signature.shape or not shape or shape[0] < 1:
        raise wrong(f"shape {str(shape)[:SHOWN]}: expected {expected} with n >= 1")
    _check_rows(shape[0], signature)
    return int(shape[0])


def _check_rows(rows: int, signature: Signature) -> None:
    if rows > signature.most_rows:
        raise Refusal(
            400,
            f"{rows:,} inputs: expected at most {signature.most_rows} in one request. Send several",
            reason="batch",
        )


def _from_bytes(content: bytes | memoryview, rows: int, signature: Signature) -> NDArray[Any]:
    values = np.frombuffer(content, signature.little).reshape(rows, *signature.shape)
    return values if IS_LITTLE else values.astype(signature.dtype)


def _from_json(data: Any, rows: int, signature: Signature) -> NDArray[Any]:
    """Numbers in lists, nested or flat; nothing is rounded, wrapped or taken for a number."""
    shape, datatype = (rows, *signature.shape), DATATYPES[signature.dtype]
    if not isinstance(data, list):
        raise wrong(f"data: expected a list of {math.prod(shape):,} numbers")
    try:
        array = np.array(data)
    except (ValueError, OverflowError, RecursionError):
        raise wrong(
            f"data: expected numbers of {datatype} in lists of the shape {list(shape)}, or in one list"
        ) from None
    if array.shape not in (shape, (math.prod(shape),)):
        raise wrong(
            f"data of the shape {list(array.shape)}: expected {list(shape)}, or one list of {math.prod(shape):,}"
        )
    kinds = "iu" if signature.dtype == "uint8" else "iuf"
    if array.dtype.kind not in kinds or _holds_truth(data):
        raise wrong(f"data: expected numbers of {datatype} and nothing else")
    if signature.dtype == "uint8" and (array.min() < 0 or array.max() > 255):
        raise wrong(f"data from {array.min()} to {array.max()}: expected 0 to 255")
    with np.errstate(over="ignore"):  # what becomes infinite is refused by its row and feature
        return array.reshape(shape).astype(signature.dtype)


def _holds_truth(data: list[Any]) -> bool:
    """Whether true or false stands among numbers, which numpy takes for 1 and 0."""
    kinds = set(map(type, data))
    return bool in kinds or (list in kinds and any(_holds_truth(item) for item in data))


def _classes(values: NDArray[Any], count: int, labels: Sequence[str]) -> list[str]:
    """The best classes of each row as the classification extension writes them: value, index and label."""
    order = np.argsort(-values, axis=1, kind="stable")[:, :count]
    return [
        f"{row[place]:f}:{place}:{labels[place]}" for row, places in zip(values, order, strict=True) for place in places
    ]


def _bytes_tensor(texts: Sequence[str]) -> bytes:
    """A BYTES tensor: each element behind its length in four bytes."""
    encoded = [text.encode() for text in texts]
    return b"".join(len(item).to_bytes(4, "little") + item for item in encoded)


def _little(values: NDArray[Any]) -> bytes:
    return (values if IS_LITTLE else values.byteswap()).tobytes()


def _shown(value: Any) -> str:
    """What a stranger wrote, short and in one line of ASCII."""
    if isinstance(value, str):
        return ascii(value[:SHOWN])
    return type(value).__name__ if isinstance(value, list | dict) else repr(value)[:SHOWN]
