"""The options that every command with a model takes: where it runs."""

from __future__ import annotations

from typing import Annotated

import typer

Provider = Annotated[
    str,
    typer.Option(help="auto, cpu, cuda, or another that ONNX Runtime knows: tensorrt, openvino, coreml, directml ..."),
]
DeviceId = Annotated[
    int | None, typer.Option(help="Which of several GPUs. (default: 0, the first)", min=0, show_default=False)
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="CPU threads. (default: one for small batches, every core for large ones)", min=1, show_default=False
    ),
]
Tf32 = Annotated[
    bool, typer.Option("--tf32", help="Let CUDA round to TF32: faster on large batches, logits differ by about 0.001.")
]
