"""How many calls run at once: a set number, or one that finds its own level.

The level of :class:`AdaptiveSlots` doubles while all goes well, until a first sign of congestion; from then on it grows
by a tenth per round of calls and shrinks when an endpoint says that it is asked too much (HTTP 429, time-outs) or when
replies take clearly longer than they did at a lower level: additive increase and multiplicative decrease, as in TCP,
with the latency of the calls as a second signal (Brakmo and Peterson 1995). A long reply takes long for a good reason,
so latencies are taken per token written; and since they vary, only a slowdown that chance does not explain counts.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median, pstdev
from typing import Protocol

from promptdescent.llm.base import Request
from promptdescent.records import Role

FIRST_LEVEL = 16
"""Where it begins; latency alone never pushes it lower."""
HIGHEST_LEVEL = 256
GROWTH = 0.1
"""Share by which the level grows in a round of calls without a sign of congestion."""
AFTER_RATE_LIMIT = 0.7
AFTER_SLOW_ROUND = 0.8
"""What is left of the level after a sign of congestion."""
SLOW = 1.6
"""So many times longer than at its best may a round of calls take, by the median, before it counts as congestion."""
CHANCE = 2.0
"""Standard errors of a median by which it has to be above that."""
LEAST_ROUND = 32
"""Answers that a round has at least, so that its median says something."""
RELIEF = 0.8
"""If half the level does not bring the latency below this share, the level is not what made the endpoint slow."""
TOKENS_BEFORE_THE_FIRST = 32
"""What a call takes before its first token, in tokens: a middle between endpoints of ours."""


class Slots(Protocol):
    """Places for calls. A call takes one before it is sent and gives it back when its answer came."""

    @property
    def level(self) -> int:
        """How many there are now."""

    @property
    def busy(self) -> int:
        """How many are taken."""

    async def take(self, request: Request) -> None:
        """Take one for a call."""

    def give_back(self, request: Request) -> None:
        """Give the one back that this call took."""

    def answered(self, role: Role, seconds: float, tokens: int) -> None:
        """A call was answered after so long, with so many tokens."""

    def failed(self, *, asked_too_much: bool) -> None:
        """A call failed; ``asked_too_much``: because the endpoint has more to do than it can."""


@dataclass(eq=False, kw_only=True)
class Turn:
    """A call that waits for its place; one whose future is done was cancelled."""

    request: Request
    future: asyncio.Future[None]

    @cached_property
    def text(self) -> str:
        """Everything that it sends."""
        return self.request.whole


class FixedSlots:
    """A set number of places, taken in the order of asking."""

    def __init__(self, level: int, *, on_change: Callable[[], None] = lambda: None) -> None:
        """``on_change`` is called before each change of ``busy``."""
        self.level = level
        self.busy = 0
        self._on_change = on_change
        self._waiting: deque[Turn] = deque()

    async def take(self, request: Request) -> None:
        if self.busy < self.level and not self._waiting:
            self._on_change()
            self._place(request)
            return
        turn = Turn(request=request, future=asyncio.get_running_loop().create_future())
        self._wait(turn)
        try:
            await turn.future
        except asyncio.CancelledError:
            if not turn.future.cancelled():
                self.give_back(request)  # it was served in the same moment
            elif turn in self._waiting:
                self._leave(turn)
            raise

    def give_back(self, request: Request) -> None:
        self._on_change()
        self.busy -= 1
        self._serve()

    def answered(self, role: Role, seconds: float, tokens: int) -> None: ...

    def failed(self, *, asked_too_much: bool) -> None: ...

    def _serve(self) -> None:
        while self._waiting and self.busy < self.level:
            turn = self._next()
            self._leave(turn)
            if not turn.future.done():
                self._place(turn.request)
                turn.future.set_result(None)

    def _place(self, request: Request) -> None:
        self.busy += 1

    def _wait(self, turn: Turn) -> None:
        self._waiting.append(turn)

    def _leave(self, turn: Turn) -> None:
        self._waiting.remove(turn)

    def _next(self) -> Turn:
        """The one to be served."""
        return self._waiting[0]


class AdaptiveSlots(FixedSlots):
    """A number of places that follows the endpoint."""

    def __init__(
        self, *, first: int = FIRST_LEVEL, most: int = HIGHEST_LEVEL, on_change: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(first, on_change=on_change)
        self._most = most
        self._best: dict[Role, float] = {}
        """The lowest median so far, as a logarithm of seconds per token."""
        self._round: dict[Role, list[float]] = {}
        self._answers = self._answers_at_level = 0
        self._was_full = False
        self._doubling = True
        self._to_ignore = 0
        """Calls that were in flight at the last sign of congestion, and know nothing of the lower level yet."""
        self._slow_at: tuple[int, float] | None = None
        """At which level the calls took longest since they began to, and how much longer than at their best."""

    async def take(self, request: Request) -> None:
        await super().take(request)
        self._was_full |= self.busy >= self.level

    def answered(self, role: Role, seconds: float, tokens: int) -> None:
        if self._to_ignore:
            self._to_ignore -= 1
            return
        self._round.setdefault(role, []).append(math.log(max(seconds, 1e-6) / (TOKENS_BEFORE_THE_FIRST + tokens)))
        self._answers += 1
        self._answers_at_level += 1
        if self._answers >= max(self.level, LEAST_ROUND) and self._is_slow():
            self._shrink(AFTER_SLOW_ROUND, floor=FIRST_LEVEL)
        elif self._answers_at_level >= self.level:
            self._grow()

    def failed(self, *, asked_too_much: bool) -> None:
        if self._to_ignore:
            self._to_ignore -= 1
        elif asked_too_much:
            self._shrink(AFTER_RATE_LIMIT, floor=1)

    def _grow(self) -> None:
        if self._was_full:
            growth = self.level if self._doubling else max(1, round(GROWTH * self.level))
            self.level = min(self._most, self.level + growth)
            self._serve()
        self._answers_at_level = 0
        self._was_full = self.busy >= self.level

    def _is_slow(self) -> bool:
        """Whether the round took so much longer than the best one that it is a sign of congestion. Begins a new one."""
        slowdowns, errors, now = [], [], {}
        for role, logs in self._round.items():
            now[role] = middle = median(logs)
            self._best[role] = min(middle, self._best.get(role, middle))
            slowdowns += [middle - self._best[role]] * len(logs)
            errors += [1.25 * pstdev(logs) / math.sqrt(len(logs))] * len(logs)
        self._round.clear()
        self._answers = 0
        slowdown = fmean(slowdowns)
        if slowdown <= math.log(SLOW) + CHANCE * fmean(errors):
            self._slow_at = None
            return False
        if self._is_new_normal(slowdown):
            self._best.update(now)
            self._slow_at = None
            return False
        return True

    def _is_new_normal(self, slowdown: float) -> bool:
        """Whether a slow round is no sign of congestion, since half the level brought no relief."""
        if self._doubling:  # half of such a round was sent at a lower level, and tells too little of the delay
            return False
        if self._slow_at is None or slowdown > self._slow_at[1]:
            self._slow_at = self.level, slowdown
        level, worst = self._slow_at
        lowest = self.level <= max(level / 2, FIRST_LEVEL)
        return lowest and slowdown > math.log(RELIEF) + worst

    def _shrink(self, share: float, *, floor: int) -> None:
        self._doubling = False
        self._to_ignore = self.busy
        self.level = max(min(self.level, floor), int(self.level * share))
        self._round.clear()
        self._answers = self._answers_at_level = 0
        self._was_full = self.busy >= self.level
