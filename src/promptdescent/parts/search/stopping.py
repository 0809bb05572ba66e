"""Stopping: when the search ends before its last step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from promptdescent.errors import ConfigError
from promptdescent.records import OptimizerState, TaskBrief

ROUNDING = 1e-9
"""What a mean of scores may miss by rounding."""


class Stopping(Protocol):
    """Ends a search early."""

    def reason(self, state: OptimizerState, brief: TaskBrief) -> str:
        """Why the search ends after this state; empty to go on."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """After so many steps without a new best prompt (6 is ours: the paper stops "at a plateau" and gives no number)."""

    steps: int = 6
    """0 = never."""

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ConfigError(f"patience lasts at least 0 steps, not {self.steps}")

    def reason(self, state: OptimizerState, brief: TaskBrief) -> str:
        if self.steps and state.steps_without_gain >= self.steps:
            return f"{self.steps} steps without a better prompt"
        return ""


@dataclass(frozen=True, kw_only=True)
class PerfectScore:
    """When no candidate can still win: the best prompt has the highest dev score that any could reach. With a cost of
    length that is a perfect score less the cost of one word.
    """

    def reason(self, state: OptimizerState, brief: TaskBrief) -> str:
        score, reachable = state.best.score, brief.reachable_score
        if score is None or reachable is None or score < reachable - ROUNDING:
            return ""
        why = "perfect dev score" if brief.perfect_score is not None else "perfect dev score, and no prompt is shorter"
        return f"no candidate can still win: {why}"


@dataclass(frozen=True, kw_only=True)
class TargetScore:
    """When the best prompt reaches a dev score that is good enough."""

    score: float

    def reason(self, state: OptimizerState, brief: TaskBrief) -> str:
        reached = state.best.score is not None and state.best.score >= self.score - ROUNDING
        return f"target dev score {self.score:g} reached" if reached else ""
