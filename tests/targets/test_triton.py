"""The model repository: read by Triton's own description of it, and its client against a real server."""

import json
import subprocess
import sys

import numpy as np
import pytest
import yaml
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

import edgesoft
from edgesoft.errors import EdgesoftError, GateMissedError
from edgesoft.targets.replay import replay
from tests.conftest import ROOT, environment
from tests.serving.running import Running

READY = ROOT / "exported"


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository") / "models"
    edgesoft.convert(READY / "mnist.int8.onnx", "triton", folder)
    return folder


def configuration(folder, name):
    return text_format.Parse((folder / name / "config.pbtxt").read_text(), pb.ModelConfig())


def test_the_configuration_is_triton_s(repository):
    found = configuration(repository, "mnist")
    assert (found.name, found.backend, found.max_batch_size) == ("mnist", "onnxruntime", 256)
    (given,) = found.input
    assert (given.name, given.data_type, list(given.dims)) == ("pixels", pb.TYPE_UINT8, [28, 28])
    outputs = {output.name: output for output in found.output}
    assert {name: (output.data_type, list(output.dims)) for name, output in outputs.items()} == {
        "logits": (pb.TYPE_FP32, [10]),
        "probabilities": (pb.TYPE_FP32, [10]),
        "label": (pb.TYPE_INT64, [1]),
    }
    assert outputs["label"].HasField("reshape")  # [batch] alone
    assert list(outputs["label"].reshape.shape) == []
    assert found.dynamic_batching.max_queue_delay_microseconds == 2000
    assert [(group.count, group.kind) for group in found.instance_group] == [(1, pb.ModelInstanceGroup.KIND_CPU)]
    labels = (repository / "mnist" / outputs["logits"].label_filename).read_text().splitlines()
    assert labels == list("0123456789")


def test_the_warm_up_is_an_input_and_the_model_is_the_file(repository, ready):
    (warmup,) = configuration(repository, "mnist").model_warmup
    given = warmup.inputs["pixels"]
    raw = (repository / "mnist" / "warmup" / given.input_data_file).read_bytes()
    pixels = np.frombuffer(raw, np.uint8).reshape(list(given.dims))
    expected = np.load(repository / "golden-logits.npy")[0]
    np.testing.assert_array_equal(ready(pixels).logits[0], expected)
    assert (repository / "mnist" / "1" / "model.onnx").read_bytes() == (READY / "mnist.int8.onnx").read_bytes()


def test_the_same_client_runs_against_edgesoft_serve(repository, tmp_path):
    """And it fails where another model answers: the control."""
    client = [sys.executable, str(repository / "client.py"), "--url"]
    for model, code, said in (("mnist.int8.onnx", 0, "64 of 64"), ("conv/mnist.int8.onnx", 1, "0 of 64")):
        with Running(READY / model, folder=tmp_path, EDGESOFT_TOKEN="secret") as server:
            url = f"127.0.0.1:{server.port}"
            done = subprocess.run(
                [*client, url, "--token", "secret"], capture_output=True, text=True, env=environment()
            )
            assert (done.returncode, said in done.stdout) == (code, True), done.stdout + done.stderr


def test_a_table_and_a_gpu(kinds, tmp_path):
    _, files = kinds["table, logistic regression"]
    edgesoft.convert(files[0], "triton-gpu", tmp_path / "out")
    found = configuration(tmp_path / "out", "0")
    assert found.instance_group[0].kind == pb.ModelInstanceGroup.KIND_GPU
    assert found.input[0].data_type == pb.TYPE_FP32
    assert yaml.safe_load((tmp_path / "out" / "kserve.yaml").read_text())["spec"]["predictor"]["model"]["resources"][
        "limits"
    ]["nvidia.com/gpu"]
    with pytest.raises(EdgesoftError, match="is INT8, for which ONNX Runtime has no matrix product on a GPU"):
        edgesoft.convert(READY / "mnist.int8.onnx", "triton-gpu", tmp_path / "int8")


def test_the_manifest_names_the_model_and_the_protocol(repository):
    manifest = yaml.safe_load((repository / "kserve.yaml").read_text())
    assert (manifest["kind"], manifest["metadata"]["name"]) == ("InferenceService", "mnist")
    model = manifest["spec"]["predictor"]["model"]
    assert (model["runtime"], model["protocolVersion"]) == ("kserve-tritonserver", "v2")
    assert "nvidia.com/gpu" not in model["resources"]["limits"]


def test_the_command_verifies_overwrites_and_says_what_was_changed(cli, tmp_path):
    arguments = ["convert", READY / "mnist.int8.onnx", "--to", "triton", "--output", "out"]
    done = cli(*arguments)
    assert "out/mnist/1/model.onnx" in done.out.splitlines()
    assert "64 of 64" in json.loads(cli("verify", "out", "--json").out)["said"]
    assert cli(*arguments).code == 1
    assert cli(*arguments, "--overwrite").code == 0
    config = tmp_path / "out" / "mnist" / "config.pbtxt"
    config.write_text(config.read_text() + "# mine\n")
    with pytest.raises(GateMissedError, match="was changed since"):
        replay(tmp_path / "out")
    kept = cli(*arguments, "--overwrite")
    assert kept.code == 1
    assert "config.pbtxt: was not written by edgesoft, or was changed since" in kept.one_line()


def test_nothing_is_written_through_a_link_out_of_the_folder(cli, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mnist").symlink_to(tmp_path / "elsewhere")
    done = cli("convert", READY / "mnist.int8.onnx", "--to", "triton", "--output", "out", "--overwrite")
    assert done.code == 1
    assert "mnist: expected a folder, but this is a link" in done.one_line()
    assert list((tmp_path / "elsewhere").iterdir()) == []
