"""How much memory a model takes at most, measured in a process that does nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from edgesoft.errors import EdgesoftError


def peak_of(module: str, **arguments: object) -> int | None:
    """Run the `measure` of a Python module in its own process; it prints its `own_peak` last. None where the system does not tell.

    Parameters
    ----------
    module
        Its full name.
    arguments
        What `measure` is called with; they travel as JSON.

    Raises
    ------
    EdgesoftError
        The process failed.
    """
    script = f"import json, sys; from {module} import measure; measure(**json.loads(sys.argv[1]))"
    # -P: what lies in the current folder must not be taken for a module.
    command = [sys.executable, "-P", "-c", script, json.dumps(arguments)]
    process = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
    if process.returncode != 0:
        last = (process.stderr.strip().splitlines() or ["no message"])[-1]
        raise EdgesoftError(f"the memory of {arguments.get('path')} cannot be measured: {last}")
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


def measure(*, path: str, provider: str, device_id: int, tf32: bool, threads: int | None, batch: int) -> None:
    """Open a model file, answer one batch of zeros, and print the peak; see `peak_of`."""
    import numpy as np

    from edgesoft.inference.classifier import Classifier
    from edgesoft.model.file import open_model

    model = open_model(path)
    classifier = Classifier(model, provider, threads=threads, device_id=device_id, tf32=tf32)
    classifier(np.zeros((batch, *model.card.input.shape), model.card.input.dtype))
    print(own_peak())  # noqa: T201 - the answer to `peak_of`
