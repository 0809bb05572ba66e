"""Places that go to the call whose beginning the engine has read already."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from promptdescent.llm.prefix_slots import MOST_PASSED, PrefixSlots

pytestmark = pytest.mark.anyio


class Desk:
    """Calls that wait for the places of ``slots``, which ``in_work`` give them back."""

    def __init__(self, slots: PrefixSlots) -> None:
        self.slots = slots
        self.in_work: list[str] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, texts: Sequence[str]) -> None:
        async def call(text: str) -> None:
            await self.slots.take(text)
            self.in_work.append(text)

        for text in texts:
            self._tasks[text] = asyncio.create_task(call(text))
        await settle()

    async def finish(self, text: str) -> str:
        """The call that got the place of this one; empty if none did."""
        before = list(self.in_work)
        self.in_work.remove(text)
        self.slots.give_back(text)
        await settle()
        return next((other for other in self.in_work if other not in before), "")

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


async def test_what_comes_later_goes_where_its_beginning_is_known() -> None:
    desk = Desk(PrefixSlots(2))
    await desk.ask(asked(1, ["red", "blue"]))
    await desk.finish("red: prompt 0")
    await desk.finish("blue: prompt 0")
    await desk.ask(["blue: prompt 1"])
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
    await desk.ask(asked(2 * MOST_PASSED, ["red"])[:1])
    await desk.ask(["blue: prompt 0", *asked(2 * MOST_PASSED, ["red"])[1:]])
    served = [text := await desk.finish("red: prompt 0")]
    while text != "blue: prompt 0":
        served.append(text := await desk.finish(text))
    assert len(served) == MOST_PASSED + 1
    assert (await desk.finish(text)).startswith("red")


async def test_who_is_cancelled_takes_no_place() -> None:
    desk = Desk(PrefixSlots(1))
    await desk.ask(asked(3, ["red", "blue"]))
    await desk.cancel("red: prompt 1")
    assert await desk.finish("red: prompt 0") == "red: prompt 2"
    assert await desk.finish("red: prompt 2") == "blue: prompt 0"


async def test_a_place_given_to_one_that_is_cancelled_in_the_same_moment_is_not_lost() -> None:
    slots = PrefixSlots(1)
    await slots.take("red: prompt 0")
    task = asyncio.create_task(slots.take("red: prompt 1"))
    await asyncio.sleep(0)
    slots.give_back("red: prompt 0")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slots.busy == 0
    await slots.take("blue: prompt 0")


async def test_equal_texts_have_a_place_each() -> None:
    desk = Desk(PrefixSlots(2))
    await desk.slots.take("red")
    await desk.slots.take("red")
    desk.slots.give_back("red")
    desk.slots.give_back("red")
    assert desk.slots.busy == 0
    await desk.ask(["red", "blue"])
    assert desk.in_work == ["red", "blue"]
