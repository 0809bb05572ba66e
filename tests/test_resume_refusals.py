"""What a resumed run refuses, by name, and what it may change."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import promptdescent
from promptdescent.cli import main
from promptdescent.errors import ConfigError, EndpointFailed
from promptdescent.llm.function import FunctionLLM
from promptdescent.report.record import run_record
from promptdescent.run_record import RunRecord
from promptdescent.store.store import Event, Store
from promptdescent.store.working_time import seconds_at_work
from promptdescent.tasks.metrics.source import source_digest


class Model:
    """Answers by the number in the question; raises what a Ctrl-C would after so many calls."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.left = stop_after

    async def __call__(self, messages: list[dict[str, str]]) -> str:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        text = messages[-1]["content"]
        if not text.startswith("Is "):
            return "<prompt>Think: yes or no?</prompt>"
        number = int(text.split()[1])
        return "yes" if number % (2 if "Think" in text and number % 5 else 3) == 0 else "no"


def write_rows(path: Path, *, spoiled: int = 0, count: int = 70) -> Path:
    """Rows whose first ``spoiled`` have another question."""
    lines = [
        f"Is {number} an {'odd or ' if number < spoiled else ''}even number?,{'no' if number % 2 else 'yes'}"
        for number in range(count)
    ]
    path.write_text("\n".join(["q,a", *lines]) + "\n", encoding="utf-8")
    return path


def interrupted(folder: Path, *, after: int = 10, **settings: Any) -> None:
    """A run that was stopped in the middle."""
    wanted = {"input": "q", "target": "a", "prompt": "Yes or no?", "steps": 2, "candidates": 2, "concurrency": 1}
    with pytest.raises(KeyboardInterrupt):
        promptdescent.optimize(
            write_rows(folder / "rows.csv"),
            task_model=FunctionLLM(Model(after), name="model"),
            store=folder / "store",
            **{**wanted, **settings},
        )


def resume(folder: Path, **settings: Any) -> promptdescent.RunResult:
    model = FunctionLLM(Model(), name="model")
    return promptdescent.resume(task_model=model, store=folder / "store", **settings)


def shown(folder: Path) -> dict[str, Any]:
    store = Store.open(folder / "store")
    try:
        return run_record(store, "latest")
    finally:
        store.close()


# --- files -----------------------------------------------------------------------------------------------------------


def test_rows_that_changed_are_counted_by_split(tmp_path: Path) -> None:
    interrupted(tmp_path)
    write_rows(tmp_path / "rows.csv", spoiled=70)
    with pytest.raises(ConfigError) as refused:
        resume(tmp_path)
    text = str(refused.value)
    assert "rows.csv has changed since the run began: 14 of 14 train rows differ, 14 of 14 dev rows differ" in text
    assert "Bring the file back, start a new run, or resume with --recorded" in text
    write_rows(tmp_path / "rows.csv", spoiled=1)
    with pytest.raises(ConfigError, match="rows differ"):
        resume(tmp_path)
    write_rows(tmp_path / "rows.csv")
    assert resume(tmp_path).verdict.rows == 42


@pytest.mark.parametrize("after", ["gone", "recorded"])
def test_rows_on_record_are_enough(after: str, tmp_path: Path) -> None:
    interrupted(tmp_path)
    if after == "gone":
        (tmp_path / "rows.csv").unlink()
        assert resume(tmp_path).verdict.rows == 42
    else:
        write_rows(tmp_path / "rows.csv", spoiled=70)
        assert resume(tmp_path, recorded=True).verdict.rows == 42


def test_rows_that_can_no_longer_be_read_are_refused(tmp_path: Path) -> None:
    interrupted(tmp_path)
    (tmp_path / "rows.csv").write_text("q,b\nx,y\n")
    with pytest.raises(ConfigError, match=r"rows.csv has changed since the run began and can no longer be used: .*'a'"):
        resume(tmp_path)


