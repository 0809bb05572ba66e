"""Estimation: on which dev rows a score rests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from promptdescent.records import Example


class Estimation(Protocol):
    """Chooses the rows that a step's candidates are scored on."""

    def rows(self, dev: Sequence[Example]) -> Sequence[Example]:
        """The rows, in the order in which they are asked."""


@dataclass(frozen=True, kw_only=True)
class FullDev:
    """Every dev row, for every candidate."""

    def rows(self, dev: Sequence[Example]) -> Sequence[Example]:
        return dev
