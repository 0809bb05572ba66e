"""Step size: how many words a rewrite may change (paper section 3.2, "edit distance"), a pure function of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


class StepSize(Protocol):
    """The counterpart of a learning rate."""

    def words(self, step: int, total: int) -> int | None:
        """Words that may change at ``step`` in 1..``total``; None without a limit."""


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """S_t = S_final + (S_start - S_final) * (1 + cos(pi t / T)) / 2 for t = 1..T, cut to whole words."""

    start: int = 50
    final: int = 10

    def words(self, step: int, total: int) -> int | None:
        if not 1 <= step <= total:
            raise ValueError(f"step {step} is outside of 1..{total}")
        return int(self.final + (self.start - self.final) * (1 + math.cos(math.pi * step / total)) / 2)
