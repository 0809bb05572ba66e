"""Replies by content: a request that was answered before is not sent again.

The wrapper reads the store; replies are written by ``llm.limits``, in the same transaction as the end of the attempt
that brought them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from promptdescent.errors import BudgetExhausted, ParameterRefused
from promptdescent.llm.base import Completion, Known, ReplyStore, Request, StoredReply
from promptdescent.llm.budget import NOTHING, Amount
from promptdescent.llm.limits import Call, Engine, LimitedLLM, key_of
from promptdescent.records import Role

_REMEMBERED = 4096
"""Calls used a moment ago that are remembered here: more than can be looked up at the same time."""


class CallsAtHand:
    """The calls that a run has in flight, and those that it used a moment ago. Share one between its models."""

    def __init__(self) -> None:
        self.in_flight: dict[str, asyncio.Future[Completion]] = {}
        self._used: dict[str, None] = {}

    def used(self, call: str) -> bool:
        """Whether the call was used a moment ago."""
        return call in self._used

    def note_use(self, call: str) -> None:
        """The call is used now."""
        self._used[call] = None
        if len(self._used) > _REMEMBERED:
            del self._used[next(iter(self._used))]


class CachedLLM:
    """A model that answers from the store where it can, and counts every distinct call of the run once as *used*.

    Equal requests that are in flight at the same time are sent once.
    """

    def __init__(self, inner: LimitedLLM, *, replies: ReplyStore, engine: Engine, at_hand: CallsAtHand) -> None:
        self._inner = inner
        self._replies = replies
        self._engine = engine
        self._at_hand = at_hand

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
        """The replies known for the first samples of the request, or else those of one call. Raises what the inner
        model raises.
        """
        call = Call.of(request, self._inner)
        in_flight = self._at_hand.in_flight
        while (waiting := in_flight.get(call.id)) is not None:
            try:
                return await asyncio.shield(waiting)
            except asyncio.CancelledError:
                if not waiting.cancelled() or _is_cancelled():
                    raise
                # The one that asked for it was cancelled, and not this one, which now asks itself.
        answer = in_flight[call.id] = asyncio.get_running_loop().create_future()
        try:
            completion = await self._complete(call)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                answer.cancel()
            else:
                answer.set_exception(error)
                answer.exception()  # marks it as seen: nobody else may be waiting
            raise
        else:
            answer.set_result(completion)
            return completion
        finally:
            del in_flight[call.id]

    async def _complete(self, call: Call) -> Completion:
        engine, role = self._engine, call.request.role
        engine.budget.check_time()
        keys = self._keys(call)
        at_most = engine.budget.amount(role, call.bound)
        try:
            await engine.budget.used.set_aside(at_most)  # before any other await, so that a cap cuts in request order
        except BudgetExhausted:
            known = await self._replies.find(call.id, keys)
            found = _brought_together(keys, known.replies)
            if found and self._was_used(found[0].call, known):
                return _completion(found)  # there is always room for what the run has used before
            raise
        spent = NOTHING
        try:
            known = await self._replies.find(call.id, keys)
            if found := _brought_together(keys, known.replies):
                spent = await self._use(found[0], role, known)
                return _completion(found)
            first_use = not self._was_used(call.id, known)
            completion = await self._inner.send(call, first_use=first_use)
            if first_use:
                self._at_hand.note_use(call.id)
                spent = engine.budget.amount(role, completion.usage)
            return completion
        except ParameterRefused as error:
            if error.parameter != "temperature":
                raise
        finally:
            engine.budget.used.settle(at_most, spent)
        # The endpoint samples at a temperature of its own, so from now on the draw is part of the key.
        return await self._complete(Call.of(call.request, self._inner))

    def _keys(self, call: Call) -> list[str]:
        """The cache keys of the call's samples."""
        return [call.key, *(key_of(call.request.at(offset), self._inner) for offset in range(1, call.request.n))]

    async def _use(self, stored: StoredReply, role: Role, known: Known) -> Amount:
        """Count the call that brought a stored reply, once; return what it adds to what the run used."""
        if self._was_used(stored.call, known):
            return NOTHING
        self._at_hand.note_use(stored.call)
        await self._engine.ledger.use(stored.call, role, stored.usage)
        return self._engine.budget.amount(role, stored.usage)

    def _was_used(self, call: str, known: Known) -> bool:
        return call in known.used or self._at_hand.used(call)


def _is_cancelled() -> bool:
    """Whether somebody wants the running task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _completion(found: Sequence[StoredReply]) -> Completion:
    return Completion(replies=tuple(stored.reply for stored in found), usage=found[0].usage)


def _brought_together(keys: Sequence[str], replies: Mapping[str, StoredReply]) -> list[StoredReply]:
    """Stored replies for the first of the keys, as far as one call brought them."""
    known: list[StoredReply] = []
    for key in keys:
        if key not in replies or (known and replies[key].call != known[0].call):
            break
        known.append(replies[key])
    return known
