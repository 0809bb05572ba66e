"""Caps on calls, tokens, money and time: exact, never passed, and decided in the order of asking."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptdescent.errors import BudgetExhausted, ConnectionLost, EndpointFailed
from promptdescent.llm.base import Completion, Draw, Request, Totals
from promptdescent.llm.budget import Account, Amount, Budget, Caps, most_tokens
from promptdescent.llm.limits import LimitedLLM, RetryPolicy
from promptdescent.prices import Price
from promptdescent.records import Usage
from scripted import MemoryBooks, ScriptedLLM, engine, user, wrapped

pytestmark = pytest.mark.anyio


def request(text: str = "q", *, n: int = 1, max_tokens: int = 5) -> Request:
    draw = Draw(seed=0, step=1, slot="s", index=0)
    return Request(role="task", messages=user(text), temperature=0.0, max_tokens=max_tokens, n=n, draw=draw)


class Dear(ScriptedLLM):
    """A model whose calls cost what ``tokens`` says of the request."""

    def __init__(self, tokens: dict[str, int], pause: float) -> None:
        super().__init__(
            lambda request, number: "a", delay=lambda request: pause * tokens[request.messages[0].text] / 99
        )
        self._tokens = tokens

    async def complete(self, request: Request) -> Completion:
        completion = await super().complete(request)
        usage = Usage(calls=1, tokens_in=self._tokens[request.messages[0].text], tokens_out=1)
        return Completion(replies=completion.replies, usage=usage)


def test_the_bound_is_bytes_and_a_template_and_every_sample_at_its_limit() -> None:
    bound = most_tokens(request("größer", n=3, max_tokens=7))
    assert bound == Usage(calls=1, tokens_in=len("größer".encode()) + 128, tokens_out=21)


@given(
    costs=st.lists(st.integers(1, 120), min_size=1, max_size=30),
    cap=st.integers(0, 3000),
    slots=st.sampled_from([1, 4, 32]),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_what_fits_depends_on_the_calls_before_it_and_not_on_the_concurrency(
    costs: list[int], cap: int, slots: int
) -> None:
    texts = [f"{number:3}" for number in range(len(costs))]
    bound = most_tokens(request(texts[0])).tokens
    spent, expected = 0, []
    for cost in costs:
        fits = spent + bound <= cap
        expected.append(fits)
        spent += (cost + 1) * fits

    async def work() -> tuple[list[bool], int]:
        inner = Dear(dict(zip(texts, costs, strict=True)), pause=0.001)
        shared = engine(books := MemoryBooks(), caps=Caps(tokens=cap), slots=slots)
        llm = wrapped(inner, books, shared)
        done = await asyncio.gather(*(llm.complete(request(text)) for text in texts), return_exceptions=True)
        assert all(isinstance(one, (Completion, BudgetExhausted)) for one in done)
        return [isinstance(one, Completion) for one in done], shared.budget.paid.spent.tokens

    fitted, paid = asyncio.run(work())
    assert fitted == expected
    assert paid == spent <= cap


async def test_near_a_cap_calls_wait_for_each_other_instead_of_being_refused() -> None:
    inner = ScriptedLLM(lambda request, number: "a", delay=lambda request: 0.005)  # 12 tokens a call, at most 134
    shared = engine(books := MemoryBooks(), caps=Caps(tokens=300), slots=10)
    llm = wrapped(inner, books, shared)
    await asyncio.gather(*(llm.complete(request(str(number))) for number in range(10)))
    assert inner.most_open == 2
    assert shared.budget.paid.spent == Amount(calls=10, tokens=120)


async def test_money_is_a_cap_like_tokens() -> None:
    price = Price(tokens_in=0.001, tokens_out=0.01, source="as given")  # 0.03 a call, at most 0.179
    inner = ScriptedLLM(lambda request, number: "a")
    shared = engine(books := MemoryBooks(), caps=Caps(money=0.5), prices={"task": price}, slots=8)
    llm = wrapped(inner, books, shared)
    done = await asyncio.gather(*(llm.complete(request(f"{n}")) for n in range(30)), return_exceptions=True)
    assert len(inner.requests) == 11  # the twelfth finds 0.33 spent and could cost 0.179
    assert str(done[-1]) == "the cap of 0.5 US dollars (--max-money) is reached"
    assert shared.budget.paid.spent.money == pytest.approx(0.33)


@pytest.mark.parametrize(("error", "reckoned"), [(EndpointFailed("500"), 0), (ConnectionLost("cut"), 134)])
async def test_an_answer_that_was_lost_is_reckoned_with_at_its_bound(error: Exception, reckoned: int) -> None:
    errors = [error]
    inner = ScriptedLLM(lambda request, number: errors.pop() if errors else "a")
    shared = engine(books := MemoryBooks(), caps=Caps(tokens=10_000))
    await wrapped(inner, books, shared).complete(request())
    assert shared.budget.paid.spent == Amount(calls=2, tokens=12 + reckoned)
    assert books.totals()["task"].lost.tokens == reckoned
    resumed = Budget(Caps(tokens=10_000), books.totals(), clock=time.monotonic)
    assert resumed.paid.spent == shared.budget.paid.spent


@pytest.mark.parametrize(("seconds", "spent"), [(0.0, Amount(calls=1, tokens=134)), (5.0, Amount(calls=1, tokens=12))])
async def test_what_is_sent_is_brought_home_or_may_have_cost_its_bound(seconds: float, spent: Amount) -> None:
    inner = ScriptedLLM(lambda request, number: "a", delay=lambda request: 0.2)
    shared = engine(books := MemoryBooks(), caps=Caps(tokens=1000))
    task = asyncio.create_task(wrapped(inner, books, shared).complete(request()))
    while not inner.open:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert shared.slots.busy == 1, "it is still with the endpoint"
    await shared.bring_home(seconds)
    assert shared.budget.paid.spent == spent
    assert len(books.replies) == (seconds > 0)
    assert shared.budget.used.spent == Amount()
    assert shared.slots.busy == 0
    assert not shared.in_flight


async def test_the_cap_on_time_cancels_what_is_open_and_stops_what_is_new() -> None:
    inner = ScriptedLLM(lambda request, number: "a", delay=lambda request: 10.0)
    shared = engine(books := MemoryBooks(), caps=Caps(seconds=0.05))
    llm = wrapped(inner, books, shared)
    began = time.monotonic()
    done = await asyncio.gather(*(llm.complete(request(str(n))) for n in range(9)), return_exceptions=True)
    assert time.monotonic() - began < 2
    assert {str(one) for one in done} == {"the cap of 0.000833333 minutes (--max-minutes) is reached"}
    assert len(inner.requests) == 4
    with pytest.raises(BudgetExhausted):
        await llm.complete(request("late"))
    assert len(inner.requests) == 4
    assert shared.slots.busy == 0


async def test_the_wait_for_a_retry_ends_with_the_time_too() -> None:
    inner = ScriptedLLM(lambda request, number: EndpointFailed("500"))
    slow = RetryPolicy(attempts=5, first_wait=30.0)
    shared = engine(MemoryBooks(), caps=Caps(seconds=0.05), retry=slow)
    with pytest.raises(BudgetExhausted, match="--max-minutes"):
        await LimitedLLM(inner, shared).complete(request())


def test_seconds_of_earlier_sittings_count_and_a_share_is_kept() -> None:
    now = 1000.0
    budget = Budget(Caps(seconds=60), {}, clock=lambda: now, worked=20.0)
    assert budget.seconds_left == 40.0
    budget.hold_back(calls=0, tokens=0, seconds=15.0)
    assert budget.seconds_left == 25.0
    budget.check_time()
    now = 1026.0
    with pytest.raises(BudgetExhausted, match="1 minutes"):
        budget.check_time()
    budget.hold_back(calls=0, tokens=0)
    budget.check_time()


async def test_those_who_wait_are_served_in_order_and_a_cancelled_one_leaves_no_trace() -> None:
    account = Account(Caps(tokens=100), Amount(tokens=10))
    await account.set_aside(Amount(1, 80))
    order: list[str] = []

    async def wait(name: str, tokens: int) -> None:
        await account.set_aside(Amount(1, tokens))
        order.append(name)

    tasks = [asyncio.create_task(wait(name, tokens)) for name, tokens in (("a", 60), ("b", 5), ("c", 5))]
    await asyncio.sleep(0.005)
    assert order == [], "b and c would fit, but came after a"
    tasks[1].cancel()
    await asyncio.sleep(0.005)
    account.settle(Amount(1, 80), Amount(1, 3))
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["a", "c"]
    account.settle(Amount(1, 60), Amount())
    account.settle(Amount(1, 5), Amount())
    assert account.spent == Amount(1, 13)
    assert not account.lacking(Amount(tokens=87))
    assert account.lacking(Amount(tokens=88)) == "the cap of 100 tokens (--max-total-tokens)"


async def test_what_a_waiting_call_needs_may_be_set_free_for_the_verdict() -> None:
    account = Account(Caps(calls=3), Amount())
    account.hold(Amount(calls=2))
    await account.set_aside(Amount(1))
    waiting = asyncio.create_task(account.set_aside(Amount(1)))
    await asyncio.sleep(0)
    assert not waiting.done(), "the one in flight may still turn out to be none"
    account.hold(Amount())
    await waiting


@pytest.mark.parametrize("reason", ["tells no usage", "takes no token limit"])
async def test_a_cap_that_cannot_be_exact_is_called_approximate_once(reason: str) -> None:
    class Silent(ScriptedLLM):
        async def complete(self, request: Request) -> Completion:
            completion = await super().complete(request)
            return Completion(replies=completion.replies, usage=completion.usage, inexact=reason)

    shared = engine(books := MemoryBooks(), caps=Caps(tokens=1000))
    llm = wrapped(Silent(lambda request, number: "a"), books, shared)
    await llm.complete(request("1"))
    await llm.complete(request("2"))
    said = f"The cap on tokens is approximate: the endpoint of the task model {reason}."
    assert shared.budget.warnings() == [said]
    assert shared.budget.warnings() == []


async def test_usage_above_the_bound_is_noticed() -> None:
    inner = Dear({"q": 500}, pause=0.0)
    shared = engine(books := MemoryBooks(), caps=Caps(money=1.0))
    await wrapped(inner, books, shared).complete(request())
    (said,) = shared.budget.warnings()
    assert said.startswith("The cap on money is approximate")
    assert "counts more tokens than the request has bytes" in said


async def test_without_a_cap_on_tokens_nothing_is_said_of_it() -> None:
    shared = engine(books := MemoryBooks(), caps=Caps(calls=10))
    await wrapped(Dear({"q": 500}, pause=0.0), books, shared).complete(request())
    assert shared.budget.warnings() == []


def test_lost_tokens_are_paid_and_lost_calls_are_not_counted_twice() -> None:
    totals = {"task": Totals(paid=Usage(calls=3, tokens_in=10), lost=Usage(calls=1, tokens_in=100, tokens_out=5))}
    assert Budget(Caps(), totals, clock=time.monotonic).paid.spent == Amount(calls=3, tokens=115)  # type: ignore[arg-type]


async def test_retries_under_a_cap_on_calls_are_exact_at_any_concurrency() -> None:
    rng = random.Random(4)
    inner = ScriptedLLM(lambda request, number: EndpointFailed("500") if rng.random() < 0.4 else "a")
    shared = engine(books := MemoryBooks(), caps=Caps(calls=25), slots=16)
    llm = wrapped(inner, books, shared)
    await asyncio.gather(*(llm.complete(request(str(n))) for n in range(60)), return_exceptions=True)
    assert len(inner.requests) == books.totals()["task"].paid.calls == 25
