"""`edgesoft verify`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgesoft.cli import options
from edgesoft.cli.console import percent, say
from edgesoft.cli.render import show
from edgesoft.errors import GateMissedError

if TYPE_CHECKING:
    from edgesoft.inference.verify import VerifyReport


def command(
    model: Annotated[Path, typer.Argument(help="Model file.", show_default=False)],
    provider: options.Provider = "cpu",
    device_id: options.DeviceId = None,
    threads: options.Threads = None,
    tf32: options.Tf32 = False,
    sha256: Annotated[
        str | None,
        typer.Option(
            help="The SHA-256 that the whole file must have, as whoever made it told you; any other file is refused unread.",
            show_default=False,
        ),
    ] = None,
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
    from edgesoft.api import verify
    from edgesoft.inference.providers import int8_warning, resolve

    is_auto = resolve(provider) == "auto"
    report = verify(
        model,
        provider=provider,
        device_id=device_id,
        threads=threads,
        tf32=tf32,
        sha256=sha256,
        against=against,
        data=data,
        on_start=lambda choice: say(f"on {choice.provider} ({choice.reason})") if is_auto else None,
    )
    if (warning := int8_warning(report.precision, report.provider)) is not None:
        say(f"warning: {model}: {warning}")
    if not as_json:
        for finding in report.findings:
            say(f"{finding.stage}: {finding.message}")
    show(_document(report), _lines(report), as_json=as_json)
    if not report.passed:
        stages = ", ".join(dict.fromkeys(finding.stage for finding in report.findings))
        raise GateMissedError(f"{model}: not verified; what differs: {stages}. Export it again: edgesoft export")


def _document(report: VerifyReport) -> dict[str, Any]:
    return {
        "passed": report.passed,
        "path": report.path,
        "sha256": report.sha256,
        "precision": report.precision,
        "provider": report.provider,
        "examples": report.examples,
        "reference": report.reference,
        "expected": report.expected,
        "findings": report.findings,
        "against": report.against,
    }


def _lines(report: VerifyReport) -> Iterator[str]:
    if report.expected is not None and report.reference is not None:
        reference, expected = report.reference, report.expected
        exact = expected.max_logit_difference == 0
        yield f"golden examples  {report.examples} replayed on {report.provider}"
        yield f"as exported      {'bit for bit' if exact else f'logits within {expected.max_logit_difference:.2g}'}"
        changed = len(reference.label_changes)
        yield f"as PyTorch       logits within {reference.max_logit_difference:.2g}, {changed} labels changed"
    if report.against is not None:
        parity = report.against
        yield (
            f"test split       {percent(parity.candidate_accuracy or 0)}, PyTorch {percent(parity.reference_accuracy or 0)}; "
            f"logits within {parity.max_logit_difference:.2g}, {len(parity.label_changes)} of {parity.examples:,} labels changed"
        )
    if report.passed:
        yield f"sha256           {report.sha256}"
        yield f"verified         {report.path}"
