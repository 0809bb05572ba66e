"""Rows that a person should look at."""

from __future__ import annotations

from dataclasses import dataclass

from promptdescent.report.page.facts import Facts
from promptdescent.report.page.shortened import shortened

MOST_ROWS = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class DoubtfulRow:
    """A row with what is doubtful about it."""

    row: str
    """Its id."""
    split: str
    kind: str
    question: str
    target: str
    suggested: str
    """What the model answered instead, where the row looks mislabelled."""
    other: str
    """The row that this one nearly repeats, as a model reads it."""
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RowsSection:
    """The rows to review."""

    doubts: tuple[DoubtfulRow, ...]
    all_doubts: int
    """How many there are, shown or not."""


def rows_section(facts: Facts) -> RowsSection | None:
    """The doubts of the newest explanation; None if there is none on record."""
    if facts.explanation is None:
        return None
    rows, doubts = facts.rows, facts.explanation.doubts
    shown = []
    for doubt in doubts[:MOST_ROWS]:
        row, other = rows.get(doubt.example), rows.get(doubt.other)
        shown.append(
            DoubtfulRow(
                row=doubt.example,
                split=doubt.split,
                kind=doubt.kind,
                question=shortened(row.question) if row else "",
                target=shortened(row.target) if row else "",
                suggested=shortened(doubt.suggested),
                other=shortened(other.question) if other else doubt.other,
                reason=doubt.reason,
            )
        )
    return RowsSection(doubts=tuple(shown), all_doubts=len(doubts))
