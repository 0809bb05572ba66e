"""The main job on the simulated models, from the command line and from Python."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import promptdescent
from promptdescent.errors import ConfigError
from promptdescent.llm.simulated import optimum
from promptdescent.records import from_json
from promptdescent.store.store import Store
from whole_runs import canonical, count_asked_again, optimize_arguments, record, run, write_rows


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.csv")


@pytest.fixture(scope="module")
def finished(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run with 16 calls at a time, to be read and copied only."""
    store = tmp_path_factory.mktemp("finished") / "store"
    run(*optimize_arguments(rows, store, concurrency=16))
    return store


def calls(shown: dict[str, Any], kind: str) -> int:
    return sum(shown["usage"][role][kind]["calls"] for role in ("task", "optimizer"))


def test_a_better_prompt_is_found_and_shown_to_be_better(rows: Path, tmp_path: Path) -> None:
    done = run(*optimize_arguments(rows, tmp_path, steps=6))
    shown: dict[str, Any] = record(tmp_path)
    assert shown["status"] == "finished"
    assert shown["best"]["prompt"] in done.stdout
    verdict = shown["verdict"]
    assert verdict["gain_shown"] is True
    assert verdict["interval"][0] > 0
    assert verdict["best_score"] - verdict["start_score"] == pytest.approx(verdict["difference"])
    assert verdict["rows"] == 144
    for role in ("task", "optimizer"):
        for counter in ("used", "paid"):
            assert set(shown["usage"][role][counter]) == {"calls", "tokens_in", "tokens_out"}


def test_the_same_seed_gives_the_same_record_at_any_concurrency(rows: Path, finished: Path, tmp_path: Path) -> None:
    run(*optimize_arguments(rows, tmp_path / "1", concurrency=1), fresh=True)
    assert canonical(tmp_path / "1") == canonical(finished)
    run(*optimize_arguments(rows, tmp_path / "other", seed=6))
    assert canonical(tmp_path / "other") != canonical(finished)


@pytest.mark.slow  # twenty seconds; the fast lane has random faults in tests/engine
def test_faults_change_what_is_paid_and_nothing_else(rows: Path, tmp_path: Path) -> None:
    run(*optimize_arguments(rows, tmp_path / "plain"))
    arguments = optimize_arguments(rows, tmp_path / "f", attempts=3)
    run(*(str(one).replace("simulated:plain", "simulated:flaky") for one in arguments))
    plain: dict[str, Any] = record(tmp_path / "plain")
    shown: dict[str, Any] = record(tmp_path / "f")
    assert shown["status"] == "finished"
    assert calls(plain, "paid") == calls(plain, "used") + count_asked_again(tmp_path / "plain")
    assert calls(shown, "paid") > calls(plain, "paid")
    # A few calls fail for good, so the scores rest on fewer rows; they are near the undisturbed ones and not lower.
    assert 0 < shown["verdict"]["missing"] <= 8
    assert shown["start"]["dev_score"] == pytest.approx(plain["start"]["dev_score"], abs=0.05)
    assert shown["verdict"]["start_score"] == pytest.approx(plain["verdict"]["start_score"], abs=0.03)


def test_a_second_run_pays_nothing_and_says_that_the_test_rows_were_used_before(
    rows: Path, finished: Path, tmp_path: Path
) -> None:
    store = shutil.copytree(finished, tmp_path / "store")
    first: dict[str, Any] = record(store)
    again = run(*optimize_arguments(rows, store))
    second: dict[str, Any] = record(store)
    assert calls(second, "paid") == 0
    assert calls(second, "used") == calls(first, "used")
    assert first["earlier_use_of_test_rows"] == 0
    assert second["earlier_use_of_test_rows"] == 1
    assert "already" in again.stdout


@pytest.mark.parametrize("cap", [900, 1500])
def test_a_call_cap_is_kept_and_leaves_enough_for_the_verdict(cap: int, rows: Path, tmp_path: Path) -> None:
    run(*optimize_arguments(rows, tmp_path, steps=18, max_calls=cap))
    shown: dict[str, Any] = record(tmp_path)
    assert calls(shown, "used") <= cap
    assert calls(shown, "paid") <= cap
    assert shown["verdict"]["rows"] == 144
    assert shown["search"]["total_steps"] == (cap - 48 - 2 * 144) // (8 + 8 * 48)


def test_a_call_cap_is_kept_where_calls_fail(rows: Path, tmp_path: Path) -> None:
    arguments = [str(one) for one in optimize_arguments(rows, tmp_path, steps=18, max_calls=1500, attempts=3)]
    run(*(one.replace("simulated:plain", "simulated:flaky") for one in arguments))
    shown: dict[str, Any] = record(tmp_path)
    assert calls(shown, "paid") <= 1500
    assert shown["verdict"]["rows"] >= 140


