"""The state of an optimizer, and the record of its steps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from promptdescent.records.calls import Usage
from promptdescent.records.evaluation import Candidate
from promptdescent.records.serial import from_json
from promptdescent.records.task import Message, Role


@dataclass(frozen=True, kw_only=True, slots=True)
class RowHistory:
    """The scores of past prompts on one dev row, those of earlier steps counting less."""

    weight: float = 0.0
    total: float = 0.0
    squares: float = 0.0

    def then(self, scores: Sequence[float], *, memory: float) -> RowHistory:
        """After another step with these scores; what was known before counts ``memory`` times as much as it did."""
        return RowHistory(
            weight=memory * self.weight + len(scores),
            total=memory * self.total + sum(scores),
            squares=memory * self.squares + sum(score * score for score in scores),
        )

    @property
    def spread(self) -> float:
        """Variance of the scores, with one prompt added that is half right: high where little is known."""
        mean = (self.total + 0.5) / (self.weight + 1)
        return (self.squares + 0.5) / (self.weight + 1) - mean * mean


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerState:
    """Everything the next step needs. Resuming a run is loading this and going on."""

    step: int
    """Steps done: 0 after the starting prompt was scored."""
    total_steps: int
    """T of the schedule, fixed at the start."""
    survivors: tuple[Candidate, ...]
    """The prompts that the next step starts from, best first; never empty."""
    past: tuple[Candidate, ...]
    """The past prompts that the momentum keeps, oldest first."""
    best: Candidate
    """Highest dev score so far among the prompts scored on every dev row; the earlier one on a tie."""
    row_scores: Mapping[str, tuple[float | None, ...]]
    """By id of a survivor: its scores row by row, in the order of the dev rows; None where a row is missing."""
    row_history: tuple[RowHistory, ...]
    """What the prompts so far did on each dev row."""
    tried: tuple[str, ...]
    """Texts that were already scored, dropped or rejected, in order; none is scored twice."""
    summary: str = ""
    """What a summarizing momentum carries from step to step."""
    steps_without_gain: int = 0
    """Steps since ``best`` last changed."""
    initialized: bool = True
    """False while the initialization still has prompts of its own to propose."""

    @property
    def current(self) -> Candidate:
        """The first of the survivors."""
        return self.survivors[0]


Purpose = Literal["proposal", "variant", "induction", "reflection", "summary"]
"""What the optimizer model is asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SentRequest:
    """One meta-prompt that was sent in a step."""

    purpose: Purpose
    message: Message
    """A raw completion is a single user message."""
    parent: str | None
    """Id of the prompt that it is about; None for an induction."""
    n: int
    """Replies asked for."""
    failed: int = 0
    """Replies that never came because their call failed for good."""
    text: str = ""
    """The reflection or summary that came back; empty for requests that propose prompts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRecord:
    """One step of an optimizer, with every proposal it considered.

    The state after it is kept apart: it grows from step to step, and only the next step needs it.
    """

    step: int
    """0 for the prompts that an initialization proposed."""
    word_budget: int | None
    """Words that a rewrite was allowed to change; None without a limit."""
    requests: tuple[SentRequest, ...]
    """All meta-prompts in the order in which they were sent."""
    candidates: tuple[Candidate, ...]
    """All proposals in the order of their index."""
    survivors: tuple[str, ...]
    """Ids of the prompts that the next step starts from, best first."""
    stop: str = ""
    """Why the search ends after this step; empty while it goes on."""
    best: Candidate
    """Highest dev score after the step among the prompts scored on every dev row, of all steps."""
    total_steps: int
    """T of the schedule."""
    used: Usage = field(default_factory=Usage)
    """All that the run had used when the step ended, of every role."""
    replies: Mapping[Role, Mapping[str, int]] = field(default_factory=dict)
    """How many replies of the step ended how, by role: ``answered``, ``empty``, ``cut off``, ``refused``,
    ``unreadable``; and how many rows of the task model are ``missing``.
    """

    @property
    def failed_proposals(self) -> int:
        """Proposals that never came because their call failed for good."""
        return sum(one.failed for one in self.requests if one.purpose not in ("reflection", "summary"))


def read_step(text: str) -> StepRecord:
    """The step in ``text``, which is JSON by this version or by an earlier one, where steps held the state.

    Raises ``pydantic.ValidationError`` for anything else.
    """
    if _STATE_INSIDE in text:
        fields = json.loads(text)
        state = fields.pop("state")
        text = json.dumps({**fields, "best": state["best"], "total_steps": state["total_steps"]})
    return from_json(StepRecord, text)


def state_inside(text: str) -> OptimizerState | None:
    """The state that a step by an earlier version holds; None for steps of this version."""
    return from_json(_WithState, text).state if _STATE_INSIDE in text else None


_STATE_INSIDE = '"state":{'
"""Never part of a text in JSON, where its quotes would be escaped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _WithState:
    """What is read of a step by an earlier version to go on from it."""

    state: OptimizerState
