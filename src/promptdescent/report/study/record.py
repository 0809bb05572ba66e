"""What a study measured, run by run. Everything that is said of a study follows from this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from promptdescent.records import Role, Usage

Equal = Literal["tokens", "steps"]
"""What every search of a study has the same amount of."""

TokenClaim = Literal["well above", "near"]
"""What the paper says of a method's tokens, compared with those of GPO for the same steps."""

Status = Literal["finished", "failed", "interrupted"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CurvePoint:
    """Where a search stood."""

    tokens: int
    """Used so far by all roles."""
    dev_score: float | None
    """Of the best prompt so far."""
    quality: float | None = None
    """Its true quality, where the task model is simulated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """How far the proposals of one step went."""

    step: int
    """1, 2, …"""
    budget: int | None
    """Words that they were allowed to change; None without a limit."""
    distance: float
    """Words that they changed in their parent, in the mean."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyRun:
    """One run: a cell on a task with a seed. Scores are None unless it finished."""

    cell: str
    task: str
    seed: int
    status: Status
    reason: str = ""
    """Why it failed or was interrupted."""
    run: str = ""
    """Its id; empty if it ended before it was recorded."""
    prompt: str = ""
    """The prompt it found."""
    dev_score: float | None = None
    test_score: float | None = None
    start_test_score: float | None = None
    """Of the starting prompt, on the same test rows."""
    quality: float | None = None
    """Expected share of right answers of the found prompt, where the task model is simulated."""
    steps: int = 0
    ended_because: str = ""
    used: Mapping[Role, Usage] = field(default_factory=dict)
    """By role, the test rows included."""
    curve: tuple[CurvePoint, ...] = ()
    """After the starting prompt was scored, and after each step."""
    moves: tuple[Move, ...] = ()
    """One per step that brought a proposal with a parent."""
    seconds: float = 0.0
    money: float | None = 0.0
    """US dollars for what was used; None where a price is not known."""

    @property
    def tokens(self) -> int:
        """Used by all roles."""
        return sum(usage.tokens for usage in self.used.values())

    @property
    def calls(self) -> int:
        """Used by all roles."""
        return sum(usage.calls for usage in self.used.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyCell:
    """One row of a study's tables."""

    label: str
    recipe: Mapping[str, Any] | None
    """The recipe as data; None for a prompt that no search changes."""
    prompt: str | None = None
    """That prompt."""
    token_claim: TokenClaim | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskBudget:
    """What every search on a task may use."""

    task: str
    max_tokens: int | None
    """Cap of a run on used tokens, the test rows included; None without one."""
    steps: Mapping[str, int]
    """T by cell, for the searches that are begun."""
    refused: str = ""
    """Why nothing could be planned for the task; empty if it was."""
    holes: Mapping[str, str] = field(default_factory=dict)
    """By cell: why its searches were not begun, where one cannot afford a step."""

    def why_not(self, cell: str) -> str:
        """Why no run of a cell is begun; empty if they are."""
        return self.refused or self.holes.get(cell, "")


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyRecord:
    """A study."""

    grid: str
    version: str
    equal: Equal
    reference: str
    """Label of the cell that the others are compared with."""
    cells: tuple[StudyCell, ...]
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    models: Mapping[str, str]
    """Name by role."""
    same_steps: Mapping[str, int]
    """By task: the steps for which tokens are compared, which are those of the reference without a cap."""
    budgets: tuple[TaskBudget, ...] = ()
    runs: tuple[StudyRun, ...] = ()
    """By task, seed and cell."""

    @property
    def simulated(self) -> bool:
        """Whether the task model is a simulated one, so that scores say nothing of real tasks."""
        return self.models.get("task", "").startswith("simulated:")

    @property
    def failed(self) -> tuple[StudyRun, ...]:
        """Runs without a result."""
        return tuple(run for run in self.runs if run.status != "finished")
