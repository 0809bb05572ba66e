"""The one budget over all roles: what a run may use and pay, and what is set aside for calls that are not over.

A call is set aside for at an upper bound before it is sent. If that does not fit only because of other calls in
flight, it waits until they have shown what they really cost; so near a cap fewer and fewer calls run at once, and none
passes it. Those who wait are served in the order in which they came. Whether a call fits therefore depends on the
calls before it alone, and not on which of them was fast.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from promptdescent.errors import BudgetExhausted
from promptdescent.llm.base import Request, Totals
from promptdescent.prices import Price
from promptdescent.records import Role, Usage

CHARACTERS_PER_TOKEN = 4
"""Rule of thumb for English text, for forecasts only."""

TEMPLATE_TOKENS = 128
"""Tokens that an endpoint's own template adds to a request at most; those of current models add 3 to 80."""


def estimate_tokens(characters: int) -> int:
    """Tokens that a text of so many characters has, about."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def most_tokens(request: Request) -> Usage:
    """Upper bound of what a call costs. No token of a text is shorter than a byte of its UTF-8."""
    size = sum(len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")) for text in request.texts)
    return Usage(calls=1, tokens_in=size + TEMPLATE_TOKENS, tokens_out=request.n * request.max_tokens)


@dataclass(frozen=True, kw_only=True, slots=True)
class Caps:
    """The most that a run may use or pay, over all roles. None = no cap."""

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None
    """US dollars."""
    seconds: float | None = None
    """Time at work."""

    @property
    def any(self) -> bool:
        """Whether sums have to be kept: there is a cap on calls, tokens or money."""
        return self.calls is not None or self.tokens is not None or self.money is not None


class Amount(NamedTuple):
    """What calls cost, or may cost at most."""

    calls: int = 0
    tokens: int = 0
    money: float = 0.0

    def plus(self, other: Amount) -> Amount:
        """Both together."""
        return Amount(self.calls + other.calls, self.tokens + other.tokens, self.money + other.money)

    def minus(self, other: Amount) -> Amount:
        """What is left of it."""
        return Amount(self.calls - other.calls, self.tokens - other.tokens, self.money - other.money)


NOTHING = Amount()
_ROUNDING = 1e-9
"""US dollars that sums of many prices may be off by."""


class Account:
    """A sum that stays under the caps, with what is set aside beside it. Without caps nothing is kept."""

    def __init__(self, caps: Caps, spent: Amount) -> None:
        self._caps = caps
        self._spent = spent
        self._set_aside = NOTHING
        self._held = NOTHING
        self._waiting: deque[tuple[Amount, asyncio.Future[None]]] = deque()

    @property
    def spent(self) -> Amount:
        """What is known to be spent."""
        return self._spent

    def hold(self, held: Amount) -> None:
        """Keep so much back from now on."""
        self._held = held
        self._serve()

    async def set_aside(self, bound: Amount) -> None:
        """Set ``bound`` aside, once there is room for it. Raises :class:`BudgetExhausted` if there will be none."""
        if not self._caps.any:
            return
        if not self._waiting and not self._lacking(self._spent.plus(self._set_aside).plus(bound)):
            self._set_aside = self._set_aside.plus(bound)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((bound, turn))
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.settle(bound, NOTHING)  # it was served in the same moment
            raise

    def settle(self, bound: Amount, spent: Amount) -> None:
        """Replace what was set aside by what was spent."""
        if not self._caps.any:
            return
        self._set_aside = self._set_aside.minus(bound)
        self._spent = self._spent.plus(spent)
        if self._waiting:
            self._serve()

    def lacking(self, more: Amount) -> str:
        """The cap, in words, that leaves no room for so much more; empty if all do."""
        return self._lacking(self._spent.plus(more))

    def _serve(self) -> None:
        """Give those who wait their turn, in order, as far as it is known whether they fit."""
        while self._waiting:
            bound, turn = self._waiting[0]
            if not turn.done():
                if not self._lacking(self._spent.plus(self._set_aside).plus(bound)):
                    self._set_aside = self._set_aside.plus(bound)
                    turn.set_result(None)
                elif lacking := self._lacking(self._spent.plus(bound)):
                    turn.set_exception(BudgetExhausted(f"{lacking} is reached"))
                else:
                    return
            self._waiting.popleft()

    def _lacking(self, total: Amount) -> str:
        caps, held = self._caps, self._held
        if caps.calls is not None and total.calls > caps.calls - held.calls:
            return f"the cap of {caps.calls} calls (--max-calls)"
        if caps.tokens is not None and total.tokens > caps.tokens - held.tokens:
            return f"the cap of {caps.tokens} tokens (--max-total-tokens)"
        if caps.money is not None and total.money > caps.money - held.money + _ROUNDING:
            return f"the cap of {caps.money:g} US dollars (--max-money)"
        return ""


class Budget:
    """What is left under the caps. Both counters, *used* and *paid*, stay under them; whichever reaches a cap first
    stops the search.

    ``prices`` are needed for a cap on money, by role. ``worked``: seconds that the run was at work before.
    """

    def __init__(
        self,
        caps: Caps,
        totals: Mapping[Role, Totals],
        *,
        clock: Callable[[], float],
        prices: Mapping[Role, Price] | None = None,
        worked: float = 0.0,
    ) -> None:
        """``clock`` is a monotonic one, in seconds."""
        self.caps = caps
        self._prices = prices or {}
        self._clock = clock
        self._end = None if caps.seconds is None else clock() + caps.seconds - worked
        self._held_seconds = 0.0
        used = paid = NOTHING
        for role, sums in totals.items():
            used = used.plus(self.amount(role, sums.used))
            paid = paid.plus(self.amount(role, sums.paid)).plus(self.amount(role, sums.lost)._replace(calls=0))
        self.used = Account(caps, used)
        self.paid = Account(caps, paid)
        self._inexact: dict[Role, str] = {}
        self._said: set[str] = set()

    def amount(self, role: Role, usage: Usage) -> Amount:
        """Usage with its price, as far as one is known."""
        price = self._prices.get(role)
        return Amount(usage.calls, usage.tokens, price.of(usage) if price else 0.0)

    def note_inexact(self, role: Role, reason: str) -> None:
        """An endpoint was seen to do what leaves its cost unknown until it is charged, or for ever."""
        self._inexact.setdefault(role, reason)

    def warnings(self) -> list[str]:
        """What is new to say of the caps on tokens and money, in sentences. Said once."""
        if self.caps.tokens is None and self.caps.money is None:
            return []
        found = [
            f"The cap on {'tokens' if self.caps.money is None else 'money'} is approximate: the endpoint of the {role} "
            f"model {reason}."
            for role, reason in self._inexact.items()
        ]
        new = [text for text in found if text not in self._said]
        self._said.update(new)
        return new

    def hold_back(
        self, *, calls: int, tokens: int, money: float = 0.0, seconds: float = 0.0, tried_again: int = 0
    ) -> None:
        """Keep so much for the verdict: until the next change the search cannot spend it. ``tried_again``: calls on
        top of what may be paid, for attempts that have to be repeated.
        """
        self._held_seconds = seconds
        self.used.hold(Amount(calls, tokens, money))
        self.paid.hold(Amount(calls + tried_again, tokens, money))

    @property
    def seconds_left(self) -> float | None:
        """Until calls have to be over; negative after that, None without a cap on time."""
        return None if self._end is None else self._end - self._held_seconds - self._clock()

    def check_time(self) -> None:
        """Raise :class:`BudgetExhausted` if the time is up."""
        if self.is_time_up:
            raise self.time_is_up()

    @property
    def is_time_up(self) -> bool:
        """Whether calls have to be over."""
        return self.seconds_left is not None and self.seconds_left <= 0

    def time_is_up(self) -> BudgetExhausted:
        """The error for a call that the cap on time ends."""
        return BudgetExhausted(f"the cap of {(self.caps.seconds or 0) / 60:g} minutes (--max-minutes) is reached")
