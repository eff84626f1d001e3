"""Imports matplotlib so that it keeps to itself: edgesoft draws figures into memory, and needs no more of it than its own fonts.

Left alone, it makes folders in the home, starts `fc-list` or `system_profiler` to list every font of the system there, warns on stderr
where the home cannot be written, obeys a file `matplotlibrc` in the current folder, and does not come up at all when MPLBACKEND names
no backend. Whoever has imported it before has decided all that, and nothing is changed.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType

from edgesoft.errors import EdgesoftError
from edgesoft.files import reason


def import_matplotlib() -> ModuleType:
    """The matplotlib package, with its fonts and styles listed.

    Raises
    ------
    ImportError
        It is not installed.
    EdgesoftError
        There is no temporary folder to give it, or a settings file of its own cannot be read.
    """
    if "matplotlib.font_manager" not in sys.modules:
        try:
            # The folder is gone with the import; nothing that is drawn asks for it again.
            with tempfile.TemporaryDirectory(prefix="edgesoft-", ignore_cleanup_errors=True) as folder, _alone(folder):
                import matplotlib.font_manager
                import matplotlib.style  # asks for the folder of its settings, when it is first imported
        except (OSError, ValueError) as error:
            said = (
                f"{error.filename or 'temporary folder'}: {reason(error)}" if isinstance(error, OSError) else str(error)
            )
            raise EdgesoftError(
                f"matplotlib does not start ({said}). It needs a temporary folder (TMPDIR=FOLDER), "
                "and takes a file matplotlibrc in the current folder for its settings: remove that"
            ) from error
        if backend := os.environ.get("MPLBACKEND"):  # a notebook names its own, and wants it when the user draws
            with suppress(ValueError):
                matplotlib.rcParams["backend"] = backend
    import matplotlib as mpl

    return mpl


@contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Point matplotlib to `folder` for its files, and nowhere else, while it is imported; and let it say nothing."""
    before = {name: os.environ.pop(name, None) for name in ("MPLBACKEND", "MPLCONFIGDIR", "MPL_IGNORE_SYSTEM_FONTS")}
    logger = logging.getLogger("matplotlib")
    level = logger.level
    os.environ.update({"MPLCONFIGDIR": folder, "MPL_IGNORE_SYSTEM_FONTS": "1"})
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
