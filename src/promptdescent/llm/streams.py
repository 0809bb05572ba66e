"""Many calls side by side, their results in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from promptdescent.errors import RequestRefused, TransientError
from promptdescent.llm.base import LLM, Request
from promptdescent.records import Reply

Item = TypeVar("Item")
Result = TypeVar("Result")


async def ordered_map(
    function: Callable[[Item], Awaitable[Result]], items: AsyncGenerator[Item, None], *, window: int
) -> AsyncGenerator[Result, None]:
    """Results of ``function`` over ``items`` in the items' order, with at most ``window`` of them unfinished or unread.

    ``items`` is read as fast as the window allows, in a task of its own, so that a slow producer and the work
    overlap. The first error, of ``items`` or of ``function``, is raised at its place in the order, and everything
    unfinished is cancelled.
    """
    places = asyncio.Semaphore(window)
    queue: asyncio.Queue[asyncio.Task[Result] | None] = asyncio.Queue()
    tasks: set[asyncio.Task[Result]] = set()

    async def start(item: Item) -> Result:
        return await function(item)

    async def feed() -> None:
        try:
            async with aclosing(items):
                async for item in items:
                    await places.acquire()
                    task = asyncio.create_task(start(item))
                    tasks.add(task)
                    queue.put_nowait(task)
        finally:
            queue.put_nowait(None)

    feeder = asyncio.create_task(feed())
    try:
        while (task := await queue.get()) is not None:
            result = await task
            tasks.discard(task)
            places.release()
            yield result
        await feeder
    finally:
        for unfinished in (feeder, *tasks):
            unfinished.cancel()
        await asyncio.gather(feeder, *tasks, return_exceptions=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One reply of several asked for; or none, with the reason why its call failed for good."""

    reply: Reply | None
    error: str = ""
    tokens: int = 0
    """Tokens of its call, in and out; an equal share where one call brought several."""


async def samples(llm: LLM, requests: Sequence[Request]) -> AsyncGenerator[tuple[int, Sample], None]:
    """The replies to requests of one role, each with the place of its request, ordered by request and index, each as
    soon as it and all before it are there.

    The samples of a request are asked for in one call where the model serves that; what it does not give is requested
    singly. A call that fails for good gives a :class:`Sample` without a reply for each that it was to bring.
    """
    calls = [
        (place, part)
        for place, request in enumerate(requests)
        for part in ([request] if llm.serves_n else _singly(request))
    ]
    async with aclosing(
        ordered_map(lambda call: _sample(llm, call[1]), _stream(calls), window=len(calls) + 1)
    ) as brought:
        told = 0
        async for found in brought:
            place, call = calls[told]
            told += 1
            for sample in found:
                yield place, sample
            # Asked here, where the order is settled, so that a cap cuts the same request in every run.
            missing = _singly(call)[len(found) :]
            async with aclosing(
                ordered_map(lambda single: _sample(llm, single), _stream(missing), window=len(missing) + 1)
            ) as singles:
                async for found in singles:
                    for sample in found:
                        yield place, sample


def _singly(request: Request) -> list[Request]:
    """One request for each of its samples."""
    return [request.at(offset) for offset in range(request.n)]


async def _stream(items: Sequence[Item]) -> AsyncGenerator[Item, None]:
    for item in items:
        yield item


async def _sample(llm: LLM, request: Request) -> list[Sample]:
    """The samples of one call: between 1 and all; as many failures as were asked for if it failed for good."""
    try:
        completion = await llm.complete(request)
    except (TransientError, RequestRefused) as error:
        return [Sample(reply=None, error=str(error)) for _ in range(request.n)]
    share = round(completion.usage.tokens / len(completion.replies))
    return [Sample(reply=reply, tokens=share) for reply in completion.replies]
