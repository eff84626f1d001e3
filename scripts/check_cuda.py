"""Checks edgesoft on a machine with an NVIDIA GPU, and writes what it saw as one JSON file.

    python scripts/check_cuda.py --output cuda.json            # on a machine with a GPU
    python scripts/check_cuda.py --provider cpu --quick        # a rehearsal of the same steps without one

Trains on the GPU, exports, compares every answer with PyTorch's (TF32 off: logits within 0.001, no label changes), sees that INT8
is refused or warned about, that errors name their cause, that threads may share a classifier, and times CPU, CUDA and PyTorch.
Exit code 1 when a check fails.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgesoft.cli.render import to_json
from edgesoft.data.mnist import load_mnist
from edgesoft.inference.bench import Call, Candidate, bench
from edgesoft.inference.classifier import OUTPUTS, Classifier, load, run_bound
from edgesoft.inference.doctor import diagnose
from edgesoft.inference.parity import Parity, compare
from edgesoft.inference.providers import known_providers
from edgesoft.inference.runtime import onnxruntime
from edgesoft.model.file import open_model
from edgesoft.training.bench_torch import compiled_candidates, torch_candidates
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.network import SoftmaxNetwork, reference_logits

LOGIT_TOLERANCE = 1e-3
BATCHES = (1, 8, 64, 512, 4096, 32768, 65536)
QUICK_BATCHES = (1, 64)


@dataclasses.dataclass(frozen=True)
class Setting:
    """What every step needs."""

    provider: str
    quick: bool
    folder: Path

    @property
    def checkpoint(self) -> Path:
        """Where training leaves its weights."""
        return self.folder / "run" / "checkpoint.npz"

    def model(self, precision: str) -> Path:
        """The exported file of a precision."""
        return self.folder / "exported" / ("mnist.onnx" if precision == "float32" else "mnist.int8.onnx")


def edgesoft(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgesoft", *map(str, arguments)], capture_output=True, text=True, timeout=1800
    )


def require(holds: object, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def numbers(parity: Parity) -> dict[str, Any]:
    changes = {"label_changes": len(parity.label_changes)}
    return {**{key: value for key, value in vars(parity).items() if key != "label_changes"}, **changes}


def provider_runs(setting: Setting) -> dict[str, Any]:
    """The doctor's trial must succeed on the provider."""
    diagnosis = diagnose()
    state = next((state for state in diagnosis.providers if state.provider == setting.provider), None)
    require(state is not None and state.runs, f"{setting.provider} does not run: {state and state.cause}")
    return json.loads(to_json(diagnosis))


def trains(setting: Setting) -> dict[str, Any]:
    """Training on the device must end with a useful accuracy."""
    speed = ("--epochs", 1, "--no-augment", "--threads", 1) if setting.quick else ("--epochs", 10)
    process = edgesoft("train", *speed, "--device", setting.provider, "--output", setting.checkpoint.parent, "--quiet")
    require(process.returncode == 0, process.stderr[-2000:])
    accuracy = Checkpoint.load(setting.checkpoint).card.metrics["test"]["accuracy"]
    require(accuracy > 0.95, f"only {accuracy:.2%} on the test split")
    return {"device": setting.provider, "test_accuracy": accuracy}


def exports(setting: Setting) -> dict[str, Any]:
    """Export must publish both files."""
    process = edgesoft("export", setting.checkpoint, "--quantize", "--output", setting.folder / "exported")
    require(process.returncode == 0, process.stderr[-2000:])
    require(setting.model("int8").is_file() and setting.model("float32").is_file(), "a file is missing")
    return {path: setting.model(path).stat().st_size for path in ("float32", "int8")}


def answers_like_pytorch(setting: Setting) -> dict[str, Any]:
    """The float file on the provider, TF32 off: logits within 0.001 of PyTorch's on the CPU, and no label changes."""
    test = load_mnist().test
    checkpoint = Checkpoint.load(setting.checkpoint)
    network, head = SoftmaxNetwork(checkpoint.layers), checkpoint.card.head
    reference = reference_logits(network, test.inputs)
    found = {}
    for name, tf32 in (("tf32 off", False), ("tf32 on", True)):
        if tf32 and setting.provider != "cuda":
            continue
        classifier = load(setting.model("float32"), provider=setting.provider, tf32=tf32)
        found[name] = numbers(compare(reference, classifier.logits(test.inputs), head, test.targets))
    if setting.provider == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
        on_gpu = reference_logits(network.to("cuda"), test.inputs)
        found["PyTorch on the GPU"] = numbers(compare(reference, on_gpu, head, test.targets))
    exact = found["tf32 off"]
    require(exact["max_logit_difference"] <= LOGIT_TOLERANCE, f"logits differ by {exact['max_logit_difference']:.3g}")
    require(exact["label_changes"] == 0, f"{exact['label_changes']} labels changed")
    return found


