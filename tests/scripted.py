"""Small stand-ins for the protocols, for tests of the layers above them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from promptdescent.llm.base import LLM, NOTHING, Completion, Known, Request, StoredReply, Totals
from promptdescent.llm.budget import Budget, Caps
from promptdescent.llm.cache import CachedLLM, CallsAtHand
from promptdescent.llm.concurrency import FixedSlots, Slots
from promptdescent.llm.failures import Breaker
from promptdescent.llm.limits import Engine, LimitedLLM, RetryPolicy
from promptdescent.llm.profile import Profile
from promptdescent.llm.rates import RateLimits
from promptdescent.prices import Price
from promptdescent.records import ROLES, Message, Reply, Role, Usage

QUICK = RetryPolicy(attempts=3, first_wait=0.001, longest_wait=0.01)
"""Retries that a test can wait for."""

Answer = str | Reply | BaseException


class ScriptedLLM:
    """Answers by a function of the request and the number of the call; sleeps first where told to."""

    def __init__(
        self,
        answer: Callable[[Request, int], Answer | Sequence[Answer]],
        *,
        serves_n: bool = False,
        repeatable: bool = False,
        delay: Callable[[Request], float] = lambda request: 0.0,
    ) -> None:
        self.answer = answer
        self.serves_n = serves_n
        self.repeatable = repeatable
        self.delay = delay
        self.refuses_temperature = False
        self.context_tokens: int | None = None
        self.identity = "scripted"
        self.requests: list[Request] = []
        self.open = 0
        self.most_open = 0

    async def prepare(self) -> None: ...

    async def close(self) -> None: ...

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        number = len(self.requests)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await asyncio.sleep(self.delay(request))
        finally:
            self.open -= 1
        answers = self.answer(request, number)
        several = answers if isinstance(answers, (list, tuple)) else [answers]
        for one in several:
            if isinstance(one, BaseException):
                raise one
        replies = tuple(one if isinstance(one, Reply) else Reply(text=str(one)) for one in several)
        usage = Usage(calls=1, tokens_in=10, tokens_out=2 * len(replies))
        return Completion(replies=replies, usage=usage, repeatable=self.repeatable)


class MemoryBooks:
    """Ledger and reply store in memory."""

    def __init__(self) -> None:
        self.replies: dict[str, StoredReply] = {}
        self.log: list[tuple[str, object]] = []
        self.uses: dict[str, tuple[Role, Usage]] = {}
        self.attempts: list[tuple[Role, Usage]] = []
        self.ended: set[int] = set()
        self.failures: list[str] = []
        self.tokens: dict[Role, Usage] = {role: Usage() for role in ROLES}
        self.lost: dict[Role, Usage] = {role: Usage() for role in ROLES}

    async def find(self, call: str, keys: Sequence[str]) -> Known:
        await asyncio.sleep(0)
        replies = {key: self.replies[key] for key in keys if key in self.replies}
        return Known(replies=replies, used=set(self.uses))

    async def begin(self, call: str, role: Role, *, bound: Usage) -> int:
        self.attempts.append((role, bound))
        self.log.append(("begin", call))
        return len(self.attempts) - 1

    async def succeed(self, attempt: int, replies: Sequence[StoredReply], *, first_use: bool) -> None:
        role = self._end("succeed", attempt, replies[0].usage)
        self.replies.update({stored.key: stored for stored in replies})
        if first_use:
            assert replies[0].call not in self.uses
            self.uses[replies[0].call] = (role, replies[0].usage)

    async def fail(self, attempt: int, error: str, *, counter: str, lost: bool, usage: Usage = NOTHING) -> None:
        role = self._end("fail", attempt, usage)
        self.failures.append(counter)
        if lost:
            self.lost[role] += self.attempts[attempt][1]

    async def use(self, call: str, role: Role, usage: Usage) -> None:
        assert call not in self.uses
        self.uses[call] = (role, usage)

    def totals(self) -> Mapping[Role, Totals]:
        return {
            role: Totals(
                used=sum((usage for other, usage in self.uses.values() if other == role), Usage()),
                paid=Usage(calls=sum(other == role for other, _ in self.attempts)) + self.tokens[role],
                lost=self.lost[role],
            )
            for role in ROLES
        }

    def _end(self, how: str, attempt: int, usage: Usage) -> Role:
        assert attempt not in self.ended
        self.ended.add(attempt)
        self.log.append((how, attempt))
        role = self.attempts[attempt][0]
        self.tokens[role] += Usage(tokens_in=usage.tokens_in, tokens_out=usage.tokens_out)
        return role


def engine(
    books: MemoryBooks,
    *,
    caps: Caps | None = None,
    slots: Slots | int = 4,
    retry: RetryPolicy = QUICK,
    breaker: Breaker | None = None,
    prices: Mapping[Role, Price] | None = None,
) -> Engine:
    """What wraps the models of a test."""
    profile = Profile()
    return Engine(
        slots=FixedSlots(slots) if isinstance(slots, int) else slots,
        rates=RateLimits(requests=None, tokens=None),
        budget=Budget(caps or Caps(), books.totals(), clock=time.monotonic, prices=prices),
        ledger=books,
        breaker=breaker or Breaker(),
        profile=profile,
        clock=lambda: 1.0,
        retry=retry,
    )


def wrapped(llm: LLM, books: MemoryBooks, with_engine: Engine) -> CachedLLM:
    """A model behind cache, limits and record."""
    limited = LimitedLLM(llm, with_engine)
    return CachedLLM(limited, replies=books, engine=with_engine, at_hand=CallsAtHand())


def user(text: str) -> tuple[Message, ...]:
    """One user turn."""
    return (Message(role="user", content=(text,)),)
