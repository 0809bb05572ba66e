"""Selection: who survives a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from promptdescent.records import Candidate


class Selection(Protocol):
    """Chooses the next current prompt."""

    def select(self, current: Candidate, candidates: Sequence[Candidate]) -> Candidate:
        """The prompt to go on from; ``candidates`` are the step's scored ones in the order of their index."""


@dataclass(frozen=True, kw_only=True)
class Greedy:
    """The best new candidate, even if it is worse than the current prompt; with ``accept="better"`` only if it is
    better.
    """

    accept: Literal["always", "better"] = "always"

    def select(self, current: Candidate, candidates: Sequence[Candidate]) -> Candidate:
        if not candidates:
            return current
        best = max(candidates, key=score_of)  # the earlier one on a tie
        if self.accept == "better" and score_of(best) <= score_of(current):
            return current
        return best


def score_of(candidate: Candidate) -> float:
    """Its dev score. Raises ValueError if it has none."""
    if candidate.score is None:
        raise ValueError(f"candidate {candidate.id} has no score")
    return candidate.score
