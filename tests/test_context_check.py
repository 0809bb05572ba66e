"""The check of context lengths before anything is paid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from promptdescent import runner
from promptdescent.assembly import Given, load_task
from promptdescent.config import RunSpec
from promptdescent.context_check import check_context
from promptdescent.errors import ConfigError
from promptdescent.llm.function import FunctionLLM
from promptdescent.records import Role
from promptdescent.store.store import Store

pytestmark = pytest.mark.anyio

LONG = "word " * 160  # 800 characters: 100 tokens at least, 200 as a rule


@dataclass
class Small:
    """What a model says of its context."""

    context_tokens: int | None


def rows(long_at: int) -> list[dict[str, str]]:
    """Ten train, ten dev and thirty test rows; one is long."""
    return [
        {"text": LONG + str(number) if number == long_at else f"text {number}", "label": "yes" if number % 2 else "no"}
        | {"part": "train" if number < 10 else "dev" if number < 20 else "test"}
        for number in range(50)
    ]


def spec(**changes: Any) -> RunSpec:
    settings = {
        "split_column": "part",
        "input": ("text",),
        "target": "label",
        "prompt": "Yes or no?",
        "task_model": "python:some",
        "task_max_tokens": 50,
        "optimizer_max_tokens": 100,
    }
    return RunSpec().with_settings({**settings, **changes})


def notes(
    *, long_at: int = 17, task: int | None = None, optimizer: int | None = None, **changes: Any
) -> tuple[str, ...]:
    asked = spec(**changes)
    models: dict[Role, Any] = {"task": Small(task), "optimizer": Small(optimizer), "judge": Small(changes.get("judge"))}
    return check_context(asked, load_task(asked, Given(rows=rows(long_at))), models)


def test_room_enough_or_not_known_is_no_news() -> None:
    assert notes() == ()
    assert notes(task=100_000, optimizer=100_000) == ()


@pytest.mark.parametrize(("long_at", "row"), [(17, "dev row 8"), (22, "test row 3")])
def test_a_row_that_certainly_does_not_fit_is_named(long_at: int, row: str) -> None:
    # 813 characters with the prompt: 102 tokens at 8 characters each, and a reply of up to 50.
    with pytest.raises(ConfigError, match=rf"{row} \(id .*\) with the starting prompt does not fit") as caught:
        notes(long_at=long_at, task=151)
    assert "has 151 tokens, and it needs 152 at the very least" in str(caught.value)
    assert "Shorten or leave out the row, shorten --prompt, lower --task-max-tokens" in str(caught.value)
    (note,) = notes(long_at=long_at, task=152)
    assert note.startswith(row[0].upper() + row[1:])


def test_a_row_that_may_not_fit_is_a_note() -> None:
    (note,) = notes(task=253)
    assert "may not fit: the context of the task model has 253 tokens, and it needs about 254" in note
    assert notes(task=254) == ()


def test_a_train_row_is_never_scored() -> None:
    assert notes(long_at=3, task=100) == ()


def test_the_optimizer_model_must_hold_the_prompt_and_its_reply() -> None:
    with pytest.raises(ConfigError, match=r"starting prompt, does not fit.*needs 102 at.*--optimizer-max-tokens"):
        notes(optimizer=101)
    assert "may not fit" in notes(optimizer=102)[0]
    assert notes(optimizer=10, steps=0) == (), "without a search nobody asks it"


def test_the_judge_must_hold_the_row_and_its_rubric() -> None:
    asked = spec(metric="judge", judge_model="python:another", judge_max_tokens=80)
    task = load_task(asked, Given(rows=rows(22)))
    with pytest.raises(ConfigError, match=r"the grading of test row 3 .*--judge-rubric"):
        check_context(asked, task, {"judge": Small(200)})  # type: ignore[dict-item]
    assert check_context(asked, task, {"judge": Small(5_000)}) == ()  # type: ignore[dict-item]


@pytest.mark.parametrize(("on", "named"), [("dev", "dev row 8"), ("test", "")])
def test_only_rows_that_are_scored_count(on: Any, named: str) -> None:
    asked = spec().scoring(on)
    task = load_task(asked, Given(rows=rows(17)))
    models: dict[Role, Any] = {"task": Small(110)}
    if not named:
        assert check_context(asked, task, models) == ()
        return
    with pytest.raises(ConfigError, match=named):
        check_context(asked, task, models)


async def test_nothing_is_paid_or_recorded_for_a_run_that_cannot_fit(tmp_path: Path) -> None:
    asked: list[object] = []

    def reply(messages: object) -> str:
        asked.append(messages)
        return "yes"

    class Tight(FunctionLLM):
        context_tokens = 120  # type: ignore[assignment]

    model = Tight(reply)
    store = Store.open(tmp_path)
    try:
        with pytest.raises(ConfigError, match=r"dev row 8 .* does not fit"):
            await runner.start(
                spec(), store=store, given=Given(task_model=model, rows=rows(17)), confirm=lambda _: True
            )
        assert asked == []
        assert store.runs() == ()
    finally:
        store.close()
