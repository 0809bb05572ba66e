"""What every model must satisfy: each check takes a prepared model, and test files call all of them on their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from promptdescent.llm.base import LLM, Draw, Request
from promptdescent.records import Message, Reply


def chat(text: str, *, temperature: float = 0.0, max_tokens: int = 4, n: int = 1, index: int = 0) -> Request:
    """A request with one message."""
    return Request(
        role="task",
        messages=(Message(role="user", content=(text,)),),
        temperature=temperature,
        max_tokens=max_tokens,
        n=n,
        draw=Draw(seed=1, step=2, slot="proposal", index=index),
    )


def raw(text: str, *, temperature: float = 0.0, max_tokens: int = 8, index: int = 0) -> Request:
    """A request for raw completion."""
    return Request(
        role="optimizer",
        text=text,
        temperature=temperature,
        max_tokens=max_tokens,
        draw=Draw(seed=1, step=2, slot="proposal", index=index),
    )


async def replies_between_one_and_n(llm: LLM) -> None:
    for n in (1, 3):
        completion = await llm.complete(chat("Name a colour.", temperature=0.9, n=n))
        assert 1 <= len(completion.replies) <= n
        assert all(isinstance(reply, Reply) for reply in completion.replies)
    assert len(completion.replies) == 1 or llm.serves_n


async def usage_is_one_call_with_tokens(llm: LLM) -> None:
    usage = (await llm.complete(chat("Name a colour."))).usage
    assert usage.calls == 1
    assert usage.tokens_in > 0
    assert usage.tokens_out > 0


async def raw_completion_works(llm: LLM) -> None:
    completion = await llm.complete(raw("Roses are red, violets are"))
    assert completion.replies[0].text
    assert completion.usage.calls == 1


async def same_request_gives_same_greedy_reply(llm: LLM) -> None:
    first = await llm.complete(chat("Name a colour."))
    other_draw = await llm.complete(chat("Name a colour.", index=7))
    assert first.replies == other_draw.replies


async def what_is_called_repeatable_repeats(llm: LLM) -> None:
    request = chat("Name a colour.", temperature=0.9)
    first = await llm.complete(request)
    await llm.complete(chat("Name an animal.", temperature=0.9))
    again = await llm.complete(request)
    assert again.replies == first.replies or not first.repeatable


async def safe_concurrently(llm: LLM) -> None:
    """Each caller gets the reply to its own question, the same as when it asks alone."""
    requests = [chat(f"Say the number {number}.") for number in range(4)]
    alone = [await llm.complete(request) for request in requests]
    together = await asyncio.gather(*(llm.complete(request) for request in requests))
    assert [completion.replies for completion in together] == [completion.replies for completion in alone]


async def identity_is_stable(llm: LLM) -> None:
    before = llm.identity
    await llm.complete(chat("Name a colour."))
    assert llm.identity == before
    assert before


async def context_is_a_number_of_tokens_or_not_known(llm: LLM) -> None:
    assert llm.context_tokens is None or llm.context_tokens > 0


CHECKS: tuple[Callable[[LLM], Awaitable[None]], ...] = (
    replies_between_one_and_n,
    usage_is_one_call_with_tokens,
    raw_completion_works,
    same_request_gives_same_greedy_reply,
    what_is_called_repeatable_repeats,
    safe_concurrently,
    identity_is_stable,
    context_is_a_number_of_tokens_or_not_known,
)
