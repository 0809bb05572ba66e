"""Concurrency, retries, the budget, and samples in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from promptdescent.errors import (
    BudgetExhausted,
    EndpointFailed,
    KeyRefused,
    MalformedReply,
    RateLimited,
    RequestRefused,
    TooManyFailures,
)
from promptdescent.llm.base import Draw, Request
from promptdescent.llm.budget import Budget, Caps
from promptdescent.llm.cache import CachedLLM
from promptdescent.llm.failures import Breaker
from promptdescent.llm.limits import LimitedLLM, RetryPolicy
from promptdescent.llm.streams import ordered_map, samples
from scripted import MemoryBooks, ScriptedLLM, engine, user, wrapped

pytestmark = pytest.mark.anyio


def request(text: str = "q", *, n: int = 1, temperature: float = 0.0, index: int = 0) -> Request:
    return Request(
        role="task",
        messages=user(text),
        temperature=temperature,
        max_tokens=5,
        n=n,
        draw=Draw(seed=0, step=1, slot="s", index=index),
    )


def wrap(
    llm: ScriptedLLM, books: MemoryBooks, *, caps: Caps | None = None, slots: int = 4, cached: bool = False
) -> tuple[LimitedLLM | CachedLLM, Budget]:
    shared = engine(books, caps=caps, slots=slots)
    return (wrapped(llm, books, shared) if cached else LimitedLLM(llm, shared)), shared.budget


async def read_all(results: AsyncGenerator[int, None]) -> tuple[list[int], Exception | None]:
    """What came before the error, and the error."""
    seen: list[int] = []
    try:
        async for result in results:
            seen.append(result)  # noqa: PERF401 - a comprehension would lose them
    except ValueError as error:
        return seen, error
    return seen, None


async def stream(items: list[int], pause: float = 0.0) -> AsyncGenerator[int, None]:
    for item in items:
        await asyncio.sleep(pause)
        yield item


async def test_results_come_in_the_order_of_the_items_whatever_finishes_first() -> None:
    rng = random.Random(1)
    waits = [rng.random() / 100 for _ in range(40)]

    async def work(index: int) -> int:
        await asyncio.sleep(waits[index])
        return index

    assert [result async for result in ordered_map(work, stream(list(range(40))), window=7)] == list(range(40))


async def test_the_window_bounds_what_is_in_work() -> None:
    working = most = 0

    async def work(index: int) -> int:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await asyncio.sleep(0.001)
        working -= 1
        return index

    _ = [result async for result in ordered_map(work, stream(list(range(30))), window=5)]
    assert most == 5


async def test_work_starts_while_the_producer_is_still_waiting() -> None:
    started: list[int] = []

    async def work(index: int) -> int:
        started.append(index)
        return index

    async def slow() -> AsyncGenerator[int, None]:
        yield 0
        while not started:
            await asyncio.sleep(0.001)
        yield 1

    assert [result async for result in ordered_map(work, slow(), window=4)] == [0, 1]


async def test_the_first_error_in_order_is_raised_and_the_rest_cancelled() -> None:
    ended: list[int] = []

    async def work(index: int) -> int:
        try:
            await asyncio.sleep(10 if index > 2 else 0.001)
        except asyncio.CancelledError:
            ended.append(index)
            raise
        if index == 2:
            raise ValueError("two")
        return index

    seen, error = await read_all(ordered_map(work, stream(list(range(6))), window=6))
    assert str(error) == "two"
    assert seen == [0, 1]
    assert sorted(ended) == [3, 4, 5]


async def test_an_error_ends_what_feeds_the_work_too() -> None:
    ended: list[str] = []

    async def inner_work(index: int) -> int:
        try:
            await asyncio.sleep(0.001 if index < 3 else 10)
        except asyncio.CancelledError:
            ended.append(f"inner {index}")
            raise
        return index

    async def source() -> AsyncGenerator[int, None]:
        async with aclosing(ordered_map(inner_work, stream(list(range(6))), window=6)) as results:
            async for result in results:
                yield result

    async def work(index: int) -> int:
        raise ValueError(f"work {index}")

    seen, error = await read_all(ordered_map(work, source(), window=1))
    assert (seen, str(error)) == ([], "work 0")
    assert sorted(ended) == ["inner 3", "inner 4", "inner 5"], "ended before the error was handed on"


async def test_an_error_of_the_producer_is_raised_after_what_it_gave() -> None:
    async def broken() -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("no more")

    async def work(index: int) -> int:
        return index

    seen, error = await read_all(ordered_map(work, broken(), window=2))
    assert str(error) == "no more"
    assert seen == [1]


async def test_every_attempt_is_recorded_before_it_is_sent() -> None:
    books = MemoryBooks()
    seen: list[list[str]] = []

    def answer(request: Request, number: int) -> str:
        seen.append([kind for kind, _ in books.log])
        return "a"

    llm, _ = wrap(ScriptedLLM(answer), books)
    await llm.complete(request())
    assert seen == [["begin"]]
    assert [kind for kind, _ in books.log] == ["begin", "succeed"]
    assert len(books.replies) == 1


async def test_passing_errors_are_retried_and_every_attempt_is_paid() -> None:
    errors = [EndpointFailed("500"), MalformedReply("junk")]
    books = MemoryBooks()
    llm, _ = wrap(ScriptedLLM(lambda request, number: errors.pop(0) if errors else "fine"), books)
    completion = await llm.complete(request())
    assert completion.replies[0].text == "fine"
    assert [kind for kind, _ in books.log] == ["begin", "fail", "begin", "fail", "begin", "succeed"]
    assert books.totals()["task"].paid.calls == 3


async def test_a_permanent_error_is_not_retried() -> None:
    inner = ScriptedLLM(lambda request, number: KeyRefused("no key"))
    books = MemoryBooks()
    llm, _ = wrap(inner, books)
    with pytest.raises(KeyRefused):
        await llm.complete(request())
    assert len(inner.requests) == 1
    assert [kind for kind, _ in books.log] == ["begin", "fail"]


async def test_the_wait_that_the_endpoint_asks_for_is_kept() -> None:
    errors: list[Exception] = [RateLimited("slow down", retry_after=0.2)]
    patient = RetryPolicy(attempts=2, first_wait=0.0001, longest_wait=0.001)
    llm = LimitedLLM(
        ScriptedLLM(lambda request, number: errors.pop(0) if errors else "fine"), engine(MemoryBooks(), retry=patient)
    )
    before = asyncio.get_running_loop().time()
    await llm.complete(request())
    assert asyncio.get_running_loop().time() - before >= 0.2


async def test_calls_that_keep_failing_end_the_run() -> None:
    llm = LimitedLLM(
        ScriptedLLM(lambda request, number: EndpointFailed("down")), engine(MemoryBooks(), breaker=Breaker(in_a_row=4))
    )
    for _ in range(3):
        with pytest.raises(EndpointFailed):
            await llm.complete(request())
    with pytest.raises(TooManyFailures, match=r"4 task calls in a row.*down.*resume"):
        await llm.complete(request())


async def test_one_success_forgives_earlier_failures() -> None:
    down = True
    llm = LimitedLLM(
        ScriptedLLM(lambda request, number: EndpointFailed("down") if down else "up"),
        engine(MemoryBooks(), breaker=Breaker(in_a_row=4)),
    )
    for number in range(3):
        for _ in range(3):
            with pytest.raises(EndpointFailed):
                await llm.complete(request())
        down = False
        await llm.complete(request(str(number)))
        down = True


async def test_concurrency_is_bounded() -> None:
    inner = ScriptedLLM(lambda request, number: "a", delay=lambda request: 0.002)
    llm, _ = wrap(inner, MemoryBooks(), slots=3)
    await asyncio.gather(*(llm.complete(request(str(index))) for index in range(20)))
    assert inner.most_open == 3


async def test_a_call_cap_is_exact_under_concurrency() -> None:
    inner = ScriptedLLM(lambda request, number: "a", delay=lambda request: 0.001)
    llm, _ = wrap(inner, MemoryBooks(), caps=Caps(calls=7), slots=16, cached=True)
    done = await asyncio.gather(*(llm.complete(request(str(index))) for index in range(20)), return_exceptions=True)
    assert [isinstance(one, BudgetExhausted) for one in done] == [False] * 7 + [True] * 13
    assert len(inner.requests) == 7


@pytest.mark.parametrize("waits_for", ["its place", "the end of a pause"])
async def test_a_call_that_is_cancelled_before_it_is_sent_takes_neither_place_nor_budget(waits_for: str) -> None:
    inner = ScriptedLLM(lambda request, number: "a", delay=lambda request: 0.01)
    shared = engine(MemoryBooks(), caps=Caps(calls=3), slots=2)
    llm = LimitedLLM(inner, shared)
    first: list[asyncio.Task[object]] = []
    if waits_for == "its place":
        first = [asyncio.create_task(llm.complete(request(str(index)))) for index in range(2)]
    else:
        shared.pause(0.02)
    await asyncio.sleep(0.001)
    third = asyncio.create_task(llm.complete(request("cancelled")))
    await asyncio.sleep(0.001)
    third.cancel()
    await asyncio.gather(third, *first, return_exceptions=True)
    assert len(inner.requests) == len(first)
    assert shared.slots.busy == 0
    left = 3 - len(first)
    done = await asyncio.gather(
        *(llm.complete(request(f"later {index}")) for index in range(3)), return_exceptions=True
    )
    assert [isinstance(one, BudgetExhausted) for one in done] == [False] * left + [True] * (3 - left)


async def test_what_is_held_back_is_free_again_for_the_verdict() -> None:
    llm, budget = wrap(ScriptedLLM(lambda request, number: "a"), MemoryBooks(), caps=Caps(calls=5), cached=True)
    budget.hold_back(calls=3, tokens=0)
    await llm.complete(request("1"))
    await llm.complete(request("2"))
    with pytest.raises(BudgetExhausted, match=r"cap of 5 calls \(--max-calls\)"):
        await llm.complete(request("3"))
    budget.hold_back(calls=0, tokens=0)
    for text in "345":
        await llm.complete(request(text))
    with pytest.raises(BudgetExhausted):
        await llm.complete(request("6"))


async def test_retries_count_against_the_cap_too() -> None:
    inner = ScriptedLLM(lambda request, number: EndpointFailed("500") if number % 2 else "a")
    llm, _ = wrap(inner, MemoryBooks(), caps=Caps(calls=5), cached=True)
    await llm.complete(request("1"))
    await llm.complete(request("2"))
    with pytest.raises(BudgetExhausted):
        await llm.complete(request("3"))
    assert len(inner.requests) == 5


@pytest.mark.parametrize("slots", [1, 32])
async def test_a_token_cap_is_never_passed_and_cuts_the_same_call_whatever_the_concurrency(slots: int) -> None:
    rng = random.Random(slots)
    inner = ScriptedLLM(lambda request, number: "a", delay=lambda request: rng.random() / 500)  # 12 tokens a call
    llm, budget = wrap(inner, MemoryBooks(), caps=Caps(tokens=1000), cached=True, slots=slots)
    done = await asyncio.gather(*(llm.complete(request(f"{n:3}")) for n in range(100)), return_exceptions=True)
    fitting = 1 + (1000 - (3 + 128 + 5)) // 12
    assert [isinstance(one, BudgetExhausted) for one in done] == [False] * fitting + [True] * (100 - fitting)
    assert "--max-total-tokens" in str(done[-1])
    assert budget.paid.spent.tokens == 12 * fitting <= 1000


async def test_the_samples_come_in_one_call_where_the_model_serves_that() -> None:
    inner = ScriptedLLM(lambda request, number: [f"{index}" for index in range(request.n)], serves_n=True)
    llm, _ = wrap(inner, MemoryBooks(), cached=True)
    got = [sample.reply.text async for _, sample in samples(llm, [request(n=5, temperature=1.0)]) if sample.reply]
    assert got == ["0", "1", "2", "3", "4"]
    assert len(inner.requests) == 1


async def test_what_a_server_does_not_give_is_requested_singly() -> None:
    inner = ScriptedLLM(lambda request, number: f"{request.draw.index}", serves_n=True)
    llm, _ = wrap(inner, MemoryBooks(), cached=True)
    got = [sample.reply.text async for _, sample in samples(llm, [request(n=4, temperature=1.0)]) if sample.reply]
    assert got == ["0", "1", "2", "3"]
    assert [one.n for one in inner.requests] == [4, 1, 1, 1]


async def test_samples_keep_their_order_and_a_lost_one_its_place() -> None:
    def answer(request: Request, number: int) -> str | Exception:
        return RequestRefused("not this one") if request.draw.index == 2 else f"{request.draw.index}"

    inner = ScriptedLLM(answer, delay=lambda request: 0.01 / (1 + request.draw.index))
    llm, _ = wrap(inner, MemoryBooks(), cached=True)
    got = [sample async for _, sample in samples(llm, [request(n=4, temperature=1.0)])]
    assert [sample.reply.text if sample.reply else sample.error for sample in got] == ["0", "1", "not this one", "3"]


async def replies_to(llm: LimitedLLM | CachedLLM, *requests: Request) -> tuple[list[tuple[int, str]], str]:
    """(place, text) as they come, the error in place of a lost one, and what ended it."""
    got: list[tuple[int, str]] = []
    try:
        async with aclosing(samples(llm, requests)) as brought:
            async for place, sample in brought:
                got.append((place, sample.reply.text if sample.reply else sample.error))
    except BudgetExhausted as error:
        return got, str(error)
    return got, ""


SEVERAL = [request(text, n=n, temperature=1.0) for text, n in (("a", 2), ("b", 1), ("c", 3))]
IN_ORDER = [(0, "a0"), (0, "a1"), (1, "b0"), (2, "c0"), (2, "c1"), (2, "c2")]


def named(request: Request) -> str:
    return f"{request.messages[0].text}{request.draw.index}"


@pytest.mark.parametrize("serves_n", [False, True])
async def test_samples_of_several_requests_come_ordered_by_request_and_index(serves_n: bool) -> None:
    def answer(request: Request, number: int) -> list[str]:
        return [named(request.at(offset)) for offset in range(request.n)]

    rng = random.Random(2)
    inner = ScriptedLLM(answer, serves_n=serves_n, delay=lambda request: rng.random() / 100)
    llm, _ = wrap(inner, MemoryBooks(), cached=True, slots=8)
    assert await replies_to(llm, *SEVERAL) == (IN_ORDER, "")
    assert len(inner.requests) == (3 if serves_n else 6)
    assert inner.most_open > 1, "side by side"


async def test_what_one_of_several_requests_lacks_is_put_in_its_place() -> None:
    def answer(request: Request, number: int) -> list[str]:
        return [named(request)]

    inner = ScriptedLLM(answer, serves_n=True, delay=lambda request: 0.02 if request.n > 1 else 0.0)
    llm, _ = wrap(inner, MemoryBooks(), cached=True, slots=8)
    assert await replies_to(llm, *SEVERAL) == (IN_ORDER, "")


async def test_a_call_that_fails_for_good_loses_all_that_it_was_to_bring() -> None:
    def answer(request: Request, number: int) -> list[str] | Exception:
        if request.messages[0].text == "c":
            return RequestRefused("no")
        return [named(request.at(offset)) for offset in range(request.n)]

    llm, _ = wrap(ScriptedLLM(answer, serves_n=True), MemoryBooks(), cached=True)
    assert await replies_to(llm, *SEVERAL) == ([*IN_ORDER[:3], *[(2, "no")] * 3], "")


@pytest.mark.parametrize("calls", range(6))
async def test_a_cap_cuts_the_same_sample_in_every_run(calls: int) -> None:
    for slots, salt in ((1, 1), (2, 2), (16, 3)):
        rng = random.Random(salt)
        inner = ScriptedLLM(lambda request, number: named(request), delay=lambda request, rng=rng: rng.random() / 300)
        llm, _ = wrap(inner, MemoryBooks(), caps=Caps(calls=calls), cached=True, slots=slots)
        got, ended = await replies_to(llm, *SEVERAL)
        assert got == IN_ORDER[:calls]
        assert f"cap of {calls} calls" in ended


async def test_a_run_that_goes_on_is_cut_at_the_same_sample() -> None:
    """Whatever came before it was killed, in whichever order, is used again and counts once."""
    books = MemoryBooks()
    inner = ScriptedLLM(lambda request, number: named(request))
    llm, _ = wrap(inner, books, caps=Caps(calls=4), cached=True)
    await llm.complete(SEVERAL[2].at(0))
    await llm.complete(SEVERAL[0].at(1))
    resumed, _ = wrap(inner, books, caps=Caps(calls=4), cached=True)
    assert await replies_to(resumed, *SEVERAL) == (IN_ORDER[:4], "the cap of 4 calls (--max-calls) is reached")
    assert len(inner.requests) == 4


async def test_no_requests_bring_no_samples() -> None:
    llm, _ = wrap(ScriptedLLM(lambda request, number: "a"), MemoryBooks())
    assert await replies_to(llm) == ([], "")


async def test_the_tokens_of_a_call_are_shared_by_its_samples() -> None:
    inner = ScriptedLLM(lambda request, number: ["x"] * request.n, serves_n=True)
    llm, _ = wrap(inner, MemoryBooks(), cached=True)
    got = [sample.tokens async for _, sample in samples(llm, [request(n=4, temperature=1.0)])]
    assert got == [4] * 4, "10 tokens in and 8 out, in four parts, rounded"
