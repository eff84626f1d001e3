"""What this machine's processor can do."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def usable_cores() -> int:
    """The cores that this process may use: its affinity, and the quota of its container."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # another system, or no quota: the file says "max"
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def cpuinfo() -> str:
    """What the Linux kernel says of the processor; empty on other systems."""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def features() -> frozenset[str]:
    """Instruction set extensions in the kernel's own words ("avx512_vnni", "asimddp"); empty where it does not list them."""
    # x86 calls the line "flags", ARM "Features"; all cores list the same.
    listed = next((line for line in cpuinfo().splitlines() if line.startswith(("flags", "Features"))), "")
    return frozenset(listed.partition(":")[2].split())
