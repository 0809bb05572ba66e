"""Requests and tokens per minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter

BURST_SECONDS = 1.0
"""A minute's allowance is handed out in shares of so long, so that no minute gets more than it, by a sixtieth."""


class RateLimits:
    """Holds calls back so that no minute gets more of them, or of their tokens, than is allowed. None = no limit."""

    def __init__(self, *, requests: int | None, tokens: int | None) -> None:
        self._requests = _limiter(requests)
        self._tokens = _limiter(tokens)
        self._at_most = self._used = 0
        self._owed = 0
        """Tokens that calls had more than they were taken to have, less those that they had fewer."""

    def answered(self, *, at_most: int, charged: int, used: int) -> None:
        """A call that could have had so many tokens, and was charged for some, had so many."""
        self._at_most += at_most
        self._used += used
        self._owed += used - charged

    async def wait(self, at_most: int) -> int:
        """Return when a call may be sent that has at most so many tokens, with the tokens that it was charged for: the
        share of them that calls had so far, and what earlier ones owe.
        """
        if self._requests is not None:
            await self._requests.acquire()
        if self._tokens is None:
            return 0
        expected = -(-at_most * self._used // self._at_most) if self._at_most else at_most
        tokens = max(0, expected + self._owed)
        self._owed -= tokens - expected
        left = tokens
        while left > 0:
            share = min(left, self._tokens.max_rate)
            await self._tokens.acquire(share)
            left -= int(share)
        return expected


def _limiter(per_minute: int | None) -> AsyncLimiter | None:
    if per_minute is None:
        return None
    from aiolimiter import AsyncLimiter

    seconds = max(BURST_SECONDS, 60 / per_minute)
    return AsyncLimiter(max(1.0, per_minute * seconds / 60), seconds)
