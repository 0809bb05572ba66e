"""How many calls run at once: a set number, or the level that an endpoint takes. Loops on a simulated endpoint."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from promptdescent.errors import RateLimited
from promptdescent.llm.concurrency import FIRST_LEVEL, HIGHEST_LEVEL, AdaptiveSlots, FixedSlots
from promptdescent.llm.limits import LimitedLLM
from promptdescent.llm.prefix_slots import PrefixSlots
from promptdescent.records import Role
from scripted import MemoryBooks, ScriptedLLM, engine
from test_budget import request

pytestmark = pytest.mark.anyio

CALL = request()


class Endpoint:
    """A server with a number of slots and a queue, in simulated time; ``slots`` may change while it runs."""

    def __init__(self, slots: int, seconds: Callable[[], float], *, most_open: int | None = None) -> None:
        self.slots = slots
        self.seconds = seconds
        self.most_open = most_open
        self.now = 0.0
        self.busy_seconds = 0.0
        self.refused = 0

    def drive(self, level: AdaptiveSlots, calls: int, role: Role = "task") -> None:
        """Keep the level full until so many calls were answered."""
        free = [self.now] * self.slots
        heapq.heapify(free)
        open_calls: list[tuple[float, float]] = []
        answered = 0
        while answered < calls:
            while level.busy < level.level and len(open_calls) < calls:
                with suppress(StopIteration):
                    level.take(CALL).send(None)  # there is a place, so that nothing is waited for
                if self.most_open is not None and len(open_calls) >= self.most_open:
                    self.refused += 1
                    level.give_back(CALL)
                    level.failed(asked_too_much=True)
                    break
                took = self.seconds()
                begins = max(self.now, heapq.heappop(free))
                heapq.heappush(free, begins + took)
                self.busy_seconds += took
                heapq.heappush(open_calls, (begins + took, self.now))
            end, began = heapq.heappop(open_calls)
            self.now = end
            level.give_back(CALL)
            level.answered(role, end - began, 5)
            answered += 1
        for _ in open_calls:
            level.give_back(CALL)


def test_a_level_finds_the_slots_of_an_endpoint_that_queues() -> None:
    level, endpoint = AdaptiveSlots(), Endpoint(48, lambda: 0.5)
    endpoint.drive(level, 3000)
    assert 48 <= level.level <= 48 * 2
    assert endpoint.busy_seconds / (48 * endpoint.now) > 0.9


def test_it_starts_low_and_doubles_while_all_goes_well() -> None:
    level = AdaptiveSlots()
    levels = [level.level]
    endpoint = Endpoint(1000, lambda: 0.1)
    for _ in range(5):
        endpoint.drive(level, level.level)
        levels.append(level.level)
    assert levels == [16, 32, 64, 128, 256, 256]
    assert (FIRST_LEVEL, HIGHEST_LEVEL) == (16, 256)


def test_replies_of_all_lengths_are_no_sign_of_congestion() -> None:
    rng = random.Random(1)
    level = AdaptiveSlots()
    Endpoint(1000, lambda: rng.lognormvariate(0.0, 0.6)).drive(level, 4000)
    assert level.level == HIGHEST_LEVEL


def test_roles_are_compared_with_themselves() -> None:
    """An optimizer model that takes ten times as long as the task model is not congested."""
    level = AdaptiveSlots(most=64)
    for _ in range(40):
        Endpoint(1000, lambda: 0.1).drive(level, 60)
        Endpoint(1000, lambda: 1.0).drive(level, 20, role="optimizer")
    assert level.level == 64


def test_too_many_requests_lower_the_level_once_per_round() -> None:
    level = AdaptiveSlots(first=100)

    async def fill() -> None:
        for _ in range(100):
            await level.take(CALL)

    asyncio.run(fill())
    level.failed(asked_too_much=True)
    assert level.level == 70
    for _ in range(30):
        level.failed(asked_too_much=True)
    assert level.level == 70, "they were in flight when it was lowered"


def test_a_level_settles_below_what_an_endpoint_refuses() -> None:
    level, endpoint = AdaptiveSlots(), Endpoint(1000, lambda: 0.2, most_open=40)
    endpoint.drive(level, 4000)
    assert 20 <= level.level <= 46
    assert endpoint.refused < 200
    assert endpoint.busy_seconds / (40 * endpoint.now) > 0.7


def test_it_follows_an_endpoint_that_becomes_slower_or_smaller() -> None:
    level, endpoint = AdaptiveSlots(), Endpoint(100, lambda: 0.2)
    endpoint.drive(level, 3000)
    assert level.level >= 100
    endpoint.slots = 10
    endpoint.drive(level, 2000)
    assert level.level <= 30
    endpoint.slots = 100
    endpoint.drive(level, 4000)
    assert level.level >= 60


def test_a_model_that_becomes_slower_by_itself_does_not_lower_it_for_ever() -> None:
    seconds = [0.1]
    level, endpoint = AdaptiveSlots(), Endpoint(1000, lambda: seconds[0])
    endpoint.drive(level, 2000)
    seconds[0] = 0.5
    endpoint.drive(level, 1500)
    assert level.level >= 100
    endpoint.drive(level, 3000)
    assert level.level == HIGHEST_LEVEL


@pytest.mark.parametrize("slots", [8, 16, 1000])
def test_latencies_that_vary_do_not_starve_it(slots: int) -> None:
    for seed in range(5):
        rng = random.Random(seed)
        level = AdaptiveSlots()
        Endpoint(slots, lambda rng=rng: rng.lognormvariate(0.0, 0.8)).drive(level, 4000)  # type: ignore[misc]
        assert level.level >= (64 if slots == 1000 else FIRST_LEVEL)


def test_candidates_whose_replies_are_longer_are_no_congestion() -> None:
    level = AdaptiveSlots()
    for _ in range(40):
        for tokens in (5, 200):
            seconds = 0.3 + 0.01 * tokens
            for _ in range(96):
                while level.busy < level.level:
                    with suppress(StopIteration):
                        level.take(CALL).send(None)
                level.give_back(CALL)
                level.answered("task", seconds, tokens)
    assert level.level >= 64


def test_a_storm_of_refusals_goes_on_lowering_it() -> None:
    level, endpoint = AdaptiveSlots(), Endpoint(1000, lambda: 0.2)
    endpoint.drive(level, 1000)
    for _ in range(600):
        with suppress(StopIteration):
            level.take(CALL).send(None)
        level.give_back(CALL)
        level.failed(asked_too_much=True)
    assert level.level == 1


def test_it_never_falls_below_one() -> None:
    level = AdaptiveSlots(first=2)
    for _ in range(10):
        level.failed(asked_too_much=True)
    assert level.level == 1


def test_a_level_that_is_not_used_does_not_grow() -> None:
    level = AdaptiveSlots()

    async def one_by_one() -> None:
        for _ in range(500):
            await level.take(CALL)
            level.give_back(CALL)
            level.answered("task", 0.1, 5)

    asyncio.run(one_by_one())
    assert level.level == FIRST_LEVEL


async def test_places_are_given_in_the_order_of_asking() -> None:
    slots = FixedSlots(2)
    order: list[int] = []

    async def work(number: int) -> None:
        await slots.take(CALL)
        order.append(number)
        await asyncio.sleep(0.001)
        slots.give_back(CALL)

    tasks = [asyncio.create_task(work(number)) for number in range(9)]
    await asyncio.sleep(0)
    tasks[4].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [0, 1, 2, 3, 5, 6, 7, 8]
    assert slots.busy == 0


@pytest.mark.parametrize("kind", [FixedSlots, PrefixSlots])
async def test_a_place_given_to_one_that_is_cancelled_in_the_same_moment_is_not_lost(kind: type[FixedSlots]) -> None:
    slots = kind(1)
    await slots.take(CALL)
    task = asyncio.create_task(slots.take(CALL))
    await asyncio.sleep(0)
    slots.give_back(CALL)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slots.busy == 0
    await slots.take(CALL)


async def test_a_429_of_the_endpoint_lowers_the_level() -> None:
    errors = [RateLimited("slow down", retry_after=0.001)]
    slots = AdaptiveSlots()
    inner = ScriptedLLM(lambda request, number: errors.pop() if errors else "a")
    await LimitedLLM(inner, engine(MemoryBooks(), slots=slots)).complete(request())
    assert slots.level == int(0.7 * FIRST_LEVEL)
