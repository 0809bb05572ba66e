"""Places for the calls of a model that keeps what each of its engines read last."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from promptdescent.llm.concurrency import FixedSlots, Turn
from promptdescent.text import shared_beginning

MOST_PASSED = 64
"""So many calls overtake the one that has waited longest, and no more."""


class PrefixSlots(FixedSlots):
    """One place per engine, for a model whose engines do not read again how a text begins if the text before began so.

    A place goes to the waiting call that saves most: the characters at its beginning that the last call there had too,
    less those that it has in common with the last call of another place, where it is better off. Of equals, to the one
    that has waited longest.

    All prompts of a step are asked on the same rows; with the row before the prompt, an engine reads it once for them
    all. The order in which calls are computed changes no reply and no sum.
    """

    def __init__(self, level: int, *, on_change: Callable[[], None] = lambda: None) -> None:
        super().__init__(level, on_change=on_change)
        self._last = [""] * level
        """The last text of each place."""
        self._free = list(range(level))
        self._shared: dict[Turn, list[int]] = {}
        """What those who wait have in common with each of these, in characters."""
        self._overtook = 0
        """How many were served before the one that has waited longest."""

    def give_back(self, text: str = "") -> None:
        """Give the one back that a call with this text took."""
        taken = (place for place, last in enumerate(self._last) if last == text and place not in self._free)
        self._free.append(next(taken))
        super().give_back(text)

    def _place(self, text: str) -> None:
        super()._place(text)
        shared = self._shared_with_last(text)
        place = max(self._free, key=lambda place: _saved(shared, place))
        self._free.remove(place)
        self._last[place] = text
        for turn, known in self._shared.items():
            known[place] = shared_beginning(turn.text, text)

    def _next(self) -> Turn:
        for turn in self._waiting:
            if turn not in self._shared:
                self._shared[turn] = self._shared_with_last(turn.text)
        turn = oldest = self._waiting[0]
        if self._overtook < MOST_PASSED:
            turn = max(self._waiting, key=lambda turn: max(_saved(self._shared[turn], place) for place in self._free))
        self._overtook = 0 if turn is oldest else self._overtook + 1
        self._waiting.remove(turn)
        del self._shared[turn]
        return turn

    def _shared_with_last(self, text: str) -> list[int]:
        return [shared_beginning(text, last) for last in self._last]


def _saved(shared: Sequence[int], place: int) -> int:
    """Characters that need not be read again at ``place``, less those at the best of the others."""
    return shared[place] - max((known for other, known in enumerate(shared) if other != place), default=0)
