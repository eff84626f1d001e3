"""`edgesoft verify`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgesoft.cli import options
from edgesoft.cli.console import percent, say
from edgesoft.cli.render import show
from edgesoft.errors import GateMissedError, UsageError
from edgesoft.terminal import Facts, Text, bad, good

if TYPE_CHECKING:
    from edgesoft.inference.verify import VerifyReport


def command(
    model: Annotated[Path, typer.Argument(help="Model file, or a folder from edgesoft convert.", show_default=False)],
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

    The file carries its own examples, so a device needs neither PyTorch nor the data. Exit code 3 when something differs. A converted
    folder is compiled and run, as make check would do it: only with folders from people whom you trust.
    """
    if model.is_dir():
        if provider != "cpu" or tf32 or any(option is not None for option in (device_id, threads, against, data)):
            raise UsageError(f"{model}: is a folder; only --sha256 and --json go with one")
        _verify_folder(model, sha256, as_json=as_json)
        return
    if data is not None and against is None:
        raise UsageError(f"--data {data}: goes with --against CHECKPOINT only")
    from edgesoft.api.proofs import verify
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
    show(_document(report), [Facts(list(_rows(report)), 17)], as_json=as_json)
    if not report.passed:
        stages = ", ".join(dict.fromkeys(finding.stage for finding in report.findings))
        raise GateMissedError(f"{model}: not verified; what differs: {stages}. Export it again: edgesoft export")


def _verify_folder(folder: Path, sha256: str | None, *, as_json: bool) -> None:
    from edgesoft.targets.replay import replay

    result = replay(folder, sha256=sha256)
    said = good(result.said) if result.passed else bad(result.said)
    facts = Facts([("made from", result.model), ("run by", result.tool), ("says", said)], 17)
    show(asdict(result), [facts], as_json=as_json)
    if not result.passed:
        raise GateMissedError(f"{folder}: does not answer as its model did at export ({result.said})")


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


def _rows(report: VerifyReport) -> Iterator[tuple[str, Text]]:
    if report.expected is not None and report.reference is not None:
        reference, expected = report.reference, report.expected
        exact = expected.max_logit_difference == 0
        yield "golden examples", f"{report.examples} replayed on {report.provider}"
        yield "as exported", "bit for bit" if exact else f"logits within {expected.max_logit_difference:.2g}"
        changed = len(reference.label_changes)
        yield "as PyTorch", f"logits within {reference.max_logit_difference:.2g}, {changed} labels changed"
    if report.against is not None:
        parity = report.against
        accuracies = f"{percent(parity.candidate_accuracy or 0)}, PyTorch {percent(parity.reference_accuracy or 0)}"
        changes = f"{len(parity.label_changes)} of {parity.examples:,} labels changed"
        yield "test split", f"{accuracies}; logits within {parity.max_logit_difference:.2g}, {changes}"
    if report.passed:
        yield "sha256", report.sha256
        yield "verified", good(str(report.path))
