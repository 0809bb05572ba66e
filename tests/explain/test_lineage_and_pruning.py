"""Which step brought a piece in, and which shorter prompt is offered."""

from __future__ import annotations

import pytest

from promptdescent.explain.effects import Average, Overlap
from promptdescent.explain.lineage import brought_by, way_to
from promptdescent.explain.pieces import cut
from promptdescent.explain.plan import Selection
from promptdescent.explain.pruning import Shorter, shorten
from promptdescent.records import Candidate, Prompt, StepRecord
from promptdescent.records.explanation import Effect

pytestmark = pytest.mark.anyio


def candidate(name: str, text: str, parent: str | None) -> Candidate:
    return Candidate(id=name, prompt=Prompt.of(text), parent=parent, fate="scored", score=0.5, rows=10)


def step(number: int, *candidates: Candidate) -> StepRecord:
    return StepRecord(
        step=number,
        word_budget=None,
        requests=(),
        candidates=candidates,
        survivors=(candidates[0].id,),
        best=candidates[0],
        total_steps=3,
    )


START = "Do it well. Read the whole of the text with care."
FIRST = candidate("1.2", "Do it well. Read the whole text with care. Be brief.", "0.0")
ASIDE = candidate("1.1", "Think. Be brief. Weigh it.", "0.0")
FOUND = candidate("2.1", "DO IT WELL! Read the whole text with care. Be brief. Weigh it.", "1.2")


def test_each_piece_has_the_first_prompt_of_the_way_that_holds_it() -> None:
    way = way_to(FOUND, START, [step(1, ASIDE, FIRST), step(2, FOUND)])
    assert [one for one, _ in way] == ["0.0", "1.2", "2.1"]
    found = brought_by(cut(FOUND.prompt.text, template=False), way, template=False)
    assert found == ("0.0", "0.0", "1.2", "2.1")


def test_a_way_whose_beginning_is_not_on_record_ends_there() -> None:
    assert [one for one, _ in way_to(FOUND, START, [step(2, FOUND)])] == ["2.1"]
    assert way_to(candidate("0.0", START, None), START, []) == (("0.0", START),)


def average(points: float, *, matters: bool) -> Average:
    effect = Effect(difference=points / 100, interval=(-1.0, 1.0), rows=100)
    return Average(effect=effect, p_value=0.5, matters=matters)


NONE = Effect(difference=0.0, interval=(0.0, 0.0), rows=100)
FOUR = [average(5, matters=True), average(2, matters=True), average(3, matters=True), average(1, matters=False)]
PAIR = Overlap(first=1, second=2, without_first=NONE, without_second=NONE, without_both=NONE, p_value=0.01)


async def pruned(losses: dict[Selection, tuple[float, float]], *, tries: int = 5) -> Shorter | None:
    async def attempt(lacking: Selection) -> Effect | None:
        difference, high = losses.get(lacking, (0.0, 0.05))
        return Effect(difference=difference, interval=(difference - 0.05, high), rows=100)

    return await shorten((0, 2, 3, 5), FOUR, [PAIR], attempt=attempt, tries=tries)


async def test_what_does_nothing_and_the_weaker_of_a_pair_go() -> None:
    found = await pruned({})
    assert found is not None
    assert (found.left_out, found.tried) == (frozenset({2, 5}), 1)


async def test_what_loses_is_put_back_the_strongest_first() -> None:
    found = await pruned({frozenset({2, 5}): (-0.06, -0.01)})
    assert found is not None
    assert (found.left_out, found.tried) == (frozenset({5}), 2)


async def test_nothing_is_offered_where_everything_loses() -> None:
    assert await pruned({frozenset({2, 5}): (-0.06, -0.01), frozenset({5}): (-0.06, -0.01)}) is None


async def test_what_loses_more_than_the_margin_is_not_offered_even_if_that_may_be_chance() -> None:
    by_chance = {frozenset({2, 5}): (-0.03, 0.02), frozenset({5}): (-0.04, 0.01)}
    assert await pruned(by_chance) is None
    assert await pruned(by_chance, tries=1) is None


async def test_all_that_were_tried_are_counted() -> None:
    nothing = [average(points, matters=False) for points in (1, 2, 3, 4, 9)]
    asked: list[Selection] = []

    async def attempt(lacking: Selection) -> Effect | None:
        asked.append(lacking)
        difference = -0.03 if len(asked) < 3 else -0.01
        return Effect(difference=difference, interval=(difference - 0.05, 0.02), rows=100)

    found = await shorten(range(5), nothing, [], attempt=attempt, tries=8)
    assert asked == [frozenset({0, 1, 2, 3}), frozenset({0, 1, 2}), frozenset({0, 1})]
    assert found is not None
    assert (found.left_out, found.tried) == (asked[-1], 3)


async def test_a_prompt_is_never_emptied() -> None:
    nothing = [average(points, matters=False) for points in (1, 3, 2)]

    async def attempt(lacking: Selection) -> Effect | None:
        return NONE

    found = await shorten((0, 1, 2), nothing, [], attempt=attempt, tries=3)
    assert found is not None
    assert found.left_out == frozenset({0, 2})
