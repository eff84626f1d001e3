"""From one model file to a folder that runs elsewhere: where there is no Python, or on another server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgesoft.errors import UsageError
from edgesoft.model.file import ModelFile, open_model
from edgesoft.targets.c.program import write_program
from edgesoft.targets.folder import check_free, write_folder
from edgesoft.targets.triton.repository import write_gpu_repository, write_repository
from edgesoft.targets.web.page import write_page

TARGETS: Mapping[str, Callable[[ModelFile], dict[str, bytes]]] = {
    "c": write_program,
    "web": write_page,
    "triton": write_repository,
    "triton-gpu": write_gpu_repository,
}
"""Name -> what writes its files, from a model that is unchanged since export."""


@dataclass(frozen=True)
class Converted:
    """One folder that was written."""

    target: str
    folder: Path
    files: tuple[Path, ...]


def convert(model: Path, targets: Sequence[str], output: Path, *, overwrite: bool = False) -> tuple[Converted, ...]:
    """Write a folder for each target.

    Parameters
    ----------
    model
        The `.onnx` file.
    targets
        Names out of `TARGETS`.
    output
        The folder for a single target; several get a folder of their names in it.
    overwrite
        Replace what edgesoft wrote there before.

    Raises
    ------
    EdgesoftError
        The model cannot be read, was changed after export, or has no such form; or the folder holds something already.
    UsageError
        There is no such target, or one is named twice.
    """
    if not targets:
        raise UsageError(f"no target named. There are {', '.join(TARGETS)}")
    check_targets(targets)
    folders = [output] if len(targets) == 1 else [output / target for target in targets]
    opened = open_model(model)
    for folder in folders:
        check_free(folder, overwrite=overwrite)
    written = [TARGETS[target](opened) for target in targets]  # all is made before anything is written
    return tuple(
        Converted(target, folder, tuple(write_folder(folder, target, opened, files, overwrite=overwrite)))
        for target, folder, files in zip(targets, folders, written, strict=True)
    )


def check_targets(targets: Sequence[str]) -> None:
    """Refuse names that are no targets, and one twice; raises UsageError."""
    unknown = [target for target in targets if target not in TARGETS]
    if unknown:
        raise UsageError(f"no target {', '.join(map(repr, unknown))}. There are {', '.join(TARGETS)}")
    if len(set(targets)) < len(targets):
        raise UsageError(f"target {max(targets, key=targets.count)!r} is named twice")
