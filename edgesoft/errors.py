"""The errors that edgesoft raises on purpose; each knows the exit code the command line ends with.

A message is one line: what came, what was expected, what to do next. Anything else that is raised is a bug and keeps its traceback.
"""

from __future__ import annotations


class EdgesoftError(Exception):
    """Something about the input, a file or the data is wrong (exit code 1)."""

    exit_code = 1


class UsageError(EdgesoftError):
    """What was asked for makes no sense: an unknown name, a number out of range (exit code 2)."""

    exit_code = 2


class GateMissedError(EdgesoftError):
    """A parity or accuracy gate was missed and nothing was published, or a file is not the one it should be (exit code 3)."""

    exit_code = 3


class ProviderUnavailableError(EdgesoftError):
    """The execution provider that was asked for cannot run here (exit code 4)."""

    exit_code = 4