def verifies(setting: Setting) -> dict[str, Any]:
    """`edgesoft verify` must pass on the provider, from the examples inside the file."""
    process = edgesoft("verify", setting.model("float32"), "--provider", setting.provider, "--json")
    require(process.returncode == 0, process.stderr)
    return {key: json.loads(process.stdout)[key] for key in ("provider", "examples", "passed")}


def chooses_precision(setting: Setting) -> dict[str, Any]:
    """A folder gives the float file on CUDA and INT8 on the CPU; an INT8 file forced onto CUDA is warned about."""
    picture = setting.folder / "digit.png"
    from PIL import Image

    Image.fromarray(load_mnist().test.inputs[0]).save(picture)
    where = ("--provider", setting.provider, "--json")
    chosen = edgesoft("infer", picture, "--model", setting.folder / "exported", *where)
    forced = edgesoft("infer", picture, "--model", setting.model("int8"), *where)
    require(chosen.returncode == 0 and forced.returncode == 0, chosen.stderr + forced.stderr)
    precision, warned = json.loads(chosen.stdout)["precision"], "no INT8 matrix product" in forced.stderr
    expected = ("float32", True) if setting.provider == "cuda" else ("int8", False)
    require((precision, warned) == expected, f"chose {precision}, warned: {warned}; expected {expected}")
    require(json.loads(chosen.stdout)["label"] == "7", f"the digit is a 7, not {chosen.stdout}")
    return {"chosen": precision, "warned_about_int8": warned, "stderr": forced.stderr.replace(str(setting.folder), "")}


def refuses_a_missing_device(setting: Setting) -> dict[str, Any]:
    """GPU 99 is refused by name: nothing runs elsewhere in silence."""
    process = edgesoft("verify", setting.model("float32"), "--provider", setting.provider, "--device-id", 99)
    expected = 4 if setting.provider == "cuda" else 2
    require(process.returncode == expected, f"exit code {process.returncode}, expected {expected}: {process.stderr}")
    cause = "there is no GPU 99" if setting.provider == "cuda" else "--device-id 99"
    require(process.stdout == "" and cause in process.stderr, process.stdout + process.stderr)
    return {"message": process.stderr.strip()}


def shares_between_threads(setting: Setting) -> dict[str, Any]:
    """Eight threads with one classifier get the answers that one thread gets."""
    classifier = load(setting.model("float32"), provider=setting.provider)
    inputs = load_mnist().test.inputs
    batches = [inputs[start : start + 1 + start % 40] for start in range(0, 2000, 10)]
    alone = [classifier(batch).logits for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda batch: classifier(batch).logits, batches))
    worst = max(float(np.abs(one - other).max()) for one, other in zip(alone, together, strict=True))
    require(worst <= LOGIT_TOLERANCE, f"logits differ by {worst:.3g} between threads")
    return {"calls": len(batches), "max_logit_difference": worst}


def times(setting: Setting) -> dict[str, Any]:
    """CPU, provider, IO binding, CUDA graphs and PyTorch, in turns."""
    examples = load_mnist().test.inputs
    candidates = [
        classifier_candidate(setting.model("float32"), "cpu", examples),
        classifier_candidate(setting.model("int8"), "cpu", examples),
    ]
    gpu = setting.provider == "cuda"
    if gpu:
        candidates.append(classifier_candidate(setting.model("float32"), "cuda", examples))
        candidates.append(classifier_candidate(setting.model("float32"), "cuda", examples, tf32=True))
    for name, graph in (("bound to fixed buffers", False), *([("CUDA graph", True)] if gpu else [])):
        opened = partial(open_bound, setting, graph=graph)
        candidates.append(Candidate(f"mnist.onnx, {setting.provider}, {name}", opened, examples))
    candidates.append(Candidate(f"mnist.onnx, {setting.provider}, session.run", partial(open_plain, setting), examples))
    path = setting.checkpoint
    candidates += torch_candidates(path, examples, threads=[torch.get_num_threads()], device="cpu")
    if gpu:
        candidates += torch_candidates(path, examples, threads=[1], device="cuda")
        candidates += compiled_candidates(path, examples, threads=[1], device="cuda")
    agree(candidates, examples[:64])
    if setting.quick:
        candidates = [dataclasses.replace(candidate, peak_memory=None) for candidate in candidates]
    batches = QUICK_BATCHES if setting.quick else BATCHES
    results = bench(candidates, batches, rounds=6 if setting.quick else 30, on_progress=tell)
    return {"batches": json.loads(to_json(results))}


