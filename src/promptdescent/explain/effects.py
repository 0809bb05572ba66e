"""What each piece of a prompt does to the score, and which pairs say the same, from scores of prompts that lack some.

A *pair* is claimed where four things hold: each of the two raises the score where the rest is random; removing both
loses measurably; they overlap measurably, that is removing both costs more than removing the one and the other costs
in sum; and neither loses measurably while the other is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from promptdescent.records.explanation import Effect
from promptdescent.stats import holm, mean_interval, paired_score_interval, paired_t_test
from promptdescent.stats.designs import PairValues, Presence, RowwiseEffects

LEVEL = 0.05
"""Of every test here."""

WORTH_PAIRING = 0.1
"""Two-sided p-value up to which a piece that raises the score is tried in pairs. Two pieces that say the same each have
half of their common effect where the rest is random; and complements keep this apart from how pairs overlap, so that
the choice does not bias the test of the overlap.
"""

PAIRS_PER_PROMPT = 0.25
"""Pairs that are fitted together, at most, per prompt of the design."""

SMALL_SHARE = 0.25
"""Of what removing both of a pair loses: what removing one of them may lose at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Average:
    """What a piece does on average over selections of the others."""

    effect: Effect
    p_value: float
    """Two-sided, corrected for the number of pieces."""
    matters: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlap:
    """Two pieces of which one is enough; places are those in the design."""

    first: int
    second: int
    without_first: Effect
    without_second: Effect
    without_both: Effect
    p_value: float
    """One-sided, of their overlap, corrected for the number of pairs that were looked at."""


def averages(fitted: RowwiseEffects, pieces: int) -> tuple[Average, ...]:
    """What each piece does. Needs at least two rows."""
    values = [fitted.effect(piece) for piece in range(pieces)]
    adjusted = holm([paired_t_test(some) for some in values])
    found = []
    for some, p_value in zip(values, adjusted, strict=True):
        effect = effect_of(some)
        found.append(Average(effect=effect, p_value=p_value, matters=p_value < LEVEL and effect.interval[0] > 0))
    return tuple(found)


def overlaps(fitted: RowwiseEffects, pieces: int) -> tuple[Overlap, ...]:
    """The pairs of which one is enough, the surest first."""
    looked_at = _worth_pairing(fitted, pieces)
    fitted_pairs = fitted.pairs(looked_at)
    if not fitted_pairs:
        return ()
    enough = [(*places, pair) for places, pair in zip(looked_at, fitted_pairs, strict=True) if _one_is_enough(pair)]
    overlapping = holm([_upper(pair.overlap) for _, _, pair in enough])
    lost = holm([_upper(pair.both) for _, _, pair in enough])
    found = []
    for (first, second, pair), p_value, p_lost in zip(enough, overlapping, lost, strict=True):
        if max(p_value, p_lost) < LEVEL and _agree(pair):
            found.append(
                Overlap(
                    first=first,
                    second=second,
                    without_first=effect_of(pair.first),
                    without_second=effect_of(pair.second),
                    without_both=effect_of(pair.both),
                    p_value=p_value,
                )
            )
    return tuple(sorted(found, key=lambda one: one.p_value))


def _worth_pairing(fitted: RowwiseEffects, pieces: int) -> list[tuple[int, int]]:
    """Pairs of the pieces that raise the score, the surest first as far as the prompts allow to tell their pairs apart;
    in order.
    """
    tested = [(paired_t_test(some), piece) for piece in range(pieces) if sum(some := fitted.effect(piece)) > 0]
    live = [piece for p_value, piece in sorted(tested) if p_value < WORTH_PAIRING]
    while len(live) * (len(live) - 1) // 2 > fitted.prompts * PAIRS_PER_PROMPT:
        live.pop()
    return list(combinations(sorted(live), 2))


def fit(design: Sequence[Presence], scores: Sequence[Sequence[float | None]]) -> RowwiseEffects:
    """The pieces fitted to every row; ``scores`` are those of the prompts of the design, row by row."""
    return RowwiseEffects(design, scores)


def effect_of(values: Sequence[float]) -> Effect:
    """The mean of differences by row, with Student's t interval. Where all rows are at 0, the interval is that of no
    change in so many rows, which may still hide a rare one.
    """
    if any(values):
        estimate = mean_interval(values)
        return Effect(
            difference=estimate.mean, interval=(estimate.interval.low, estimate.interval.high), rows=len(values)
        )
    unchanged = paired_score_interval(len(values), 0, 0, 0)
    return Effect(difference=0.0, interval=(unchanged.low, unchanged.high), rows=len(values))


def _one_is_enough(pair: PairValues) -> bool:
    """Whether neither loses measurably, and more than a small share of what both do, while the other is there."""
    most = SMALL_SHARE * effect_of(pair.both).difference
    return not any(effect_of(some).difference > most and _upper(some) < LEVEL / 2 for some in (pair.first, pair.second))


def _agree(pair: PairValues) -> bool:
    """Whether the intervals say what the tests do."""
    return effect_of(pair.both).interval[0] > 0 and effect_of(pair.overlap).interval[0] > 0


def _upper(values: Sequence[float]) -> float:
    """One-sided p-value of a mean above 0."""
    p_value = paired_t_test(values) / 2
    return p_value if sum(values) > 0 else 1 - p_value
