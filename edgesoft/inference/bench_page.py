"""A benchmark as a page: self-contained HTML with bars, no scripts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from edgesoft.inference.bench import BatchResult, Timing

_WIDTH, _ROW, _LABELS = 900, 34, 330
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2430; background: #f5f6f8; margin: 0; }
main { max-width: 960px; margin: 0 auto; padding: 32px 24px; }
section { background: #fff; border: 1px solid #e1e4ea; border-radius: 10px; padding: 16px 24px; margin: 0 0 20px; overflow-x: auto; }
h1 { font-size: 24px; } h2 { font-size: 17px; margin: 0; } p { color: #5b6472; margin: 4px 0; }
svg { width: 100%; height: auto; } text { font: 13px system-ui, sans-serif; fill: #1d2430; }
"""


def bench_html(results: Sequence[BatchResult], machine: Mapping[str, str]) -> str:
    """The page.

    Parameters
    ----------
    results
        What `bench` measured.
    machine
        Where and with what: shown as one line.
    """
    facts = escape("; ".join(f"{name} {value}" for name, value in machine.items()))
    sections = "".join(
        f"<section><h2>Batch {result.batch:,}</h2><p>{escape(verdict(result))}</p>{_bars(result)}</section>"
        for result in results
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>edgesoft bench</title><style>{_STYLE}</style></head><body><main><h1>Time a call</h1><p>{facts}</p>"
        "<p>Bars end at the median; the line runs on to the 99th percentile.</p>"
        f"{sections}</main></body></html>\n"
    )


def verdict(result: BatchResult) -> str:
    """Who won, or why nobody did, and how far this machine can be trusted."""
    noise = f"noise {100 * result.noise:.1f} % (the first against itself), rounds spread by {100 * result.spread:.0f} %"
    if len(result.timings) == 1:
        return f"one candidate; {noise}"
    if result.winner is None:
        return f"no winner: the fastest are closer than this machine can tell; {noise}"
    return f"fastest: {result.winner}; {noise}"


def microseconds(seconds: float) -> str:
    """12.3 us, 456 us, 7.89 ms, 1.23 s."""
    for limit, unit, text in ((1e-4, 1e6, "{:.1f} us"), (1e-3, 1e6, "{:.0f} us"), (1.0, 1e3, "{:.2f} ms")):
        if seconds < limit:
            return text.format(seconds * unit)
    return f"{seconds:.2f} s"


def _bars(result: BatchResult) -> str:
    longest = max(timing.p99 for timing in result.timings)
    rows = "".join(_bar(timing, index, longest) for index, timing in enumerate(result.timings))
    return f'<svg viewBox="0 0 {_WIDTH} {_ROW * len(result.timings)}" role="img" aria-label="Time a call">{rows}</svg>'


def _bar(timing: Timing, index: int, longest: float) -> str:
    scale = (_WIDTH - _LABELS - 190) / longest
    middle = index * _ROW + _ROW / 2
    median, tail = _LABELS + timing.p50 * scale, _LABELS + timing.p99 * scale
    label = f"{microseconds(timing.p50)}  ({timing.ratio:.2f}x)"
    return (
        f'<text x="{_LABELS - 12}" y="{middle + 4:.1f}" text-anchor="end">{escape(timing.name)}</text>'
        f'<rect x="{_LABELS}" y="{middle - 8:.1f}" width="{max(1.0, median - _LABELS):.1f}" height="16" rx="3" fill="#2563a8"/>'
        f'<line x1="{median:.1f}" x2="{tail:.1f}" y1="{middle:.1f}" y2="{middle:.1f}" stroke="#7a8699" stroke-width="2"/>'
        f'<text x="{tail + 10:.1f}" y="{middle + 4:.1f}">{escape(label)}</text>'
    )
