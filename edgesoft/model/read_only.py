"""JSON that nobody can change by accident: what a card says stays what its file says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn


class ReadOnly(dict[str, Any]):
    """A dictionary that refuses every change; unlike a `MappingProxyType` it is written as JSON and pickled like any other."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a model card cannot be changed. dataclasses.replace makes another")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


def read_only(value: Any) -> Any:
    """The same JSON value, whose objects are `ReadOnly` and whose lists are tuples, all the way down."""
    if isinstance(value, Mapping):
        return ReadOnly({name: read_only(inner) for name, inner in value.items()})
    if isinstance(value, list | tuple):
        return tuple(map(read_only, value))
    return value
