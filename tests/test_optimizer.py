"""The loop: what is proposed, scored, selected and recorded."""

from __future__ import annotations

import random
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from dataclasses import replace

import pytest

from promptdescent.errors import EndpointFailed, RequestRefused, TooManyFailures
from promptdescent.llm.base import Request
from promptdescent.optimizer import OptimizerModel, Surroundings, descend, first_state, take_step
from promptdescent.parts.direction.momentum import LexicalSimilarity
from promptdescent.parts.recipe import Recipe
from promptdescent.recipes import recipe_named
from promptdescent.records import (
    Evaluation,
    Example,
    ModelSettings,
    OptimizerState,
    Outcome,
    Prompt,
    Reply,
    StepRecord,
    TaskBrief,
    from_json,
    to_json,
)
from scripted import MemoryBooks, ScriptedLLM
from test_limits import wrap

pytestmark = pytest.mark.anyio

TRAIN = tuple(Example(id=f"t{n}", inputs=(("text", f"train {n}"),), target="x") for n in range(10))
DEV = tuple(Example(id=f"d{n}", inputs=(("text", f"dev {n}"),), target="x") for n in range(20))


def evaluation(score: float, *, missing: int = 0) -> Evaluation:
    outcomes = tuple(
        Outcome(example=row.id, kind="missing", score=None, error="down")
        if index < missing
        else Outcome(example=row.id, kind="answered", score=score)
        for index, row in enumerate(DEV)
    )
    return Evaluation(outcomes=outcomes, score=score if missing < len(DEV) else None)


def scored_by(score: Callable[[str], float], missing: Callable[[str], int] = lambda text: 0) -> object:
    async def evaluate(prompts: AsyncIterable[Prompt], examples: Sequence[Example]) -> AsyncIterator[Evaluation]:
        assert tuple(examples) == DEV
        async for prompt in prompts:
            yield evaluation(score(prompt.text), missing=missing(prompt.text))

    return evaluate


def around(
    reply: Callable[[Request], str | Reply | Exception],
    score: Callable[[str], float],
    *,
    missing: Callable[[str], int] = lambda text: 0,
    delay: Callable[[Request], float] = lambda request: 0.0,
) -> Surroundings:
    inner = ScriptedLLM(lambda request, number: reply(request), delay=delay)
    llm, _ = wrap(inner, MemoryBooks(), cached=True, slots=8)
    return Surroundings(
        brief=TaskBrief(labels=(), placement="after", placeholders=(), train=TRAIN, mean_over_rows=True),
        dev=DEV,
        evaluate=scored_by(score, missing),  # type: ignore[arg-type]
        model=OptimizerModel(llm=llm, settings=ModelSettings(name="m", temperature=1.0, max_tokens=99)),
        similarity=LexicalSimilarity(),
        seed=3,
    )


def start(score: float = 0.5, total: int = 4) -> OptimizerState:
    return first_state(Prompt.of("start"), evaluation(score), total_steps=total)


def index_of(request: Request) -> int:
    return request.draw.index


def few(candidates: int = 3) -> Recipe:
    recipe = recipe_named("gpo")
    return replace(recipe, search=replace(recipe.search, candidates=candidates))


async def test_the_best_new_candidate_becomes_current_even_if_it_is_worse() -> None:
    scores = {"a0": 0.1, "a1": 0.4, "a2": 0.3}
    record = await take_step(few(), start(0.5), around(lambda request: f"a{index_of(request)}", scores.__getitem__))
    assert [candidate.score for candidate in record.candidates] == [0.1, 0.4, 0.3]
    assert record.selected == "1.2"
    assert record.state.current.prompt.text == "a1"
    assert record.state.best.prompt.text == "start"
    assert [one.prompt.text for one in record.state.trajectory] == ["start", "a1"]
    assert record.state.steps_without_gain == 1


async def test_every_proposal_is_recorded_with_its_fate() -> None:
    replies: list[str | Reply | Exception] = [
        "<prompt>fine words</prompt>",
        "start",
        "<prompt>fine words</prompt>",
        "",
        Reply(text="half a th", finish="length"),
        RequestRefused("no"),
        Reply(text="I will not", finish="refused"),
    ]
    record = await take_step(few(7), start(), around(lambda request: replies[index_of(request)], lambda text: 0.7))
    assert [(one.id, one.fate, one.reason) for one in record.candidates] == [
        ("1.1", "scored", ""),
        ("1.2", "rejected", "tried before"),
        ("1.3", "rejected", "tried before"),
        ("1.4", "rejected", "empty reply"),
        ("1.5", "rejected", "reply cut off"),
        ("1.7", "rejected", "refused"),
    ]
    assert record.failed_proposals == 1
    assert all(one.parent == "0.0" for one in record.candidates)
    assert record.candidates[0].distance == 2
    assert record.candidates[1].distance == 0


