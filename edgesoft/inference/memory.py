"""How much memory a model takes at most, measured in a process that does nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edgesoft.errors import EdgesoftError


def peak_of(module: str, arguments: Sequence[str]) -> int | None:
    """Run a Python module in its own process; it prints its `own_peak` last. None where the system does not tell.

    Raises
    ------
    EdgesoftError
        The process failed.
    """
    process = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True)  # noqa: S603
    if process.returncode != 0:
        last = (process.stderr.strip().splitlines() or ["no message"])[-1]
        raise EdgesoftError(f"the memory of {arguments[0]} cannot be measured: {last}")
    answer = process.stdout.strip()
    return int(answer) if answer.isdigit() else None


def own_peak() -> int | None:
    """The most memory that this process has held so far, in bytes."""
    try:
        # Linux's getrusage would include what the parent held when it started us.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None


def _main(path: str, provider: str, device_id: str, threads: str, batch: str) -> None:
    import numpy as np

    from edgesoft.inference.classifier import Classifier
    from edgesoft.model.file import open_model

    model = open_model(path)
    classifier = Classifier(model, provider, threads=int(threads) or None, device_id=int(device_id))
    shape = [int(size) for size in model.inputs[0].shape[1:]]
    classifier(np.zeros((int(batch), *shape), model.inputs[0].dtype))
    print(own_peak())  # noqa: T201 - the answer to `peak_of`


if __name__ == "__main__":
    _main(*sys.argv[1:])
