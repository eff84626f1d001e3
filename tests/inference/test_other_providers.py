"""Providers that this machine may not have: what ONNX Runtime is asked for, and what is made of what it answers.

Its sessions are real ones on the CPU, which say of themselves what one on the other provider would. Real drivers, libraries and wheels
are in test_broken_machines.py, a real GPU in scripts/check_cuda.py.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from edgesoft.errors import ProviderUnavailableError
from edgesoft.inference import providers
from edgesoft.inference.cuda import Obstacle, pip_cuda
from edgesoft.inference.providers import Choice, choose, obstacle, open_session, trial
from edgesoft.inference.runtime import VERSION, onnxruntime

InferenceSession = onnxruntime.InferenceSession
RECORD = "session.record_ep_graph_assignment_info"
FULL = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
WRONG = Obstacle("it is wrong", "Mend it")


def assigned(provider, *operators):
    """Nodes that a session gave to a provider."""
    return SimpleNamespace(
        ep_name=FULL[provider], get_nodes=lambda: [SimpleNamespace(op_type=operator) for operator in operators]
    )


class Session:
    """A session on the CPU that says that it has the providers that it was asked for, and runs all nodes on the first."""

    def __init__(self, content, options, *, providers, enable_fallback):
        self.names = [name if isinstance(name, str) else name[0] for name in providers]
        assert not enable_fallback
        self.run = InferenceSession(content, options, providers=["CPUExecutionProvider"]).run

    def get_providers(self):
        return self.names

    def get_provider_graph_assignment_info(self):
        name = next(short for short, full in FULL.items() if full == self.names[0])
        return [assigned(name, "Gemm", "ArgMax")]


@pytest.fixture
def sessions(monkeypatch):
    """Replaces the sessions of ONNX Runtime by a class, or by what is derived from it with a few methods."""

    def replace(kind=Session, **methods):
        monkeypatch.setattr(onnxruntime, "InferenceSession", type("Other", (kind,), methods) if methods else kind)

    return replace


def tiny(provider, **options):
    return open_session(providers._TINY, provider, threads=1, origin="here", **options)


@pytest.mark.parametrize(
    ("provider", "options", "expected"),
    [
        ("cpu", {}, None),
        ("cuda", {}, {"device_id": "0", "use_tf32": "0"}),
        ("cuda", {"device_id": 1, "tf32": True}, {"device_id": "1", "use_tf32": "1"}),
        ("tensorrt", {"device_id": 2, "tf32": True}, {"device_id": "2"}),
        ("coreml", {"device_id": 2}, {}),
    ],
)
def test_what_the_runtime_is_asked_for(sessions, provider, options, expected):
    asked = []

    def remember(self, content, session_options, **arguments):
        asked.append((session_options, arguments))
        self.names = [arguments["providers"][0]] if provider == "cpu" else [arguments["providers"][0][0]]

    sessions(__init__=remember, get_provider_graph_assignment_info=lambda _: [])
    open_session(b"", provider, threads=3, origin="here", **options)
    ((session_options, arguments),) = asked
    other = [] if expected is None else [(providers.known_providers()[provider], expected)]
    assert arguments == {"providers": [*other, "CPUExecutionProvider"], "enable_fallback": 0}
    assert (session_options.intra_op_num_threads, session_options.inter_op_num_threads) == (3, 1)
    if expected is not None:  # else nothing could be said about where the products run
        assert session_options.get_session_config_entry(RECORD) == "1"


def on_the_cpu(content, options, **_):
    """What ONNX Runtime does by itself when a provider does not start."""
    return InferenceSession(content, options, providers=["CPUExecutionProvider"])


def test_a_session_that_fell_back_is_refused(sessions):
    sessions(on_the_cpu)
    with pytest.raises(
        ProviderUnavailableError, match=r"^provider cuda did not start: ONNX Runtime took cpu instead\. "
    ):
        tiny("cuda")
    assert tiny("cpu").get_providers() == ["CPUExecutionProvider"]
    assert trial("cuda").cause == "provider cuda did not start: ONNX Runtime took cpu instead"


def test_a_session_that_has_the_provider_second_is_refused(sessions):
    sessions(get_providers=lambda self: self.names[::-1])
    with pytest.raises(ProviderUnavailableError, match="ONNX Runtime took cpu instead"):
        tiny("cuda")


@pytest.mark.parametrize(
    "parts",
    [
        [assigned("cpu", "Gemm", "ArgMax")],
        [assigned("cuda", "ArgMax"), assigned("cpu", "Gemm")],
        [assigned("cpu", "Gemm", "Gemm")],
    ],
)
def test_products_that_run_elsewhere_are_refused(sessions, parts):
    sessions(get_provider_graph_assignment_info=lambda _: parts)
    with pytest.raises(
        ProviderUnavailableError, match=r"takes none of the matrix products of here; .* on cpu\. .*: --provider cpu$"
    ):
        tiny("cuda")


@pytest.mark.parametrize(
    "parts",
    [
        [],  # an optimised graph may call them otherwise
        [assigned("cpu", "ArgMax")],
        [assigned("cuda", "Gemm"), assigned("cpu", "ArgMax")],
        [assigned("cpu", "Gemm"), assigned("cuda", "Gemm")],
    ],
)
def test_products_that_run_where_they_should_are_not(sessions, parts):
    sessions(get_provider_graph_assignment_info=lambda _: parts)
    assert tiny("cuda").get_providers()[0] == FULL["cuda"]


def test_an_old_runtime_does_not_tell_where_the_products_run(sessions):
    class Old:
        def __init__(self, *_, **__):
            pass

        get_providers = staticmethod(lambda: [FULL["cuda"]])

    sessions(Old)
    assert isinstance(tiny("cuda"), Old)


def test_a_provider_that_does_not_start_is_one_line(sessions):
    def fail(self, *_, **__):
        raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : it is\nbroken")

    sessions(__init__=fail)
    with pytest.raises(
        ProviderUnavailableError, match=r"^provider cuda cannot run here: it is broken\. See .*: edgesoft doctor$"
    ):
        tiny("cuda")


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (([[4, 6]], [1]), None),
        (([[4.003, 6.003]], [1]), None),  # TF32
        (([[4.02, 6]], [1]), "provider cuda computes"),
        (([[4, 6]], [0]), "provider cuda computes"),
        (
            RuntimeError("CUDA failure 2: out of memory; GPU=0"),
            "provider cuda fails while it runs: CUDA failure 2: out of memory",
        ),
    ],
)
def test_a_trial_believes_only_the_right_answer(sessions, answer, cause):
    def run(*_):
        if isinstance(answer, Exception):
            raise answer
        return np.array(answer[0], np.float32), np.array(answer[1])

    def start(self, content, options, *, providers, enable_fallback):
        assert providers[0][1]["device_id"] == "3"
        assert options.intra_op_num_threads == 1
        self.names, self.run = [FULL["cuda"]], run

    sessions(__init__=start)
    found = trial("cuda", 3)
    assert found is None if cause is None else found.cause.startswith(cause)
    assert found is None or found.cure.endswith("--provider cpu")


@pytest.fixture
def machine(monkeypatch):
    """A machine on which each step of the way to CUDA is good or wrong; returns what was asked, with the number of the GPU."""
    asked = []

    def build(*wrong, compiled=("tensorrt", "cuda", "coreml", "cpu")):
        def step(name):
            def answer(*arguments):
                asked.append((name, *arguments))
                return WRONG if name in wrong else None

            return answer

        monkeypatch.setattr(providers, "compiled_providers", lambda: compiled)
        monkeypatch.setattr(providers, "find_driver", lambda: "a driver")
        for name in ("driver_obstacle", "library_obstacle", "trial"):
            monkeypatch.setattr(providers, name, step(name))
        return asked

    return build


def test_auto_takes_cuda_when_all_is_well(machine):
    asked = machine()
    assert choose("auto", device_id=3, tf32=True) == Choice("cuda", "CUDA can run here", 3, True)
    assert asked == [("driver_obstacle", "a driver", 3), ("library_obstacle", "cuda"), ("trial", "cuda", 3)]
    asked.clear()
    assert choose("auto") == Choice("cuda", "CUDA can run here", 0, False)
    assert asked == [("driver_obstacle", "a driver", 0), ("library_obstacle", "cuda"), ("trial", "cuda", 0)]


@pytest.mark.parametrize("wrong", ["driver_obstacle", "library_obstacle", "trial"])
def test_auto_takes_the_cpu_at_the_first_obstacle(machine, wrong):
    asked = machine(wrong)
    assert choose("auto", device_id=1, tf32=True) == Choice("cpu", "no CUDA: it is wrong", 0, False)
    assert asked[-1][0] == wrong


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
@pytest.mark.parametrize("wrong", ["driver_obstacle", "library_obstacle"])
def test_an_nvidia_provider_needs_driver_and_libraries(machine, provider, wrong):
    asked = machine(wrong)
    with pytest.raises(ProviderUnavailableError) as caught:
        choose(provider, device_id=2)
    assert str(caught.value) == f"provider {provider} cannot run here: {WRONG}. Or run on the CPU: --provider cpu"
    assert asked[0] == ("driver_obstacle", "a driver", 2)
    assert asked[-1][0] == wrong


def test_a_provider_asked_for_is_the_one_chosen(machine):
    asked = machine()
    assert choose("cuda", tf32=True) == Choice("cuda", "asked for", 0, True)
    assert choose("tensorrt", device_id=1) == Choice("tensorrt", "asked for", 1, False)
    assert asked == [
        ("driver_obstacle", "a driver", 0),
        ("library_obstacle", "cuda"),
        ("driver_obstacle", "a driver", 1),
        ("library_obstacle", "tensorrt"),
    ]
    asked.clear()
    assert choose("coreml") == Choice("coreml", "asked for")
    assert choose("cpu") == Choice("cpu", "asked for")
    assert obstacle("cuda") is None
    assert asked == [("driver_obstacle", "a driver", 0), ("library_obstacle", "cuda")]


HAS = "is built without it (it has cpu)"


@pytest.mark.parametrize(
    ("provider", "wheels", "expected"),
    [
        (
            "cuda",
            {"onnxruntime": "1.5"},
            Obstacle(
                f"the installed onnxruntime 1.5 {HAS}", f"Replace it: pip uninstall -y onnxruntime && {pip_cuda()}"
            ),
        ),
        (
            "openvino",
            {"onnxruntime": "1.5"},
            Obstacle(
                f"the installed onnxruntime 1.5 {HAS}",
                "Replace it: pip uninstall -y onnxruntime && pip install onnxruntime-openvino",
            ),
        ),
        (
            "openvino",
            {},
            Obstacle(
                f"the installed ONNX Runtime {VERSION} {HAS}",
                "Replace it: pip uninstall -y onnxruntime && pip install onnxruntime-openvino",
            ),
        ),
        (
            "openvino",
            {"onnxruntime-gpu": "1.6", "onnxruntime": "1.5"},
            Obstacle(
                f"the installed onnxruntime 1.5 and onnxruntime-gpu 1.6 {HAS}",
                "Replace it: pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-openvino",
            ),
        ),
        (
            "cuda",
            {"onnxruntime-gpu": "1.6", "onnxruntime": "1.5"},
            Obstacle(
                "onnxruntime and onnxruntime-gpu are both installed and overwrite each other; what is left has no cuda",
                f"Keep one: pip uninstall -y onnxruntime onnxruntime-gpu && {pip_cuda()}",
            ),
        ),
        (
            "cuda",
            {"onnxruntime-gpu": "1.6"},
            Obstacle(
                f"the installed onnxruntime-gpu 1.6 {HAS}",
                f"Replace it: pip uninstall -y onnxruntime-gpu && {pip_cuda()}",
            ),
        ),
        (
            "coreml",
            {"onnxruntime": "1.5"},
            Obstacle(f"the installed onnxruntime 1.5 {HAS}", "CoreML exists on macOS only"),
        ),
        (
            "rocm",
            {"onnxruntime": "1.5"},
            Obstacle(
                f"the installed onnxruntime 1.5 {HAS}",
                "Install a build that has it: https://onnxruntime.ai/docs/execution-providers/",
            ),
        ),
    ],
)
def test_what_is_not_compiled_in_is_told_with_its_cure(machine, monkeypatch, provider, wheels, expected):
    machine(compiled=("cpu",))
    monkeypatch.setattr(providers, "installed_wheels", lambda: wheels)
    monkeypatch.setattr(providers.sys, "platform", "linux")
    assert obstacle(provider) == expected


def test_on_macos_another_build_may_have_coreml(machine, monkeypatch):
    machine(compiled=("cpu",))
    monkeypatch.setattr(providers.sys, "platform", "darwin")
    assert obstacle("coreml").cure.startswith("Install a build that has it")
