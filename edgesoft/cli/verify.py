"""`edgesoft verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgesoft.cli import options
from edgesoft.cli.console import percent, say, to_json
from edgesoft.errors import GateMissedError

if TYPE_CHECKING:
    from edgesoft.inference.verify import VerifyReport


def command(
    model: Annotated[Path, typer.Argument(help="Model file.", show_default=False)],
    provider: options.Provider = "cpu",
    device_id: options.DeviceId = None,
    threads: options.Threads = None,
    tf32: options.Tf32 = False,
    against: Annotated[
        Path | None,
        typer.Option(help="Compare with this checkpoint in PyTorch over the whole test split.", show_default=False),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="With --against: where the data are now. (default: where the run found them)", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Prove that a model file is intact and still answers as PyTorch did.

    The file carries its own examples, so a device needs neither PyTorch nor the data. Exit code 3 when something differs.
    """
    from edgesoft.inference.providers import choose, int8_warning, resolve
    from edgesoft.inference.verify import verify

    if resolve(provider) == "auto":
        choice = choose(provider, device_id=device_id, tf32=tf32)
        say(f"on {choice.provider} ({choice.reason})")
    report = verify(model, provider=provider, device_id=device_id, threads=threads, tf32=tf32)
    if (warning := int8_warning(report.precision, report.provider)) is not None:
        say(f"warning: {model}: {warning}")
    if against is not None:
        from edgesoft.data.load import load_dataset
        from edgesoft.exporting.against import verify_against
        from edgesoft.training.checkpoint import Checkpoint
        from edgesoft.training.runs import RunFolder, checkpoint_in
        from edgesoft.training.settings_file import stored_options

        checkpoint = checkpoint_in(against)
        Checkpoint.load(checkpoint)  # what cannot be read is said before its data are looked for
        dataset = load_dataset(stored_options(RunFolder(checkpoint.parent), data))
        report = verify_against(report, checkpoint, dataset, device_id=device_id, threads=threads, tf32=tf32)
    if as_json:
        print(to_json({"passed": report.passed, **vars(report)}))
    else:
        _print(report)
    if not report.passed:
        stages = ", ".join(dict.fromkeys(finding.stage for finding in report.findings))
        raise GateMissedError(f"{model}: not verified; what differs: {stages}. Export it again: edgesoft export")


def _print(report: VerifyReport) -> None:
    for finding in report.findings:
        say(f"{finding.stage}: {finding.message}")
    if report.expected is not None and report.reference is not None:
        exact = report.expected.max_logit_difference == 0
        print(f"golden examples  {report.examples} replayed on {report.provider}")
        print(
            f"as exported      {'bit for bit' if exact else f'logits within {report.expected.max_logit_difference:.2g}'}"
        )
        print(
            f"as PyTorch       logits within {report.reference.max_logit_difference:.2g}, "
            f"{len(report.reference.label_changes)} labels changed"
        )
    if report.against is not None:
        parity = report.against
        print(
            f"test split       {percent(parity.candidate_accuracy or 0)}, PyTorch {percent(parity.reference_accuracy or 0)}; "
            f"logits within {parity.max_logit_difference:.2g}, {len(parity.label_changes)} of {parity.examples:,} labels changed"
        )
    if report.passed:
        print(f"verified         {report.path}")
