"""Names, and what this machine's own ONNX Runtime can and cannot run. Broken machines are built in test_broken_machines.py."""

import ctypes
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgesoft.errors import EdgesoftError, ProviderUnavailableError, UsageError
from edgesoft.inference import providers
from edgesoft.inference.cpu import usable_cores
from edgesoft.inference.cuda import DRIVER
from edgesoft.inference.find_model import find_model
from edgesoft.inference.providers import (
    Choice,
    choose,
    compiled_providers,
    int8_warning,
    known_providers,
    obstacle,
    one_line,
    open_session,
    resolve,
    trial,
)
from edgesoft.inference.runtime import onnxruntime

EXPORTED = Path(__file__).resolve().parents[2] / "exported"


def has_driver():
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return False
    return True


no_driver = pytest.mark.skipif(has_driver(), reason="this machine has an NVIDIA driver")


@pytest.mark.parametrize("full", onnxruntime.get_all_providers())
def test_every_provider_that_the_runtime_knows_has_a_short_and_a_full_name_in_any_case(full):
    short = full.removesuffix("ExecutionProvider")
    assert resolve(full) == resolve(full.upper()) == resolve(short) == resolve(short.lower()) == short.lower()
    assert known_providers()[resolve(short)] == full


def test_auto_and_the_names_that_people_say():
    assert (resolve("AUTO"), resolve("DirectML"), resolve("trt"), resolve(" cpu ")) == (
        "auto",
        "dml",
        "tensorrt",
        "cpu",
    )


@pytest.mark.parametrize(
    ("asked", "nearest"), [("cdua", "cuda"), ("tensort", "tensorrt"), ("openvno", "openvino"), ("cpuu", "cpu")]
)
def test_a_wrong_name_suggests_the_nearest(asked, nearest):
    with pytest.raises(UsageError, match=f"unknown provider '{asked}'. Did you mean {nearest}\\?") as caught:
        choose(asked)
    assert caught.value.exit_code == 2


def test_a_name_like_no_other_lists_them_all():
    with pytest.raises(UsageError, match=r"unknown provider 'zzzzzz'\. Expected one of auto, cpu, .*cuda"):
        choose("zzzzzz")


def test_the_cpu_is_always_there():
    assert choose("CPU") == Choice("cpu", "asked for")
    assert obstacle("cpu") is None
    assert trial("cpu") is None


def test_what_is_not_compiled_in_is_refused_with_the_wheel_that_has_it():
    with pytest.raises(
        ProviderUnavailableError, match=r"built without it .*pip install onnxruntime-openvino"
    ) as caught:
        choose("openvino")
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(set(known_providers()) - set(compiled_providers())))
def test_no_provider_is_ever_swapped_for_another(name):
    with pytest.raises(ProviderUnavailableError, match=f"provider {name} cannot run here: .+"):
        choose(name)


@no_driver
@pytest.mark.skipif("cuda" not in compiled_providers(), reason="this ONNX Runtime is built without CUDA")
def test_cuda_without_a_driver_names_the_driver():
    with pytest.raises(
        ProviderUnavailableError, match=rf"there is no NVIDIA driver \({DRIVER} cannot be loaded\)\. Install"
    ):
        choose("cuda")


@no_driver
def test_auto_takes_the_cpu_and_says_why_in_full():
    choice = choose("auto", tf32=True)
    assert choice.provider == "cpu"
    assert choice.reason.startswith("no CUDA: ")
    if "cuda" in compiled_providers():
        assert choice.reason.endswith(f"({DRIVER} cannot be loaded)")  # the name has dots in it


@pytest.mark.parametrize(
    ("options", "message"), [({"device_id": 0}, "has no devices"), ({"tf32": True}, "only provider cuda")]
)
def test_an_option_that_the_provider_does_not_have_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        choose("cpu", **options)


def test_int8_on_cuda_is_warned_about_and_nothing_else_is():
    assert "no INT8 matrix product" in int8_warning("int8", "cuda")
    assert int8_warning("int8", "cpu") is None
    assert int8_warning("float32", "cuda") is None


@pytest.mark.parametrize(
    ("provider", "name"), [("cpu", "mnist.int8.onnx"), ("cuda", "mnist.onnx"), ("coreml", "mnist.onnx")]
)
def test_a_folder_gives_each_provider_the_file_that_it_runs_fastest(provider, name):
    assert find_model(EXPORTED, provider=provider).name == name


def test_the_tiny_model_is_the_one_that_its_comment_says():
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w"], ["logits"]),
            helper.make_node("ArgMax", ["logits"], ["label"], axis=1, keepdims=0),
        ],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2]),
            helper.make_tensor_value_info("label", TensorProto.INT64, [1]),
        ],
        [numpy_helper.from_array(np.array([[1, 2], [3, 4]], np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="")
    assert onnx.load_from_string(providers._TINY) == model


def test_a_trial_sees_a_wrong_answer(monkeypatch):
    """Negative control: the same trial with a model that computes something else."""
    model = onnx.load_from_string(providers._TINY)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([[1, 2], [3, 5]], np.float32), "w"))
    monkeypatch.setattr(providers, "_TINY", model.SerializeToString())
    assert "computes [[4.0, 7.0]] where 4 and 6 are right" in trial("cpu").cause


def test_a_trial_reports_a_model_that_cannot_be_opened(monkeypatch):
    monkeypatch.setattr(providers, "_TINY", b"no model")
    assert "cannot load it" in trial("cpu").cause


def test_a_model_that_the_runtime_cannot_read_is_one_line(capfd):
    with pytest.raises(EdgesoftError, match=r"^here: ONNX Runtime .* cannot load it") as caught:
        open_session(b"no model", "cpu", threads=1, origin="here")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "/src/cuda_call.cc:154 std::conditional_t<T> onnxruntime::CudaCall(ERRTYPE, int) [with X = int] CUDA failure 36: "
            "API call is not supported in the installed CUDA driver ; GPU=-1 ; hostname=box ; file=/src/x.cc ; \n\n",
            "CUDA failure 36: API call is not supported in the installed CUDA driver",
        ),
        ("[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model failed", "Load model failed"),
        ("/src/state.cc:729 void f(Options&, const Map&) Please install\nTensorRT", "Please install TensorRT"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 297 + "..."),
    ],
)
def test_the_runtimes_messages_lose_what_only_its_makers_need(text, line):
    assert one_line(RuntimeError(text)) == line


def test_the_cores_are_those_of_this_process():
    assert 1 <= usable_cores() <= 4096
