"""Test rows on which the found prompt is right and the starting prompt was not, and the other way round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptdescent.records import Example, Outcome
from promptdescent.report.page.facts import Facts
from promptdescent.report.page.shortened import LONGEST_REPLY, shortened

MOST_FLIPS = 50
"""Rows each way that a page shows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a model replied to one row under one prompt."""

    kind: str
    """``answered``, ``empty``, ``cut off``, ``refused``, ``unreadable`` or ``missing``."""
    score: float | None
    answer: str | None
    reply: str
    earlier_reply: str
    """Before a second round; else empty."""
    error: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Flip:
    """A row whose score changed."""

    row: str
    """Its id."""
    question: str
    target: str
    before: Answer
    """Under the starting prompt."""
    after: Answer
    """Under the found prompt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FlipsSection:
    """The rows that changed, largest change first and then in the order of the rows."""

    gained: tuple[Flip, ...]
    lost: tuple[Flip, ...]
    all_gained: int
    """How many there are, shown or not."""
    all_lost: int
    unchanged: int
    right_or_wrong: bool
    longest: int = LONGEST_REPLY
    """Characters after which a text is cut."""


def flips_section(facts: Facts) -> FlipsSection | None:
    """The flips of a verdict on two prompts; None without one."""
    verdict = facts.verdict
    if verdict is None or facts.record["best"]["prompt"] == facts.record["start"]["prompt"]:
        return None
    after = {outcome.example: outcome for outcome in verdict.best_outcomes}
    pairs = [(one, after[one.example]) for one in verdict.start_outcomes if one.example in after]
    changes = [
        (new.score - old.score, old, new) for old, new in pairs if old.score is not None and new.score is not None
    ]
    up = sorted((one for one in changes if one[0] > 0), key=lambda one: -one[0])
    down = sorted((one for one in changes if one[0] < 0), key=lambda one: one[0])
    return FlipsSection(
        gained=_shown(up, facts.rows),
        lost=_shown(down, facts.rows),
        all_gained=len(up),
        all_lost=len(down),
        unchanged=len(changes) - len(up) - len(down),
        right_or_wrong=facts.right_or_wrong,
    )


def _shown(changes: Sequence[tuple[float, Outcome, Outcome]], rows: Mapping[str, Example]) -> tuple[Flip, ...]:
    found = []
    for _, old, new in changes[:MOST_FLIPS]:
        row = rows.get(old.example)
        found.append(
            Flip(
                row=old.example,
                question=shortened(row.question) if row else "",
                target=shortened(row.target) if row else "",
                before=answer_of(old),
                after=answer_of(new),
            )
        )
    return tuple(found)


def answer_of(outcome: Outcome) -> Answer:
    """What a page shows of an outcome."""
    return Answer(
        kind=outcome.kind,
        score=outcome.score,
        answer=None if outcome.answer is None else shortened(outcome.answer),
        reply=shortened(outcome.reply),
        earlier_reply=shortened(outcome.earlier_reply),
        error=shortened(outcome.error),
    )
