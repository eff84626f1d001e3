"""The folder that a target writes: which files, from which model, and what may be replaced."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgesoft.errors import EdgesoftError, GateMissedError
from edgesoft.escape import json_text
from edgesoft.files import read_bytes, reason
from edgesoft.model.file import ModelFile
from edgesoft.transaction import is_inside, locked, replace_together, settle
from edgesoft.version import __version__

MANIFEST = "edgesoft.json"
MANIFEST_LIMIT = 2**16  # bytes
FILE_LIMIT = 2**30
"""Largest file of a folder that is read again, in bytes."""
_KEYS = {"edgesoft", "target", "model", "sha256", "files"}


@dataclass(frozen=True)
class Manifest:
    """What edgesoft wrote into a folder."""

    target: str
    model: str
    """Name of the model file."""
    sha256: str
    """Of the model file, in hexadecimal."""
    files: Mapping[str, str]
    """Name -> SHA-256 in hexadecimal, without the manifest itself."""

    def encode(self) -> bytes:
        """As JSON."""
        document = {
            "edgesoft": __version__,
            "target": self.target,
            "model": self.model,
            "sha256": self.sha256,
            "files": dict(self.files),
        }
        return (json_text(document, indent=2) + "\n").encode()


def read_manifest(folder: Path) -> Manifest:
    """What edgesoft wrote into `folder`.

    Raises
    ------
    EdgesoftError
        There is no manifest, or none that edgesoft wrote.
    """
    settle(folder)
    path = folder / MANIFEST
    try:
        document = json.loads(read_bytes(path, limit=MANIFEST_LIMIT, what=f"the {MANIFEST} of a converted folder"))
        if set(document) != _KEYS or not isinstance(document["files"], dict):
            raise ValueError
        names = [document["target"], document["model"], document["sha256"], *document["files"].values()]
        if not all(isinstance(name, str) for name in names) or not all(map(is_inside, document["files"])):
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        raise EdgesoftError(f"{path}: not written by edgesoft. Convert the model again: edgesoft convert") from None
    return Manifest(document["target"], document["model"], document["sha256"], document["files"])


def write_folder(
    folder: Path, target: str, model: ModelFile, files: Mapping[str, bytes], *, overwrite: bool
) -> list[Path]:
    """Write the files and their manifest, all together or not at all.

    Parameters
    ----------
    folder
        New, or empty; or written by edgesoft before, with `overwrite`.
    target
        Its name.
    model
        What was converted.
    files
        Name -> content; a name may lead into folders, with slashes.
    overwrite
        Replace what edgesoft wrote here. Whatever else lies in the folder stays.

    Raises
    ------
    EdgesoftError
        The folder cannot be written, or holds what must not be replaced.
    """
    manifest = Manifest(target, model.path.name, _sha256(model.content), {name: _sha256(files[name]) for name in files})
    changes: dict[str, bytes | None] = {**files, MANIFEST: manifest.encode()}
    check_free(folder, overwrite=overwrite)
    with locked(folder):
        changes = {**_replaceable(folder, changes, overwrite=overwrite), **changes}
        replace_together(folder, changes)
    return [folder / name for name in files]


def check_free(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that must not be written, before any work is done for it; raises EdgesoftError."""
    try:
        is_used = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise EdgesoftError(f"{folder}: cannot be written ({reason(error)}). Choose another folder") from error
    if is_used and not folder.is_dir():
        raise EdgesoftError(f"{folder}: is a file. Choose a folder: --output DIR")
    if is_used and not overwrite:
        raise EdgesoftError(
            f"{folder}: is not empty. Choose another folder, or replace what edgesoft wrote there: --overwrite"
        )


def _replaceable(folder: Path, changes: Mapping[str, bytes | None], *, overwrite: bool) -> dict[str, None]:
    """The files of an earlier conversion that this one does not write; raises EdgesoftError at one that is somebody's."""
    if all(path.name.startswith(".") for path in folder.iterdir()):
        return {}
    if not overwrite:
        check_free(folder, overwrite=False)
    known = read_manifest(folder).files if (folder / MANIFEST).exists() else {}
    present = {name for name in (*changes, *known) if (folder / name).exists()}
    for name in sorted(present - {MANIFEST}):
        if known.get(name) != _sha256_of(folder / name):
            raise EdgesoftError(
                f"{folder / name}: was not written by edgesoft, or was changed since. Move it away, or choose another folder"
            )
    return dict.fromkeys(name for name in known if name in present and name not in changes)


def check_unchanged(folder: Path, manifest: Manifest) -> None:
    """Every file must be the one that was written.

    Raises
    ------
    GateMissedError
        One was changed or is missing.
    """
    for name, digest in manifest.files.items():
        if not (folder / name).is_file():
            raise GateMissedError(f"{folder / name}: is missing. Convert the model again: edgesoft convert")
        if _sha256_of(folder / name) != digest:
            raise GateMissedError(
                f"{folder / name}: was changed since edgesoft wrote it. Convert the model again: edgesoft convert"
            )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sha256_of(path: Path) -> str:
    return _sha256(read_bytes(path, limit=FILE_LIMIT, what="a file of a converted folder"))
