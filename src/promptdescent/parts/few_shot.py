"""The meta-prompt as worked pairs, for a small model that continues text but does not follow instructions.

Each pair is a job of another kind: a few rows, earlier instructions with their scores, and the rewrite. The job at
hand follows in the same form and breaks off where the rewrite is to be written; the reply ends with its line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptdescent.parts.meta_prompt import CurrentPrompt, MetaPrompt, Rows, Trajectory, WordBudget, shown_score
from promptdescent.text import tidy_prompt


@dataclass(frozen=True, kw_only=True)
class WorkedPair:
    """A rewrite that helped, of a job that no user of the demo has."""

    labels: tuple[str, ...]
    row: tuple[str, str]
    before: str
    score: int
    words: int
    after: str


WORKED_PAIRS: tuple[WorkedPair, ...] = ()


def render_few_shot(meta_prompt: MetaPrompt) -> str:
    """The text to continue."""
    rows = meta_prompt.section(Rows)
    trajectory = meta_prompt.section(Trajectory)
    current = meta_prompt.section(CurrentPrompt)
    budget = meta_prompt.section(WordBudget)
    lines: list[str] = []
    if rows:
        lines.append("Answers: " + ", ".join(rows.labels))
        lines += [f"Text: {row.question}\nAnswer: {row.target}" for row in rows.rows]
    if trajectory:
        lines += [f"Instruction ({shown_score(entry.score)}): {entry.text}" for entry in trajectory.entries]
    if current:
        lines.append(f"Instruction now ({shown_score(current.score)}): {current.text}")
    lines.append(f"Better instruction{_within(budget)}:")
    return "\n".join(lines)


def _within(budget: WordBudget | None) -> str:
    return f", at most {budget.words} words changed" if budget and budget.words is not None else ""


def read_few_shot_reply(reply: str) -> str:
    """The rewrite: the first line of the continuation, tidied."""
    lines: Sequence[str] = reply.strip().splitlines()
    return tidy_prompt(lines[0]) if lines else ""
