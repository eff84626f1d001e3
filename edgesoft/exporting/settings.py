"""How to export. Imports nothing heavy, so that --help is quick."""

from __future__ import annotations

from dataclasses import dataclass

from edgesoft.model.card import Scheme
from edgesoft.settings import check, count, setting


@dataclass(frozen=True)
class PublishSettings:
    """How to publish."""

    overwrite: bool = setting(
        False,
        "Replace files that edgesoft did not write, models of other data, and models that are better",
        takes=bool,
        shown="",
        flags="--overwrite",
    )


@dataclass(frozen=True)
class QuantizeSettings:
    """How to make the INT8 file.

    Raises
    ------
    UsageError
        A value is out of its range.
    """

    calibration_samples: int | None = setting(
        None,
        "Training examples that ranges are measured on, and INT8 is finished with",
        **count(1),
        shown="the whole training split",
    )
    per_channel: bool = setting(
        False, "Begin with one weight scale for each output of a layer", takes=bool, shown="", flags="--per-channel"
    )
    eight_bit: bool = setting(
        False,
        "Try 8-bit weights too: only for devices with VNNI or an ARM CPU",
        takes=bool,
        shown="",
        flags="--eight-bit",
    )

    def __post_init__(self) -> None:
        check(self)

    def schemes(self) -> list[Scheme]:
        """The ways to quantize that are tried in turn, the fastest and most portable first; a float first layer is for tables."""
        schemes = [
            Scheme(),
            Scheme(per_channel=True),
            Scheme(per_channel=True, float_first=True),
            Scheme(per_channel=True, float_last=True),
        ]
        if self.eight_bit:
            schemes[1:1] = [Scheme(weight_bits=8)]
            schemes[3:3] = [Scheme(weight_bits=8, per_channel=True)]
        return [scheme for scheme in schemes if scheme.per_channel or not self.per_channel]
