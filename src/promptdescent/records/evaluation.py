"""Prompts and what became of them on rows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from promptdescent.records.task import Example, Prompt

OutcomeKind = Literal["answered", "empty", "cut off", "refused", "unreadable", "missing"]
"""What became of one row. All but *missing* count with their score; a missing row leaves both sides of a comparison."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """One prompt on one row."""

    example: str
    """Id of the row."""
    kind: OutcomeKind
    score: float | None
    """The metric's value, 0 for a reply without a readable answer, None if the call failed for good."""
    answer: str | None = None
    """The answer as read from the reply."""
    reply: str = ""
    """The one that is scored: with a second round, the reply to that."""
    earlier_reply: str = ""
    """The one before it; empty without a second round."""
    feedback: str = ""
    """What a metric had to say of the answer."""
    grades: tuple[float, ...] = ()
    """What each repeat of a judge gave, as a share of its scale; empty without a judge."""
    error: str = ""
    """Why the row is missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """One prompt on a set of rows, in the rows' order."""

    outcomes: tuple[Outcome, ...]
    score: float | None
    """The objective over the rows that are not missing; None if all are."""

    @property
    def rows(self) -> int:
        """Rows that the score rests on."""
        return len(self.outcomes) - self.missing

    @property
    def missing(self) -> int:
        """Rows whose call failed for good."""
        return sum(outcome.score is None for outcome in self.outcomes)


Fate = Literal["scored", "dropped", "rejected", "failed"]
"""A proposal was scored on every dev row; or dropped after some of them; or rejected by screening; or its evaluation
lost too many rows to count.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A prompt that was proposed, with what became of it."""

    id: str
    """``step.index``; the starting prompt is ``0.0``."""
    prompt: Prompt
    parent: str | None
    """Id of the prompt it was written from; None for a starting prompt."""
    fate: Fate
    reason: str = ""
    """Why it was dropped, rejected or failed."""
    score: float | None = None
    """Dev score, on ``rows`` rows."""
    rows: int = 0
    missing: int = 0
    request: int | None = None
    """Which of the step's requests proposed it, counted from 0; None for a prompt that no model wrote."""
    distance: int | None = None
    """Words by which it differs from its parent: word-level Levenshtein distance."""
    tokens: int = 0
    """Tokens of the call that proposed it, in and out; an equal share where one call brought several."""


class Evaluate(Protocol):
    """Scores prompts on rows. Evaluations come in the order of the prompts, each as soon as it is whole."""

    def __call__(
        self, prompts: AsyncGenerator[Prompt, None], examples: Sequence[Example]
    ) -> AsyncGenerator[Evaluation, None]: ...
