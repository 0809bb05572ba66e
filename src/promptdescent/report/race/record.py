"""What a race measured, search by search. Everything that is said of a race follows from this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from promptdescent.records import Message, Role, Usage

Kind = Literal["ours", "peer", "prompt"]
"""A recipe of ours, another system, or a prompt that no search changes."""

Status = Literal["finished", "hole"]

End = Literal["itself", "cap", "time", "no search"]
"""What ended a search: the contestant itself, the cap on tokens, the limit on time; or there was none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RaceContestant:
    """One row of a race's tables."""

    label: str
    kind: Kind
    version: str = ""
    """What is installed of another system, such as ``gepa 0.1.4``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RaceRun:
    """One search: a contestant on a task with a seed. Scores are None unless it finished."""

    task: str
    contestant: str
    seed: int
    status: Status
    reason: str = ""
    """Why there is no result."""
    ended: End = "itself"
    prompt: str = ""
    """The instruction that was found."""
    messages: tuple[Message, ...] = ()
    """The contestant's own layout, with ``{input}`` where the row goes; empty if it is our layout."""
    answer_pattern: str | None = None
    dev_score: float | None = None
    """As the contestant measured it."""
    candidates: int = 0
    """Prompts that it scored on the dev rows, the starting prompt included."""
    unscored: int = 0
    """Prompts that it named without a dev score, so that none of them could be chosen."""
    test_score: float | None = None
    """In our layout: the prompt where the task places it."""
    own_score: float | None = None
    """In the contestant's own layout."""
    used: Mapping[Role, Usage] = field(default_factory=dict)
    """By role, as the proxy counted it; the test rows are no part of it."""
    seconds: float = 0.0
    """Of the search."""

    @property
    def prompt_found(self) -> bool:
        """Whether the search came to its end, though its prompt may not be scored."""
        return self.ended == "no search" or self.dev_score is not None

    def tokens(self, role: Role) -> int:
        """Tokens that the search used of a role."""
        return self.used[role].tokens if role in self.used else 0

    @property
    def calls(self) -> int:
        """Of all roles."""
        return sum(usage.calls for usage in self.used.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class RaceRecord:
    """A race."""

    suite: str
    version: str
    reference: str
    """Label of the contestant that the others are compared with."""
    contestants: tuple[RaceContestant, ...]
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    models: Mapping[Role, str]
    """Name by role."""
    caps: Mapping[Role, int]
    """Tokens that a search may use, by role."""
    minutes: float
    """That a search may take."""
    rows: Mapping[str, Mapping[str, int]]
    """Number of train, dev and test rows, by task."""
    runs: tuple[RaceRun, ...] = ()
    """By task, seed and contestant."""

    @property
    def simulated(self) -> bool:
        """Whether a model is a simulated one, so that scores say nothing of real tasks."""
        return any(name.startswith("simulated:") for name in self.models.values())

    @property
    def holes(self) -> tuple[RaceRun, ...]:
        """Searches without a result."""
        return tuple(run for run in self.runs if run.status != "finished")
