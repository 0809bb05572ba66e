"""What goes wrong is counted, and too much of it ends the run and says what."""

from __future__ import annotations

import asyncio
import time

import pytest

from promptdescent.errors import (
    ConfigError,
    ConnectionLost,
    EndpointFailed,
    KeyRefused,
    MalformedReply,
    RateLimited,
    RequestRefused,
    TimedOut,
    TooManyFailures,
)
from promptdescent.llm.base import Request
from promptdescent.llm.failures import LIMITS, Breaker, read_limits
from promptdescent.llm.limits import LimitedLLM, RetryPolicy
from promptdescent.records import Reply
from scripted import MemoryBooks, ScriptedLLM, engine, wrapped
from test_budget import request

pytestmark = pytest.mark.anyio


def opens_after(breaker: Breaker, ends: list[str]) -> int | None:
    """How many of the replies were read when it opened."""
    for number, end in enumerate(ends, start=1):
        breaker.call_ended("task", None)
        try:
            breaker.reply_read("task", end)
        except TooManyFailures:
            return number
    return None


@pytest.mark.parametrize("counter", ["empty", "refused"])
def test_the_breaker_opens_when_a_rate_passes_its_limit(counter: str) -> None:
    half = ["answered", counter] * 400
    assert opens_after(Breaker(), half) is None
    assert opens_after(Breaker(), [counter] * 400) == LIMITS[counter].least
    assert opens_after(Breaker(), [*["answered"] * 300, *[counter] * 300]) == 300 + 151


def test_one_bad_candidate_does_not_open_it() -> None:
    assert opens_after(Breaker(), [*["answered"] * 100, *["refused"] * 99, *["answered"] * 200] * 3) is None


@pytest.mark.parametrize("counter", ["cut off", "unreadable"])
def test_one_bad_candidate_after_the_other_does_not_open_it(counter: str) -> None:
    assert opens_after(Breaker(), [counter, counter, counter, "answered"] * 300) is None
    assert opens_after(Breaker(), [counter] * 300) == 200


def test_each_role_is_watched_alone_and_the_counter_is_named() -> None:
    breaker = Breaker()
    for _ in range(99):
        breaker.call_ended("task", None)
        breaker.call_ended("optimizer", None)
        breaker.reply_read("task", "refused")
        breaker.reply_read("optimizer", "refused")
    breaker.call_ended("optimizer", None)
    with pytest.raises(TooManyFailures, match=r"100 of the last 100 optimizer replies were refused.*'refused'.*resume"):
        breaker.reply_read("optimizer", "refused")


def test_lost_calls_open_it_even_with_successes_between_them() -> None:
    breaker = Breaker()
    for _ in range(15):
        breaker.call_ended("task", None)
    for _ in range(10):
        breaker.call_ended("task", ConnectionLost("no route"))
        breaker.call_ended("task", None)
    said = r"11 of the last 36 task calls failed for good.*limit of 30%.*counter 'lost'.*no route"
    with pytest.raises(TooManyFailures, match=said):
        breaker.call_ended("task", ConnectionLost("no route"))


