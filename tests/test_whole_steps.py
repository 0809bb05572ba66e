"""Searches that end between two steps, and runs without a search."""

from __future__ import annotations

from pathlib import Path

import pytest

import promptdescent
from promptdescent import RunResult
from promptdescent.errors import ConfigError
from promptdescent.records import StepRecord, from_json
from promptdescent.store.ledger import totals_of
from promptdescent.store.store import Store

CAP = 25_000


def rows() -> list[dict[str, str]]:
    kinds = ("praise", "question", "complaint")
    return [{"text": f"message {number}", "label": kinds[number % 3]} for number in range(100)]


def optimize(store: Path, **settings: object) -> RunResult:
    task = {"input": "text", "target": "label", "prompt": "Sort it.", "dev_rows": 20, "test_rows": 30, "patience": 0}
    return promptdescent.optimize(rows(), task_model="simulated:", store=store, **{**task, **settings})  # type: ignore[arg-type]


def steps_and_tokens(store: Path, run: RunResult) -> tuple[list[StepRecord], int, str]:
    """The steps of a run, the tokens it used in all, and why its search ended."""
    opened = Store.open(store)
    try:
        steps = [from_json(StepRecord, event.payload) for event in opened.events(run.run, "step")]
        used = sum(totals.used.tokens for totals in totals_of(opened, run.run).values())
        return steps, used, opened.events(run.run, "search ended")[0].payload
    finally:
        opened.close()


@pytest.mark.parametrize("concurrency", [1, 32])
def test_a_search_of_whole_steps_ends_where_the_next_one_may_not_fit(tmp_path: Path, concurrency: int) -> None:
    run = optimize(tmp_path, whole_steps=True, max_total_tokens=CAP, concurrency=concurrency, steps=18)
    steps, used, why = steps_and_tokens(tmp_path, run)
    totals = [step.used.tokens for step in steps]
    assert f"the cap of {CAP} tokens (--max-total-tokens) leaves no room for another whole step" in why
    assert totals == sorted(totals)
    assert len(steps) < 18 == steps[0].total_steps  # all steps were planned, whatever the cap
    assert all(step.stop == "" for step in steps)
    assert all(one.fate in ("scored", "rejected") for step in steps for one in step.candidates)
    assert used <= CAP
    assert CAP - used < CAP / 2


@pytest.mark.slow
def test_it_ends_at_the_same_place_at_any_concurrency_and_with_cached_replies(tmp_path: Path) -> None:
    ends = []
    for store, concurrency in (("a", 1), ("b", 32), ("b", 7)):
        run = optimize(tmp_path / store, whole_steps=True, max_total_tokens=CAP, concurrency=concurrency)
        steps, used, _ = steps_and_tokens(tmp_path / store, run)
        ends.append(([step.used for step in steps], used, run.best_prompt))
    assert ends[0] == ends[1] == ends[2]


def test_what_a_step_used_is_on_record(tmp_path: Path) -> None:
    run = optimize(tmp_path, steps=2)
    steps, used, _ = steps_and_tokens(tmp_path, run)
    assert 0 < steps[0].used.tokens < steps[1].used.tokens < used
    assert 0 < steps[0].used.calls < steps[1].used.calls


@pytest.mark.parametrize("prompt", ["", "Let's think step by step."])
def test_no_steps_only_score_the_prompt(tmp_path: Path, prompt: str) -> None:
    run = optimize(tmp_path, steps=0, prompt=prompt)
    steps, _, why = steps_and_tokens(tmp_path, run)
    assert (run.best_prompt, steps) == (prompt, [])
    assert run.verdict.best_score == run.verdict.start_score
    assert run.verdict.rows == 30
    assert "all steps done" in why
    store = Store.open(tmp_path)
    totals = totals_of(store, run.run)
    store.close()
    assert (totals["task"].used.calls, totals["optimizer"].used.calls) == (50, 0)


def test_an_empty_prompt_cannot_be_improved(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--prompt is empty"):
        optimize(tmp_path, steps=1, prompt="")


@pytest.mark.parametrize("over", [0, 30])
def test_no_whole_step_begins_that_a_cap_of_calls_may_not_afford(tmp_path: Path, over: int) -> None:
    # 20 dev rows, twice 30 test rows, and steps of 8 proposals on 20 dev rows at most.
    cap = 20 + 2 * 30 + 2 * (8 + 8 * 20) + over
    run = optimize(tmp_path, whole_steps=True, max_calls=cap, recipe="gpo", steps=18)
    steps, _, why = steps_and_tokens(tmp_path, run)
    assert f"the cap of {cap} calls (--max-calls) leaves no room for another whole step" in why
    assert len(steps) >= 2
    assert all(step.stop == "" for step in steps)
    before = [20, *(step.used.calls for step in steps)]
    assert all(used + 8 + 8 * 20 <= cap - 60 for used in before[:-1])
    assert before[-1] + 8 + 8 * 20 > cap - 60


def test_a_cap_of_calls_below_one_whole_step_leaves_the_prompt_as_it_is(tmp_path: Path) -> None:
    run = optimize(tmp_path, whole_steps=True, max_calls=20 + 60 + 8 + 8 * 20 - 1)
    steps, _, why = steps_and_tokens(tmp_path, run)
    assert (steps, run.best_prompt) == ([], "Sort it.")
    assert "leaves no room for another whole step" in why


def test_an_initialization_is_begun_only_if_it_may_be_afforded(tmp_path: Path) -> None:
    recipe = {"base": "gpo", "initialization": {"part": "PromptList", "texts": [f"Word {n}?" for n in range(20)]}}
    run = optimize(tmp_path, whole_steps=True, max_calls=20 + 60 + 20 * 20 - 1, recipe=recipe)
    steps, _, why = steps_and_tokens(tmp_path, run)
    assert (len(steps), "leaves no room for another whole step" in why) == (0, True)
