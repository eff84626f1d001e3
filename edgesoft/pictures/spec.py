"""stub"""
from __future__ import annotations
from dataclasses import dataclass
from typing import Any

@dataclass(frozen=True)
class PictureSpec:
    height: int = 28
    width: int = 28
    channels: int = 1
    normaliser: str = "ink"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.height, self.width) if self.channels == 1 else (self.height, self.width, self.channels)

    @classmethod
    def from_json(cls, document: Any) -> PictureSpec:
        return cls(**document)
