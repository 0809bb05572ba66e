"""What each piece of the found prompt is worth, where ``promptdescent explain`` measured it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptdescent.records import Effect, Example, Explanation
from promptdescent.report.page.diff import Diff, diff_of
from promptdescent.report.page.facts import Facts
from promptdescent.report.page.shortened import counted, shortened
from promptdescent.report.page.steps import START

MOST_TURNED = 10
"""Rows each way that a page shows of those that a piece turned."""
LONGEST_TURNED = 300
"""Characters of such a row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnedRow:
    """A row whose score a piece changed. What the model replied to it is not on record."""

    row: str
    """Its id."""
    question: str
    target: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A piece of the prompt."""

    number: int
    """1, 2, …"""
    text: str
    difference: float
    """Score with it less score without it, averaged over the measured prompts."""
    interval: tuple[float, float]
    """95 % confidence interval of ``difference``."""
    effect: str
    """Difference and interval in words."""
    removed: str
    """Score of the whole prompt less score without this piece alone, in words; empty where it was not measured."""
    p_value: float
    matters: bool
    brought_by: str
    """Id of the prompt that first had it; empty where that is not known."""
    origin: str
    """Where it first stood, in words; empty where that is not known."""
    gained: int
    """Rows that score higher with it than without it alone."""
    lost: int
    gained_rows: tuple[TurnedRow, ...]
    """The first of those rows, as far as they are on record."""
    lost_rows: tuple[TurnedRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two pieces of which one is enough."""

    first: int
    second: int
    """Numbers of the pieces."""
    said: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplanationSection:
    """The measurement of a prompt by its pieces."""

    measured: str
    """On how much it rests, in a sentence."""
    pieces: tuple[Piece, ...]
    pairs: tuple[Pair, ...]
    shorter: str | None
    """A shorter prompt that loses nothing measurable; None if none was found."""
    shorter_diff: Diff | None
    shorter_effect: str
    notes: tuple[str, ...]
    current: bool
    """Whether the measured prompt is the one that the page calls found."""
    shares: bool
    """Whether differences are said in points of per cent."""

    @property
    def by_effect(self) -> tuple[Piece, ...]:
        """The pieces, that with the largest effect first."""
        return tuple(sorted(self.pieces, key=lambda piece: -piece.difference))


def explanation_section(facts: Facts) -> ExplanationSection | None:
    """The newest explanation on record; None if there is none."""
    found = facts.explanation
    if found is None:
        return None
    shares = facts.shares
    pruned = found.pruned
    return ExplanationSection(
        measured=f"{counted(found.prompts, 'prompt')} made of its pieces, on {counted(found.rows, 'dev row')}; "
        f"{found.calls:,} of at most {found.most_calls:,} calls. The whole prompt scores {found.score:.3f}.",
        pieces=_pieces(found, facts.rows, shares=shares),
        pairs=tuple(
            Pair(
                first=pair.first + 1,
                second=pair.second + 1,
                said="The whole prompt scores, against the one without the first, "
                f"{_effect(pair.without_first, shares=shares)}, without the second "
                f"{_effect(pair.without_second, shares=shares)}, without both "
                f"{_effect(pair.without_both, shares=shares)}.",
            )
            for pair in found.pairs
        ),
        shorter=pruned.prompt if pruned else None,
        shorter_diff=diff_of(found.prompt, pruned.prompt) if pruned else None,
        shorter_effect=_effect(pruned.effect, shares=shares) if pruned else "",
        notes=found.notes,
        current=found.prompt == facts.record["best"]["prompt"],
        shares=shares,
    )


def _pieces(found: Explanation, rows: Mapping[str, Example], *, shares: bool) -> tuple[Piece, ...]:
    return tuple(
        Piece(
            number=number,
            text=found.prompt[piece.start : piece.end],
            difference=piece.average.difference,
            interval=piece.average.interval,
            effect=_effect(piece.average, shares=shares),
            removed=_effect(piece.removed, shares=shares) if piece.removed else "",
            p_value=piece.p_value,
            matters=piece.matters,
            brought_by=piece.brought_by or "",
            origin=_origin(piece.brought_by),
            gained=len(piece.gained),
            lost=len(piece.lost),
            gained_rows=_turned(piece.gained, rows),
            lost_rows=_turned(piece.lost, rows),
        )
        for number, piece in enumerate(found.pieces, start=1)
    )


def _turned(ids: Sequence[str], rows: Mapping[str, Example]) -> tuple[TurnedRow, ...]:
    known = [rows[one] for one in ids if one in rows]
    return tuple(
        TurnedRow(
            row=row.id,
            question=shortened(row.question, LONGEST_TURNED),
            target=shortened(row.target, LONGEST_TURNED),
        )
        for row in known[:MOST_TURNED]
    )


def _origin(prompt: str | None) -> str:
    if prompt is None:
        return ""
    if prompt == START:
        return "It stood in the starting prompt."
    step = prompt.split(".")[0]
    return "It came with the first prompts." if step == "0" else f"It came in step {step}, with prompt {prompt}."


def _effect(effect: Effect, *, shares: bool) -> str:
    low, high = effect.interval
    if shares:
        return f"{100 * effect.difference:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
    return f"{effect.difference:+.4g} ({low:+.4g} to {high:+.4g})"


def brought_in(pieces: Sequence[Piece], prompt: str) -> tuple[Piece, ...]:
    """The pieces that a prompt of the lineage had first."""
    return tuple(piece for piece in pieces if piece.brought_by == prompt)
