"""What a task consists of: rows, prompts, messages, and what the parts may know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["task", "optimizer", "judge"]
"""Which model a call goes to: the one that does the task, the one that writes prompts, or one that scores answers."""

ROLES: tuple[Role, ...] = ("task", "optimizer", "judge")

Placement = Literal["before", "after", "system", "template"]
"""Where a prompt stands: before or after the question, as system message, or as a template with ``{column}``
placeholders.
"""

Split = Literal["train", "dev", "test"]

ScoredRows = Literal["test", "dev", "all"]
"""The rows that a prompt is scored on without a search: those of the verdict, those that prompts are compared on, or
every row of the data.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One labelled row."""

    id: str
    """Digest of inputs and target: two copies of one row have the same id."""
    inputs: tuple[tuple[str, str], ...]
    """The input columns in order, as (name, text)."""
    target: str
    """The right answer as text; a list of references is kept as JSON text. Empty where the metric needs none."""

    @property
    def question(self) -> str:
        """The row as a model reads it: the text of a single column, or one ``name: text`` line per column."""
        if len(self.inputs) == 1:
            return self.inputs[0][1]
        return "\n".join(f"{name}: {text}" for name, text in self.inputs)


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskBrief:
    """All that the parts of an optimizer may know of a task. It holds train rows only, never dev or test rows."""

    labels: tuple[str, ...]
    """The answers to choose from; empty for a task that is no choice."""
    placement: Placement
    placeholders: tuple[str, ...]
    """Columns that the starting prompt names and that no rewrite may drop; empty unless placement is template."""
    train: tuple[Example, ...]
    mean_over_rows: bool
    """Whether the objective is a mean over rows, so that a part of the rows estimates it."""
    perfect_score: float | None = 1.0
    """The highest score there can be; None where the metric has no known upper end, or the prompt's length costs."""
    shortest_perfect: float | None = None
    """Where the prompt's length costs: the score of a perfect prompt of one word, if the metric has an upper end."""
    scoring: str = "An answer is right if it is the given output. The score says how many are right."
    """How answers are scored, in words for an optimizer model."""
    notes: str = ""
    """What the user says of the domain; may be empty."""

    @property
    def reachable_score(self) -> float | None:
        """A score that no prompt can beat; None where none is known."""
        return self.shortest_perfect if self.perfect_score is None else self.perfect_score


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptPart:
    """A named piece of a prompt."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """An ordered set of named parts; by default the one part ``instruction``."""

    parts: tuple[PromptPart, ...]

    @classmethod
    def of(cls, text: str) -> Prompt:
        """The prompt whose only part is the instruction ``text``."""
        return cls(parts=(PromptPart(name="instruction", text=text),))

    @property
    def text(self) -> str:
        """All parts, with an empty line between them."""
        return "\n\n".join(part.text for part in self.parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One turn of a chat. ``content`` holds its pieces in order; all are text so far."""

    role: Literal["system", "user", "assistant"]
    content: tuple[str, ...]

    @property
    def text(self) -> str:
        """The pieces joined."""
        return "".join(self.content)
