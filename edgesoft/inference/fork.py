"""What must be done in a process that was forked: threads do not survive it."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class HasThreads(Protocol):
    """Something that holds threads of its own."""

    def after_fork(self) -> None:
        """Called in the child, where they are no more."""


_HOLDERS: WeakSet[HasThreads] = WeakSet()


def after_fork(holder: HasThreads) -> None:
    """Have `holder.after_fork` called in every process that is forked while `holder` lives."""
    _HOLDERS.add(holder)


def leave_alone(session: object) -> None:
    """Never take `session` apart: that would wait for threads which this process does not have."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))


def _call_all() -> None:
    for holder in list(_HOLDERS):
        holder.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_call_all)
