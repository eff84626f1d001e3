"""A real server, asked by the real tritonclient, by curl's kind of requests, and by a browser."""

import base64
import gzip
import io
import json

import numpy as np
import pytest
import tritonclient.http as triton
from openapi_spec_validator import validate
from PIL import Image
from tritonclient.utils import InferenceServerException

import edgesoft
from tests.conftest import ROOT
from tests.serving.conftest import MNIST
from tests.serving.running import Running, binary, wait_for

SAMPLES = ROOT / "exported" / "samples"


@pytest.fixture(scope="module")
def client(server):
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as found:
        yield found


def tensor(values, name="pixels", datatype="UINT8"):
    found = triton.InferInput(name, list(values.shape), datatype)
    found.set_data_from_numpy(values)
    return found


def test_tritonclient_finds_what_is_served(client, flowers):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("mnist")
    assert client.is_model_ready("flowers", "1")
    assert not client.is_model_ready("nothing")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert [model["name"] for model in client.get_model_repository_index()] == ["mnist", "flowers"]
    described = client.get_model_metadata("flowers")
    classifier = edgesoft.load(flowers)
    width = classifier.card.input.shape[0]
    assert described["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, width]}]
    assert [output["name"] for output in described["outputs"]] == ["logits", "probabilities", "label"]
    assert client.get_model_config("mnist")["max_batch_size"] == 16


@pytest.mark.parametrize("is_binary", [True, False])
def test_tritonclient_gets_the_bits_of_the_classifier(client, mnist, ready, is_binary):
    inputs = mnist.test.inputs[:9]
    given = triton.InferInput("pixels", [9, 28, 28], "UINT8")
    given.set_data_from_numpy(inputs, binary_data=is_binary)
    wanted = [triton.InferRequestedOutput(name, binary_data=is_binary) for name in ("label", "logits")]
    found, expected = client.infer("mnist", [given], outputs=wanted, request_id="seven"), ready(inputs)
    np.testing.assert_array_equal(found.as_numpy("logits"), expected.logits)
    np.testing.assert_array_equal(found.as_numpy("label"), expected.indices)
    assert found.get_response()["id"] == "seven"
    assert found.as_numpy("probabilities") is None


def test_tritonclient_gets_rows_classes_and_packed_bodies(client, flowers):
    rows = np.array([[2.0, 1, 0], [-2.0, 0, 1]], np.float32)[:, : edgesoft.load(flowers).card.input.shape[0]]
    for packed in (None, "gzip", "deflate"):
        found = client.infer("flowers", [tensor(rows, "features", "FP32")], request_compression_algorithm=packed)
        np.testing.assert_allclose(found.as_numpy("logits"), edgesoft.load(flowers)(rows).logits, atol=1e-5)
    wanted = [triton.InferRequestedOutput("probabilities", class_count=1)]
    classes = client.infer("flowers", [tensor(rows, "features", "FP32")], outputs=wanted).as_numpy("probabilities")
    assert [text.decode().split(":")[1:] for text in classes[:, 0]] == [["1", "b"], ["0", "a"]]


def test_many_requests_of_one_client_get_their_own_answers(client, mnist, ready):
    """They are gathered into calls of several; each answer must be its question's."""
    with triton.InferenceServerClient(client._parsed_url.netloc, concurrency=16) as many:
        sizes = [1 + place % 3 for place in range(120)]
        starts = np.cumsum([0, *sizes])
        asked = [
            many.async_infer("mnist", [tensor(mnist.test.inputs[start : start + size])])
            for start, size in zip(starts, sizes, strict=False)
        ]
        found = np.concatenate([each.get_result().as_numpy("logits") for each in asked])
    np.testing.assert_array_equal(found, ready(mnist.test.inputs[: len(found)]).logits)


def test_tritonclient_is_told_what_is_wrong(client):
    for act, said in (
        (lambda: client.infer("nothing", [tensor(np.zeros((1, 28, 28), np.uint8))]), "There are mnist, flowers"),
        (lambda: client.infer("mnist", [tensor(np.zeros((1, 28, 27), np.uint8))]), r"expected \[n, 28, 28\]"),
        (lambda: client.infer("mnist", [tensor(np.zeros((17, 28, 28), np.uint8))]), "at most 16"),
        (lambda: client.infer("mnist", [tensor(np.zeros((1, 28, 28), np.float32), datatype="FP32")]), "expected UINT8"),
        (lambda: client.get_inference_statistics("mnist"), "not supported"),
        (lambda: client.load_model("mnist"), "not supported"),
        (lambda: client.register_system_shared_memory("a", "/b", 3), "not supported"),
        (lambda: client.infer("mnist", [tensor(np.zeros((1, 28, 28), np.uint8))], model_version="2"), "no version"),
    ):
        with pytest.raises(InferenceServerException, match=said):
            act()


def test_a_row_that_the_network_cannot_take_costs_no_other_request(server):
    for wrong in (np.nan, np.inf, 3e38):
        rows = np.full((2, 3), wrong, np.float32)
        body, headers = binary(rows, name="features", datatype="FP32")
        answer = server.ask("POST", "/v2/models/flowers/infer", body, **headers)
        assert answer.status == 400
        assert "feature 'width' is" in answer.json["error"]


def test_a_body_that_is_the_input_itself(server, mnist, ready):
    body = mnist.test.inputs[:2].tobytes()
    answer = server.ask("POST", "/v2/models/mnist/infer", body, Inference_Header_Content_Length="0")
    head = int(answer.headers["inference-header-content-length"])
    logits = np.frombuffer(answer.body[head : head + 80], np.float32).reshape(2, 10)
    np.testing.assert_array_equal(logits, ready(mnist.test.inputs[:2]).logits)


def test_a_picture_gets_the_answer_of_infer(server, cli):
    photo = SAMPLES / "2-photo.jpg"
    answer = server.ask("POST", "/predict?model=mnist&top_k=3", photo.read_bytes(), Content_Type="image/jpeg")
    expected = json.loads(cli("infer", photo, "--model", MNIST, "--json", "--top-k", "3").out)
    assert answer.json == expected | {"path": "body", "model": "mnist"}
    seen = server.ask("POST", "/predict?model=mnist&seen=true", photo.read_bytes()).json["seen"]
    assert len(base64.b64decode(seen)) == 784


def form(**files):
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in files.items()
    ]
    return b"".join(parts) + b"--b--\r\n"


