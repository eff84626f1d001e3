"""Layers -> the calls of the C program, its constants, and where in its one buffer each value lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgesoft.model.graph import Array
from edgesoft.model.layers import UNIT_SCALE, GreyLevels, Layer, Linear, Quantize, QuantizedLinear, Relu, Scale
from edgesoft.model.network import Network

INT32_MAX = 2**31 - 1
BYTE_MAX = 255
_SIZES = {"bytes": 1, "floats": 4}


class InexpressibleError(Exception):
    """The network holds something that has no form in C: the text says what."""


class Constant(NamedTuple):
    """One array in flash."""

    kind: str
    """Type of an element."""
    name: str
    values: Array


@dataclass(frozen=True)
class Plan:
    """The body of the one function, and what it needs."""

    calls: tuple[str, ...]
    """Statements in C, one a step."""
    constants: tuple[Constant, ...]
    buffer_bytes: int
    """Memory for what flows between the steps."""
    widest: int
    """Largest number of bytes that enter an integer product; 0 where there is none."""
    multiplications: int

    @property
    def constant_bytes(self) -> int:
        """Flash that the constants take."""
        return sum(constant.values.nbytes for constant in self.constants)

    def calls_to(self, function: str) -> bool:
        """Whether the body calls this helper."""
        return any(call.startswith(f"{function}(") for call in self.calls)


@dataclass
class _Value:
    """What flows at one point: `size` bytes or floats."""

    kind: Literal["bytes", "floats"]
    size: int
    place: str
    """The C expression of its first element; `{0}` and `{1}` stand for the two ends of the buffer."""
    scale: NDArray[np.float32] | None = None
    """What one of the bytes is worth."""

    @property
    def room(self) -> int:
        """Bytes, in whole floats, so that the next one is aligned."""
        return -(-self.size * _SIZES[self.kind] // 4) * 4


@dataclass
class _Planner:
    value: _Value
    calls: list[str] = field(default_factory=list)
    constants: list[Constant] = field(default_factory=list)
    rooms: list[int] = field(default_factory=list)
    widest: int = 0
    multiplications: int = 0

    def constant(self, kind: str, name: str, values: Array) -> str:
        """Add an array; numbers its name after the product that it belongs to."""
        name = f"{name}{sum(constant.name.startswith(name) for constant in self.constants) + 1}"
        self.constants.append(Constant(kind, name, np.ascontiguousarray(values)))
        return name

    def step(
        self,
        function: str,
        arguments: Sequence[str],
        kind: Literal["bytes", "floats"],
        size: int,
        *,
        scale: NDArray[np.float32] | None = None,
        is_last: bool = False,
    ) -> None:
        """Call a helper that reads the present value and writes the next one."""
        value = _Value(kind, size, "logits", scale)
        if not is_last:
            end = len(self.rooms) % 2
            value.place = f"buffer.{kind} + {{{kind}{end}_{len(self.rooms)}}}" if end else f"buffer.{kind}"
            self.rooms.append(value.room)
        inputs = [self.value.place, str(self.value.size)]
        self.calls.append(f"{function}({', '.join([*inputs, *arguments, value.place])});")
        self.value = value

    def floats(self) -> None:
        """Make floats of bytes."""
        if self.value.scale is not None:
            scale = self.constant("float", "level", self.value.scale.reshape(1))
            self.step("floats_of_bytes", [f"{scale}[0]"], "floats", self.value.size)

    def scale(self, layer: Scale) -> None:
        """Features in the units of the file -> the network's."""
        offset = self.constant("float", "offset", layer.offset)
        factor = self.constant("float", "factor", layer.factor)
        self.step("scale_features", [offset, factor], "floats", len(layer.offset))

    def linear(self, layer: Linear, *, is_last: bool) -> None:
        """A product of floats. Its weights lie by inputs, so that compilers can compute several outputs at once."""
        self.floats()
        weight = self.constant("float", "weights", layer.weight.T)
        bias = self.constant("float", "bias", layer.bias)
        outputs, inputs = layer.weight.shape
        self.multiplications += outputs * inputs
        self.step("dense", [f"&{weight}[0][0]", bias, str(outputs)], "floats", outputs, is_last=is_last)

    def quantized(self, layer: QuantizedLinear, rounding: Quantize | None, *, is_last: bool) -> None:
        """A product of integers, and the rounding of what comes out of it."""
        if self.value.kind != "bytes" or self.value.scale is None:
            raise InexpressibleError("integer weights whose inputs are not rounded")
        scale = np.broadcast_to(self.value.scale * layer.weight_scale, layer.bias.shape)
        if not np.array_equal(scale, np.broadcast_to(layer.bias_scale, layer.bias.shape)):
            raise InexpressibleError("a bias in other units than its products")
        largest = BYTE_MAX * np.abs(layer.weight.astype(np.int64)).sum(axis=1) + np.abs(layer.bias.astype(np.int64))
        if largest.max() > INT32_MAX:
            raise InexpressibleError("sums that may leave 32 bits")
        factors = scale if rounding is None else scale / rounding.scale
        step = int(layer.weight_scale.ndim > 0)
        outputs, inputs = layer.weight.shape
        self.widest = max(self.widest, inputs)
        self.multiplications += outputs * inputs
        arguments = [
            f"&{self.constant('int8_t', 'weights', layer.weight)}[0][0]",
            self.constant("int32_t", "bias", layer.bias),
            self.constant("float", "factors", factors if step else factors[:1]),
            str(step),
            str(outputs),
        ]
        if rounding is None:
            self.step("dense_bytes_to_floats", arguments, "floats", outputs, is_last=is_last)
        else:
            self.step("dense_bytes", arguments, "bytes", outputs, scale=rounding.scale)

    def round(self, layer: Quantize) -> None:
        """Floats -> bytes."""
        scale = self.constant("float", "level", layer.scale.reshape(1))
        self.step("bytes_of_floats", [f"{scale}[0]"], "bytes", self.value.size, scale=layer.scale)

    def relu(self) -> None:
        """In place."""
        self.calls.append(f"relu({self.value.place}, {self.value.size});")


