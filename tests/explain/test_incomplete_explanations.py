"""Explanations that lack rows, prompts or money, and what they say of it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import promptdescent
from promptdescent.cli.explain_text import explanation_text
from promptdescent.errors import ConfigError, RunFailed, TooManyFailures
from promptdescent.explain.measurement import WHOLE, Measurement
from promptdescent.explain.pieces import cut
from promptdescent.records import ROLES, Evaluation, Example, Outcome, Prompt, to_json
from promptdescent.records.explanation import Effect, Explanation
from promptdescent.store.ledger import totals_of
from promptdescent.store.store import Store
from promptdescent.tasks.objective import F1, Mean

PROMPT = "Read the text. Choose from: positive, negative. Be careful. Give one word."
LABELS = ("positive", "negative")
Model = Callable[[list[dict[str, str]]], str]


def rows(count: int = 90) -> list[dict[str, str]]:
    return [{"text": f"Message {number}.", "label": LABELS[number % 2]} for number in range(count)]


def number_in(messages: list[dict[str, str]]) -> int:
    return int(messages[-1]["content"].split("Message ")[1].split(".")[0])


def answer(messages: list[dict[str, str]]) -> str:
    """Right on 9 of 10 rows; without "Be careful." on 2 of 3."""
    number = number_in(messages)
    wrong = number % 10 == 0 or (number % 3 == 0 and "Be careful." not in messages[-1]["content"])
    return LABELS[(number + wrong) % 2]


def scored_run(store: Path, model: Model = answer, **settings: Any) -> str:
    wanted: dict[str, Any] = {"train_rows": 10, "dev_rows": 30, "test_rows": 30, "steps": 0, "max_calls": 400}
    wanted |= {"input": "text", "target": "label", "task_model": model, "optimizer_model": model, "prompt": PROMPT}
    return promptdescent.optimize(rows(), store=store, **{**wanted, **settings}).run


def explanations(store: Path, run: str) -> list[dict[str, Any]]:
    with closing(Store.open(store)) as opened:
        return [json.loads(event.payload) for event in opened.events(run, "explanation")]


def paid(store: Path, run: str) -> int:
    with closing(Store.open(store)) as opened:
        totals = totals_of(opened, run)
    return sum(totals[role].paid.calls for role in ROLES)


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Explanation]:
    """A store with a run and its explanation by all 16 selections of the four pieces."""
    store = tmp_path_factory.mktemp("explained")
    run = scored_run(store)
    return store, run, promptdescent.explain_run(run, store=store, task_model=answer)


def test_too_few_rows_are_no_explanation(tmp_path: Path) -> None:
    run = scored_run(tmp_path)
    calls: list[str] = []
    one_at_a_time = threading.Lock()

    def stops(messages: list[dict[str, str]]) -> str:
        """The hundredth call takes longer than the cap."""
        with one_at_a_time:
            calls.append("")
            if len(calls) == 100:
                time.sleep(0.7)
        return answer(messages)

    stops.__qualname__, stops.__name__, stops.__module__ = answer.__qualname__, answer.__name__, answer.__module__
    with pytest.raises(RunFailed, match=rf"\d+ of the 30 rows .* 20 are needed.*promptdescent explain {run}, with a"):
        promptdescent.explain_run(run, store=tmp_path, task_model=stops, max_minutes=0.01)
    assert explanations(tmp_path, run) == []


def test_a_poorer_explanation_leaves_the_fuller_one_in_its_place(explained: tuple[Path, str, Explanation]) -> None:
    store, run, full = explained
    poor = promptdescent.explain_run(run, store=store, task_model=answer, max_calls=340)
    assert poor.prompts < full.prompts
    assert any(f"Run {run} keeps the explanation that is on record" in note for note in poor.notes)
    assert any("No piece was left out alone" in note for note in poor.notes)
    assert [one["run"] for one in explanations(store, run)] == [full.run]
    shorter = promptdescent.explain_run(run, store=store, task_model=answer, prune=True)
    assert shorter.pruned is not None
    assert not any("keeps" in note for note in shorter.notes)
    assert any("chosen by the same rows" in note for note in shorter.notes)
    without = promptdescent.explain_run(run, store=store, task_model=answer)
    assert any("keeps" in note and "with a shorter prompt" in note for note in without.notes)
    assert [one["run"] for one in explanations(store, run)] == [full.run, shorter.run]


def test_no_reply_is_paid_for_twice_even_without_a_cache(tmp_path: Path) -> None:
    run = scored_run(tmp_path, cache="off")
    first, second = (promptdescent.explain_run(run, store=tmp_path, task_model=answer, max_calls=400) for _ in "ab")
    assert paid(tmp_path, first.run) > 200
    assert paid(tmp_path, second.run) == 0


def test_a_row_that_always_fails_is_left_out_and_said(tmp_path: Path) -> None:
    seen: list[int] = []

    def model(messages: list[dict[str, str]]) -> str:
        """The first row that it is asked about fails under every prompt."""
        seen.append(number_in(messages))
        if seen[-1] == seen[0]:
            raise RuntimeError("boom")
        return answer(messages)

    data: dict[str, Any] = {"train_rows": 10, "dev_rows": 30, "test_rows": 30, "input": "text", "target": "label"}
    run = promptdescent.evaluate(PROMPT, rows(), on="dev", store=tmp_path, task_model=model, attempts=1, **data).run
    explanation = promptdescent.explain_run(run, store=tmp_path, task_model=model)
    assert (explanation.rows, explanation.prompts) == (29, 16)
    assert explanation.pieces[0].average.rows == 29
    assert any("16 of 480 scores are missing" in note and "29 rows" in note for note in explanation.notes)
    assert [piece.matters for piece in explanation.pieces] == [False, False, True, False]


def test_scores_that_are_missing_here_and_there_leave_an_explanation(tmp_path: Path) -> None:
    def model(messages: list[dict[str, str]]) -> str:
        said = messages[-1]["content"]
        if broken and number_in(messages) % 6 == 5 and "Read the text." not in said:
            raise RuntimeError("boom")
        return answer(messages)

    broken: list[bool] = []
    run = scored_run(tmp_path, model)
    broken.append(True)
    limits: dict[str, Any] = {"attempts": 1, "failure_limit": ("lost=0.9", "missing=0.9")}
    explanation = promptdescent.explain_run(run, store=tmp_path, task_model=model, **limits)
    assert explanation.rows == 30
    assert explanation.pieces[2].matters
    assert any("scores are missing" in note for note in explanation.notes)


def test_advice_names_the_explanation_and_not_the_resuming_of_a_run(tmp_path: Path) -> None:
    def model(messages: list[dict[str, str]]) -> str:
        if broken and PROMPT not in messages[-1]["content"]:
            raise RuntimeError("boom")
        return answer(messages)

    broken: list[bool] = []
    run = scored_run(tmp_path, model)
    broken.append(True)
    with pytest.raises(TooManyFailures, match=f"`promptdescent explain {run}`"):
        promptdescent.explain_run(run, store=tmp_path, task_model=model, attempts=1)
    with pytest.raises(ConfigError, match=r"as task_model of promptdescent.resume, or of promptdescent.explain_run"):
        promptdescent.explain_run(run, store=tmp_path)


def test_a_setting_that_there_is_not_is_named_with_the_nearest(explained: tuple[Path, str, Explanation]) -> None:
    store, run, _ = explained
    with pytest.raises(ConfigError, match="there is no setting 'prunee'; did you mean 'prune'"):
        promptdescent.explain_run(run, store=store, task_model=answer, prunee=1)


def test_the_text_names_the_run_whose_rows_are_doubtful(explained: tuple[Path, str, Explanation]) -> None:
    _, run, explanation = explained
    assert explanation.doubts
    text = explanation_text(explanation, explained=run, terminal=False)
    assert f"`promptdescent rows {run}`" in text


def test_notes_speak_of_a_choice_only_where_a_search_made_one(
    explained: tuple[Path, str, Explanation], tmp_path: Path
) -> None:
    _, _, explanation = explained
    assert not any("search chose" in note for note in explanation.notes)
    simulated: dict[str, Any] = {"task_model": "simulated:clear", "optimizer_model": "simulated:clear"}
    run = scored_run(tmp_path, steps=2, max_calls=3000, **simulated)
    found = promptdescent.explain_run(run, store=tmp_path, prune=True, max_calls=1500)
    assert found.prompt != PROMPT
    assert any("the search chose the prompt among others" in note for note in found.notes)
    if found.pruned is not None:
        assert any("the luck of having been chosen" in note for note in found.notes)


def test_rows_that_only_the_whole_prompt_was_scored_on_count_for_nothing(
    explained: tuple[Path, str, Explanation], tmp_path: Path
) -> None:
    _, _, full = explained

    def on_rows(count: int) -> Explanation:
        pieces = (
            replace(piece, average=replace(piece.average, rows=count), removed=None, gained=(), lost=())
            for piece in full.pieces
        )
        return replace(full, pieces=tuple(pieces))

    assert "on 30 dev rows;" in explanation_text(full, explained="abc", terminal=False)
    assert "on 30 dev rows, effects on 22 of them;" in explanation_text(on_rows(22), explained="abc", terminal=False)
    run = scored_run(tmp_path)

    async def keep(explanation: Explanation) -> None:
        await store.append(run, "explanation", to_json(explanation))

    for rows_behind, kept in ((31, True), (22, False)):
        with closing(Store.open(tmp_path)) as store:
            store.claim(run)
            asyncio.run(keep(on_rows(rows_behind)))
        again = promptdescent.explain_run(run, store=tmp_path, task_model=answer)
        assert any("keeps the explanation" in note for note in again.notes) is kept


@pytest.mark.anyio
async def test_a_shorter_prompt_does_not_pay_for_the_luck_of_the_whole_one() -> None:
    """The whole prompt is right on 10 rows by luck; "One a." is worth 4 of 100 rows, the other two nothing."""
    examples = [Example(id=str(n), inputs=(("q", str(n)),), target="a") for n in range(100)]
    pieces = cut("One a. Two b. Three c. Four d.", template=False)

    async def score(prompts: Sequence[Prompt], asked: Sequence[Example]) -> list[Evaluation]:
        found = []
        for prompt in prompts:
            lucky = prompt.text == pieces.prompt
            right = [10 if lucky else 0, 40, 90 if "One" in prompt.text else 86]
            scores = [float(n < right[0] or right[1] <= n < right[2]) for n in range(len(asked))]
            outcomes = tuple(
                Outcome(example=row.id, kind="answered", score=one, answer="a")
                for row, one in zip(asked, scores, strict=True)
            )
            found.append(Evaluation(outcomes=outcomes, score=None))
        return found

    averages = {1: Effect(difference=0.01, interval=(-0.02, 0.04), rows=100)}
    measured = Measurement(pieces, examples, score=score, objective=Mean(), seed=1)
    idle, all_three = frozenset({1, 2}), frozenset({0, 1, 2})
    await measured.measure([WHOLE, *(frozenset({place}) for place in range(3)), idle, all_three])
    lucky, fair = measured.shortened(idle), measured.without_luck(idle, averages)
    assert lucky is not None
    assert fair is not None
    assert (lucky.difference, fair.difference) == pytest.approx((-0.1, 0.0))
    fair = measured.without_luck(all_three, averages)
    assert fair is not None
    assert fair.difference == pytest.approx(-0.04)
    alone = measured.without_luck(frozenset({1}), averages)
    assert alone == Effect(difference=-0.01, interval=(-0.04, 0.02), rows=100)
    by_f1 = Measurement(pieces, examples, score=score, objective=F1(), seed=1)
    assert by_f1.without_luck(idle, averages) is None
