"""A shorter prompt that loses nothing measurable: what does nothing is left out, and put back where that loses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from promptdescent.explain.effects import Average, Overlap
from promptdescent.explain.plan import Selection
from promptdescent.records.explanation import Effect

MARGIN = 0.02
"""Of the score: a shorter prompt that measures more than this below the whole one is not offered, even if that may be
chance.
"""

Try = Callable[[Selection], Awaitable[Effect | None]]
"""Score of a shorter prompt less score of the whole one; None if too few rows were scored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shorter:
    """What can go."""

    left_out: Selection
    effect: Effect
    tried: int
    """Shorter prompts that were measured, this one included."""


async def shorten(
    free: Sequence[int], found: Sequence[Average], pairs: Sequence[Overlap], *, attempt: Try, tries: int
) -> Shorter | None:
    """The first selection tried that loses nothing measurable, and no more than the margin; None if there is none.

    ``found`` and ``pairs`` are about the pieces ``free``, whose places stand in that order. It begins with all pieces
    that are not shown to matter and the weaker one of each pair; while that loses, the one with the highest estimated
    effect is put back.
    """
    effects = {place: one.effect.difference for place, one in zip(free, found, strict=True)}
    left_out = _spare(free, found, pairs)
    for tried in range(1, tries + 1):
        if not left_out or (effect := await attempt(frozenset(left_out))) is None:
            return None
        if effect.interval[1] >= 0 and effect.difference >= -MARGIN:
            return Shorter(left_out=frozenset(left_out), effect=effect, tried=tried)
        left_out.remove(max(left_out, key=lambda place: effects[place]))
    return None


def _spare(free: Sequence[int], found: Sequence[Average], pairs: Sequence[Overlap]) -> set[int]:
    """What may be left out first; never everything."""
    kept = {place for place, one in enumerate(found) if one.matters}
    for pair in pairs:
        both = (pair.first, pair.second)
        if kept >= set(both):
            kept.remove(min(both, key=lambda place: found[place].effect.difference))
        elif not kept & set(both):
            kept.add(max(both, key=lambda place: found[place].effect.difference))
    if not kept:
        kept.add(max(range(len(found)), key=lambda place: found[place].effect.difference))
    return {place for order, place in enumerate(free) if order not in kept}
