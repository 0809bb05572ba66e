"""What each piece of a prompt does to the score, and which pairs say the same, from scores of prompts that lack some.

A *pair* is claimed where four things hold: each of the two raises the score where the rest is random; removing both
loses measurably; they overlap measurably, that is removing both costs more than removing the one and the other costs
in sum; and of neither one, while the other is there, the removal costs both measurably and, by its estimate, more than
a quarter of what removing both costs. Tests of the second and the third are corrected for all pairs that were fitted;
the fourth only takes claims away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from promptdescent.records.explanation import Effect
from promptdescent.stats import holm, mean_interval, paired_score_interval
from promptdescent.stats.designs import Contrast, PairContrasts, RowwiseEffects

LEVEL = 0.05
"""Of every test here."""

WORTH_PAIRING = 0.2
"""Two-sided p-value up to which a piece that raises the score is tried in pairs. Two pieces that say the same each have
half of their common effect where the rest is random. The choice is by effects, which complements keep apart from
overlaps, so that it leaves the test of an overlap as it is; but among those chosen a loss without both is likely, and
its test is no independent finding.
"""

PAIRS_PER_PROMPT = 0.25
"""Pairs that are fitted together, at most, per prompt of the design."""

SMALL_SHARE = 0.25
"""Of what removing both of a pair loses: what removing one of them may lose at most."""


_NOT_COVERED = (
    "So few prompts can be made of these pieces, or have a score, that what a wording does to all rows at once cannot "
    "be told: the intervals of {what} leave it out and may be too narrow."
)


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
    """One-sided, of their overlap, corrected for the number of pairs that were fitted."""


def averages(fitted: RowwiseEffects, pieces: int) -> tuple[Average, ...]:
    """What each piece does. Needs at least two rows."""
    contrasts = [fitted.effect(piece) for piece in range(pieces)]
    adjusted = holm([contrast.p_value for contrast in contrasts])
    found = []
    for contrast, p_value in zip(contrasts, adjusted, strict=True):
        effect = _effect(contrast)
        found.append(Average(effect=effect, p_value=p_value, matters=p_value < LEVEL and effect.interval[0] > 0))
    return tuple(found)


def overlaps(fitted: RowwiseEffects, pieces: int) -> tuple[Overlap, ...]:
    """The pairs of which one is enough, the surest first."""
    looked_at = _worth_pairing(fitted, pieces)
    pairs = fitted.pairs(looked_at)
    if not pairs:
        return ()
    overlapping = holm([pair.overlap.p_above for pair in pairs])
    lost = holm([pair.both.p_above for pair in pairs])
    found = []
    for (first, second), pair, p_value, p_lost in zip(looked_at, pairs, overlapping, lost, strict=True):
        if max(p_value, p_lost) < LEVEL and _one_is_enough(pair) and _agree(pair):
            found.append(
                Overlap(
                    first=first,
                    second=second,
                    without_first=_effect(pair.first),
                    without_second=_effect(pair.second),
                    without_both=_effect(pair.both),
                    p_value=p_value,
                )
            )
    return tuple(sorted(found, key=lambda one: one.p_value))


def cautions(fitted: RowwiseEffects, pieces: int) -> tuple[str, ...]:
    """What the intervals of pieces and pairs do not cover, in sentences; nothing where they cover all."""
    if not fitted.shift_known:
        return (_NOT_COVERED.format(what="pieces and pairs"),)
    looked_at = _worth_pairing(fitted, pieces)
    if looked_at and not fitted.with_products(looked_at).shift_known:
        return (_NOT_COVERED.format(what="pairs"),)
    return ()


def _worth_pairing(fitted: RowwiseEffects, pieces: int) -> list[tuple[int, int]]:
    """Pairs of the pieces that raise the score, the surest first as far as the prompts allow to tell their pairs apart;
    in order.
    """
    contrasts = [fitted.effect(piece) for piece in range(pieces)]
    tested = sorted((contrast.p_value, piece) for piece, contrast in enumerate(contrasts) if contrast.mean > 0)
    live = [piece for p_value, piece in tested if p_value < WORTH_PAIRING]
    while len(live) * (len(live) - 1) // 2 > fitted.prompts * PAIRS_PER_PROMPT:
        live.pop()
    return list(combinations(sorted(live), 2))


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


def _effect(contrast: Contrast) -> Effect:
    """The mean with its interval, which also covers what wordings do to all rows at once."""
    if contrast.shift == 0.0:
        return effect_of(contrast.values)
    interval = contrast.interval
    return Effect(difference=contrast.mean, interval=(interval.low, interval.high), rows=len(contrast.values))


def _one_is_enough(pair: PairContrasts) -> bool:
    """Whether neither, while the other is there, loses measurably and by estimate more than a small share of what both
    do.
    """
    most = SMALL_SHARE * pair.both.mean
    return not any(one.mean > most and one.p_above < LEVEL / 2 for one in (pair.first, pair.second))


def _agree(pair: PairContrasts) -> bool:
    """Whether the intervals say what the tests do."""
    return _effect(pair.both).interval[0] > 0 and _effect(pair.overlap).interval[0] > 0
