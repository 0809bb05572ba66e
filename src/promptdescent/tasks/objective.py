"""Many scores into the one number that an optimizer maximizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Objective(Protocol):
    """Combines the scores of one prompt."""

    @property
    def name(self) -> str:
        """Stands in the task's fingerprint."""

    @property
    def mean_over_rows(self) -> bool:
        """Whether it is a mean over rows, so that a part of the rows estimates it."""

    def combine(self, scores: Sequence[float]) -> float:
        """The number to maximize. ``scores`` holds one score per row that is not missing; at least one."""


@dataclass(frozen=True, kw_only=True)
class Mean:
    """The mean of the scores."""

    name: str = "mean"
    mean_over_rows: bool = True

    def combine(self, scores: Sequence[float]) -> float:
        """Raises ValueError if there are no scores."""
        if not scores:
            raise ValueError("no scores to take the mean of")
        return math.fsum(scores) / len(scores)