async def test_a_candidate_that_lost_over_five_percent_of_its_rows_cannot_be_selected() -> None:
    scores = {"a0": 0.99, "a1": 0.6, "a2": 0.7}
    lost = {"a0": 2, "a1": 0, "a2": 1}
    record = await take_step(
        few(), start(), around(lambda request: f"a{index_of(request)}", scores.__getitem__, missing=lost.__getitem__)
    )
    assert [one.fate for one in record.candidates] == ["failed", "scored", "scored"]
    assert record.candidates[0].reason == "2 of 20 rows are missing"
    assert record.selected == "1.3", "one of 20 missing rows is allowed"
    assert record.state.best.id == "1.3"
    assert "a0" not in record.state.tried, "a failed evaluation may be tried again"


async def test_a_step_without_a_usable_proposal_keeps_the_prompt() -> None:
    record = await take_step(few(), start(), around(lambda request: "start", lambda text: 0.7))
    assert record.selected == "0.0"
    assert record.state.current == record.state.best
    assert len(record.state.trajectory) == 1
    assert record.state.step == 1


async def test_a_tie_keeps_the_earlier_best_prompt() -> None:
    record = await take_step(few(), start(0.5), around(lambda request: f"a{index_of(request)}", lambda text: 0.5))
    assert record.state.best.id == "0.0"
    assert record.selected == "1.1"


async def test_the_same_seed_gives_the_same_steps_whatever_comes_first() -> None:
    def score(text: str) -> float:
        return random.Random(text).random()

    def reply(request: Request) -> str:
        return f"words {request.draw.model_seed() % 97}"

    async def steps(delay: Callable[[Request], float]) -> list[str]:
        surroundings = around(reply, score, delay=delay)
        return [to_json(record) async for record in descend(few(5), start(total=4), surroundings)]

    early = await steps(lambda request: 0.01 * request.draw.index)
    late = await steps(lambda request: 0.01 * (5 - request.draw.index))
    assert early == late
    assert len(early) == 4


async def test_a_step_record_survives_json() -> None:
    record = await take_step(few(), start(), around(lambda request: f"a{index_of(request)}", lambda text: 0.4))
    assert from_json(StepRecord, to_json(record)) == record


async def test_the_search_goes_on_from_a_stored_state() -> None:
    def score(text: str) -> float:
        return random.Random(text).random()

    surroundings = around(lambda request: f"p{request.draw.step}{request.draw.index}", score)
    whole = [record async for record in descend(few(), start(total=4), surroundings)]
    stored = from_json(OptimizerState, to_json(whole[1].state))
    assert [record async for record in descend(few(), stored, surroundings)] == whole[2:]


async def test_the_word_budget_runs_its_whole_course() -> None:
    surroundings = around(lambda request: f"p{request.draw.step}{request.draw.index}", lambda text: 0.4)
    records = [record async for record in descend(few(), start(total=4), surroundings)]
    assert [record.word_budget for record in records] == [44, 30, 15, 10]
    assert [record.stop for record in records] == ["", "", "", "all steps done"]
    assert "up to 44 words" in records[0].meta_prompt[0].text


async def test_patience_and_a_perfect_score_end_the_search() -> None:
    idle = around(lambda request: f"p{request.draw.step}{request.draw.index}", lambda text: 0.4)
    records = [record async for record in descend(few(), start(total=18), idle)]
    assert len(records) == 6
    assert records[-1].stop == "6 steps without a better prompt"

    perfect = around(lambda request: f"p{request.draw.step}{request.draw.index}", lambda text: float(text == "p31"))
    records = [record async for record in descend(few(), start(total=18), perfect)]
    assert len(records) == 3
    assert records[-1].stop == "perfect dev score"


async def test_the_meta_prompt_shows_train_rows_and_never_a_dev_row() -> None:
    surroundings = around(lambda request: f"p{request.draw.step}{request.draw.index}", lambda text: 0.4)
    records = [record async for record in descend(few(), start(total=3), surroundings)]
    shown = [{row.id for row in TRAIN if f"{row.question}\n" in record.meta_prompt[0].text} for record in records]
    assert len(shown[0]) == 3
    assert shown[0] == shown[1] == shown[2]
    assert not any("dev " in record.meta_prompt[0].text for record in records)


async def test_a_start_that_cannot_be_scored_ends_the_run() -> None:
    with pytest.raises(TooManyFailures, match=r"2 of 20 calls .* failed for good; the first one: down"):
        first_state(Prompt.of("start"), evaluation(0.5, missing=2), total_steps=3)
    assert first_state(Prompt.of("start"), evaluation(0.5, missing=1), total_steps=3).current.rows == 19


async def test_proposals_that_never_come_do_not_end_the_search() -> None:
    record = await take_step(
        few(),
        start(),
        around(lambda request: EndpointFailed("down") if index_of(request) == 0 else "new", lambda text: 0.9),
    )
    assert record.failed_proposals == 1
    assert record.state.current.prompt.text == "new"
