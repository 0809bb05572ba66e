"""Rows that a person should look at, and how many rows a gain of a given size needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptdescent.report.page.facts import Facts
from promptdescent.report.page.shortened import counted, shortened
from promptdescent.stats.power import POWER, rows_needed, rows_needed_binary, smallest_gain

MOST_ROWS = 50
"""Doubtful rows that a page shows."""
GAINS = (1, 2, 5, 10)
"""Points of per cent."""
ASSUMED = 0.2
"""Share of the rows on which two prompts are taken to disagree where a verdict shows no difference."""


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
    notes: tuple[str, ...]
    """What answers cannot tell of rows, as the explanation says it."""
    needed: tuple[tuple[float, int], ...]
    """Gain in points of per cent, and the test rows with which it would be shown."""
    needed_note: str
    """What the numbers rest on, or why there are none."""


def rows_section(facts: Facts) -> RowsSection | None:
    """Doubts of the newest explanation, and the rows needed by the verdict; None if neither is on record."""
    needed = needed_rows(facts, GAINS) if facts.shares else NeededRows()
    if facts.explanation is None and not needed.said:
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
        notes=facts.explanation.row_notes if facts.explanation else (),
        needed=needed.by_gain,
        needed_note=needed.said,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class NeededRows:
    """How many test rows show a gain, as far as the verdict of a run tells."""

    by_gain: tuple[tuple[float, int], ...] = ()
    """Gain in points, hundredths of the score, and rows; empty where the verdict does not tell."""
    said: str = ""
    """What the numbers rest on, or why there are none; empty without a verdict whose score is a mean over rows."""


def needed_rows(facts: Facts, gains: Sequence[float]) -> NeededRows:
    """For gains in points the rows that show them, if prompts differ from row to row as the two of the verdict do."""
    verdict = facts.verdict
    if verdict is None or verdict.objective != "mean":
        return NeededRows()
    pairs = [
        (old.score, new.score)
        for old, new in zip(verdict.start_outcomes, verdict.best_outcomes, strict=False)
        if old.score is not None and new.score is not None and old.example == new.example
    ]
    if not pairs:
        return NeededRows()
    first, second = [old for old, _ in pairs], [new for _, new in pairs]
    if facts.record["best"]["prompt"] == facts.record["start"]["prompt"]:
        return NeededRows(said=_assumed("The search found no other prompt", gains, first))
    if first == second:
        return NeededRows(said=_assumed("The two prompts of the verdict score alike on every test row", gains, first))
    least = smallest_gain(len(pairs), first, second)
    gain = "no gain of any size" if least is None else f"a gain of {100 * least:.1f} points"
    return NeededRows(
        by_gain=tuple((points, rows_needed(points / 100, first, second)) for points in gains),
        said=f"With a chance of {100 * POWER:.0f} %, if prompts differ from row to row as these two did. "
        f"{counted(len(pairs), 'row')} as here show {gain}. It is an estimate.",
    )


def _assumed(reason: str, gains: Sequence[float], scores: Sequence[float]) -> str:
    """Where a verdict does not tell how much two prompts differ from row to row: the rows at an assumed difference."""
    said = (
        f"{reason}, so how many rows show a gain cannot be told: that goes by how much prompts differ from row to row."
    )
    if not all(0 <= score <= 1 for score in scores):
        return said
    needed = "; of ".join(
        f"{points:g} point{'' if points == 1 else 's'}, {rows_needed_binary(points / 100, ASSUMED):,} test rows"
        for points in gains
    )
    larger = ", or on as many as a larger gain takes" if max(gains) > 100 * ASSUMED else ""
    return (
        f"{said} If two prompts disagreed on {100 * ASSUMED:.0f} % of the rows{larger}, which is assumed and not "
        f"measured, and answers are right or wrong, a chance of {100 * POWER:.0f} % to show a gain would take, for a "
        f"gain of {needed}."
    )
