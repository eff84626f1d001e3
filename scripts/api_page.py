"""docs/reference/python.md, from the source of edgesoft and its docstrings as griffe reads them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import griffe

import edgesoft

FUNCTIONS = ("load", "train", "resume", "export", "evaluate", "verify", "convert", "runs")
"""In the order in which they are met."""
CLASSES = (
    "edgesoft.inference.classifier.Classifier",
    "edgesoft.inference.prediction.Prediction",
    "edgesoft.training.results.TrainResult",
    "edgesoft.exporting.results.Exported",
    "edgesoft.inference.evaluation.Evaluation",
    "edgesoft.inference.verify.VerifyReport",
    "edgesoft.targets.convert.Converted",
    "edgesoft.api.history.Run",
    "edgesoft.sklearn.EdgesoftClassifier",
    "edgesoft.errors.EdgesoftError",
    "edgesoft.errors.UsageError",
    "edgesoft.errors.GateMissedError",
    "edgesoft.errors.ProviderUnavailableError",
)
"""What the functions give and raise, and the estimator."""


def api_page(made: str) -> str:
    """The page; `made` says how."""
    package = griffe.GriffeLoader(docstring_parser="numpy").load("edgesoft")
    parts = ["# Python", made, "## Functions"]
    for name in FUNCTIONS:
        home = inspect.getmodule(getattr(edgesoft, name))
        parts += _callable(_found(package, f"{home.__name__}.{name}"), f"edgesoft.{name}", "###")  # type: ignore[union-attr]
    parts.append("## Classes")
    for path in CLASSES:
        parts += _class(_found(package, path))
    return "\n\n".join(parts) + "\n"


def _found(package: griffe.Object | griffe.Alias, path: str) -> griffe.Object | griffe.Alias:
    found: griffe.Object | griffe.Alias = package[path.removeprefix("edgesoft.")]
    return found


def _class(cls: griffe.Object | griffe.Alias) -> Iterator[str]:
    name = cls.name if cls.name in edgesoft.__all__ else cls.path
    yield f"### `{name if '.' in name else f'edgesoft.{name}'}`"
    yield from _sections(cls)
    public = [item for item in cls.members.values() if not item.name.startswith("_")]
    if fields := [_item(item.name, _said(item)) for item in public if item.is_attribute and item.annotation]:
        yield "\n".join(fields)
    for item in public:
        if item.is_function:
            yield from _callable(item, f"{cls.name}.{item.name}", "####")


def _callable(function: griffe.Object | griffe.Alias, shown: str, heading: str) -> Iterator[str]:
    yield f"{heading} `{shown}`"
    yield _fenced(_signature(function, shown))
    yield from _sections(function)


def _signature(function: griffe.Object | griffe.Alias, shown: str) -> str:
    """One parameter a line, as the source has them."""
    signs = {"variadic positional": "*", "variadic keyword": "**"}
    lines, is_keyword = [], False
    for parameter in function.parameters:
        if parameter.name == "self":
            continue
        kind = parameter.kind.value if parameter.kind else ""
        if kind == "keyword-only" and not is_keyword:
            lines.append("*")
            is_keyword = True
        default = f" = {parameter.default}" if parameter.default is not None and kind[:8] != "variadic" else ""
        lines.append(f"{signs.get(kind, '')}{parameter.name}: {parameter.annotation}{default}")
    taken = "".join(f"\n    {line}," for line in lines) + ("\n" if lines else "")
    return f"{shown}({taken})" + (f" -> {function.returns}" if function.returns else "")


def _sections(described: griffe.Object | griffe.Alias) -> Iterator[str]:
    for section in described.docstring.parsed if described.docstring else ():
        if section.kind is griffe.DocstringSectionKind.text:
            yield section.value
            continue
        yield f"**{section.kind.value.capitalize()}**"
        if section.kind is griffe.DocstringSectionKind.examples:
            yield _fenced("\n\n".join(text for _, text in section.value))
        else:
            yield "\n".join(
                _item(getattr(item, "name", "") or item.annotation, item.description) for item in section.value
            )


def _item(name: object, text: str) -> str:
    return re.sub(r"\s+", " ", f"- `{name}`: {text}")


def _said(field: griffe.Object | griffe.Alias) -> str:
    said = field.docstring.value if field.docstring else ""
    return f"`{field.annotation}`{'. ' if said else ''}{said}"


def _fenced(text: str) -> str:
    return f"```text\n{text}\n```"
