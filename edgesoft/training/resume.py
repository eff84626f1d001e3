"""What a snapshot of a run says about the run itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgesoft.errors import EdgesoftError
from edgesoft.training.checkpoint import Arrays, load_arrays
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings


def stored_config(folder: RunFolder) -> TrainSettings:
    """The settings of the run in `folder`, for resuming it; raises EdgesoftError when there is none."""
    return TrainSettings.from_json(read_run_document(load_arrays(folder.snapshot), folder.snapshot)["config"])


def read_run_document(arrays: Arrays, origin: Path) -> dict[str, Any]:
    """The settings and history inside a snapshot; raises EdgesoftError when it is none."""
    try:
        document = json.loads(arrays["run"].tobytes())
        TrainSettings.from_json(document["config"])
    except (KeyError, TypeError, ValueError) as error:
        raise EdgesoftError(
            f"{origin}: no training state of edgesoft ({error}). Start a new run: edgesoft train"
        ) from error
    return dict(document)
