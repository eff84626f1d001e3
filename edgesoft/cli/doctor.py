"""`edgesoft doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edgesoft.cli.render import show
from edgesoft.terminal import Facts, Text, bad, good, odd

if TYPE_CHECKING:
    from edgesoft.inference.doctor import Diagnosis, Runtime
    from edgesoft.training.torch_facts import TorchFacts


def command(
    ask_torch: Annotated[
        bool, typer.Option("--torch", help="Import PyTorch too, and ask what it can do. Takes seconds.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Say what this machine can run, what it cannot, and what mends it.

    Each provider is tried with a tiny model. Exit code 1 when no model can run, or one wheel lies over another.
    """
    from edgesoft.inference.doctor import diagnose

    diagnosis, torch = diagnose(), None
    if ask_torch and diagnosis.packages["torch"] is not None:
        from edgesoft.training.torch_facts import torch_facts

        torch = torch_facts()
    document = {
        "healthy": diagnosis.healthy,
        "edgesoft": diagnosis.edgesoft,
        "python": diagnosis.python,
        "platform": diagnosis.platform,
        "processor": diagnosis.processor,
        "cores": diagnosis.cores,
        "cpu_features": diagnosis.cpu_features,
        "packages": diagnosis.packages,
        "runtime": diagnosis.runtime,
        "providers": diagnosis.providers,
        "driver": diagnosis.driver,
        "driver_version": diagnosis.driver_version,
        "problems": diagnosis.problems,
        "torch": torch,
    }
    show(document, [Facts(_rows(diagnosis, torch), 14)], as_json=as_json)
    if not diagnosis.healthy:
        raise typer.Exit(1)


def _rows(diagnosis: Diagnosis, torch: TorchFacts | None) -> list[tuple[str, Text]]:
    features = diagnosis.cpu_features
    told = (
        "" if features is None else "; " + ", ".join(f"{name} {'yes' if on else 'no'}" for name, on in features.items())
    )
    packages = ", ".join(f"{name} {number or 'not installed'}" for name, number in diagnosis.packages.items())
    lines: list[tuple[str, Text]] = [
        ("edgesoft", diagnosis.edgesoft),
        ("Python", diagnosis.python),
        ("platform", diagnosis.platform),
        (
            "processor",
            f"{diagnosis.processor}, {diagnosis.cores} usable {'core' if diagnosis.cores == 1 else 'cores'}{told}",
        ),
        ("packages", packages),
        *_runtime_lines(diagnosis.runtime),
        *_telemetry_lines(diagnosis.runtime),
        ("driver", _driver(diagnosis)),
    ]
    if torch is not None:
        gpus = ", ".join(torch.devices) or "no GPU"
        lines.append(
            ("PyTorch", f"{torch.version}, built for {f'CUDA {torch.cuda}' if torch.cuda else 'the CPU'}; {gpus}")
        )
    for state in diagnosis.providers:
        lines.append((state.provider, good("runs") if state.runs else (odd("does not run"), f": {state.cause}")))
        if state.cure is not None:
            lines.append(("", state.cure))
    for problem in diagnosis.problems:
        lines += [("problem", bad(problem.cause)), ("", problem.cure)]
    return lines


def _runtime_lines(runtime: Runtime | None) -> list[tuple[str, str]]:
    if runtime is None:
        return [("ONNX Runtime", "cannot be imported")]
    wheels = ", ".join(f"{name} {number}" for name, number in runtime.wheels.items()) or "no wheel"
    if runtime.cuda_major is None:
        return [("ONNX Runtime", f"{runtime.version} ({wheels}), a build without CUDA")]
    missing = ", ".join(runtime.missing_libraries)
    lines = [("ONNX Runtime", f"{runtime.version} ({wheels}), built for CUDA {runtime.cuda_major}")]
    if runtime.missing_libraries:
        mend = f'pip install "onnxruntime-gpu[cuda,cudnn]=={runtime.version}"'
        return [*lines, ("CUDA", f"missing: {missing}"), ("", f"To run on an NVIDIA GPU: {mend}")]
    return [*lines, ("CUDA", f"its libraries are here, with cuDNN {runtime.cudnn}")]


def _telemetry_lines(runtime: Runtime | None) -> list[tuple[str, str]]:
    if runtime is None:
        return []
    if not runtime.sends_events:
        return [("telemetry", "off: ONNX Runtime sends nothing and keeps no identifier")]
    return [
        ("telemetry", "on: ONNX Runtime may tell Microsoft about its use, because ORT_DISABLE_TELEMETRY is set so"),
        ("", "To turn it off: unset ORT_DISABLE_TELEMETRY"),
    ]


def _driver(diagnosis: Diagnosis) -> str:
    if diagnosis.driver is None:
        return "no NVIDIA driver"
    cuda = diagnosis.driver.cuda
    runs = f", runs CUDA up to {cuda[0]}.{cuda[1]}" if cuda else ""
    number = f" {diagnosis.driver_version}" if diagnosis.driver_version else ""
    return f"NVIDIA{number}{runs}; {', '.join(diagnosis.driver.devices) or 'no GPU'}"
