"""Places for the calls of a model that keeps what each of its engines read last."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from functools import partial
from itertools import islice
from operator import attrgetter

from promptdescent.llm.base import Request
from promptdescent.llm.concurrency import FixedSlots, Turn
from promptdescent.text import shared_beginning

MOST_OVERTAKE = 64
"""So many calls overtake the one that has waited longest, and no more."""

_TEXT = attrgetter("text")


class PrefixSlots(FixedSlots):
    """One place per engine, for a model whose engines do not read again how a text begins if the text before began so.

    A place goes to the waiting call that shares the longest beginning with the last one there; if all are as well off
    at another place, to the one among those that are not better off there that has waited longest.

    All prompts of a step are asked on the same rows; with the row before the prompt, an engine reads it once for them
    all. No reply depends on the order in which calls are computed. But where time ends a step, the prompts that are
    done as a whole are fewer.
    """

    def __init__(self, level: int, *, on_change: Callable[[], None] = lambda: None) -> None:
        super().__init__(level, on_change=on_change)
        self._last = [""] * level
        """The last text of each place."""
        self._free = list(range(level))
        self._by_text: list[Turn] = []
        """Those who wait, so that calls that begin alike stand side by side."""
        self._overtook = 0
        """How many were served before the one that has waited longest."""

    def give_back(self, request: Request) -> None:
        """Give the one back that this call took."""
        text = request.whole
        taken = [place for place, last in enumerate(self._last) if last == text and place not in self._free]
        self._free.append(taken[0])
        super().give_back(request)

    def _wait(self, turn: Turn) -> None:
        super()._wait(turn)
        insort(self._by_text, turn, key=_TEXT)

    def _leave(self, turn: Turn) -> None:
        super()._leave(turn)
        found = bisect_left(self._by_text, turn.text, key=_TEXT)
        del self._by_text[self._by_text.index(turn, found)]

    def _place(self, request: Request) -> None:
        super()._place(request)
        text = request.whole
        place = max(self._free, key=lambda place: shared_beginning(text, self._last[place]))
        self._free.remove(place)
        self._last[place] = text

    def _next(self) -> Turn:
        oldest = self._waiting[0]
        turn = oldest if self._overtook >= MOST_OVERTAKE else self._best()
        self._overtook = 0 if turn is oldest else self._overtook + 1
        return turn

    def _best(self) -> Turn:
        for place in self._free:
            found = bisect_left(self._by_text, self._last[place], key=_TEXT)
            alike = self._by_text[max(0, found - 1) : found + 1]
            turn = max(alike, key=partial(self._advantage, place))
            if self._advantage(place, turn) > 0:
                return turn
        # Further back none could be served before the one that has waited longest.
        first = islice(self._waiting, MOST_OVERTAKE + 1)
        fair = (turn for turn in first if any(self._advantage(place, turn) >= 0 for place in self._free))
        return next(fair, self._waiting[0])

    def _advantage(self, place: int, turn: Turn) -> int:
        """Characters that need not be read again at this place, less those at the best of the others."""
        shared = [shared_beginning(turn.text, last) for last in self._last]
        return shared.pop(place) - max(shared, default=0)
