"""Whole runs in which each row is asked in two rounds, on the simulated models."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import promptdescent
from promptdescent import runner
from promptdescent.cli import main
from promptdescent.config import RunSpec
from promptdescent.report.record import canonical, run_record
from promptdescent.report.text import summary
from promptdescent.store.store import Store
from whole_runs import kill_after, optimize_arguments, write_rows

ASK = "Now give the kind of message alone."
SETTINGS: dict[str, Any] = {
    "input": ("text",),
    "target": "label",
    "prompt": "What kind of message is this?",
    "task_model": "simulated:plain",
    "optimizer_model": "simulated:plain",
    "second_round": ASK,
    "train_rows": 40,
    "dev_rows": 40,
    "test_rows": 60,
    "candidates": 4,
    "steps": 2,
    "seed": 5,
}
HIGHEST = 2 * (40 + 2 * 4 * 40 + 2 * 60)
"""Calls of the task model in two rounds: dev rows, 2 steps of 4 prompts on them, two prompts on the test rows."""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.csv", count=140)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """So many rows that the simulated model shows all its ways to fail."""
    file = write_rows(tmp_path_factory.mktemp("rows") / "many.csv", count=900)
    return list(csv.DictReader(io.StringIO(file.read_text())))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def first(rows: Path, store: Path) -> dict[str, Any]:
    """The record of one run in two rounds, at a concurrency of one."""
    return optimized(rows, store, concurrency=1)


def optimized(rows: Path, store: Path, **changes: Any) -> dict[str, Any]:
    """The record of a run."""
    return shown(store, promptdescent.optimize(rows, store=store, **{**SETTINGS, **changes}).run)


def scored(rows: list[dict[str, str]], store: Path, **changes: Any) -> dict[str, Any]:
    """The record of scoring a prompt on all rows."""
    settings = {"input": ("text",), "target": "label", "task_model": "simulated:plain", **changes}
    result = promptdescent.evaluate("What kind of message is this?", rows, on="all", store=store, **settings)
    return shown(store, result.run)


def shown(store: Path, name: str = "latest") -> dict[str, Any]:
    opened = Store.open(store)
    try:
        return run_record(opened, name)
    finally:
        opened.close()


def used(record: dict[str, Any], role: str = "task") -> int:
    return int(record["usage"][role]["used"]["calls"])


def paid(record: dict[str, Any], *what: str) -> int:
    return sum(role["paid"][one] for role in record["usage"].values() for one in what)


# --- counted ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_row_takes_two_calls_unless_its_first_reply_is_empty(many: list[dict[str, str]], tmp_path: Path) -> None:
    one, two = scored(many, tmp_path), scored(many, tmp_path, second_round=ASK)
    before, after = one["evaluation"]["outcomes"], two["evaluation"]["outcomes"]
    empty = sum(outcome["kind"] == "empty" for outcome in before)
    assert empty > 0, "no row shows that an empty reply takes one call"
    assert used(one) == len(before) == 900
    assert used(two) == 2 * 900 - empty
    assert all("earlier_reply" not in outcome for outcome in before)
    # What was scored in one round is what is asked about in two, from the same calls.
    assert [one["reply"] for one in before] == [one.get("earlier_reply", "") for one in after]
    assert two["usage"]["task"]["paid"]["calls"] == 900 - empty
    # The simulated model gives the answer of its reply alone; a reply without one is answered wrongly then.
    assert one["evaluation"]["score"] == two["evaluation"]["score"]
    kinds, now = one["evaluation"]["kinds"], two["evaluation"]["kinds"]
    assert kinds["cut off"] > 0 < kinds["unreadable"]
    assert now == {**kinds, "answered": 900 - empty, "cut off": 0, "unreadable": 0}


def test_a_run_in_two_rounds_goes_the_way_of_one_round(rows: Path, first: dict[str, Any], tmp_path: Path) -> None:
    one, two = optimized(rows, tmp_path, second_round=""), first
    assert two["status"] == "finished"
    assert two["task"]["second_round"] == ASK
    assert "second_round" not in one["task"]
    assert two["task"]["fingerprint"] != one["task"]["fingerprint"]
    assert two["best"] == one["best"]
    assert used(two, "optimizer") == used(one, "optimizer")
    assert two["verdict"]["best_score"] == one["verdict"]["best_score"]
    assert 1.9 * used(one) < used(two) <= 2 * used(one)


def test_no_more_is_used_than_a_dry_run_says(rows: Path, first: dict[str, Any]) -> None:
    dry = runner.dry_run(RunSpec().with_settings({"data": str(rows), **SETTINGS}))
    assert dry.plan.roles["task"].high.calls == HIGHEST
    assert any("takes two calls" in note for note in dry.notes)
    forecast = first["forecast"]["roles"]
    assert forecast["task"]["calls"]["high"] == HIGHEST
    for role in ("task", "optimizer"):
        for figure in ("calls", "tokens"):
            assert forecast[role]["used"][figure] <= forecast[role][figure]["high"], (role, figure)
    assert forecast["task"]["used"]["calls"] > HIGHEST / 2


@pytest.mark.parametrize("cap", [644, 1000])
def test_a_cap_on_calls_is_kept_and_leaves_enough_for_the_verdict(cap: int, rows: Path, tmp_path: Path) -> None:
    found = optimized(rows, tmp_path, steps=9, max_calls=cap)
    assert paid(found, "calls") <= cap
    assert found["search"]["total_steps"] == (cap - 2 * 40 - 2 * 2 * 60) // (4 + 2 * 4 * 40) >= 1
    assert found["verdict"]["rows"] == 60


@pytest.mark.parametrize(("cap", "whole_steps"), [(45_000, True), (80_000, False)])
def test_a_cap_on_tokens_is_kept_and_leaves_enough_for_the_verdict(
    cap: int, whole_steps: bool, rows: Path, tmp_path: Path
) -> None:
    found = optimized(
        rows, tmp_path, steps=9, max_total_tokens=cap, whole_steps=whole_steps, patience=0, concurrency=16
    )
    assert paid(found, "tokens_in", "tokens_out") <= cap
    assert found["search"]["steps_done"] >= 1
    assert "--max-total-tokens" in found["search"]["ended_because"] or not whole_steps
    assert found["verdict"]["missing"] == 0


# --- the same again ---------------------------------------------------------------------------------------------------


def test_the_same_record_at_any_concurrency(rows: Path, first: dict[str, Any], tmp_path: Path) -> None:
    assert canonical(optimized(rows, tmp_path, concurrency=16)) == canonical(first)


def test_draws_of_a_sampled_model_are_the_same_at_any_concurrency(rows: Path, tmp_path: Path) -> None:
    one, two = (
        optimized(rows, tmp_path / str(concurrency), concurrency=concurrency, task_temperature=0.7, steps=1)
        for concurrency in (1, 16)
    )
    assert canonical(one) == canonical(two)


def test_a_replay_needs_no_model(first: dict[str, Any], store: Path) -> None:
    again = shown(store, promptdescent.rerun(first["id"], replay_only=True, store=store).run)
    assert again["id"] != first["id"]
    assert canonical(again) == canonical(first)
    assert paid(again, "calls") == 0


def arguments(store: Path, rows: Path, **flags: object) -> list[object]:
    """What the command line is given for the run of the fixture, but for models that answer late."""
    settings = {name: value for name, value in SETTINGS.items() if name != "input"}
    return optimize_arguments(rows, store, **{**settings, "task_model": "simulated:slow", "concurrency": 16, **flags})


@pytest.mark.slow
def test_a_killed_run_is_resumed_without_paying_twice(rows: Path, first: dict[str, Any], tmp_path: Path) -> None:
    assert kill_after(150, tmp_path, *arguments(tmp_path, rows))
    promptdescent.resume(store=tmp_path)
    found = shown(tmp_path)
    assert found["status"] == "finished"
    assert {role: one["used"] for role, one in found["usage"].items()} == {
        role: one["used"] for role, one in first["usage"].items()
    }
    assert paid(found, "calls") - paid(first, "calls") <= 16, "more was paid twice than was in flight"
    assert found["verdict"]["difference"] == first["verdict"]["difference"]


@pytest.mark.slow
def test_the_text_of_a_file_is_kept_and_a_changed_file_is_seen(
    rows: Path, first: dict[str, Any], tmp_path: Path
) -> None:
    file, folder = tmp_path / "ask.txt", tmp_path / "store"
    file.write_text(f"{ASK}\n")
    assert kill_after(100, folder, *arguments(folder, rows, second_round=f"@{file}"))
    file.write_text("What was that?")
    with pytest.raises(promptdescent.ConfigError, match=r"ask\.txt: the second round is another one by now"):
        promptdescent.resume(store=folder)
    file.unlink()
    promptdescent.resume(store=folder)
    assert shown(folder)["task"]["second_round"] == ASK
    assert shown(folder)["verdict"]["difference"] == first["verdict"]["difference"]


# --- other ways in ----------------------------------------------------------------------------------------------------


def test_a_recorded_prompt_is_scored_in_as_many_rounds_as_it_was_found_in(
    rows: Path, first: dict[str, Any], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["evaluate", f"{first['id']}:best", str(rows), "--input=text", "--target=label", "--on=dev", "--quiet"]
    for flag, second_round in (("--seed=5", ASK), ("--second-round=", None)):
        command = [*asked, "--task-model=simulated:plain", f"--store={store}", flag]
        monkeypatch.setattr(sys, "argv", ["promptdescent", *command])
        with pytest.raises(SystemExit) as ended:
            main.main()
        assert not ended.value.code
        assert shown(store)["task"].get("second_round") == second_round


def test_wrong_rows_are_shown_with_both_replies(many: list[dict[str, str]], tmp_path: Path) -> None:
    record = scored(many[:200], tmp_path, second_round=ASK)
    assert "\n    first reply: " in summary(record, wrong=3)
    assert "first reply" not in summary(scored(many[:200], tmp_path), wrong=3)


def test_from_python_the_model_sees_the_whole_conversation(tmp_path: Path) -> None:
    seen: list[list[dict[str, str]]] = []

    def model(messages: list[dict[str, str]]) -> str:
        seen.append(messages)
        return "even" if messages[-1]["content"] == "In one word?" else "It can be halved, hence even."

    data = [{"q": f"Number {number}", "a": "even" if number % 3 else "odd"} for number in range(60)]
    result = promptdescent.evaluate(
        "Even or odd?",
        data,
        on="all",
        input=("q",),
        target="a",
        task_model=model,
        second_round="In one word?",
        store=tmp_path,
    )
    assert result.used.calls == len(seen) == 120
    assert {outcome.reply for outcome in result.score.outcomes} == {"even"}
    assert {outcome.earlier_reply for outcome in result.score.outcomes} == {"It can be halved, hence even."}
    second = next(messages for messages in seen if len(messages) == 3)
    assert [message["role"] for message in second] == ["user", "assistant", "user"]
    assert json.dumps(second).count("In one word?") == 1
