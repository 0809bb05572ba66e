"""How many calls run at once: a set number, or one that finds its own level.

The level of :class:`AdaptiveSlots` doubles while all goes well, until a first sign of congestion; from then on it grows
by a tenth per round of calls and shrinks when an endpoint says that it is asked too much (HTTP 429) or when replies
take clearly longer than they did at a lower level: additive increase and multiplicative decrease, as in TCP, with the
latency of the calls as a second signal (Brakmo and Peterson 1995).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Protocol

from promptdescent.records import Role

FIRST_LEVEL = 16
HIGHEST_LEVEL = 256
GROWTH = 0.1
"""Share by which the level grows in a round of calls without a sign of congestion."""
AFTER_RATE_LIMIT = 0.7
AFTER_SLOW_ROUND = 0.8
"""What is left of the level after a sign of congestion."""
SLOW = 1.6
"""So many times longer than at its best may a round of calls take, by the median, before it counts as congestion."""
RELIEF = 0.8
"""If half the level does not bring the latency below this share, the level is not what made the endpoint slow."""


class Slots(Protocol):
    """Places for calls. A call takes one before it is sent and gives it back when its answer came."""

    @property
    def level(self) -> int:
        """How many there are now."""

    @property
    def most(self) -> int:
        """How many there may ever be."""

    @property
    def busy(self) -> int:
        """How many are taken."""

    async def take(self) -> None:
        """Take one, in the order of asking."""

    def give_back(self) -> None:
        """Give one back."""

    def answered(self, role: Role, seconds: float) -> None:
        """A call was answered after so long."""

    def told_to_slow_down(self) -> None:
        """An endpoint said that it is asked too much."""


class FixedSlots:
    """A set number of places."""

    def __init__(self, level: int, *, on_change: Callable[[], None] = lambda: None) -> None:
        """``on_change`` is called before each change of ``busy``."""
        self.level = level
        self.busy = 0
        self._on_change = on_change
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def most(self) -> int:
        return self.level

    async def take(self) -> None:
        if self.busy < self.level and not self._waiting:
            self._on_change()
            self.busy += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()  # it was served in the same moment
            raise

    def give_back(self) -> None:
        self._on_change()
        self.busy -= 1
        self._serve()

    def answered(self, role: Role, seconds: float) -> None: ...

    def told_to_slow_down(self) -> None: ...

    def _serve(self) -> None:
        while self._waiting and self.busy < self.level:
            turn = self._waiting.popleft()
            if not turn.done():
                self.busy += 1
                turn.set_result(None)


class AdaptiveSlots(FixedSlots):
    """A number of places that follows the endpoint."""

    def __init__(
        self, *, first: int = FIRST_LEVEL, most: int = HIGHEST_LEVEL, on_change: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(first, on_change=on_change)
        self._most = most
        self._best: dict[Role, float] = {}
        self._round: dict[Role, list[float]] = {}
        self._answers = 0
        self._was_full = False
        self._doubling = True
        self._answers_to_ignore = 0
        self._slow_at: tuple[int, float] | None = None
        """At which level the calls took longest since they began to, and how much longer than at their best."""

    @property
    def most(self) -> int:
        return self._most

    async def take(self) -> None:
        await super().take()
        self._was_full |= self.busy >= self.level

    def answered(self, role: Role, seconds: float) -> None:
        if self._answers_to_ignore:
            self._answers_to_ignore -= 1
            return
        self._round.setdefault(role, []).append(seconds)
        self._answers += 1
        if self._answers >= self.level:
            self._end_round()

    def told_to_slow_down(self) -> None:
        # The calls that were in flight at the last sign of congestion know nothing of the lower level yet.
        if not self._answers_to_ignore:
            self._shrink(AFTER_RATE_LIMIT)

    def _end_round(self) -> None:
        now = {role: median(seconds) for role, seconds in self._round.items()}
        for role, seconds in now.items():
            self._best[role] = min(seconds, self._best.get(role, seconds))
        slowdown = median(
            now[role] / self._best[role] if self._best[role] else 1.0 for role in now for _ in self._round[role]
        )
        if slowdown > SLOW and not self._is_new_normal(slowdown):
            self._shrink(AFTER_SLOW_ROUND)
            return
        if slowdown > SLOW:
            self._best.update(now)
        self._slow_at = None
        if self._was_full:
            growth = self.level if self._doubling else max(1, round(GROWTH * self.level))
            self.level = min(self._most, self.level + growth)
            self._serve()
        self._forget_round()

    def _is_new_normal(self, slowdown: float) -> bool:
        """Whether a slow round is no sign of congestion, since half the level brought no relief."""
        if self._doubling:  # half of such a round was sent at a lower level, and tells too little of the delay
            return False
        if self._slow_at is None or slowdown > self._slow_at[1]:
            self._slow_at = self.level, slowdown
        level, worst = self._slow_at
        return self.level <= level / 2 and slowdown > RELIEF * worst

    def _shrink(self, share: float) -> None:
        self._doubling = False
        self._answers_to_ignore = self.busy
        self.level = max(1, int(self.level * share))
        self._forget_round()

    def _forget_round(self) -> None:
        self._round.clear()
        self._answers = 0
        self._was_full = self.busy >= self.level