def test_several_pictures_in_a_form_one_of_them_none(server):
    body = form(photo=(SAMPLES / "2-photo.jpg").read_bytes(), text=b"no picture", blank=png(255))
    answer = server.ask("POST", "/predict?model=mnist", body, Content_Type="multipart/form-data; boundary=b")
    assert answer.status == 200
    photo, text, blank = answer.json
    assert (photo["path"], photo["label"]) == ("photo", "2")
    assert text["path"] == "text"
    assert "expected a picture" in text["error"]
    assert blank["label"] == "unknown"
    assert blank["rejected"]
    always = server.ask("POST", "/predict?model=mnist&reject=0", png(255)).json
    assert not always["rejected"]


def png(level, size=28):
    buffer = io.BytesIO()
    Image.new("L", (size, size), level).save(buffer, "PNG")
    return buffer.getvalue()


def test_rows_with_names(server):
    row = {"colour": "blue", "width": 2.5}
    one = server.ask("POST", "/predict?model=flowers", json.dumps(row).encode())
    assert (one.status, one.json["label"], one.json["path"]) == (200, "b", "body")
    rows = [row, {"width": "-2", "colour": "white"}, {"width": "many", "colour": "blue"}, {"colour": ["x"]}, 3, {}]
    many = server.ask("POST", "/predict?model=flowers", json.dumps(rows).encode()).json
    assert [answer["path"] for answer in many] == [f"row {number}" for number in range(1, 7)]
    assert [answer.get("label") for answer in many[:2]] == ["b", "a"]
    assert ["error" in answer for answer in many] == [False, False, True, True, True, True]
    far = server.ask("POST", "/predict?model=flowers", b'{"width": 900, "colour": "blue"}').json
    assert far["rejected"]
    assert "training saw" in far["warnings"][0]


