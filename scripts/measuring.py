"""How `benchmark.py` measures, and what it prints of it."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def table(title: str, rows: Sequence[Sequence[str]]) -> None:
    print(f"\n### {title}\n")
    for index, row in enumerate(rows):
        print("| " + " | ".join(row) + " |")
        if index == 0:
            print("|" + "---|" * len(row))
    sys.stdout.flush()


def spread(values: Sequence[float], unit: str = "", digits: int = 2) -> str:
    """Median, and the smallest and largest in brackets."""
    median, low, high = statistics.median(values), min(values), max(values)
    if low == high:
        return f"{median:,.{digits}f}{unit}"
    return f"{median:,.{digits}f}{unit} ({low:,.{digits}f} to {high:,.{digits}f})"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """How many times longer theirs takes, round by round."""
    return [other / mine for mine, other in zip(ours, theirs, strict=True)]


def microseconds(values: Sequence[float]) -> str:
    """Median with the middle half, because single calls meet every interruption of the machine."""
    quarter = statistics.quantiles(values, n=4)
    return f"{1e6 * quarter[1]:,.1f} us ({1e6 * quarter[0]:,.1f} to {1e6 * quarter[2]:,.1f})"


LAUNCHER = """
import os, subprocess, sys, time
started = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(status, time.perf_counter() - started, usage.ru_maxrss)
"""


def process(command: Sequence[str], cwd: Path) -> tuple[float, float]:
    """Seconds of a whole process, and its peak memory in MB.

    A small process starts it: Linux counts the memory of whoever forks to the child, and this one has torch loaded.
    """
    launch = [sys.executable, "-S", "-c", LAUNCHER, *command]
    status, seconds, peak = subprocess.run(launch, cwd=cwd, capture_output=True, text=True, check=True).stdout.split()
    if status != "0":
        raise SystemExit(f"{' '.join(command)}: ended with status {status}")
    return float(seconds), int(peak) / 1024
