"""The protocol without a server: what is read, what is refused, what is written."""

import json
import random

import numpy as np
import pytest

from edgesoft.serving.protocol import InferRequest, Signature, Wanted, encode, parse
from edgesoft.serving.refusal import Refusal

OUTPUTS = {"logits": ("float32", (3,)), "probabilities": ("float32", (3,)), "label": ("int64", ())}
LABELS = ("a", "b", "ü:c")
PIXELS = Signature("pixels", "uint8", (2, 2), OUTPUTS, LABELS, 4)
FEATURES = Signature("features", "float32", (2,), OUTPUTS, LABELS, 4)
ANSWERS = {
    "logits": np.array([[1, 3, 2], [0, -1, 5]], np.float32),
    "probabilities": np.array([[0.1, 0.6, 0.3], [0.0, 0.1, 0.9]], np.float32),
    "label": np.array([1, 2]),
}


def request(data=(1, 2, 3, 4), **changes):
    entry = {"name": "pixels", "shape": [1, 2, 2], "datatype": "UINT8", "data": data} | changes
    return json.dumps({"inputs": [{key: value for key, value in entry.items() if value is not ...}]}).encode()


def refusal(body, length=None, signature=PIXELS):
    with pytest.raises(Refusal) as caught:
        parse(body, length, signature)
    assert caught.value.status == 400
    assert "\n" not in str(caught.value)
    assert str(caught.value).isascii()
    return str(caught.value)


def test_numbers_in_lists_nested_or_flat():
    for data in ([1, 2, 3, 255], [[[1, 2], [3, 255]]]):
        found = parse(request(data), None, PIXELS)
        assert found.inputs.dtype == np.uint8
        assert found.inputs.tolist() == [[[1, 2], [3, 255]]]
        assert [wanted.name for wanted in found.wanted] == ["logits", "probabilities", "label"]
    body = request([0.5, 1], name="features", shape=[1, 2], datatype="FP32")
    assert parse(body, None, FEATURES).inputs.tolist() == [[0.5, 1.0]]


def test_binary_data_stand_behind_the_json_in_little_endian():
    head = request(..., name="features", shape=[2, 2], datatype="FP32", parameters={"binary_data_size": 16})
    body = head + np.array([1, 2, 3, 4], "<f4").tobytes()
    for _ in range(2):  # the second time the head is remembered
        assert parse(body, str(len(head)), FEATURES).inputs.tolist() == [[1, 2], [3, 4]]
    assert parse(bytes(range(8)), "0", PIXELS).inputs.tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shape": [1, 3, 2]}, "shape [1, 3, 2]: expected [n, 2, 2] with n >= 1"),
        ({"shape": [2, 2]}, "expected [n, 2, 2]"),
        ({"shape": [0, 2, 2]}, "n >= 1"),
        ({"shape": [-1, 2, 2]}, "n >= 1"),
        ({"shape": [True, 2, 2]}, "whole numbers"),
        ({"shape": [1.0, 2, 2]}, "whole numbers"),
        ({"shape": "1"}, "whole numbers"),
        ({"shape": []}, "expected [n, 2, 2]"),
        ({"shape": [5, 2, 2]}, "5 inputs: expected at most 4"),
        ({"shape": [10**30, 2, 2]}, "expected at most 4"),
        ({"datatype": "FP32"}, "datatype 'FP32' of 'pixels': expected UINT8"),
        ({"datatype": ["UINT8"]}, "datatype list"),
        ({"name": "other\n\x1b[31m"}, r"input 'other\n\x1b[31m': expected 'pixels'"),
        ({"data": [1, 2, 3]}, "data of the shape [3]: expected [1, 2, 2], or one list of 4"),
        ({"data": [1, 2, 3, 256]}, "data from 1 to 256: expected 0 to 255"),
        ({"data": [1, 2, 3, -1]}, "data from -1"),
        ({"data": [1, 2, 3, 4.0]}, "expected numbers of UINT8 and nothing else"),
        ({"data": [1, 2, 3, True]}, "nothing else"),
        ({"data": [True] * 4}, "nothing else"),
        ({"data": [1, 2, 3, "4"]}, "nothing else"),
        ({"data": [1, 2, 3, None]}, "nothing else"),
        ({"data": [1, 2, 3, 10**40]}, "nothing else"),
        ({"data": [[1, 2], [3]]}, "in lists of the shape"),
        ({"data": "AAAA"}, "expected a list of 4 numbers"),
        ({"data": ...}, "has no data"),
        ({"parameters": {"binary_data_size": 4}}, "leave one out"),
        ({"parameters": {"shared_memory_region": "x"}}, "shared memory is not supported"),
        ({"parameters": [1]}, "expected a JSON object"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_input_is_said(changes, said):
    assert said in refusal(request(**changes))


@pytest.mark.parametrize(
    ("body", "length", "said"),
    [
        (b"", None, "no JSON"),
        (b"{", None, "no JSON"),
        (b"[]", None, "expected a JSON object"),
        (b"\xff\xfe", None, "not UTF-8"),
        (b"[" * 100_000, None, "lists within lists"),
        (b'{"inputs": NaN}', None, "NaN is no number"),
        (b'{"inputs": ' + b"9" * 5000 + b"}", None, "no JSON"),
        (b"{}", None, "inputs: expected a list of one object"),
        (b'{"inputs": [1]}', None, "an input: expected a JSON object"),
        (b'{"inputs": [{}, {}]}', None, "a list of one object"),
        (b"{}", "-1", "Inference-Header-Content-Length '-1'"),
        (b"{}", "3", "at most the body's 2"),
        (b"{}", "1e1", "whole number of bytes"),
        (b"{}", "\u0661", "whole number of bytes"),
        (b"{}", "9" * 30, "whole number of bytes"),
        (b"", "0", "a body of 0 bytes: expected 4"),
        (b"abcde", "0", "a body of 5 bytes"),
        (bytes(20), "0", "5 inputs: expected at most 4"),
        (request(id=3), None, ""),
    ],
)
def test_what_is_wrong_with_a_body_is_said(body, length, said):
    if said:
        assert said in refusal(body, length)
    else:
        assert parse(body, length, PIXELS).id is None  # the id of an input is nobody's


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": 3}, "id: expected a text"),
        ({"id": "x" * 300}, "id: expected a text"),
        ({"parameters": 1}, "parameters: expected a JSON object"),
        ({"parameters": {"binary_data_output": 1}}, "binary_data_output: expected true or false"),
        ({"outputs": 1}, "outputs: expected a list"),
        ({"outputs": [{"name": "label"}] * 17}, "at most 16"),
        ({"outputs": [{"name": "label"}] * 2}, "named twice"),
        ({"outputs": [{"name": "nothing"}]}, "expected one of logits, probabilities, label"),
        ({"outputs": [{"name": "label", "parameters": {"classification": 2}}]}, "has no number for each class"),
        ({"outputs": [{"name": "logits", "parameters": {"classification": -2}}]}, "classification: expected a whole number"),
        ({"outputs": [{"name": "logits", "parameters": {"binary_data": "yes"}}]}, "binary_data: expected true or false"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_what_is_asked_for_is_said(changes, said):
    document = json.loads(request()) | changes
    assert said in refusal(json.dumps(document).encode())


def test_binary_sizes_must_fit_exactly():
    head = request(..., parameters={"binary_data_size": 4})
    assert "4 and 3 bytes after the JSON: expected 4" in refusal(head + b"abc", str(len(head)))
    assert "4 and 5 bytes" in refusal(head + b"abcde", str(len(head)))
    head = request(..., parameters={"binary_data_size": 5})
    assert "5 and 5 bytes after the JSON: expected 4" in refusal(head + b"abcde", str(len(head)))
    head = request()
    assert "3 bytes after the JSON that belong to no input" in refusal(head + b"abc", str(len(head)))


def test_answers_as_lists_as_bytes_and_as_classes():
    wanted = (Wanted("logits", False, 0), Wanted("probabilities", True, 2), Wanted("label", True, 0))
    content, length = encode(
        InferRequest("é\ud800", np.zeros((2, 2, 2), np.uint8), wanted), ANSWERS, PIXELS, model="m", version="1"
    )
    document = json.loads(content[:length])
    assert document["id"] == "é\ud800"
    logits, probabilities, label = document["outputs"]
    assert logits == {"name": "logits", "datatype": "FP32", "shape": [2, 3], "data": [1, 3, 2, 0, -1, 5]}
    assert (probabilities["datatype"], probabilities["shape"]) == ("BYTES", [2, 2])
    size = probabilities["parameters"]["binary_data_size"]
    first = b"0.600000:1:b"
    assert content[length:][: 4 + len(first)] == len(first).to_bytes(4, "little") + first
    assert b"0.900000:2:\xc3\xbc:c" in content[length:][:size]
    assert content[length + size :] == np.array([1, 2], "<i8").tobytes()
    assert label["parameters"] == {"binary_data_size": 16}


def test_all_outputs_as_bytes_with_and_without_an_id():
    wanted = tuple(Wanted(name, True, 0) for name in OUTPUTS)
    for name in (None, 'a"b'):
        request = InferRequest(name, np.zeros((2, 2), np.float32), wanted)
        content, length = encode(request, ANSWERS, FEATURES, model="m", version="1")
        document = json.loads(content[:length])
        assert document.get("id") == name
        assert [output["shape"] for output in document["outputs"]] == [[2, 3], [2, 3], [2]]
        assert content[length:] == b"".join(values.tobytes() for values in ANSWERS.values())


def test_whatever_the_bytes_are_there_is_a_request_or_a_refusal():
    """Damaged requests by the thousand: nothing else is ever raised."""
    generator = random.Random(5)
    whole = [request(), request(..., parameters={"binary_data_size": 4}) + b"abcd", request([[[1, 2], [3, 4]]])]
    found = {"good": 0, "refused": 0}
    for _ in range(3000):
        body = bytearray(generator.choice(whole))
        for _ in range(generator.randint(0, 4)):
            place = generator.randrange(len(body))
            what = generator.randrange(3)
            if what == 0:
                body[place] = generator.randrange(256)
            elif what == 1:
                del body[place : place + generator.randint(1, 9)]
            else:
                body[place:place] = generator.choice([b"[", b"{", b"null", b"1e999", b'"', b"-1", b"true", b"\x00"])
            body = body or bytearray(b" ")
        length = generator.choice([None, None, str(generator.randint(0, len(body) + 2)), str(len(body) - 4)])
        try:
            parse(bytes(body), length, PIXELS)
            found["good"] += 1
        except Refusal:
            found["refused"] += 1
    assert found["good"] > 10
    assert found["refused"] > 2000