def test_a_limit_can_be_set_by_its_counter() -> None:
    limits = read_limits(["refused=0.9", "cut-off = 0.2"])
    assert (limits["refused"].share, limits["cut off"].share, limits["empty"].share) == (0.9, 0.2, 0.5)
    assert opens_after(Breaker(limits), ["refused", "refused", "answered"] * 100) is None
    assert opens_after(Breaker(limits), ["cut off", "answered", "answered"] * 100) == 202
    assert opens_after(Breaker(read_limits(["refused=1"])), ["refused"] * 900) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("refusd=0.5", "did you mean 'refused'"),
        ("refused", "share above 0"),
        ("refused=0", "share above 0"),
        ("refused=1.5", "share above 0"),
        ("refused=nan", "share above 0"),
        ("=0.5", "no counter ''"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(given: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"--failure-limit.*{words}"):
        read_limits([given])


async def test_every_failed_attempt_is_counted_by_its_kind() -> None:
    errors: list[Exception | None] = [RateLimited("slow"), EndpointFailed("500"), None]
    errors += [ConnectionLost("cut"), TimedOut("late"), None, MalformedReply("junk"), None, RequestRefused("no")]
    inner = ScriptedLLM(lambda request, number: errors[number - 1] or "fine")
    books = MemoryBooks()
    llm = wrapped(inner, books, engine(books))
    for text in "abc":
        await llm.complete(request(text))
    with pytest.raises(RequestRefused):
        await llm.complete(request("d"))
    assert books.failures == [
        "rate limit",
        "server error",
        "connection error",
        "timeout",
        "malformed reply",
        "refused request",
    ]


@pytest.mark.parametrize("second", ["", "found"])
async def test_an_empty_reply_is_asked_for_once_more_and_is_then_a_reply(second: str) -> None:
    replies = ["  \n", second, "never asked for"]
    inner = ScriptedLLM(lambda request, number: replies[number - 1])
    books = MemoryBooks()
    completion = await wrapped(inner, books, engine(books)).complete(request())
    assert completion.replies[0].text == second
    assert len(inner.requests) == 2
    assert books.failures == ["empty reply"]
    totals = books.totals()["task"]
    assert (totals.paid.calls, totals.used.calls) == (2, 1)
    assert totals.paid.tokens == 24, "the empty one is paid for too"


async def test_an_empty_reply_that_would_be_the_same_again_is_not_asked_for_again() -> None:
    inner = ScriptedLLM(lambda request, number: "", repeatable=True)
    books = MemoryBooks()
    completion = await wrapped(inner, books, engine(books)).complete(request())
    assert completion.replies[0].text == ""
    assert len(inner.requests) == 1
    assert books.failures == []


@pytest.mark.parametrize("finish", ["length", "refused"])
async def test_an_empty_reply_with_a_reason_is_not_asked_for_again(finish: str) -> None:
    inner = ScriptedLLM(lambda request, number: Reply(text="", finish=finish))  # type: ignore[arg-type]
    books = MemoryBooks()
    await wrapped(inner, books, engine(books)).complete(request())
    assert len(inner.requests) == 1


async def test_a_request_longer_than_the_context_is_not_sent() -> None:
    inner = ScriptedLLM(lambda request, number: "a")
    inner.context_tokens = 100
    llm = LimitedLLM(inner, engine(MemoryBooks()))
    await llm.complete(request("x" * 800))
    with pytest.raises(RequestRefused, match=r"at least 1,012 tokens.*task model holds 100; shorten"):
        await llm.complete(request("x" * 10_000))
    assert len(inner.requests) == 1


async def test_after_a_refused_key_nothing_more_is_sent() -> None:
    def answer(request: Request, number: int) -> str | Exception:
        return KeyRefused("wrong key") if number == 3 else "a"

    inner = ScriptedLLM(answer, delay=lambda request: 0.001)
    llm = LimitedLLM(inner, engine(MemoryBooks(), slots=2))
    done = await asyncio.gather(*(llm.complete(request(str(n))) for n in range(40)), return_exceptions=True)
    assert sum(isinstance(one, KeyRefused) for one in done) >= 36
    assert len(inner.requests) <= 4


async def test_a_request_that_is_refused_stops_no_other() -> None:
    inner = ScriptedLLM(lambda request, number: RequestRefused("too long") if number == 3 else "a")
    llm = LimitedLLM(inner, engine(MemoryBooks(), slots=2))
    done = await asyncio.gather(*(llm.complete(request(str(n))) for n in range(40)), return_exceptions=True)
    assert sum(isinstance(one, RequestRefused) for one in done) == 1


def test_what_a_resumed_run_has_in_its_store_does_not_end_it_again() -> None:
    breaker = Breaker()
    for _ in range(500):
        breaker.reply_read("task", "empty")
    for _ in range(99):
        breaker.call_ended("task", None)
        breaker.reply_read("task", "empty")
    breaker.call_ended("task", None)
    with pytest.raises(TooManyFailures):
        breaker.reply_read("task", "empty")


def test_one_row_that_is_refused_with_all_prompts_does_not_end_a_run_that_gets_answers() -> None:
    breaker = Breaker()
    for _ in range(100):
        breaker.call_ended("task", None)
    for _ in range(20):
        breaker.call_ended("task", RequestRefused("too long"))
    for _ in range(9):
        breaker.call_ended("task", TimedOut("no answer"))
    with pytest.raises(TooManyFailures, match="10 task calls in a row"):
        breaker.call_ended("task", TimedOut("no answer"))


async def test_requests_that_are_all_refused_end_the_run() -> None:
    inner = ScriptedLLM(lambda request, number: RequestRefused("no such option"))
    llm = LimitedLLM(inner, engine(MemoryBooks(), slots=1))
    done = await asyncio.gather(*(llm.complete(request(str(n))) for n in range(20)), return_exceptions=True)
    assert isinstance(done[9], TooManyFailures)
    assert [type(one) for one in done[:9]] == [RequestRefused] * 9


async def test_an_endpoint_that_asks_for_a_pause_gets_one() -> None:
    sent: list[float] = []

    def answer(request: Request, number: int) -> str | Exception:
        sent.append(time.monotonic())
        return RateLimited("slow down", retry_after=0.3) if number <= 4 else "a"

    inner = ScriptedLLM(answer, delay=lambda request: 0.001)
    llm = LimitedLLM(inner, engine(MemoryBooks(), slots=4))
    await asyncio.gather(*(llm.complete(request(str(n))) for n in range(40)))
    assert len(sent) == 44, "nothing was sent into the ban"
    assert sent[4] - sent[3] >= 0.3


async def test_a_rate_limit_is_waited_out_whatever_the_attempts() -> None:
    inner = ScriptedLLM(lambda request, number: RateLimited("slow down") if number < 30 else "a")
    llm = LimitedLLM(inner, engine(MemoryBooks()))
    assert (await llm.complete(request())).replies[0].text == "a"
    impatient = RetryPolicy(attempts=3, first_wait=0.001, longest_wait=0.01, rate_limit_patience=0.0)
    with pytest.raises(RateLimited):
        await LimitedLLM(
            ScriptedLLM(lambda request, number: RateLimited("slow down")), engine(MemoryBooks(), retry=impatient)
        ).complete(request())


def test_a_wish_to_come_back_at_once_is_no_reason_to_hammer() -> None:
    policy = RetryPolicy(first_wait=1.0)
    assert policy.wait(3, RateLimited("slow", retry_after=0.0)) >= 2.0
    assert 7.0 <= policy.wait(1, RateLimited("slow", retry_after=7.0)) <= 7.7
    assert policy.wait(1, RateLimited("slow", retry_after=9_999.0)) <= 660
    assert policy.wait(40, RateLimited("slow")) <= 30.0
