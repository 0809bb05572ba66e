"""Runs with Python functions as models: what a cap, long replies, copies and repeated use do to them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import promptdescent
from promptdescent.assembly import Given, Models
from promptdescent.config import RunSpec
from promptdescent.errors import ConfigError
from promptdescent.llm.concurrency import Slots
from promptdescent.llm.function import FunctionLLM
from promptdescent.records import ROLES
from promptdescent.runner import dry_run
from promptdescent.store.ledger import totals_of
from promptdescent.store.store import Store

TASK = {"input": "q", "target": "a", "prompt": "Yes or no?"}
"""Of every run here, unless it is about one of these."""


class Listener:
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def on_message(self, text: str) -> None:
        self.said.append(text)

    def on_progress(self, progress: object) -> None: ...
    def on_step(self, record: object) -> None: ...


def rows(count: int = 100, copies: int = 1) -> list[dict[str, str]]:
    return [
        {"q": f"Is {number} an even number?", "a": "yes" if number % 2 == 0 else "no"}
        for number in range(count)
        for _ in range(copies)
    ]


def answer(messages: list[dict[str, str]]) -> str:
    number = int(messages[-1]["content"].split()[1])
    right = number % 2 == 0 if "think" in messages[-1]["content"].lower() else number % 3 == 0
    return "yes" if right else "no"


def at_length(messages: list[dict[str, str]]) -> str:
    return "Let me see. " * 160 + f"The answer is {answer(messages)}."


def rewrite(messages: list[dict[str, str]], *, request: object) -> str:
    return f"<prompt>Think, and say yes or no. {request.draw.model_seed()}</prompt>"  # type: ignore[attr-defined]


SEARCH = {**TASK, "task_model": answer, "optimizer_model": rewrite, "steps": 1}
"""Of a run that is not about its models."""


def test_long_replies_under_a_token_cap_leave_enough_for_the_verdict(tmp_path: Path) -> None:
    def vary(messages: list[dict[str, str]], *, request: object) -> str:
        return f"<prompt>Say yes or no {request.draw.model_seed()}</prompt>"  # type: ignore[attr-defined]

    result = promptdescent.optimize(
        rows(),
        **TASK,
        task_model=at_length,
        optimizer_model=vary,
        candidates=4,
        max_total_tokens=150_000,
        task_max_tokens=1000,
        store=tmp_path,
    )
    store = Store.open(tmp_path)
    used = sum(totals_of(store, result.run)[role].used.tokens for role in ROLES)
    ended = store.events(result.run, "search ended")[-1].payload
    steps = [
        promptdescent.records.from_json(promptdescent.StepRecord, e.payload) for e in store.events(result.run, "step")
    ]
    store.close()
    assert "--max-total-tokens" in ended
    assert used <= 150_000
    assert (result.verdict.rows, result.verdict.missing) == (60, 0)
    # The step that the cap cut off is on record, with what was scored until then and why the rest was not.
    assert "--max-total-tokens" in steps[-1].stop
    assert any(candidate.fate == "failed" and "cap" in candidate.reason for candidate in steps[-1].candidates)
    assert all(candidate.tokens > 0 for step in steps for candidate in step.candidates)


def test_copies_of_a_row_count_once_in_the_verdict(tmp_path: Path) -> None:
    listener = Listener()
    result = promptdescent.optimize(rows(60, copies=5), **SEARCH, store=tmp_path, observers=[listener])
    assert result.verdict.rows == 36
    assert any("copies" in text and "counts each row once" in text for text in listener.said)


def test_one_model_object_serves_two_runs(tmp_path: Path) -> None:
    model = FunctionLLM(answer, name="parity")
    for seed in (0, 1):
        result = promptdescent.optimize(
            rows(),
            **TASK,
            task_model=model,
            optimizer_model=rewrite,
            steps=1,
            seed=seed,
            store=tmp_path,
        )
        assert result.verdict.gain_shown


def test_a_run_with_functions_resumes_without_paying_twice(tmp_path: Path) -> None:
    asked: list[str] = []

    def counting(messages: list[dict[str, str]]) -> str:
        asked.append(messages[-1]["content"])
        if len(asked) == 70:
            raise KeyboardInterrupt
        return answer(messages)

    async def loop_safe(messages: list[dict[str, str]]) -> str:
        return counting(messages)

    arguments = {"task_model": loop_safe, "optimizer_model": rewrite, "store": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        promptdescent.optimize(rows(), **TASK, steps=1, concurrency=1, **arguments)
    assert len(asked) == 70
    result = promptdescent.resume(**arguments)
    assert result.verdict.rows == 60
    assert len(asked) - len(set(asked)) == 1, "only the call that was interrupted is asked again"


def test_a_run_with_functions_is_not_resumed_from_a_name(tmp_path: Path) -> None:
    promptdescent.optimize(rows(), **SEARCH, store=tmp_path)
    store = Store.open(tmp_path)
    assert store.manifest(store.find_run("latest").id).task_model.name == "python:answer"
    store.close()
    with pytest.raises(ConfigError, match="handed in from Python"):
        promptdescent.optimize(rows(), **TASK, task_model="python:answer", store=tmp_path)


@pytest.mark.parametrize("address", ["http://me:hunter22@127.0.0.1:9/v1", "http://127.0.0.1:9/v1?api-key=TOPSECRET"])
def test_an_address_that_holds_a_secret_is_refused_and_stored_nowhere(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--task-api-key-env") as refused:
        promptdescent.optimize(
            rows(), input="q", target="a", prompt="?", task_model="m", base_url=address, store=tmp_path
        )
    assert "hunter22" not in str(refused.value)
    assert "TOPSECRET" not in str(refused.value)
    if (tmp_path / "store.db").exists():
        connection = sqlite3.connect(tmp_path / "store.db")
        assert connection.execute("select count(*) from runs").fetchone()[0] == 0
        connection.close()


def test_cancelling_records_an_interrupted_run_with_its_best_prompt(tmp_path: Path) -> None:
    from promptdescent.assembly import Given
    from promptdescent.config import RunSpec
    from promptdescent.runner import start

    async def main() -> None:
        store = Store.open(tmp_path)
        reached = asyncio.Event()

        async def slow(messages: list[dict[str, str]]) -> str:
            if "Think" in messages[-1]["content"]:
                reached.set()
                await asyncio.sleep(30)
            return answer(messages)

        spec = RunSpec(
            input=("q",), target="a", prompt="Yes or no?", task_model="python:slow", optimizer_model="python:r"
        )
        given = Given(task_model=FunctionLLM(slow), optimizer_model=FunctionLLM(rewrite), rows=rows())
        task = asyncio.create_task(start(spec, store=store, given=given, confirm=lambda plan: False))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        run = store.find_run("latest")
        assert run.status.state == "interrupted"
        assert store.events(run.id, "start")
        store.close()

    asyncio.run(main())


def test_a_plain_function_is_a_metric(tmp_path: Path) -> None:
    def lenient(reply: str, target: str) -> float:
        return float(target in reply)

    result = promptdescent.optimize(rows(), **SEARCH, metric=lenient, store=tmp_path)
    assert result.verdict.gain_shown
    with pytest.raises(ConfigError, match="returned 'a string'"):
        promptdescent.optimize(
            rows(),
            **TASK,
            task_model=answer,
            metric=lambda reply, target: "a string",
            store=tmp_path,
        )


def test_an_empty_prompt_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--prompt is empty"):
        promptdescent.optimize(rows(), input="q", target="a", prompt="  ", task_model=answer, store=tmp_path)


def test_a_cap_that_cuts_steps_says_so(tmp_path: Path) -> None:
    listener = Listener()
    promptdescent.optimize(rows(), **{**SEARCH, "steps": 4}, max_calls=400, store=tmp_path, observers=[listener])
    assert any("Up to 1 steps" in text and "no room for all 4" in text for text in listener.said)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optimizer_model": "local:smollm2+writer"}, ["the optimizer style writer"]),
        ({"optimizer_model": "local:smollm2", "optimizer_style": "few-shot"}, ["the optimizer style few-shot"]),
        ({"optimizer_model": "local:smollm2"}, []),
        ({"optimizer_model": "local:smollm2+writer", "notes": ""}, []),
        ({"optimizer_model": "local:smollm2+writer", "steps": 0}, []),
    ],
)
def test_notes_that_a_style_has_no_place_for_are_said_to_do_nothing(settings: dict[str, Any], said: list[str]) -> None:
    spec = RunSpec().with_settings({**TASK, "task_model": "local:smollm2", "notes": "Zero is even.", **settings})
    notes = dry_run(spec, given=Given(rows=rows())).notes
    assert [
        note.removeprefix("--notes has no effect: ").split(" has")[0] for note in notes if "--notes" in note
    ] == said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optimizer_model": "local:smollm2+writer", "optimizer_style": "chat"}, "is asked in the style chat"),
        ({"optimizer_model": "local:smollm2+writer"}, ""),
        ({"optimizer_model": "local:smollm2"}, ""),
        ({"optimizer_model": "local:smollm2+writer", "optimizer_style": "few-shot"}, "is asked in the style few-shot"),
    ],
)
def test_a_style_that_the_prompt_writer_does_not_know_is_said(settings: dict[str, Any], said: str) -> None:
    spec = RunSpec().with_settings({**TASK, "task_model": "local:smollm2", **settings})
    notes = [note for note in dry_run(spec, given=Given(rows=rows())).notes if "is asked in the style" in note]
    assert len(notes) == bool(said)
    assert all(said in note for note in notes)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"task_model": "local:smollm2+writer"}, "writes prompts and does nothing else"),
        ({"judge_model": "local:smollm2+writer", "metric": "judge"}, "writes prompts and does nothing else"),
        ({"optimizer_model": "local:smollm2+"}, "names no adapter"),
        ({"task_model": "local:smollm2", "task_base_url": "http://127.0.0.1:1/v1"}, "takes no --task-base-url"),
    ],
)
def test_a_rehearsal_refuses_models_that_no_run_takes(settings: dict[str, Any], said: str) -> None:
    spec = RunSpec().with_settings({**TASK, "task_model": "local:smollm2", **settings})
    with pytest.raises(ConfigError, match=said):
        dry_run(spec, given=Given(rows=rows()))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optimizer_model": "local:smollm2+Writer"}, ["Writer cannot be read"]),
        ({"optimizer_model": "local:smollm2+/nowhere.gguf"}, ["nowhere.gguf cannot be read"]),
        ({"task_model": "local:here.gguf", "optimizer_model": "local:there.gguf"}, ["here.gguf", "there.gguf"]),
        ({"task_model": "local:here.gguf"}, ["here.gguf cannot be read"]),
        ({"optimizer_model": "local:smollm2+writer"}, []),
    ],
)
def test_a_rehearsal_says_what_is_missing_on_this_machine(settings: dict[str, Any], said: list[str]) -> None:
    spec = RunSpec().with_settings({**TASK, "task_model": "local:smollm2", **settings})
    notes = [note for note in dry_run(spec, given=Given(rows=rows())).notes if "would be refused" in note]
    assert len(notes) == len(said)
    assert all(file in note for file, note in zip(said, notes, strict=True))


def test_a_rehearsed_evaluation_does_not_look_for_an_optimizer_model() -> None:
    spec = RunSpec().with_settings(
        {**TASK, "task_model": "local:smollm2", "optimizer_model": "local:nowhere.gguf", "evaluate_on": "dev"}
    )
    assert not [note for note in dry_run(spec, given=Given(rows=rows())).notes if "nowhere.gguf" in note]


def test_under_a_cap_on_time_calls_are_computed_in_the_order_of_asking(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = []
    slots = Models.slots

    def watched(models: Models, on_change: Callable[[], None], *, in_order: bool = False) -> Slots:
        seen.append(in_order)
        return slots(models, on_change, in_order=in_order)

    monkeypatch.setattr(Models, "slots", watched)
    for place, minutes in enumerate((None, 5.0)):
        promptdescent.optimize(rows(), **SEARCH, max_minutes=minutes, store=tmp_path / str(place))
    assert seen == [False, True]
