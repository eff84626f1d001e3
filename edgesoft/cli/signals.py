"""SIGTERM and SIGHUP end a command as Ctrl-C does: a training keeps its best weights. Only the exit code says which it was."""

from __future__ import annotations

import signal
from types import FrameType

_received: list[int] = []


def listen() -> None:
    """Turn all three into KeyboardInterrupt; where one is ignored (nohup) or SIGTERM or SIGHUP is handled already, that stays."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's signature
    _received.append(number)
    raise KeyboardInterrupt


def is_interrupted() -> bool:
    """Whether a signal came: what is raised then may be what a half imported library makes of it."""
    return bool(_received)


def interrupted() -> int:
    """What a shell reports for a program that the signal ended: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + (_received[-1] if _received else signal.SIGINT)