def test_fewer_rows_are_told(tmp_path: Path) -> None:
    interrupted(tmp_path)
    write_rows(tmp_path / "rows.csv", count=60)
    with pytest.raises(ConfigError, match="12 dev rows instead of 14"):
        resume(tmp_path)


def test_a_prompt_file_that_changed_is_refused(tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Yes or no?\n")
    interrupted(tmp_path, prompt=f"@{prompt}")
    prompt.write_text("No or yes?\n")
    with pytest.raises(ConfigError, match=r"@.*prompt.txt: the starting prompt is another one by now"):
        resume(tmp_path)
    prompt.unlink()
    assert resume(tmp_path).start_prompt == "Yes or no?"


def test_a_rubric_file_that_changed_is_refused(tmp_path: Path) -> None:
    rubric = tmp_path / "rubric.txt"
    rubric.write_text("Is it right?\n")
    judge = {"metric": "judge", "judge_model": FunctionLLM(lambda messages: "<grade>3</grade>", name="judge")}
    interrupted(tmp_path, **judge, judge_rubric=f"@{rubric}")
    rubric.write_text("Is it kind?\n")
    with pytest.raises(ConfigError, match=r"@.*rubric.txt: the rubric is another one by now"):
        resume(tmp_path, judge_model=judge["judge_model"])
    rubric.write_text("Is it right?\n")
    assert resume(tmp_path, judge_model=judge["judge_model"]).verdict.rows == 42


def test_a_recipe_file_that_changed_is_refused(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("base: gpo\nmomentum: {k: 5}\n")
    interrupted(tmp_path, recipe=f"@{recipe}")
    recipe.write_text("base: gpo\nmomentum: {k: 4}\n")
    with pytest.raises(ConfigError, match=r"@.*mine.yaml: the recipe is another one by now"):
        resume(tmp_path)
    recipe.write_text("base: nothing\n")
    with pytest.raises(ConfigError, match=r"mine.yaml: the recipe has changed .* can no longer be used"):
        resume(tmp_path)
    assert resume(tmp_path, recorded=True).verdict.rows == 42


# --- metric and models -----------------------------------------------------------------------------------------------

MODULE = """\
BONUS = 1.0

def score(reply, target):
    return value(reply, target)

def value(reply, target):
    return BONUS * (reply == target)

def other():
    return 3
"""


@pytest.fixture
def metric_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes and imports a module of metrics as a later process would."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(text: str) -> None:
        (tmp_path / "my_metrics.py").write_text(text)
        sys.modules.pop("my_metrics", None)
        importlib.invalidate_caches()

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield write
    sys.modules.pop("my_metrics", None)


@pytest.mark.parametrize(
    ("old", "new"),
    [("BONUS *", "2 * BONUS *"), ("BONUS = 1.0", "BONUS = 0.5"), ("value(reply, target)\n\n", "0.5\n\n")],
    ids=["a function it calls", "a constant", "itself"],
)
def test_a_metric_whose_source_changed_is_refused(old: str, new: str, tmp_path: Path, metric_module: Any) -> None:
    metric_module(MODULE)
    interrupted(tmp_path, metric="my_metrics:score")
    metric_module(MODULE.replace(old, new))
    with pytest.raises(ConfigError, match="the source of the metric my_metrics:score has changed since the run began"):
        resume(tmp_path, recorded=True)


def test_a_metric_with_another_comment_or_neighbour_is_the_same(tmp_path: Path, metric_module: Any) -> None:
    metric_module(MODULE)
    interrupted(tmp_path, metric="my_metrics:score")
    metric_module("# mine\n" + MODULE.replace("return 3", "return 4").replace("BONUS = 1.0", "BONUS  =  1.0"))
    assert resume(tmp_path).verdict.rows == 42


def test_a_source_that_cannot_be_seen_has_no_digest() -> None:
    assert source_digest(len) == ""
    assert source_digest(lambda reply, target: 1.0) == ""
    assert source_digest(eval("lambda reply: 1.0")) == ""  # noqa: S307
    assert len(source_digest(write_rows)) == 64


def test_another_model_is_refused(tmp_path: Path) -> None:
    interrupted(tmp_path)
    with pytest.raises(ConfigError, match=r"the task model is not the one that the run began with .*model.*another"):
        promptdescent.resume(task_model=FunctionLLM(Model(), name="another"), store=tmp_path / "store")


# --- settings --------------------------------------------------------------------------------------------------------


def test_a_setting_that_decides_the_result_is_refused_by_name(tmp_path: Path) -> None:
    interrupted(tmp_path)
    with pytest.raises(ConfigError) as refused:
        resume(tmp_path, seed=3)
    assert "--seed is 0 on record and cannot become 3" in str(refused.value)
    assert "--max-calls" in str(refused.value)
    with pytest.raises(ConfigError, match=r"--length-cost is 0\.0 on record and cannot become 0\.1"):
        resume(tmp_path, length_cost=0.1)
    with pytest.raises(ConfigError, match="there is no counter 'emty'"):
        resume(tmp_path, failure_limit=("emty=0.5",))
    with pytest.raises(ConfigError, match="unknown key 'sed'"):
        resume(tmp_path, sed=3)
    assert resume(tmp_path, seed=0, candidates=2).verdict.rows == 42


def test_a_raised_cap_is_recorded_and_shown(tmp_path: Path) -> None:
    interrupted(tmp_path, max_calls=200)
    resume(tmp_path, max_calls=300, concurrency=4, max_minutes=None)
    record = shown(tmp_path)
    assert record["caps"]["calls"] == 300
    assert record["search"]["total_steps"] == 2
    store = Store.open(tmp_path / "store")
    run = store.find_run("latest").id
    events = store.events(run, "caps")
    assert [json.loads(event.payload) for event in events] == [{"max_calls": 300, "concurrency": 4}]
    assert RunRecord(store, run).settings()["max_calls"] == 300
    store.close()


def test_a_raised_cap_is_in_force(tmp_path: Path) -> None:
    interrupted(tmp_path, after=20, steps=3, max_calls=130, whole_steps=True)
    resume(tmp_path, max_calls=400)
    assert shown(tmp_path)["search"]["steps_done"] == 3


def test_a_cap_below_what_is_used_is_refused(tmp_path: Path) -> None:
    interrupted(tmp_path, after=20)
    with pytest.raises(ConfigError, match=r"--max-calls 9 is less than the \d+ calls that the run has come to already"):
        resume(tmp_path, max_calls=9)
    with pytest.raises(ConfigError, match=r"--max-total-tokens 5 is less than the \d+ tokens"):
        resume(tmp_path, max_total_tokens=5)
    assert resume(tmp_path, max_calls=500).verdict.rows == 42


def test_a_refusal_lets_go_of_the_run(tmp_path: Path) -> None:
    interrupted(tmp_path)
    store = Store.open(tmp_path / "store")
    run = store.find_run("latest").id
    with pytest.raises(ConfigError):
        asyncio.run(promptdescent.runner.resume(run, store=store, settings={"seed": 3}))
    store.claim(run)
    store.close()


def test_a_fork_that_was_interrupted_still_shares_the_past(tmp_path: Path) -> None:
    """A call that failed for good in the common past fails in the rest of it too, though the model would answer now."""

    class Failing(Model):
        async def __call__(self, messages: list[dict[str, str]]) -> str:
            if "Is 13 " in messages[-1]["content"] or "Is 52 " in messages[-1]["content"]:
                raise EndpointFailed("not now")
            return await super().__call__(messages)

    first = promptdescent.optimize(
        write_rows(tmp_path / "rows.csv"),
        task_model=FunctionLLM(Failing(), name="model"),
        **{"input": "q", "target": "a", "prompt": "Yes or no?", "steps": 2, "candidates": 2, "attempts": 1},
        **{"train_rows": 5, "dev_rows": 40, "test_rows": 25, "store": tmp_path / "store"},
    )
    missing = shown(tmp_path)["replies"]["start_on_dev"].get("missing", 0)
    assert missing == 2

    class Stopping:
        def on_message(self, text: str) -> None: ...
        def on_step(self, record: object) -> None: ...
        def on_progress(self, progress: Any) -> None:
            if progress.used.calls:
                raise KeyboardInterrupt

    model = FunctionLLM(Model(), name="model")
    fork = {"from_step": 2, "seed": 8, "task_model": model, "store": tmp_path / "store", "concurrency": 1}
    with pytest.raises(KeyboardInterrupt):
        promptdescent.rerun(first.run, **fork, observers=[Stopping()])
    assert shown(tmp_path)["status"] == "interrupted"
    resume(tmp_path)
    assert shown(tmp_path)["origin"] == {"run": first.run, "forked_at": 2}
    assert shown(tmp_path)["replies"]["start_on_dev"]["missing"] == missing


def test_a_finished_run_stays_finished_and_says_what_to_do(tmp_path: Path) -> None:
    interrupted(tmp_path)
    done = resume(tmp_path)
    assert resume(tmp_path) == done
    with pytest.raises(ConfigError, match=rf"promptdescent rerun {done.run} --max-calls 900"):
        resume(tmp_path, max_calls=900)


def test_the_command_takes_caps_and_pace_and_nothing_else(tmp_path: Path) -> None:
    text = CliRunner().invoke(main.app, ["resume", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    for flag in ("--max-calls", "--max-money", "--concurrency", "--timeout", "--task-price", "--recorded"):
        assert flag in text
    assert "--seed" not in text
    assert "(as recorded)" in text
    text = CliRunner().invoke(main.app, ["rerun", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    for flag in ("--replay-only", "--from-step", "--seed", "--max-calls"):
        assert flag in text


def test_a_file_that_changed_ends_the_command_with_2(tmp_path: Path) -> None:
    interrupted(tmp_path)
    write_rows(tmp_path / "rows.csv", spoiled=70)
    result = CliRunner().invoke(main.app, ["resume", "latest", "--store", str(tmp_path / "store")])
    assert isinstance(result.exception, ConfigError)
    assert "--recorded" in str(result.exception)


# --- time at work ----------------------------------------------------------------------------------------------------


def events(*said: tuple[float, str]) -> list[Event]:
    """Statuses, and notes for everything else."""
    return [
        Event(
            seq=number,
            at=at,
            kind="status" if word in ("running", "interrupted", "finished") else word,  # type: ignore[arg-type]
            payload=json.dumps({"state": word}),
        )
        for number, (at, word) in enumerate(said, start=1)
    ]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ([], 0.0),
        ([(5, "note"), (6, "running"), (8, "step"), (9, "finished")], 3.0),
        ([(0, "running"), (2, "interrupted"), (50, "running"), (51, "finished")], 3.0),
        ([(0, "running"), (2, "step"), (50, "caps"), (50.5, "running"), (51, "finished")], 2.5),
        ([(0, "running"), (2, "step"), (50, "running"), (51, "finished")], 3.0),
        ([(100, "running"), (102, "step"), (10, "step"), (11, "finished")], 3.0),
        ([(100, "running"), (10, "finished")], 0.0),
    ],
    ids=["nothing", "once", "interrupted", "killed and raised", "killed", "clock put back", "only back"],
)
def test_seconds_at_work_are_never_negative(said: list[tuple[float, str]], seconds: float) -> None:
    assert seconds_at_work(events(*said), lambda moment: 0.0) == seconds


def test_what_a_killed_process_sent_after_its_last_event_was_work() -> None:
    killed = events((0.0, "running"), (1.0, "note"), (100.0, "running"), (101.0, "finished"))
    assert seconds_at_work(killed, lambda moment: 21.0) == 1.0 + 20.0 + 1.0
