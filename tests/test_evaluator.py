"""Prompts on rows: order, missing rows, and what becomes of a reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest

from promptdescent.errors import BudgetExhausted, EndpointFailed, KeyRefused, RequestRefused
from promptdescent.evaluator import Evaluator
from promptdescent.llm.base import Draw
from promptdescent.records import Evaluation, Example, Prompt, Reply
from promptdescent.tasks.metrics import Choice, ExactMatch, Metric, Number
from promptdescent.tasks.objective import Mean

pytestmark = pytest.mark.anyio

ROWS = tuple(Example(id=f"r{n}", inputs=(("text", f"row {n}"),), target="yes" if n % 2 else "no") for n in range(6))

Answer = Callable[[Prompt, Example], Reply | Exception]


async def evaluations(
    answer: Answer,
    *prompts: str,
    metric: Metric | None = None,
    rows: tuple[Example, ...] = ROWS,
    delay: Callable[[Prompt, Example], float] = lambda prompt, example: 0.0,
    unaffordable_is_missing: bool = False,
) -> list[Evaluation]:
    async def target(prompt: Prompt, example: Example, draw: Draw, /) -> Reply:
        await asyncio.sleep(delay(prompt, example))
        reply = answer(prompt, example)
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def given() -> AsyncGenerator[Prompt, None]:
        for text in prompts:
            yield Prompt.of(text)

    evaluator = Evaluator(
        target=target,
        metric=metric or Choice(("no", "yes")),
        objective=Mean(),
        seed=0,
        window=8,
        unaffordable_is_missing=unaffordable_is_missing,
    )
    return [one async for one in evaluator(given(), rows)]


async def test_evaluations_come_in_the_order_of_prompts_and_rows() -> None:
    def answer(prompt: Prompt, example: Example) -> Reply:
        return Reply(text="yes" if prompt.text == "b" else "no")

    first, second = await evaluations(
        answer, "a", "b", delay=lambda prompt, example: 0.01 if prompt.text == "a" and example.id == "r0" else 0.0
    )
    assert [outcome.example for outcome in first.outcomes] == [row.id for row in ROWS]
    assert [outcome.answer for outcome in first.outcomes] == ["no"] * 6
    assert [outcome.answer for outcome in second.outcomes] == ["yes"] * 6
    assert (first.score, second.score) == (0.5, 0.5)


@pytest.mark.parametrize("error", [EndpointFailed("down"), RequestRefused("too long")])
async def test_a_call_that_failed_for_good_is_missing_and_not_wrong(error: Exception) -> None:
    def answer(prompt: Prompt, example: Example) -> Reply | Exception:
        return error if example.id == "r0" else Reply(text=example.target)

    (evaluation,) = await evaluations(answer, "p")
    assert evaluation.score == 1.0
    assert (evaluation.rows, evaluation.missing) == (5, 1)
    assert evaluation.outcomes[0].kind == "missing"
    assert evaluation.outcomes[0].error == str(error)


async def test_nothing_but_missing_rows_has_no_score() -> None:
    (evaluation,) = await evaluations(lambda prompt, example: EndpointFailed("down"), "p")
    assert evaluation.score is None


@pytest.mark.parametrize("error", [KeyRefused("bad key"), BudgetExhausted("cap")])
async def test_what_ends_a_run_is_raised(error: Exception) -> None:
    with pytest.raises(type(error)):
        await evaluations(lambda prompt, example: error, "p")


async def test_in_the_verdict_a_row_that_no_cap_has_room_for_is_missing() -> None:
    def answer(prompt: Prompt, example: Example) -> Reply | Exception:
        return BudgetExhausted("cap") if example.id == "r5" else Reply(text=example.target)

    (evaluation,) = await evaluations(answer, "p", unaffordable_is_missing=True)
    assert evaluation.missing == 1


@pytest.mark.parametrize(
    ("metric", "reply", "kind", "score"),
    [
        (Choice(("no", "yes")), Reply(text="no"), "answered", 1.0),
        (Choice(("no", "yes")), Reply(text="yes"), "answered", 0.0),
        (Choice(("no", "yes")), Reply(text="  "), "empty", 0.0),
        (Choice(("no", "yes")), Reply(text="", finish="refused"), "refused", 0.0),
        (Choice(("no", "yes")), Reply(text="I cannot help", finish="refused"), "refused", 0.0),
        (Choice(("no", "yes")), Reply(text="maybe"), "unreadable", 0.0),
        (Choice(("no", "yes")), Reply(text="Let me think", finish="length"), "cut off", 0.0),
        (Choice(("no", "yes")), Reply(text="yes, since it", finish="length"), "answered", 0.0),
        (Choice(("no", "yes")), Reply(text="no, since it", finish="length"), "answered", 1.0),
        (ExactMatch(), Reply(text="n", finish="length"), "cut off", 0.0),
        (ExactMatch(), Reply(text="n"), "answered", 0.0),
    ],
)
async def test_what_becomes_of_a_reply(metric: Metric, reply: Reply, kind: str, score: float) -> None:
    (evaluation,) = await evaluations(lambda prompt, example: reply, "p", metric=metric, rows=ROWS[:1])
    assert (evaluation.outcomes[0].kind, evaluation.outcomes[0].score) == (kind, score)


async def test_a_number_that_was_cut_off_in_the_middle_is_no_answer() -> None:
    row = Example(id="n", inputs=(("text", "sum"),), target="42")
    reply = Reply(text="First 5 + 6 = 11, then", finish="length")
    (evaluation,) = await evaluations(lambda prompt, example: reply, "p", metric=Number(), rows=(row,))
    assert evaluation.outcomes[0].kind == "cut off"
