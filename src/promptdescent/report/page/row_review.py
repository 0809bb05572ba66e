"""Rows that a person should look at, and how many rows a gain of a given size needs."""

from __future__ import annotations

from dataclasses import dataclass

from promptdescent.report.page.facts import Facts
from promptdescent.report.page.shortened import counted, shortened
from promptdescent.stats.power import POWER, rows_needed, smallest_gain

MOST_ROWS = 50
"""Doubtful rows that a page shows."""
GAINS = (1, 2, 5, 10)
"""Points of per cent."""


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
    """The rows to review, and the rows that would be needed."""

    measured: bool
    """Whether an explanation looked for doubtful rows."""
    doubts: tuple[DoubtfulRow, ...]
    all_doubts: int
    """How many there are, shown or not."""
    needed: tuple[tuple[int, int], ...]
    """Gain in points of per cent, and the test rows with which it would be shown."""
    needed_note: str
    """What the numbers rest on; empty where there are none."""


def rows_section(facts: Facts) -> RowsSection | None:
    """Doubts of the newest explanation, and the rows needed by the verdict; None if neither is on record."""
    needed, note = _needed(facts)
    if facts.explanation is None and not needed:
        return None
    doubts = facts.explanation.doubts if facts.explanation else ()
    rows, shown = facts.rows, []
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
    return RowsSection(
        measured=facts.explanation is not None,
        doubts=tuple(shown),
        all_doubts=len(doubts),
        needed=needed,
        needed_note=note,
    )


def _needed(facts: Facts) -> tuple[tuple[tuple[int, int], ...], str]:
    """Rows needed for each gain, if prompts differ from row to row as the two of the verdict do. Nothing where there is
    one prompt only, or a score that is no mean of shares.
    """
    verdict = facts.verdict
    if verdict is None or verdict.objective != "mean" or not facts.shares:
        return (), ""
    if facts.record["best"]["prompt"] == facts.record["start"]["prompt"]:
        return (), ""
    pairs = [
        (old.score, new.score)
        for old, new in zip(verdict.start_outcomes, verdict.best_outcomes, strict=False)
        if old.score is not None and new.score is not None and old.example == new.example
    ]
    if not pairs:
        return (), ""
    first, second = [old for old, _ in pairs], [new for _, new in pairs]
    needed = tuple((points, rows_needed(points / 100, first, second)) for points in GAINS)
    least = smallest_gain(len(pairs), first, second)
    shown = "" if least is None else f" {counted(len(pairs), 'row')} as here show a gain of {100 * least:.1f} points."
    return needed, (
        f"With a chance of {100 * POWER:.0f} %, if prompts differ from row to row as these two did.{shown} It is an "
        "estimate."
    )
