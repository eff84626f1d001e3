"""The program `edgesoft`, and `python -m edgesoft`, for which Python puts the current folder first on the path.

There a `numpy.py` or `json.py` may lie. It is taken off before anything else is imported. What Python itself imports until then, and
edgesoft, are still looked for there: the command `edgesoft` and `python -P -m edgesoft` do not look there at all.
"""

from __future__ import annotations

import sys

if not getattr(sys.flags, "safe_path", False) and sys.argv[0] == __file__:  # else somebody else has set up the path
    del sys.path[0]

import os
import signal


def _leave(*_: object) -> None:
    os.write(2, b"interrupted\n")
    os._exit(128 + signal.SIGINT)


def main() -> None:
    """Import the command line and run it; Ctrl-C ends the import in one word instead of a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else somebody wants it ignored
        signal.signal(signal.SIGINT, _leave)
    from edgesoft.cli import main as run

    run()


if __name__ == "__main__":
    main()