def classifier_candidate(path: Path, provider: str, examples: Any, **options: Any) -> Candidate:
    name = ", ".join([path.name, provider, *options])
    return Candidate(name, partial(Classifier, open_model(path), provider, **options), examples)


def open_plain(setting: Setting) -> Call:
    session = raw_session(setting, {})
    return lambda inputs: session.run(OUTPUTS, {"pixels": inputs})


def open_bound(setting: Setting, *, graph: bool) -> Call:
    """Buffers that stay where they are, on the device; each call copies the inputs in and the outputs out."""
    session = raw_session(setting, {"enable_cuda_graph": "1"} if graph else {})
    binding, buffers = session.io_binding(), {}

    def call(inputs: Any) -> list[Any]:
        if "pixels" not in buffers:
            buffers["pixels"] = onnxruntime.OrtValue.ortvalue_from_numpy(inputs, setting.provider, 0)
            binding.bind_ortvalue_input("pixels", buffers["pixels"])
            for output in session.get_outputs():
                shape = [len(inputs), *output.shape[1:]]
                dtype = np.int64 if output.name == "label" else np.float32
                buffers[output.name] = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
                    shape, dtype, setting.provider, 0
                )
                binding.bind_ortvalue_output(output.name, buffers[output.name])
        buffers["pixels"].update_inplace(np.ascontiguousarray(inputs))
        session.run_with_iobinding(binding)
        return [buffers[name].numpy() for name in OUTPUTS]

    return call


def raw_session(setting: Setting, options: dict[str, str]) -> Any:
    if setting.provider == "cuda":
        options = {"use_tf32": "0", **options}
    providers = [(known_providers()[setting.provider], options)]
    if setting.provider != "cpu" and not options.get("enable_cuda_graph"):
        providers.append((known_providers()["cpu"], {}))
    return onnxruntime.InferenceSession(setting.model("float32").read_bytes(), providers=providers, enable_fallback=0)


def agree(candidates: list[Candidate], inputs: Any) -> None:
    """What is timed must be right: every float candidate answers like the first."""
    reference = candidates[0].open()(inputs)
    for candidate in candidates[1:]:
        tolerance = 0.05 if "tf32" in candidate.name else LOGIT_TOLERANCE
        if "int8" in candidate.name:
            continue
        answer = candidate.open()(inputs)
        logits = answer.logits if hasattr(answer, "logits") else answer[0]
        worst = float(np.abs(logits - reference.logits).max())  # type: ignore[attr-defined]
        require(worst <= tolerance, f"{candidate.name}: logits differ by {worst:.3g} from {candidates[0].name}")


def binds(setting: Setting) -> dict[str, Any]:
    """`run_bound`, which Classifier uses on CUDA, answers like a plain run."""
    session, inputs = raw_session(setting, {}), load_mnist().test.inputs[:64]
    plain = session.run(OUTPUTS, {"pixels": inputs})
    bound = run_bound(session, OUTPUTS, {"pixels": inputs})
    require(all(np.array_equal(one, other) for one, other in zip(plain, bound, strict=True)), "bound outputs differ")
    return {"outputs": len(bound)}


STEPS: tuple[Callable[[Setting], dict[str, Any]], ...] = (
    provider_runs,
    trains,
    exports,
    answers_like_pytorch,
    verifies,
    chooses_precision,
    refuses_a_missing_device,
    shares_between_threads,
    binds,
    times,
)


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provider", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="one epoch, two batch sizes")
    parser.add_argument("--output", type=Path, default=Path("cuda.json"))
    arguments = parser.parse_args()
    document: dict[str, Any] = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "provider": arguments.provider,
        "rehearsal": arguments.provider != "cuda",
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "versions": {
            "python": platform.python_version(),
            "onnxruntime": onnxruntime.__version__,
            "torch": str(torch.__version__),
            "numpy": np.__version__,
        },
        "checks": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(arguments.provider, arguments.quick, Path(folder))
        for step in STEPS:
            tell(f"{step.__name__} ...")
            try:
                document["checks"][step.__name__] = {"passed": True, **step(setting)}
            except Exception as error:  # one failed step must not hide what the others find
                document["checks"][step.__name__] = {"passed": False, "error": f"{type(error).__name__}: {error}"}
                tell(f"FAILED {step.__name__}: {error}")
                if step is provider_runs:
                    break  # nothing else could run
    document["passed"] = all(check["passed"] for check in document["checks"].values())
    arguments.output.write_text(to_json(document) + "\n")
    tell(f"{'passed' if document['passed'] else 'FAILED'}: {arguments.output}")
    return 0 if document["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
