"""The program `edgesoft`, and `python -m edgesoft`."""

from __future__ import annotations

import os
import signal
from typing import NoReturn


def _leave(*_: object) -> NoReturn:
    os.write(2, b"interrupted\n")
    os._exit(128 + signal.SIGINT)


def main() -> NoReturn:
    """Import the command line and run it; Ctrl-C ends the import in one word instead of a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    from edgesoft.cli import main as run

    run()


if __name__ == "__main__":
    main()
