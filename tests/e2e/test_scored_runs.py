"""Whole runs whose answers are graded by a judge, whose objective is F1, or whose prompts pay for their length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import promptdescent
from whole_runs import canonical, kill_after, optimize_arguments, record, run, write_rows

JUDGED = {"metric": "judge", "judge_model": "simulated:plain"}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.csv")


def calls(shown: dict[str, Any], counter: str) -> int:
    return sum(shown["usage"][role][counter]["calls"] for role in ("task", "optimizer", "judge"))


def test_a_judged_run_finds_a_better_prompt_and_accounts_for_its_judge(rows: Path, tmp_path: Path) -> None:
    done = run(*optimize_arguments(rows, tmp_path, **JUDGED, steps=6))
    shown: dict[str, Any] = record(tmp_path)
    assert shown["verdict"]["gain_shown"] is True
    assert shown["verdict"]["test"] == "sign-flip"
    assert shown["usage"]["judge"]["used"]["calls"] > 0
    assert shown["models"]["judge"]["identity"].startswith("simulated-judge:")
    assert "judge model" in done.stdout
    assert "Scores are grades by simulated:plain on a scale of 1-5." in done.stdout


@pytest.mark.slow
def test_repeats_are_calls_within_the_cap_and_their_agreement_is_told(rows: Path, tmp_path: Path) -> None:
    cap = 3200
    settings = {**JUDGED, "judge_repeats": 3, "judge_temperature": 0.7, "max_calls": cap, "steps": 18}
    done = run(*optimize_arguments(rows, tmp_path, **settings))
    shown: dict[str, Any] = record(tmp_path)
    assert calls(shown, "used") <= cap
    assert calls(shown, "paid") <= cap
    assert shown["verdict"]["rows"] >= 140
    # Four calls per row, not one: 48 dev rows at the start, a step of 8 candidates, and 2 * 144 test rows.
    assert shown["search"]["total_steps"] == (cap - 4 * 48 - 4 * 2 * 144) // (8 + 4 * 8 * 48)
    agreed = shown["judge"]["agreement"]
    assert agreed["answers"] > 200
    assert 0.5 < agreed["same"] < 1
    assert "answers graded 3 times" in done.stdout


@pytest.mark.slow  # twenty seconds; without a judge the fast lane has it
def test_a_judged_run_is_the_same_at_any_concurrency_and_after_a_kill(rows: Path, tmp_path: Path) -> None:
    for concurrency in (1, 32):
        run(*optimize_arguments(rows, tmp_path / str(concurrency), concurrency=concurrency, steps=2, **JUDGED))
    assert canonical(tmp_path / "1") == canonical(tmp_path / "32")
    arguments = [str(one) for one in optimize_arguments(rows, tmp_path / "killed", steps=2, **JUDGED)]
    assert kill_after(200, tmp_path / "killed", *arguments)
    run("resume", "latest", "--store", tmp_path / "killed")
    assert canonical(tmp_path / "killed") == canonical(tmp_path / "1")


def test_rows_without_a_target_and_functions_as_models(tmp_path: Path) -> None:
    graded: list[str] = []

    def task(messages: list[dict[str, str]]) -> str:
        return "Dear friend, thank you." if "kind" in messages[-1]["content"] else "No."

    def optimizer(messages: list[dict[str, str]]) -> str:
        assert "Is the answer kind?" in messages[-1]["content"]
        assert "Output:" not in messages[-1]["content"]
        return "<prompt>Give a kind answer.</prompt>"

    def judge(messages: list[dict[str, str]]) -> str:
        graded.append(messages[-1]["content"])
        return f"<reason>Tone.</reason><grade>{5 if 'thank you' in messages[-1]['content'] else 2}</grade>"

    result = promptdescent.optimize(
        [{"text": f"letter {n}"} for n in range(100)],
        prompt="Answer this letter.",
        task_model=task,
        optimizer_model=optimizer,
        judge_model=judge,
        metric="judge",
        judge_rubric="Is the answer kind?",
        steps=2,
        store=tmp_path,
    )
    assert result.best_prompt == "Give a kind answer."
    assert (result.verdict.start_score, result.verdict.best_score) == (0.25, 1.0)
    assert result.verdict.gain_shown
    assert result.verdict.best_outcomes[0].feedback == "Tone."
    assert not any("<reference" in text for text in graded)


def test_a_rehearsal_of_a_judged_task_without_targets(tmp_path: Path) -> None:
    result = promptdescent.optimize(
        [{"text": f"letter {n} of May"} for n in range(200)],
        prompt="Answer this letter.",
        task_model="simulated:plain",
        optimizer_model="simulated:plain",
        judge_model="simulated:plain",
        metric="judge",
        judge_rubric="Is the answer to the point?",
        steps=4,
        store=tmp_path,
    )
    assert 0.2 < result.verdict.start_score < result.verdict.best_score


def test_a_judge_that_never_grades_ends_the_run_loudly(tmp_path: Path) -> None:
    with pytest.raises(promptdescent.RunFailed, match="the judge gave no grade that can be read"):
        promptdescent.optimize(
            [{"text": f"letter {n}", "label": "ab"[n % 2]} for n in range(100)],
            prompt="Answer this letter.",
            task_model=lambda messages: "a",
            optimizer_model=lambda messages: "<prompt>Well.</prompt>",
            judge_model=lambda messages: "It is hard to say.",
            metric="judge",
            steps=1,
            store=tmp_path,
        )


@pytest.mark.slow
def test_f1_is_what_the_search_and_the_verdict_go_by(rows: Path, tmp_path: Path) -> None:
    done = run(*optimize_arguments(rows, tmp_path, metric="f1", steps=2))
    shown: dict[str, Any] = record(tmp_path)
    assert (shown["task"]["metric"], shown["task"]["objective"]) == ("choice", "macro F1")
    assert (shown["verdict"]["objective"], shown["verdict"]["test"]) == ("macro F1", "paired permutation")
    assert "objective macro F1" in done.stderr
    assert "macro F1 is" in done.stdout
    assert "judge" not in shown["usage"]


@pytest.mark.slow
def test_length_has_its_price_in_the_search_alone(rows: Path, tmp_path: Path) -> None:
    run(*optimize_arguments(rows, tmp_path / "free"))
    done = run(*optimize_arguments(rows, tmp_path / "dear", length_cost=0.05))
    free: dict[str, Any] = record(tmp_path / "free")
    dear: dict[str, Any] = record(tmp_path / "dear")
    assert dear["start"]["dev_score"] == pytest.approx(free["start"]["dev_score"] - 0.05 * dear["start"]["words"])
    assert dear["verdict"]["start_score"] == free["verdict"]["start_score"]
    scored = [one for step in dear["steps"] for one in step["candidates"] if one["fate"] == "scored"]
    assert scored
    for one in scored:  # what is left without the price is a share of 48 dev rows
        right = 48 * (one["score"] + 0.05 * len(one["prompt"].split()))
        assert right == pytest.approx(round(right))
    assert f"Length: {dear['best']['words']} words, the starting prompt 6." in done.stdout
