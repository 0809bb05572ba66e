"""``promptdescent evaluate``: the score of one prompt, recorded, cached and resumable like any run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from cli_samples import PROMPT, Ended, Invoke, optimize_arguments

import promptdescent
from promptdescent import ConfigError, EvaluationResult
from promptdescent.stats import wilson_interval

MODEL = ("--task-model", "simulated:clear", "--quiet")


def evaluate(invoke: Invoke, *more: str, prompt: str = PROMPT, code: int = 0) -> Ended:
    done = invoke("evaluate", prompt, "rows.csv", *MODEL, *more)
    assert done.returncode == code, done.stderr
    return done


def record(ended: Ended) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_the_score_is_that_of_the_verdict(invoke: Invoke, rows: Path) -> None:
    assert invoke(*optimize_arguments(rows, "--quiet", "--steps", "1")).returncode == 0
    verdict = json.loads(invoke("show", "--json").stdout)["verdict"]
    scored = record(evaluate(invoke, "--json"))
    assert scored["evaluation"]["score"] == verdict["start_score"]
    assert scored["evaluation"]["rows"] == verdict["rows"] == 60
    assert scored["evaluation"]["on"] == "test"
    assert scored["verdict"] is None
    assert scored["usage"]["task"]["paid"]["calls"] == 0  # the verdict paid for all of these


def test_what_is_printed(invoke: Invoke) -> None:
    done = evaluate(invoke, "--wrong", "2")
    right = round(0.417 * 60)
    interval = wilson_interval(right, 60)
    assert done.stderr == ""
    assert done.stdout.startswith("Run ")
    assert "(evaluation, seed 0): finished" in done.stdout
    assert f"  {PROMPT}\n" in done.stdout
    low, high = f"{100 * interval.low:.1f} %", f"{100 * interval.high:.1f} %"
    assert f"Score: 41.7 % on 60 test rows (95 % interval {low} to {high}, Wilson score)" in done.stdout
    assert "commonest label would score 50.0 %" in done.stdout
    assert "Replies: 60 answered, 0 empty, 0 cut off, 0 refused, 0 unreadable, 0 missing." in done.stdout
    assert f"Wrong (2 of {60 - right}):" in done.stdout
    assert done.stdout.count("right answer: ") == 2
    assert "optimizer" not in done.stdout
    assert "Wrong" not in evaluate(invoke, "--wrong", "0").stdout
    assert invoke("show").stdout.count("right answer: ") == 5


def test_the_rows_of_each_choice(invoke: Invoke) -> None:
    sizes = {on: record(evaluate(invoke, "--on", on, "--json"))["evaluation"]["rows"] for on in ("test", "dev", "all")}
    assert sizes == {"test": 60, "dev": 20, "all": 100}


def test_all_rows_need_no_twenty_and_no_two_classes(invoke: Invoke, rows: Path) -> None:
    rows.write_text("text,label\nlovely,positive\ngreat,positive\n", encoding="utf-8")
    found = record(evaluate(invoke, "--on", "all", "--metric", "exact", "--json"))
    assert found["evaluation"]["rows"] == 2
    assert len(found["evaluation"]["outcomes"]) == 2
    assert {one["target"] for one in found["evaluation"]["outcomes"]} == {"positive"}
    assert "too few rows" in evaluate(invoke, code=2).stderr


def test_a_score_that_is_no_mean_has_an_interval_too(invoke: Invoke) -> None:
    found = record(evaluate(invoke, "--metric", "f1", "--json"))["evaluation"]
    assert found["interval_method"] == "bootstrap percentile"
    assert found["interval"][0] < found["score"] < found["interval"][1]


def test_grades_between_right_and_wrong(invoke: Invoke, rows: Path) -> None:
    (rows.parent / "graded_metric.py").write_text("def score(reply, target):\n    return len(reply) / 10\n")
    done = evaluate(invoke, "--metric", "graded_metric:score")
    assert "BCa bootstrap" in done.stdout
    assert "Lowest scores (5 of " in done.stdout
    assert "    score: 0.8" in done.stdout


def test_what_decides_only_a_search_is_not_looked_at(invoke: Invoke, rows: Path) -> None:
    (rows.parent / "task.yaml").write_text(
        "data: rows.csv\nprompt: another\ntask_model: simulated:clear\noptimizer_model: gpt-4o-mini\nrecipe: opro\n"
        "steps: 7\nlength_cost: 0.01\ntarget_score: 0.9\n",
        encoding="utf-8",
    )
    plain = record(evaluate(invoke, "--json"))
    done = invoke("evaluate", PROMPT, "task.yaml", "--quiet", "--json")
    assert done.returncode == 0, done.stderr
    assert record(done)["evaluation"] == plain["evaluation"]
    assert list(plain["models"]) == ["task"]
    assert plain["recipe"] == "evaluation"


def test_the_prompts_of_a_run(invoke: Invoke, rows: Path) -> None:
    assert invoke(*optimize_arguments(rows, "--quiet", "--placement", "before")).returncode == 0
    run = json.loads(invoke("show", "--json").stdout)
    for which, prompt in (("start", PROMPT), ("best", run["best"]["prompt"])):
        found = record(evaluate(invoke, "--json", prompt=f"{run['id']}:{which}"))
        assert found["start"]["prompt"] == prompt
        assert found["task"]["placement"] == "before"
        assert found["evaluation"]["score"] == run["verdict"][f"{which}_score"]
    assert "no run 'abcd'" in evaluate(invoke, prompt="abcd:best", code=2).stderr


def test_a_recorded_prompt_names_no_file(invoke: Invoke, rows: Path) -> None:
    (rows.parent / "at.txt").write_text("@secret.txt", encoding="utf-8")
    (rows.parent / "secret.txt").write_text("a secret", encoding="utf-8")
    evaluate(invoke, prompt="@at.txt")
    assert record(evaluate(invoke, "--json", prompt="latest:start"))["start"]["prompt"] == "@secret.txt"


def test_a_second_time_nothing_is_paid(invoke: Invoke) -> None:
    first, second = (record(evaluate(invoke, "--json")) for _ in range(2))
    assert first["usage"]["task"]["paid"]["calls"] == 60
    assert second["usage"]["task"]["paid"]["calls"] == 0
    assert first["evaluation"] == second["evaluation"]
    first, second = (json.loads(invoke("show", one["id"], "--canonical").stdout) for one in (first, second))
    assert first == second


def test_a_cap_below_what_is_needed_is_refused(invoke: Invoke, rows: Path) -> None:
    assert (
        "--max-calls 59 is too small: the 60 rows need 60 calls" in evaluate(invoke, "--max-calls", "59", code=2).stderr
    )
    assert not (rows.parent / ".promptdescent").exists()
    evaluate(invoke, "--max-calls", "60")


def test_the_cost_can_be_known_first(invoke: Invoke, rows: Path) -> None:
    done = invoke("evaluate", PROMPT, "rows.csv", "--task-model", "simulated:clear", "--on", "dev", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "20 rows (dev)" in done.stderr
    assert "20" in done.stdout
    assert "optimizer" not in done.stdout
    assert "patience" not in done.stdout
    assert not (rows.parent / ".promptdescent").exists()


def test_an_interrupted_evaluation_goes_on(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stop(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr("promptdescent.evaluator.Evaluator.side_by_side", stop)
        done = evaluate(invoke, code=130)
    assert "No score" in done.stdout
    assert "promptdescent resume" in done.stdout
    with pytest.raises(ConfigError, match="call evaluate"):
        promptdescent.resume("latest", store=".promptdescent")
    resumed = invoke("resume", "latest", "--quiet")
    assert resumed.returncode == 0, resumed.stderr
    assert "Score: 41.7 %" in resumed.stdout
    again = invoke("resume", "latest", "--quiet")
    assert (again.returncode, "Score: 41.7 %" in again.stdout) == (0, True)


def test_nothing_in_an_answer_acts_on_a_terminal(invoke: Invoke, rows: Path) -> None:
    lines = [f'"\x1b[2J {number} {"wide " * 100}",{("yes", "no")[number % 2]}' for number in range(50)]
    rows.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    done = evaluate(invoke)
    assert "\x1b" not in done.stdout
    assert "\\x1b[2J" in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 200


def test_from_python(tmp_path: Path) -> None:
    rows = [{"text": f"number {number}", "label": ("odd", "even")[number % 2 == 0]} for number in range(50)]

    def model(messages: list[dict[str, str]]) -> str:
        return "even" if "number 7" not in messages[-1]["content"] else ""

    found = promptdescent.evaluate(
        "Odd or even?", rows, on="all", task_model=model, store=tmp_path / "runs", metric="choice"
    )
    assert isinstance(found, EvaluationResult)
    assert (found.prompt, found.score.rows, found.score.score) == ("Odd or even?", 50, 0.5)
    kinds = {row["text"]: outcome.kind for row, outcome in zip(rows, found.score.outcomes, strict=True)}
    assert kinds["number 7"] == "empty"
    assert kinds["number 8"] == "answered"


def test_in_python_refused_rows_leave_no_store(tmp_path: Path) -> None:
    with pytest.raises(promptdescent.DataError):
        promptdescent.evaluate("Hm?", [], task_model=str, store=tmp_path / "runs")
    with pytest.raises(promptdescent.DataError):
        promptdescent.optimize([], prompt="Hm?", task_model=str, store=tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []
