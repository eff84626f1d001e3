"""What this machine's processor can do."""

from __future__ import annotations

import os
from pathlib import Path


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def features() -> frozenset[str]:
    """Instruction set extensions in the kernel's own words ("avx512_vnni", "asimddp"); empty where it does not list them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    # x86 calls the line "flags", ARM "Features"; all cores list the same.
    listed = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return frozenset(listed.partition(":")[2].split())