def plan(network: Network, shape: tuple[int, ...], argument: str) -> Plan:
    """Lay a network out as calls.

    Parameters
    ----------
    network
        Layers and head.
    shape
        Of one input.
    argument
        What the C function calls its input.

    Raises
    ------
    InexpressibleError
        A layer, or a row of layers, has no form in C.
    """
    layers = list(network.layers)
    planner = _Planner(_Value("floats", int(np.prod(shape)), argument))
    while layers:
        layer = layers.pop(0)
        if isinstance(layer, QuantizedLinear):
            rounding = _rounding(layers)
            planner.quantized(layer, rounding, is_last=not layers)
        else:
            _float_layer(planner, layer, is_last=not layers)
    total = max((sum(planner.rooms[index : index + 2]) for index in range(len(planner.rooms))), default=0)
    places = {
        f"{kind}{index % 2}_{index}": (total - room) // size
        for index, room in enumerate(planner.rooms)
        for kind, size in _SIZES.items()
    }
    return Plan(
        tuple(call.format_map(places) for call in planner.calls),
        tuple(planner.constants),
        total,
        planner.widest,
        planner.multiplications,
    )


def _rounding(layers: list[Layer]) -> Quantize | None:
    """Take the rounding away that follows a product; a byte cannot be negative, so it does what a Relu before it does."""
    rest = layers[1:] if layers and isinstance(layers[0], Relu) else layers
    if not rest or not isinstance(rest[0], Quantize):
        return None
    layers[:] = rest[1:]
    return rest[0]


def _float_layer(planner: _Planner, layer: Layer, *, is_last: bool) -> None:
    match layer:
        case GreyLevels():
            planner.value.kind, planner.value.scale = "bytes", np.asarray(UNIT_SCALE)
        case Scale():
            planner.scale(layer)
        case Linear():
            planner.linear(layer, is_last=is_last)
        case Quantize():
            planner.round(layer)
        case Relu():
            planner.relu()
        case _:
            raise InexpressibleError(f"a layer {type(layer).__name__}")
