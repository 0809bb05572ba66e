"""Slots, pace, budget, record and retries around any model: the one way in which a call is sent.

With ``evaluator.py`` this is the only place where work overlaps. Every attempt is committed to the run's ledger, with
the most that it can cost, before it is sent, and its replies when they come. So a killed run pays again at most for
what was in flight, and what it may have cost is known all the same.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from time import monotonic

from promptdescent.errors import (
    KeyRefused,
    ModelError,
    ModelNotFound,
    PermanentError,
    RateLimited,
    RequestRefused,
    TimedOut,
    TransientError,
)
from promptdescent.llm.base import LLM, Completion, Ledger, Request, StoredReply
from promptdescent.llm.budget import NOTHING, Amount, Budget, most_tokens
from promptdescent.llm.concurrency import Slots
from promptdescent.llm.failures import Breaker
from promptdescent.llm.profile import Profile
from promptdescent.llm.rates import RateLimits
from promptdescent.records import Usage
from promptdescent.text import well_formed

EMPTY_REPLY = "empty reply"
"""Counter of the empty replies that were asked for once more."""

ASSUMED_BYTES_PER_TOKEN = 10
"""No text of ordinary length has more bytes per token; a request that is too long even so is not sent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """How a call that failed for a passing reason is tried again: exponential back-off with jitter, or the wait that
    the endpoint asked for.
    """

    attempts: int = 6
    first_wait: float = 0.5
    """Seconds."""
    longest_wait: float = 30.0
    """Seconds."""
    longest_asked: float = 600.0
    """Seconds that an endpoint's own wish is obeyed at most."""
    rate_limit_patience: float = 120.0
    """Seconds that a call waits in all because of rate limits before they count among its attempts."""

    def wait(self, attempt: int, error: TransientError) -> float:
        """Seconds between the attempt that failed, counted from 1, and the next."""
        own = float(min(self.longest_wait, self.first_wait * 2 ** min(attempt - 1, 16)) * (0.5 + random.random() / 2))
        if error.retry_after is None:
            return own
        return max(own, min(error.retry_after, self.longest_asked) * (1 + random.random() / 10))


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """What all models of a run share."""

    slots: Slots
    rates: RateLimits
    budget: Budget
    ledger: Ledger
    breaker: Breaker
    profile: Profile
    clock: Callable[[], float]
    """Unix time in seconds, for the record."""
    retry: RetryPolicy = RetryPolicy()
    in_flight: dict[str, asyncio.Task[Completion | None]] = field(default_factory=dict)
    """Attempts that are sent and not yet on record, by call; brought home whatever becomes of those who wait."""
    _paused_until: list[float] = field(default_factory=lambda: [0.0])

    def pause(self, seconds: float) -> None:
        """Send nothing for so long: an endpoint asked for it."""
        self._paused_until[0] = max(self._paused_until[0], monotonic() + seconds)

    async def pause_is_over(self) -> None:
        """Return when calls may be sent."""
        while (left := self._paused_until[0] - monotonic()) > 0:
            await asyncio.sleep(left)

    def landed(self, call: str, attempt: asyncio.Task[Completion | None]) -> None:
        """The attempt is on record, or cancelled. Its error counts as seen: whoever waited for it may be gone."""
        if self.in_flight.get(call) is attempt:
            del self.in_flight[call]
        if not attempt.cancelled():
            attempt.exception()

    async def bring_home(self, seconds: float) -> None:
        """Wait until the attempts in flight are on record, but not longer than so many seconds."""
        if self.in_flight:
            _, late = await asyncio.wait(self.in_flight.values(), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request on its way, with what is derived from it once."""

    request: Request
    key: str
    """Cache key of its first sample."""
    id: str
    """Identifies the call: its first sample and how many it asks for."""
    bound: Usage
    """The most that it can cost."""

    @classmethod
    def of(cls, request: Request, llm: LLM) -> Call:
        """The call that sends ``request`` to ``llm``."""
        key = key_of(request, llm)
        return cls(request=request, key=key, id=f"{key}x{request.n}", bound=most_tokens(request))


def key_of(request: Request, llm: LLM) -> str:
    """Cache key of the request's first sample at ``llm``. A refused temperature counts as above 0."""
    return request.key(llm.identity, sampled=request.temperature > 0 or llm.refuses_temperature)


class LimitedLLM:
    """A model whose calls share slots and budget with all others of the run, are recorded, and are retried."""

    def __init__(self, inner: LLM, engine: Engine) -> None:
        self._inner = inner
        self._engine = engine
        self._refusal: ModelError | None = None
        """Why no call can succeed any more, once the endpoint has said so."""

    @property
    def identity(self) -> str:
        return self._inner.identity

    @property
    def serves_n(self) -> bool:
        return self._inner.serves_n

    @property
    def refuses_temperature(self) -> bool:
        return self._inner.refuses_temperature

    @property
    def context_tokens(self) -> int | None:
        return self._inner.context_tokens

    async def prepare(self) -> None:
        await self._inner.prepare()

    async def close(self) -> None:
        await self._inner.close()

    async def complete(self, request: Request) -> Completion:
        """One call with its retries; see :meth:`send`."""
        return await self.send(Call.of(request, self._inner), first_use=True)

    async def send(self, call: Call, *, first_use: bool) -> Completion:
        """One call with its retries. ``first_use``: the run has not used it before.

        Raises the last :class:`TransientError` when all attempts failed, :class:`TooManyFailures` when calls keep
        doing so, :class:`BudgetExhausted` when a cap leaves no room for another attempt or the time is up, and any
        permanent error at once.
        """
        self._check_length(call.request)
        budget = self._engine.budget
        if budget.seconds_left is None:
            return await self._retried(call, first_use)
        budget.check_time()
        limit = asyncio.timeout(budget.seconds_left)
        try:
            async with limit:
                return await self._retried(call, first_use)
        except TimeoutError:
            if not limit.expired():
                raise
            raise budget.time_is_up() from None

    def _check_length(self, request: Request) -> None:
        context = self._inner.context_tokens
        if context is None:
            return
        least = most_tokens(request).tokens_in // ASSUMED_BYTES_PER_TOKEN
        if least > context:
            raise RequestRefused(
                f"not sent: the request has at least {least:,} tokens, and the context of the {request.role} model "
                f"holds {context:,}; shorten the prompt or the row"
            )

    async def _retried(self, call: Call, first_use: bool) -> Completion:
        engine, role = self._engine, call.request.role
        attempts = tries = 0
        patience = engine.retry.rate_limit_patience
        may_be_empty = False
        while True:
            try:
                completion = await self._attempt(call, first_use=first_use, may_be_empty=may_be_empty)
            except TransientError as error:
                tries += 1
                wait = engine.retry.wait(tries, error)
                if isinstance(error, RateLimited):
                    patience -= wait
                attempts += not isinstance(error, RateLimited) or patience < 0
                if attempts >= engine.retry.attempts:
                    engine.breaker.call_ended(role, error)
                    raise
                engine.profile.add("back-off", wait)
                await asyncio.sleep(wait)
            except RequestRefused as error:
                engine.breaker.call_ended(role, error)
                raise
            else:
                if completion is not None:
                    engine.breaker.call_ended(role, None)
                    return completion
                may_be_empty = True

    async def _attempt(self, call: Call, *, first_use: bool, may_be_empty: bool) -> Completion | None:
        """One attempt; None for an empty reply that is to be asked for once more."""
        engine = self._engine
        under_way = engine.in_flight.get(call.id)
        if under_way is not None:  # of one that asked for it and was cancelled
            return await asyncio.shield(under_way)
        at_most = engine.budget.amount(call.request.role, call.bound)
        began = monotonic()
        with ExitStack() as undo:
            await engine.budget.paid.set_aside(at_most)  # in the order of asking, in which slots need not be given
            undo.callback(engine.budget.paid.settle, at_most, NOTHING)
            affordable = monotonic()
            await engine.slots.take(call.request)
            undo.callback(engine.slots.give_back, call.request)
            placed = monotonic()
            if self._refusal is not None:
                raise self._refusal
            await engine.pause_is_over()
            charged = await engine.rates.wait(call.bound.tokens)
            undo.pop_all()
        engine.profile.add("slot", placed - affordable)
        engine.profile.add("pace", affordable - began + monotonic() - placed)
        # A task of its own: whoever waits for it may be cancelled, for another call's error or by the user, but what
        # is sent is paid for.
        attempt = asyncio.create_task(
            self._send(call, at_most, charged, first_use=first_use, may_be_empty=may_be_empty)
        )
        engine.in_flight[call.id] = attempt
        attempt.add_done_callback(lambda done: engine.landed(call.id, done))
        try:
            return await asyncio.shield(attempt)
        except asyncio.CancelledError:
            if engine.budget.is_time_up:
                attempt.cancel()
            raise

    async def _send(
        self, call: Call, at_most: Amount, charged: int, *, first_use: bool, may_be_empty: bool
    ) -> Completion | None:
        """Record an attempt, send it and record its end. Gives back the slot, and what was set aside for it."""
        engine, role = self._engine, call.request.role
        began = monotonic()
        number = 0
        spent = at_most  # whatever happens to a call that is cancelled, the endpoint may charge for it
        try:
            try:
                number = await engine.ledger.begin(call.id, role, bound=call.bound)
                recorded = monotonic()
                completion = await self._inner.complete(call.request)
            except RateLimited as error:
                if error.retry_after is not None:
                    engine.pause(min(error.retry_after, engine.retry.longest_asked))
                raise
            finally:
                engine.slots.give_back(call.request)
            answered = monotonic()
            spent = engine.budget.amount(role, completion.usage)
        except ModelError as error:
            if not error.may_be_charged:
                spent = Amount(calls=1)
            engine.slots.failed(asked_too_much=isinstance(error, (RateLimited, TimedOut)))
            if ends_all(error):
                self._refusal = error
            await engine.ledger.fail(number, str(error), counter=error.counter, lost=error.may_be_charged)
            raise
        finally:
            engine.budget.paid.settle(at_most, spent)
        engine.slots.answered(role, answered - recorded, completion.usage.tokens_out)
        engine.rates.answered(at_most=call.bound.tokens, charged=charged, used=completion.usage.tokens)
        self._note_inexact(call, completion)
        completion = _clean(completion)
        if not may_be_empty and not completion.repeatable and _is_empty(completion):
            await engine.ledger.fail(
                number, "the reply was empty; asked once more", counter=EMPTY_REPLY, lost=False, usage=completion.usage
            )
            return None
        await engine.ledger.succeed(number, self._stored(call, completion), first_use=first_use)
        engine.profile.calls += 1
        engine.profile.add("record", recorded - began)
        engine.profile.add("model", answered - recorded)
        engine.profile.add("commit", monotonic() - answered)
        return completion

    def _note_inexact(self, call: Call, completion: Completion) -> None:
        usage, bound = completion.usage, call.bound
        if completion.inexact:
            self._engine.budget.note_inexact(call.request.role, completion.inexact)
        elif usage.tokens_out > bound.tokens_out:
            self._engine.budget.note_inexact(call.request.role, "writes more tokens than it is asked for at most")
        elif usage.tokens_in > bound.tokens_in:
            self._engine.budget.note_inexact(call.request.role, "counts more tokens than the request has bytes")

    def _stored(self, call: Call, completion: Completion) -> list[StoredReply]:
        now = self._engine.clock()
        return [
            StoredReply(
                key=key_of(call.request.at(offset), self._inner) if offset else call.key,
                call=call.id,
                reply=reply,
                usage=completion.usage,
                created_at=now,
            )
            for offset, reply in enumerate(completion.replies)
        ]


def ends_all(error: ModelError) -> bool:
    """Whether no other call to the model can succeed either: its key, name or account is refused."""
    return isinstance(error, (KeyRefused, ModelNotFound)) or type(error) is PermanentError


def _is_empty(completion: Completion) -> bool:
    """Whether nothing came, for no reason that the endpoint gave."""
    return all(reply.finish == "stop" and not reply.text.strip() for reply in completion.replies)


def _clean(completion: Completion) -> Completion:
    """The completion without halves of surrogate pairs, which no file or database could hold as UTF-8."""
    if all(reply.text.isascii() for reply in completion.replies):
        return completion
    return replace(
        completion, replies=tuple(replace(reply, text=well_formed(reply.text)) for reply in completion.replies)
    )
