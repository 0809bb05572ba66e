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

    def answered(self, *, at_most: int, used: int) -> None:
        """A call that could have had so many tokens had so many."""
        self._at_most += at_most
        self._used += used

    async def wait(self, at_most: int) -> None:
        """Return when a call may be sent that has at most so many tokens. It is taken to have the share of them that
        calls had so far.
        """
        if self._requests is not None:
            await self._requests.acquire()
        tokens = -(-at_most * self._used // self._at_most) if self._at_most else at_most
        while self._tokens is not None and tokens > 0:
            share = min(tokens, self._tokens.max_rate)
            await self._tokens.acquire(share)
            tokens -= int(share)


def _limiter(per_minute: int | None) -> AsyncLimiter | None:
    if per_minute is None:
        return None
    from aiolimiter import AsyncLimiter

    seconds = max(BURST_SECONDS, 60 / per_minute)
    return AsyncLimiter(max(1.0, per_minute * seconds / 60), seconds)
