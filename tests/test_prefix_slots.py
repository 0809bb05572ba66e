"""Places that go to the call whose beginning the engine has read already."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from promptdescent.errors import BudgetExhausted
from promptdescent.llm.base import Draw, Request
from promptdescent.llm.budget import Caps
from promptdescent.llm.limits import LimitedLLM
from promptdescent.llm.prefix_slots import MOST_OVERTAKE, PrefixSlots
from scripted import MemoryBooks, ScriptedLLM, engine

pytestmark = pytest.mark.anyio


def call(text: str) -> Request:
    return Request(role="task", text=text, temperature=0.0, max_tokens=1, draw=Draw(seed=0, step=0, slot="", index=0))


class Desk:
    """Calls that wait for the places of ``slots``, which those ``in_work`` give back."""

    def __init__(self, slots: PrefixSlots) -> None:
        self.slots = slots
        self.in_work: list[str] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, texts: Sequence[str]) -> None:
        async def work(text: str) -> None:
            await self.slots.take(call(text))
            self.in_work.append(text)

        for text in texts:
            self._tasks[text] = asyncio.create_task(work(text))
        await settle()

    async def finish(self, text: str) -> str:
        """The call that got the place of this one; empty if none did."""
        before = list(self.in_work)
        self.in_work.remove(text)
        self.slots.give_back(call(text))
        await settle()
        return next((other for other in self.in_work if other not in before), "")

    async def finish_until(self, text: str) -> int:
        """Finish the only call in work, and whichever comes next, until this one has the place: how many that were."""
        number = 0
        while self.in_work != [text]:
            await self.finish(*self.in_work)
            number += 1
        return number

    async def cancel(self, text: str) -> None:
        self._tasks[text].cancel()
        await settle()


async def settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


def asked(prompts: int, rows: Sequence[str]) -> list[str]:
    """What prompts are asked on rows, prompt by prompt, the row in front."""
    return [f"{row}: prompt {prompt}" for prompt in range(prompts) for row in rows]


async def test_one_engine_reads_row_by_row() -> None:
    desk = Desk(PrefixSlots(1))
    await desk.ask(asked(3, ["red", "blue", "green"]))
    order = [*desk.in_work]
    while text := await desk.finish(order[-1]):
        order.append(text)
    assert order == [f"{row}: prompt {prompt}" for row in ("red", "blue", "green") for prompt in range(3)]
    assert desk.slots.busy == 0


async def test_an_engine_leaves_the_row_of_another_to_it() -> None:
    desk = Desk(PrefixSlots(2))
    await desk.ask(asked(3, ["red", "blue", "green"]))
    assert desk.in_work == ["red: prompt 0", "blue: prompt 0"]
    assert await desk.finish("red: prompt 0") == "red: prompt 1"
    assert await desk.finish("red: prompt 1") == "red: prompt 2"
    assert await desk.finish("red: prompt 2") == "green: prompt 0"
    assert await desk.finish("blue: prompt 0") == "blue: prompt 1"
    assert await desk.finish("green: prompt 0") == "green: prompt 1"
    assert await desk.finish("green: prompt 1") == "green: prompt 2"
    assert await desk.finish("green: prompt 2") == "blue: prompt 2"


async def test_an_engine_takes_a_new_row_rather_than_one_that_another_is_at() -> None:
    desk = Desk(PrefixSlots(2))
    await desk.ask(["red: prompt 0", "blue: prompt 0", "blue: prompt 1", "green: prompt 0"])
    assert await desk.finish("red: prompt 0") == "green: prompt 0"
    assert await desk.finish("blue: prompt 0") == "blue: prompt 1"


async def test_what_comes_later_goes_where_its_beginning_is_known() -> None:
    desk = Desk(PrefixSlots(2))
    await desk.ask(asked(1, ["red", "blue"]))
    await desk.finish("red: prompt 0")
    await desk.finish("blue: prompt 0")
    await desk.ask(["blue: prompt 1"])
    assert desk.slots._last == ["red: prompt 0", "blue: prompt 1"]
    await desk.ask(["red: prompt 1", "red: prompt 2", "blue: prompt 2"])
    assert desk.in_work == ["blue: prompt 1", "red: prompt 1"]
    assert await desk.finish("blue: prompt 1") == "blue: prompt 2"


async def test_nothing_in_common_is_served_in_the_order_of_asking() -> None:
    desk = Desk(PrefixSlots(2))
    await desk.ask(["a", "b", "c", "d", "e"])
    assert desk.in_work == ["a", "b"]
    assert [await desk.finish(text) for text in ("b", "a", "d", "c")] == ["c", "d", "e", ""]


async def test_who_waits_longest_is_overtaken_so_often_and_no_more() -> None:
    desk = Desk(PrefixSlots(1))
    await desk.ask(asked(2 * MOST_OVERTAKE, ["red"])[:1])
    await desk.ask(["blue: prompt 0", *asked(2 * MOST_OVERTAKE, ["red"])[1:], "blue: prompt 1"])
    assert await desk.finish_until("blue: prompt 0") == MOST_OVERTAKE + 1
    assert await desk.finish("blue: prompt 0") == "blue: prompt 1", "the count has begun anew"


async def test_who_is_cancelled_takes_no_place() -> None:
    desk = Desk(PrefixSlots(1))
    await desk.ask(asked(3, ["red", "blue"]))
    await desk.cancel("red: prompt 1")
    assert await desk.finish("red: prompt 0") == "red: prompt 2"
    assert await desk.finish("red: prompt 2") == "blue: prompt 0"


async def test_equal_texts_have_a_place_each() -> None:
    desk = Desk(PrefixSlots(2))
    await desk.slots.take(call("red"))
    await desk.slots.take(call("red"))
    desk.slots.give_back(call("red"))
    desk.slots.give_back(call("red"))
    assert desk.slots.busy == 0
    await desk.ask(["red", "blue"])
    assert desk.in_work == ["red", "blue"]


async def test_calls_that_were_cancelled_do_not_count_as_waiting() -> None:
    desk = Desk(PrefixSlots(1))
    await desk.ask(["red: prompt 0", "one", "two", "blue: prompt 0", *asked(2 * MOST_OVERTAKE, ["red"])[1:]])
    await desk.cancel("one")
    await desk.cancel("two")
    assert await desk.finish_until("blue: prompt 0") == MOST_OVERTAKE + 1


@pytest.mark.parametrize("level", [1, 2, 4])
async def test_a_cap_cuts_in_the_order_of_asking(level: int) -> None:
    """Whole prompts are paid, and not all of them in part; an empty reply takes no more than another."""
    texts = asked(4, ["red", "blue", "green"])
    llm = ScriptedLLM(
        lambda request, number: "" if "blue" in request.whole else "a", repeatable=True, delay=lambda request: 0.001
    )
    limited = LimitedLLM(llm, engine(MemoryBooks(), caps=Caps(calls=7), slots=PrefixSlots(level)))
    done = await asyncio.gather(*(limited.complete(call(text)) for text in texts), return_exceptions=True)
    assert [isinstance(one, BudgetExhausted) for one in done] == [False] * 7 + [True] * 5


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_is_cancelled_and_finished_all_others_are_served_once(seed: int) -> None:
    chance = random.Random(seed)
    desk = Desk(PrefixSlots(3))
    texts = asked(6, ["red", "blue", "green", "grey"])
    waiting, served = set(texts), []
    await desk.ask(chance.sample(texts, len(texts)))
    while desk.in_work:
        assert desk.slots.busy == len(desk.in_work) <= 3
        if waiting - {*desk.in_work, *served} and chance.random() < 0.2:
            gone = chance.choice(sorted(waiting - {*desk.in_work, *served}))
            waiting.remove(gone)
            await desk.cancel(gone)
        served.append(done := chance.choice(desk.in_work))
        await desk.finish(done)
    assert sorted(served) == sorted(waiting)
    assert desk.slots.busy == 0
