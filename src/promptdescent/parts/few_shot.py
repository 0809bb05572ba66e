"""The meta-prompt as worked pairs, for a small model that continues text but does not follow instructions.

Each pair is a job of another kind: its answers, a row, an instruction with its score, and the rewrite. The job at
hand follows in the same form and breaks off where the rewrite is to be written; the reply ends with its line. A small
model copies form much better than it obeys, so the answers stand once more at the beginning of the line that it
completes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptdescent.parts.meta_prompt import (
    CurrentPrompt,
    MetaPrompt,
    Rows,
    ScoredPrompt,
    Trajectory,
    WordBudget,
    shown_score,
)
from promptdescent.text import tidy_prompt

AIM = 97
"""The score beside the rewrite that is asked for: higher than any that is shown."""


@dataclass(frozen=True, kw_only=True)
class WorkedPair:
    """A rewrite that helped."""

    labels: tuple[str, ...]
    row: tuple[str, str]
    """An input and its answer."""
    before: str
    score: int
    words: int
    """The word budget."""
    after: str
    score_after: int


WORKED_PAIRS: tuple[WorkedPair, ...] = (
    WorkedPair(
        labels=("spam", "safe"),
        row=("You won a cruise", "spam"),
        before="What does this email say?",
        score=7,
        words=15,
        after="Is this email spam or safe? Answer with one word.",
        score_after=93,
    ),
    WorkedPair(
        labels=("true", "false"),
        row=("Ice is hot", "false"),
        before="What do you think about the claim?",
        score=12,
        words=20,
        after="Is this claim true or false? Answer with one word.",
        score_after=90,
    ),
    WorkedPair(
        labels=("question", "statement"),
        row=("Where is it", "question"),
        before="What kind of line is it?",
        score=5,
        words=12,
        after="Is this line a question or a statement? Answer with one word.",
        score_after=95,
    ),
)


def render_few_shot(meta_prompt: MetaPrompt) -> str:
    """The text to continue."""
    rows = meta_prompt.section(Rows)
    trajectory = meta_prompt.section(Trajectory)
    current = meta_prompt.section(CurrentPrompt)
    budget = meta_prompt.section(WordBudget)
    labels = rows.labels if rows else ()
    shown = list(trajectory.entries) if trajectory else []
    if current:
        # The current prompt stands last, right before its rewrite.
        shown = [entry for entry in shown if entry.text != current.text]
        shown.append(ScoredPrompt(text=current.text, score=current.score))
    job = _lines(
        labels=labels,
        rows=[(row.question, row.target) for row in rows.rows] if rows else [],
        scored=[(entry.text, shown_score(entry.score)) for entry in shown],
        words=budget.words if budget else None,
        score=AIM,
    )
    return "\n\n".join([*(_worked(pair) for pair in WORKED_PAIRS), job])


def _worked(pair: WorkedPair) -> str:
    asked = _lines(
        labels=pair.labels,
        rows=[pair.row],
        scored=[(pair.before, str(pair.score))],
        words=pair.words,
        score=pair.score_after,
    )
    return f"{asked} {pair.after}"


def _lines(
    *,
    labels: Sequence[str],
    rows: Sequence[tuple[str, str]],
    scored: Sequence[tuple[str, str]],
    words: int | None,
    score: int,
) -> str:
    """A job up to the place of its rewrite."""
    limit = f" in {words} words" if words is not None else ""
    again = f" {' or '.join(labels)}?" if labels else ""
    return "\n".join(
        [
            *([", ".join(labels)] if labels else []),
            *(f'"{_one_line(question)}" = {_one_line(answer)}' for question, answer in rows),
            *(f"{_one_line(text)} ({shown})" for text, shown in scored),
            f"Better{limit} ({score}):{again}",
        ]
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def read_few_shot_reply(reply: str) -> str:
    """The rewrite: the first line of the continuation, tidied."""
    lines = reply.strip().splitlines()
    return tidy_prompt(lines[0]) if lines else ""
