"""Replies by content: a request that was answered before is not sent again.

The wrapper reads the store; replies are written by ``llm.limits``, in the same transaction as the end of the attempt
that brought them.
"""

from __future__ import annotations

import asyncio

from promptdescent.errors import ParameterRefused
from promptdescent.llm.base import LLM, Completion, Ledger, ReplyStore, Request, StoredReply
from promptdescent.llm.limits import Budget, call_of, key_of
from promptdescent.records import Role


class CachedLLM:
    """A model that answers from the store where it can, and counts every distinct call of the run once as *used*.

    Equal requests that are in flight at the same time are sent once.
    """

    def __init__(self, inner: LLM, *, replies: ReplyStore, ledger: Ledger, budget: Budget) -> None:
        self._inner = inner
        self._replies = replies
        self._ledger = ledger
        self._budget = budget
        self._in_flight: dict[str, asyncio.Future[Completion]] = {}

    @property
    def identity(self) -> str:
        return self._inner.identity

    @property
    def serves_n(self) -> bool:
        return self._inner.serves_n

    @property
    def refuses_temperature(self) -> bool:
        return self._inner.refuses_temperature

    async def prepare(self) -> None:
        await self._inner.prepare()

    async def close(self) -> None:
        await self._inner.close()

    async def complete(self, request: Request) -> Completion:
        """The replies known for the first samples of the request, or else those of one call. Raises what the inner
        model raises.
        """
        call = call_of(request, self._inner)
        waiting = self._in_flight.get(call)
        if waiting is not None:
            return await asyncio.shield(waiting)
        answer: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._in_flight[call] = answer
        try:
            completion = await self._complete(request, call)
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
            del self._in_flight[call]

    async def _complete(self, request: Request, call: str) -> Completion:
        self._budget.claim(call)  # before the first await, so that a cap is reserved in request order
        known = await self._find(request)
        if known:
            await self._use_known(request.role, call, known[0])
            return Completion(replies=tuple(stored.reply for stored in known), usage=known[0].usage)
        try:
            completion = await self._inner.complete(request)
        except ParameterRefused as error:
            if error.parameter != "temperature":
                raise
            # The endpoint samples at a temperature of its own, so from now on the draw is part of the key.
            self._budget.disclaim(call)
            return await self._complete(request, call_of(request, self._inner))
        self._budget.count(call, completion.usage)
        await self._ledger.use(call, request.role, completion.usage)
        return completion

    async def _find(self, request: Request) -> list[StoredReply]:
        """Stored replies for the first samples of the request, as far as one call brought them."""
        keys = [key_of(request.at(offset), self._inner) for offset in range(request.n)]
        found = await self._replies.find(keys)
        known: list[StoredReply] = []
        for key in keys:
            if key not in found or (known and found[key].call != known[0].call):
                break
            known.append(found[key])
        return known

    async def _use_known(self, role: Role, call: str, known: StoredReply) -> None:
        if known.call != call:
            self._budget.disclaim(call)
        self._budget.count(known.call, known.usage)
        await self._ledger.use(known.call, role, known.usage)
