"""What each piece of a found prompt is worth, measured, and which rows are doubtful."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from promptdescent.records.notebook import pieces_html
from promptdescent.records.task import Split


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """A difference between scores, paired on the same rows."""

    difference: float
    interval: tuple[float, float]
    """95 % confidence interval of the difference."""
    rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PieceEffect:
    """A sentence or phrase of a prompt, with what it does to the score."""

    start: int
    end: int
    """The piece is ``prompt[start:end]``, with the white space after it."""
    average: Effect
    """Score with it less score without it, averaged over measured prompts that hold other selections of the pieces.
    Of a locked piece: 0, on no rows.
    """
    removed: Effect | None
    """Score of the whole prompt less score without this piece alone; None if the budget left no room to measure it."""
    p_value: float
    """Of ``average``, two-sided, corrected for the number of pieces."""
    matters: bool
    """Whether test and interval agree that the piece raises the score, averaged like that. One of two that say the same
    does so too: it is needed where the other is missing.
    """
    brought_by: str | None
    """Id of the prompt that first had it, on the way from the starting prompt to this one: ``0.0`` for the starting
    prompt; None if that is not on record.
    """
    gained: tuple[str, ...] = ()
    """Ids of the rows that score higher in the whole prompt than without this piece alone."""
    lost: tuple[str, ...] = ()
    """Ids of the rows that score lower."""
    locked: bool = False
    """Whether it holds a placeholder, so that it cannot be left out and was not measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RedundantPair:
    """Two pieces of which one is enough: while the other is there, removing either costs little or nothing measurable,
    and removing both costs measurably more than the two together. All averaged over measured prompts that hold other
    selections of the remaining pieces.
    """

    first: int
    second: int
    """Places of the pieces in the explanation, counted from 0."""
    without_first: Effect
    """Score with both less score without the first."""
    without_second: Effect
    without_both: Effect
    """Score with both less score with neither."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PrunedPrompt:
    """A shorter prompt that loses nothing measurable."""

    prompt: str
    left_out: tuple[int, ...]
    """Places of the pieces that it lacks."""
    effect: Effect
    """Score of the shorter prompt less score of the whole one. Where the search chose the whole one by the same rows,
    other prompts that lack one of the pieces each stand for it, as far as they were measured (a note says so).
    """


DoubtKind = Literal["looks mislabelled", "near-duplicate", "decides nothing"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RowDoubt:
    """A row that a person should look at."""

    example: str
    """Id of the row."""
    split: Split
    kind: DoubtKind
    suggested: str = ""
    """What the model answered instead of the target, where the row looks mislabelled."""
    share: float | None = None
    """Share of the measured prompts under which the model gave that answer, in [0, 1]."""
    other: str = ""
    """Id of the row that this one nearly repeats."""
    reason: str = ""
    """Why the row stands here, in a sentence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """What ``promptdescent explain`` measured of a prompt, on the dev rows of its run. Where it was cut short, effects
    rest on fewer rows than the score: see :attr:`Effect.rows`.
    """

    run: str
    """Id of the run that holds the calls of the measurement."""
    version: str
    """Of promptdescent."""
    prompt: str
    score: float
    """Of the whole prompt, on ``rows`` rows."""
    rows: int
    """With a score under the whole prompt."""
    prompts: int
    """Distinct prompts with a score, the whole one included."""
    most_calls: int
    """Task calls that were stated beforehand as the most that can be used."""
    calls: int
    """Task calls used, cached replies included."""
    pieces: tuple[PieceEffect, ...]
    """In the order of the prompt; joined they are the prompt."""
    pairs: tuple[RedundantPair, ...]
    pruned: PrunedPrompt | None
    """None if no shorter prompt was found that loses nothing measurable."""
    doubts: tuple[RowDoubt, ...]
    notes: tuple[str, ...] = ()
    """What the measurement cannot tell, and why, in sentences."""
    row_notes: tuple[str, ...] = ()
    """The same of ``doubts``. In explanations of earlier versions these stand among ``notes``."""

    def _repr_html_(self) -> str:
        """What a notebook shows: the pieces in the order of the prompt, with what they are worth."""
        score = f"{100 * self.score:.1f} %" if 0 <= self.score <= 1 else f"{self.score:.4g}"
        return pieces_html(
            run=self.run,
            title=f"What {len(self.pieces)} pieces of the prompt are worth; the whole one scores {score} on "
            f"{self.rows:,} dev rows",
            rows=[(self.prompt[piece.start : piece.end], *_worth(piece)) for piece in self.pieces],
            notes=self.notes,
        )


def _worth(piece: PieceEffect) -> tuple[str, str]:
    """Its effect in points, and whether it matters."""
    if piece.locked:
        return "cannot be left out", "-"
    low, high = piece.average.interval
    effect = f"{100 * piece.average.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    return effect, "yes" if piece.matters else "not shown"
