"""Replies by content, and the counter of what was used."""

from __future__ import annotations

import asyncio

import pytest

from promptdescent.errors import ParameterRefused
from promptdescent.llm.base import Draw, Request
from promptdescent.llm.budget import Caps
from promptdescent.llm.streams import samples
from scripted import MemoryBooks, ScriptedLLM
from test_limits import request, wrap

pytestmark = pytest.mark.anyio


async def test_a_request_that_was_answered_is_not_sent_again() -> None:
    inner = ScriptedLLM(lambda request, number: f"reply {number}")
    books = MemoryBooks()
    llm, _ = wrap(inner, books, cached=True)
    first = await llm.complete(request("q"))
    assert await llm.complete(request("q")) == first
    assert len(inner.requests) == 1
    assert books.totals()["task"].used.calls == 1


async def test_equal_requests_in_flight_are_sent_once() -> None:
    inner = ScriptedLLM(lambda request, number: f"reply {number}", delay=lambda request: 0.005)
    llm, _ = wrap(inner, MemoryBooks(), cached=True)
    replies = await asyncio.gather(*(llm.complete(request("q")) for _ in range(5)))
    assert len(inner.requests) == 1
    assert len({reply.replies[0].text for reply in replies}) == 1


async def test_greedy_replies_ignore_the_draw_and_sampled_ones_do_not() -> None:
    def at(seed: int, temperature: float) -> Request:
        return Request(
            role="task",
            temperature=temperature,
            max_tokens=5,
            text="t",
            draw=Draw(seed=seed, step=0, slot="s", index=0),
        )

    assert at(1, 0.0).key("e") == at(2, 0.0).key("e")
    assert at(1, 0.5).key("e") != at(2, 0.5).key("e")
    assert at(1, 0.0).key("e") != at(1, 0.0).key("another endpoint")


@pytest.mark.parametrize(
    "change",
    [{"max_tokens": 6}, {"stop": ("x",)}, {"text": "u"}, {"temperature": 0.1}],
    ids=lambda change: next(iter(change)),
)
def test_every_sampling_parameter_is_part_of_the_key(change: dict[str, object]) -> None:
    from dataclasses import replace

    one = Request(role="task", temperature=0.0, max_tokens=5, text="t", draw=Draw(seed=0, step=0, slot="s", index=0))
    assert replace(one, **change).key("e") != one.key("e")  # type: ignore[arg-type]


async def test_replies_of_an_earlier_run_are_used_but_not_paid() -> None:
    inner = ScriptedLLM(lambda request, number: f"{request.draw.index}")
    books = MemoryBooks()
    llm, _ = wrap(inner, books, cached=True)
    await llm.complete(request("q"))

    later = MemoryBooks()
    later.replies = books.replies
    llm, _ = wrap(inner, later, cached=True)
    await llm.complete(request("q"))
    totals = later.totals()["task"]
    assert (totals.used.calls, totals.paid.calls) == (1, 0)
    assert totals.used.tokens == 12


async def test_a_cap_counts_replies_from_the_store_as_used() -> None:
    inner = ScriptedLLM(lambda request, number: "a")
    books = MemoryBooks()
    llm, _ = wrap(inner, books, cached=True)
    for text in "abc":
        await llm.complete(request(text))
    later = MemoryBooks()
    later.replies = books.replies
    llm, _ = wrap(inner, later, cached=True, caps=Caps(calls=2))
    done = await asyncio.gather(*(llm.complete(request(text)) for text in "abc"), return_exceptions=True)
    assert [isinstance(one, Exception) for one in done] == [False, False, True]


async def test_a_resumed_run_does_not_count_its_calls_twice() -> None:
    inner = ScriptedLLM(lambda request, number: "a")
    books = MemoryBooks()
    llm, _ = wrap(inner, books, cached=True, caps=Caps(calls=3))
    await llm.complete(request("a"))
    await llm.complete(request("b"))
    again, _ = wrap(inner, books, cached=True, caps=Caps(calls=3))  # as a new process would, on the same books
    for text in "abc":
        await again.complete(request(text))
    assert len(inner.requests) == 3
    assert books.totals()["task"].used.calls == 3


async def test_samples_of_one_call_are_replayed_as_one_call() -> None:
    inner = ScriptedLLM(lambda request, number: [f"{index}" for index in range(request.n)], serves_n=True)
    books = MemoryBooks()
    llm, _ = wrap(inner, books, cached=True)
    first = [sample async for _, sample in samples(llm, [request(n=4, temperature=1.0)])]
    again, _ = wrap(inner, books, cached=True)
    assert [sample async for _, sample in samples(again, [request(n=4, temperature=1.0)])] == first
    assert len(inner.requests) == 1
    assert books.totals()["task"].used.calls == 1


async def test_samples_that_came_singly_are_replayed_without_a_call() -> None:
    inner = ScriptedLLM(lambda request, number: f"{request.draw.index}", serves_n=True)
    books = MemoryBooks()
    llm, _ = wrap(inner, books, cached=True)
    first = [sample async for _, sample in samples(llm, [request(n=4, temperature=1.0)])]
    again, _ = wrap(inner, books, cached=True)
    assert [sample async for _, sample in samples(again, [request(n=4, temperature=1.0)])] == first
    assert len(inner.requests) == 4
    assert books.totals()["task"].used.calls == 4


async def test_where_the_temperature_is_refused_the_draw_becomes_part_of_the_key() -> None:
    def answer(request: Request, number: int) -> str | Exception:
        if not inner.refuses_temperature:
            inner.refuses_temperature = True
            return ParameterRefused("temperature 0 is not supported", parameter="temperature")
        return f"reply {number}"

    inner = ScriptedLLM(answer)
    books = MemoryBooks()
    llm, _ = wrap(inner, books, cached=True)
    first = await llm.complete(request("q", index=0))
    second = await llm.complete(request("q", index=1))
    assert first.replies[0].text != second.replies[0].text
    assert await llm.complete(request("q", index=0)) == first
    assert books.totals()["task"].used.calls == 2


async def test_who_waits_for_a_call_of_another_that_is_cancelled_asks_itself() -> None:
    inner = ScriptedLLM(lambda request, number: f"reply {number}", delay=lambda request: 0.01)
    llm, _ = wrap(inner, MemoryBooks(), cached=True, slots=1)
    blocking = asyncio.create_task(llm.complete(request("other")))
    first = asyncio.create_task(llm.complete(request("q")))
    second = asyncio.create_task(llm.complete(request("q")))
    await asyncio.sleep(0.005)
    first.cancel()
    assert (await second).replies[0].text == "reply 2"
    await blocking
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_who_waits_for_a_call_of_another_can_be_cancelled() -> None:
    inner = ScriptedLLM(lambda request, number: "a", delay=lambda request: 0.02)
    llm, _ = wrap(inner, MemoryBooks(), cached=True)
    first = asyncio.create_task(llm.complete(request("q")))
    second = asyncio.create_task(llm.complete(request("q")))
    await asyncio.sleep(0.005)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert (await first).replies[0].text == "a"
    assert len(inner.requests) == 1
