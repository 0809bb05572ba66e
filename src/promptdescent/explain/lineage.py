"""Which prompt, on the way from the starting prompt to the found one, first had a piece of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from promptdescent.explain.pieces import Pieces, cut
from promptdescent.records import Candidate, StepRecord
from promptdescent.text import normalized

START = "0.0"
"""Id of the starting prompt."""

REWORDED = 0.8
"""Share of common words (Dice) from which on a piece counts as an earlier one in slightly other words."""

SHORTEST_REWORDED = 5
"""Words below which a piece must occur word for word."""


def way_to(found: Candidate, start: str, steps: Sequence[StepRecord]) -> tuple[tuple[str, str], ...]:
    """Ids and texts of the prompts from the first to the found one, each written from the one before it; as far back as
    the record goes. ``start`` is the starting prompt.
    """
    known = {candidate.id: candidate for step in steps for candidate in step.candidates} | {found.id: found}
    way: list[tuple[str, str]] = []
    now: Candidate | None = found
    while now is not None and now.id not in {one for one, _ in way}:
        way.append((now.id, now.prompt.text))
        before = now.parent
        if before == START and before not in known:
            way.append((START, start))
        now = known.get(before) if before is not None else None
    return tuple(reversed(way))


def brought_by(pieces: Pieces, way: Sequence[tuple[str, str]], *, template: bool) -> tuple[str | None, ...]:
    """For each piece the id of the first prompt that has it, word for word or nearly so; None if none does."""
    earlier = [(one, f" {normalized(text)} ", _bags(cut(text, template=template))) for one, text in way]
    found: list[str | None] = []
    for place in range(len(pieces.pieces)):
        words = normalized(pieces.text(place)).split()
        found.append(
            next((one for one, text, bags in earlier if f" {' '.join(words)} " in text or _nearly(words, bags)), None)
        )
    return tuple(found)


def _bags(pieces: Pieces) -> list[Counter[str]]:
    """The words of each piece, with how often they occur."""
    return [Counter(normalized(pieces.text(place)).split()) for place in range(len(pieces.pieces))]


def _nearly(words: Sequence[str], bags: Sequence[Counter[str]]) -> bool:
    if len(words) < SHORTEST_REWORDED:
        return False
    own = Counter(words)
    return any(2 * (own & other).total() >= REWORDED * (own.total() + other.total()) for other in bags)
