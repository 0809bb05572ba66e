"""Requests and tokens per minute, over seconds in which so many begin."""

from __future__ import annotations

import asyncio
import time

import pytest

from promptdescent.llm.rates import RateLimits

pytestmark = pytest.mark.anyio


async def begun_within(limits: RateLimits, seconds: float, *, tokens: int) -> int:
    """How many of many calls may begin in so long."""
    begun = 0

    async def call() -> None:
        nonlocal begun
        await limits.wait(tokens)
        begun += 1

    tasks = [asyncio.create_task(call()) for _ in range(500)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return begun


async def test_requests_per_minute() -> None:
    # 10 a second: at once the share of one second, then one each tenth of a second.
    assert 13 <= await begun_within(RateLimits(requests=600, tokens=None), 0.5, tokens=10**9) <= 16


async def test_tokens_per_minute() -> None:
    # 1,000 a second, of which 1,000 at once: 15 calls of 100 in half a second.
    assert 13 <= await begun_within(RateLimits(requests=None, tokens=60_000), 0.5, tokens=100) <= 16


async def test_a_slow_rate_begins_with_one() -> None:
    assert await begun_within(RateLimits(requests=6, tokens=None), 0.1, tokens=1) == 1


async def test_a_call_larger_than_a_share_takes_several() -> None:
    limits = RateLimits(requests=None, tokens=60_000)
    began = time.monotonic()
    await limits.wait(1_400)
    assert 0.3 <= time.monotonic() - began <= 0.8


async def test_without_limits_nothing_waits() -> None:
    assert await begun_within(RateLimits(requests=None, tokens=None), 0.01, tokens=10**9) == 500


async def test_calls_are_taken_to_have_the_tokens_that_such_calls_had() -> None:
    limits = RateLimits(requests=None, tokens=60_000)
    limits.answered(at_most=4_000, charged=1_000, used=1_000)
    assert 13 <= await begun_within(limits, 0.5, tokens=400) <= 16


async def test_what_calls_had_more_than_expected_is_waited_for() -> None:
    limits = RateLimits(requests=None, tokens=60_000)
    limits.answered(at_most=4_000, charged=1_000, used=1_000)
    for _ in range(4):
        limits.answered(at_most=400, charged=await limits.wait(400), used=300)
    began = time.monotonic()
    await limits.wait(400)  # 400 were charged for and 1,200 used: 800 are owed, and 600 of the first second left
    assert time.monotonic() - began >= 0.2
