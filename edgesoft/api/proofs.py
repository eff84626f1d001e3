"""`verify`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edgesoft.errors import UsageError

if TYPE_CHECKING:
    from edgesoft.inference.providers import Choice
    from edgesoft.inference.verify import VerifyReport


def verify(
    model: str | Path,
    *,
    provider: str = "cpu",
    device_id: int | None = None,
    threads: int | None = None,
    tf32: bool = False,
    sha256: str | None = None,
    against: str | Path | None = None,
    data: str | None = None,
    on_start: Callable[[Choice], object] = lambda _: None,
) -> VerifyReport:
    """Prove that a model file is intact and still answers as PyTorch did, as `edgesoft verify` does.

    Parameters
    ----------
    model
        The `.onnx` file.
    provider, device_id, threads, tf32
        Where to replay its examples; see `edgesoft.load`.
    sha256
        What the SHA-256 of the whole file must be, in hexadecimal; nothing of another file is looked at.
    against
        A run's folder or a checkpoint: compare with it in PyTorch over the whole test split too.
    data
        With `against`: where the data are now; None takes them from the run.
    on_start
        Called with the provider that will run, before anything is read.

    Returns
    -------
    VerifyReport
        What was measured and what was found; `passed` says whether nothing was.

    Raises
    ------
    EdgesoftError
        A file cannot be read or is not one that edgesoft wrote.
    UsageError
        There is no such provider, or it takes no such option; or `sha256` is none.
    GateMissedError
        It is not the file with that SHA-256.
    ProviderUnavailableError
        The provider cannot run here.
    """
    from edgesoft.inference.providers import choose
    from edgesoft.inference.verify import verify as replay

    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise UsageError(f"sha256 {sha256[:80]!r}: expected the 64 hexadecimal digits of a file's SHA-256")
    choice = choose(provider, device_id=device_id, tf32=tf32)
    on_start(choice)
    report = replay(Path(model), choice=choice, threads=threads, sha256=sha256)
    if against is None:
        return report
    from edgesoft.data.load import load_dataset
    from edgesoft.exporting.against import verify_against
    from edgesoft.training.checkpoint import Checkpoint
    from edgesoft.training.runs import RunFolder, checkpoint_in
    from edgesoft.training.settings_file import stored_data_settings

    path = checkpoint_in(Path(against))
    checkpoint = Checkpoint.load(path)  # what cannot be read is said before its data are looked for
    dataset = load_dataset(stored_data_settings(RunFolder(path.parent), data))
    return verify_against(report, checkpoint, dataset, threads=threads)