def test_a_cap_that_is_too_small_names_the_least_before_any_call(rows: Path, tmp_path: Path) -> None:
    done = run(*optimize_arguments(rows, tmp_path, max_calls=700), check=2)
    assert "728" in done.stderr  # 48 dev + 8 proposals + 8 * 48 + 2 * 144 test
    assert "--max-calls 700" in done.stderr
    run(*optimize_arguments(rows, tmp_path, max_calls=728))
    assert calls(record(tmp_path), "paid") <= 728


def test_a_token_cap_ends_the_search_and_not_the_run(rows: Path, tmp_path: Path) -> None:
    run(*optimize_arguments(rows, tmp_path, steps=18, max_total_tokens=90_000))
    shown: dict[str, Any] = record(tmp_path)
    used = sum(
        shown["usage"][role]["used"][side] for role in ("task", "optimizer") for side in ("tokens_in", "tokens_out")
    )
    assert used <= 90_000
    assert shown["verdict"]["rows"] == 144


@pytest.mark.slow
def test_without_a_gain_the_exit_code_is_four_only_if_asked(rows: Path, tmp_path: Path) -> None:
    best = optimum(("complaint", "praise", "question")).instruction
    arguments = optimize_arguments(rows, tmp_path, prompt=best, steps=1, candidates=2)
    done = run(*arguments)
    assert record(tmp_path)["verdict"]["gain_shown"] is False  # type: ignore[index]
    assert "no real gain" in done.stdout.lower()
    run(*arguments, "--require-gain", check=4)


def test_test_rows_take_no_part_in_the_search(rows: Path, tmp_path: Path) -> None:
    seen: list[str] = []

    def task(messages: list[dict[str, str]]) -> str:
        seen.append(messages[-1]["content"])
        return "praise"

    def optimizer(messages: list[dict[str, str]]) -> str:
        seen.append(messages[-1]["content"])
        return f"<prompt>Say what it is, version {len(seen)}.</prompt>"

    ended: list[int] = []

    class Watcher:
        def on_message(self, text: str) -> None: ...
        def on_step(self, record: object) -> None: ...
        def on_progress(self, progress: promptdescent.Progress) -> None:
            if progress.phase == "verdict" and not ended:
                ended.append(len(seen))

    result = promptdescent.optimize(
        rows,
        prompt="What is it?",
        task_model=task,
        optimizer_model=optimizer,
        steps=2,
        store=tmp_path,
        concurrency=2,
        observers=[Watcher()],
    )
    store = Store.open(tmp_path)
    test = store.examples(result.run)["test"]
    store.close()
    search = "\n".join(seen[: ended[0]])
    assert len(test) == 144
    assert [row.question for row in test if row.question in search] == []
    assert all(any(row.question in text for text in seen[ended[0] :]) for row in test)


def test_functions_as_models_and_metric_from_inside_a_running_loop(tmp_path: Path) -> None:
    data = [{"q": f"{n} + {n}", "a": str(2 * n)} for n in range(120)]

    async def task(messages: list[dict[str, str]]) -> str:
        question, prompt = messages[-1]["content"].split("\n", 1)
        left = int(question.split(" + ")[0])
        return f"The answer is {2 * left if 'add' in prompt else left}."

    def optimizer(messages: list[dict[str, str]]) -> str:
        return "<prompt>Please add the numbers.</prompt>"

    async def notebook() -> promptdescent.RunResult:
        return promptdescent.optimize(
            data,
            input="q",
            target="a",
            prompt="Look at it.",
            task_model=task,
            optimizer_model=optimizer,
            store=tmp_path,
            seed=1,
        )

    result = asyncio.run(notebook())
    assert result.best_prompt == "Please add the numbers."
    assert result.best_dev_score == 1.0
    assert result.verdict.gain_shown
    assert result.verdict.start_score == pytest.approx(0.0, abs=0.02)
    assert result.verdict.best_score == 1.0


def test_a_run_can_be_rebuilt_from_its_record_without_its_files(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.csv")
    store = tmp_path / "store"
    run(*optimize_arguments(rows, store))
    expected = canonical(store)
    rows.unlink()
    shown: dict[str, Any] = json.loads(expected)
    assert shown["recipe_data"]["step_size"] == {"part": "Cosine", "start": 50, "final": 10}
    assert [step["word_budget"] for step in shown["steps"]] == [40, 20, 10]
    assert all(candidate["parent"] for step in shown["steps"] for candidate in step["candidates"])
    opened = Store.open(store)
    manifest = opened.find_run("latest").manifest
    rebuilt = opened.examples(opened.find_run("latest").id)
    opened.close()
    assert {split: len(members) for split, members in rebuilt.items()} == dict(manifest.split_sizes)
    assert manifest.prompt == "What kind of message is this?"
    assert from_json(type(manifest), promptdescent.records.to_json(manifest)) == manifest


def test_a_cold_start_without_yes_towards_another_host_is_refused(rows: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--yes"):
        promptdescent.optimize(
            rows,
            prompt="What is it?",
            task_model=lambda messages: "praise",
            optimizer_model="some-model",
            optimizer_base_url="http://192.0.2.1:9/v1",
            store=tmp_path,
        )