@pytest.mark.parametrize(
    ("path", "body", "kind", "status", "said"),
    [
        ("/predict", b"x", "", 400, "say which"),
        ("/predict?model=nothing", b"x", "", 404, "There are mnist, flowers"),
        ("/predict?model=mnist", b"", "", 400, "the body is empty"),
        ("/predict?model=mnist", b"no picture", "", 400, "expected a picture"),
        ("/predict?model=mnist", b"{}", "application/json", 415, "takes pictures"),
        ("/predict?model=mnist", b"{}", "multipart/form-data", 400, "boundary"),
        ("/predict?model=mnist", b"--c--", "multipart/form-data; boundary=b", 400, "multipart"),
        ("/predict?model=mnist", form(), "multipart/form-data; boundary=b", 400, "no file in the form"),
        ("/predict?model=mnist", form(**{f"f{n}": b"" for n in range(17)}), "multipart/form-data; boundary=b", 400, "Too many"),
        ("/predict?model=flowers", b"", "", 400, "no JSON"),
        ("/predict?model=flowers", b"[]", "", 400, "0 rows"),
        ("/predict?model=flowers", b"[" * 10_000, "", 400, "lists within lists"),
        ("/predict?model=flowers", b"[" + b"1," * 20 + b"1]", "", 400, "21 rows: expected 1 to 16"),
        ("/predict?model=flowers", b'{"width": 1, "width": 2}', "", 400, "twice"),
        ("/predict?model=flowers", form(), "multipart/form-data; boundary=b", 415, "takes rows"),
        ("/predict?model=mnist&top_k=0", b"x", "", 400, "top_k '0'"),
        ("/predict?model=mnist&top_k=1_0", b"x", "", 400, "top_k"),
        ("/predict?model=mnist&rejct=0.9", b"x", "", 400, "unknown parameter 'rejct'"),
        ("/predict?model=mnist&top_k=1&top_k=2", b"x", "", 400, "top_k: is given twice"),
        ("/predict?model=mnist&reject=nan", b"x", "", 400, "reject 'nan'"),
        ("/predict?model=mnist&seen=1", b"x", "", 400, "seen"),
        ("/predict?model=../../etc/passwd", b"x", "", 404, "no model"),
        ("/v2/models/mnist/infer", b"file:///etc/passwd", "", 400, "no JSON"),
        ("/v2/models/mnist/infer/", b"{}", "", 404, "no such endpoint"),
        ("/v2/models/mnist/versions/2/infer", b"{}", "", 404, "no version"),
        ("/nothing", b"{}", "", 404, "/docs"),
        ("/v2/models/mnist", b"{}", "", 405, "POST is not possible here"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_request_is_said_in_json(server, path, body, kind, status, said):
    answer = server.ask("POST", path, body, **({"Content_Type": kind} if kind else {}))
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert said in answer.json["error"]


def test_limits_of_size_pixels_and_time(server):
    large = server.ask("POST", "/predict?model=mnist", bytes(1_000_001))
    assert (large.status, large.headers["connection"]) == (413, "close")
    assert "expected at most 1,000,000" in large.json["error"]
    head = b"POST /predict?model=mnist HTTP/1.1\r\nHost: x\r\n"
    chunks = head + b"Transfer-Encoding: chunked\r\n\r\n" + (b"8000\r\n" + bytes(0x8000) + b"\r\n") * 40
    assert b"413 " in server.say(chunks)[:20]
    bomb = server.ask("POST", "/v2/models/mnist/infer", gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")
    assert (bomb.status, "unpacks to more than" in bomb.json["error"]) == (413, True)
    pixels = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(pixels, "PNG")
    wide = server.ask("POST", "/predict?model=mnist", pixels.getvalue())
    assert wide.status == 400
    assert "too many pixels" in wide.json["error"]
    slow = server.say(head + b"Content-Length: 100\r\n\r\nabc")
    assert slow.startswith(b"HTTP/1.1 408 ")
    assert b"did not come within 2 s" in slow
    for packed in (b"no gzip", gzip.compress(b"{}")[:-4], gzip.compress(b"{}") + b"more"):
        assert server.ask("POST", "/v2/models/mnist/infer", packed, Content_Encoding="gzip").status == 400
    assert server.ask("POST", "/v2/models/mnist/infer", b"{}", Content_Encoding="br").status == 415


def test_what_is_no_http_is_told_so_in_json(server):
    for content, status in (
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET /" + b"a" * 70_000, 431),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 70_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000, 431),
    ):
        said = server.say(content)
        assert said.startswith(b"HTTP/1.1 %d " % status), said[:200]
        assert json.loads(said.partition(b"\r\n\r\n")[2])["error"]


def test_request_ids_are_kept_or_made_and_stand_in_the_log(server):
    assert server.ask("GET", "/v2", X_Request_Id="abc-1").headers["x-request-id"] == "abc-1"
    made = server.ask("GET", "/v2", X_Request_Id="no good").headers["x-request-id"]
    assert made != server.ask("GET", "/v2").headers["x-request-id"]
    lines = wait_for(lambda: [line for line in server.log() if line.get("request_id") == "abc-1"])
    said = [(line["event"], line["method"], line["path"], line["status"]) for line in lines]
    assert said == [("request", "GET", "/v2", 200)]


def test_metrics_count(server, client, mnist):
    client.infer("mnist", [tensor(mnist.test.inputs[:3])])
    server.ask("POST", "/predict?model=mnist", png(255))
    text = server.ask("GET", "/metrics").body.decode()
    for line in (
        'edgesoft_requests_total{route="infer",status="200"}',
        'edgesoft_request_seconds_bucket{le="0.01",route="infer"}',
        'edgesoft_batch_rows_count{model="mnist"}',
        'edgesoft_answers_total{label="7",model="mnist"}',
        'edgesoft_rejected_total{model="mnist"}',
        'edgesoft_waiting_rows{model="mnist"} 0.0',
    ):
        assert line in text


def test_the_description_is_openapi_and_names_every_endpoint(server):
    document = server.ask("GET", "/openapi.json").json
    validate(document)
    page = server.ask("GET", "/docs").body.decode()
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    for path, methods in document["paths"].items():
        assert path in page
        for method in methods:
            status = server.ask(
                method.upper(), path.replace("{model}", "mnist"), b"" if method == "post" else None
            ).status
            assert status in (200, 400), path  # 400: the body is missing


def test_a_token_opens_what_is_not_open(flowers, tmp_path):
    with Running(flowers, "--no-token", folder=tmp_path, EDGESOFT_TOKEN="") as open_to_all:
        assert open_to_all.ask("GET", "/v2").status == 200
    with Running(flowers, "--cors", "https://a.example", folder=tmp_path, EDGESOFT_TOKEN="secret") as server:
        assert server.ask("GET", "/v2/health/ready").status == 200
        for path in ("/", "/v2", "/metrics", "/docs", "/nothing"):
            refused = server.ask("GET", path)
            assert (refused.status, "token" in refused.json["error"]) == (401, True)
            assert refused.headers["www-authenticate"].startswith("Basic")
        for given in (
            "Bearer secre",
            "Bearer",
            "Basic !",
            "secret",
            "Bearer \xff",
            "Basic " + base64.b64encode(b"secret").decode(),
        ):
            assert server.ask("GET", "/v2", Authorization=given).status == 401
        for given in ("Bearer secret", "bearer  secret", "Basic " + base64.b64encode(b"me:secret").decode()):
            assert server.ask("GET", "/v2", Authorization=given).status == 200
        allowed = server.ask("GET", "/v2", Authorization="Bearer secret", Origin="https://a.example")
        assert allowed.headers["access-control-allow-origin"] == "https://a.example"
        other = server.ask("GET", "/v2", Authorization="Bearer secret", Origin="https://b.example")
        assert "access-control-allow-origin" not in other.headers
        assert "secret" not in json.dumps(server.log())


def test_nobody_elsewhere_may_read_unless_asked(server):
    assert "access-control-allow-origin" not in server.ask("GET", "/v2", Origin="https://a.example").headers
