"""Reruns with Python functions as models: what a fork, a replay and other caps take from the run they repeat."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import pytest
from typer.testing import CliRunner

import promptdescent
from promptdescent.cli import main
from promptdescent.errors import ConfigError, RunFailed, UnseenRequest
from promptdescent.llm.base import Request
from promptdescent.llm.function import FunctionLLM
from promptdescent.optimizer import Surroundings
from promptdescent.recipes import recipe_named
from promptdescent.report.comparison import first_difference
from promptdescent.report.record import canonical, run_record
from promptdescent.report.text import summary
from promptdescent.rerunning import check_equal
from promptdescent.store.store import Store


class Asked:
    """Functions as models, and what they were asked."""

    def __init__(self) -> None:
        self.task: list[str] = []
        self.optimizer: list[Request] = []

    async def answer(self, messages: list[dict[str, str]]) -> str:
        text = messages[-1]["content"]
        self.task.append(text)
        right = crc32(text.encode()) % 10 < (7 if "Think" in text else 5)
        return "yes" if right == (int(text.split()[1]) % 2 == 0) else "no"

    async def rewrite(self, messages: list[dict[str, str]], *, request: Request) -> str:
        self.optimizer.append(request)
        seed = "".join(chr(97 + int(digit)) for digit in str(request.draw.model_seed()))
        return f"<prompt>Think of {seed}: yes or no?</prompt>"

    @property
    def models(self) -> dict[str, Any]:
        return {"task_model": self.answer, "optimizer_model": self.rewrite}

    def forget(self) -> None:
        self.task, self.optimizer = [], []


ROWS = [{"q": f"Is {number} an even number?", "a": "no" if number % 2 else "yes"} for number in range(70)]


def optimize(store: Path, asked: Asked, **settings: Any) -> promptdescent.RunResult:
    wanted = {"steps": 3, "candidates": 2, "seed": 1, **settings}
    return promptdescent.optimize(
        ROWS, input="q", target="a", prompt="Yes or no?", store=store, **asked.models, **wanted
    )


def shown(store: Path, run: str) -> dict[str, Any]:
    opened = Store.open(store)
    try:
        return run_record(opened, run)
    finally:
        opened.close()


def prompts(record: dict[str, Any]) -> list[list[str]]:
    return [[candidate["prompt"] for candidate in step["candidates"]] for step in record["steps"]]


def test_a_rerun_without_changes_pays_nothing_and_says_what_it_is(tmp_path: Path) -> None:
    asked = Asked()
    first = optimize(tmp_path, asked)
    asked.forget()
    second = promptdescent.rerun(store=tmp_path, **asked.models)
    assert (asked.task, asked.optimizer) == ([], [])
    assert canonical(shown(tmp_path, first.run)) == canonical(shown(tmp_path, second.run))
    assert f"Run {first.run} once more" in summary(shown(tmp_path, second.run))


def test_a_rerun_under_a_higher_cap_goes_further(tmp_path: Path) -> None:
    asked = Asked()
    first = optimize(tmp_path, asked, max_calls=130, whole_steps=True)
    assert len(asked.optimizer) == 2
    asked.forget()
    second = promptdescent.rerun(first.run, max_calls=400, store=tmp_path, **asked.models)
    before, after = shown(tmp_path, first.run), shown(tmp_path, second.run)
    assert [request.draw.step for request in asked.optimizer] == [2, 2, 3, 3]
    assert (len(before["steps"]), len(after["steps"])) == (1, 3)
    assert after["steps"][0] == before["steps"][0]
    assert after["caps"]["calls"] == 400


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_fork_draws_with_the_other_seed_from_its_step_on(step: int, tmp_path: Path) -> None:
    asked = Asked()
    first = optimize(tmp_path, asked)
    asked.forget()
    fork = promptdescent.rerun(first.run, from_step=step, seed=8, store=tmp_path, **asked.models)
    before, after = shown(tmp_path, first.run), shown(tmp_path, fork.run)
    assert after["steps"][: step - 1] == before["steps"][: step - 1]
    assert after["start"] == before["start"]
    assert {(request.draw.step, request.draw.seed) for request in asked.optimizer} == {
        (later, 8) for later in range(step, 4)
    }
    assert all(old != new for old, new in zip(prompts(before)[step - 1 :], prompts(after)[step - 1 :], strict=True))
    assert after["seed"] == before["seed"]
    of_the_past = {prompt for found in prompts(before)[: step - 1] for prompt in found} - {after["best"]["prompt"]}
    assert not [text for text in asked.task if text.split("?\n")[-1] in of_the_past]


def test_the_seed_of_a_step_is_the_latest_that_began() -> None:
    nothing: Any = None
    around = Surroundings(
        brief=nothing, dev=(), evaluate=nothing, model=nothing, similarity=nothing, seed=1, later_seeds=((3, 8), (5, 9))
    )
    assert [around.seed_at(step) for step in range(7)] == [1, 1, 1, 8, 8, 9, 9]
    around = replace(around, brief=SimpleNamespace(train=()))  # type: ignore[arg-type]
    state: Any = SimpleNamespace(total_steps=6)
    contexts = [around.context(recipe_named("gpo"), state, step, nothing) for step in (2, 4)]
    assert [context.seed for context in contexts] == [1, 8]


def test_a_fork_takes_other_mini_batches(tmp_path: Path) -> None:
    asked = Asked()
    first = optimize(tmp_path, asked, recipe="sgdm")
    fork = promptdescent.rerun(first.run, from_step=3, seed=8, store=tmp_path, **asked.models)
    before, after = shown(tmp_path, first.run), shown(tmp_path, fork.run)
    assert before["steps"][2]["requests"][0]["purpose"] == "reflection"
    asked_for = [[step["requests"][0]["message"]["text"] for step in one["steps"]] for one in (before, after)]
    assert asked_for[0][:2] == asked_for[1][:2]
    assert asked_for[0][2] != asked_for[1][2]  # about the same prompt, with the mistakes of other rows


def test_sampled_answers_keep_the_seed_of_the_run_and_that_is_said(tmp_path: Path) -> None:
    asked = Asked()
    optimize(tmp_path, asked, task_temperature=0.5)
    asked.forget()
    fork = promptdescent.rerun(from_step=3, seed=8, store=tmp_path, **asked.models)
    notes = " ".join(shown(tmp_path, fork.run)["notes"])
    assert "Answers of the task model are drawn with the seed 1 throughout" in notes
    assert not [text for text in asked.task if text.endswith("\nYes or no?")]  # the starting prompt's are the run's


def test_a_task_file_makes_no_fork(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text("data: rows.csv\nlater_seeds: [[2, 8]]\n")
    with pytest.raises(ConfigError, match="promptdescent rerun --from-step"):
        promptdescent.optimize(tmp_path / "task.yaml", store=tmp_path)


def test_the_score_of_one_prompt_is_replayed(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("q,a\n" + "".join(f"{row['q']},{row['a']}\n" for row in ROWS))
    rows = ["--input", "q", "--target", "a", "--task-model", "simulated:plain", "--store", str(tmp_path / "store")]
    scored = CliRunner().invoke(main.app, ["evaluate", "Yes or no?", str(tmp_path / "rows.csv"), *rows])
    assert scored.exit_code == 0, scored.output
    replay = CliRunner().invoke(main.app, ["rerun", "latest", "--replay-only", "--store", str(tmp_path / "store")])
    assert replay.exit_code == 0, replay.output
    assert "the canonical record equals" in replay.output


def test_a_fork_can_be_forked_and_replayed(tmp_path: Path) -> None:
    asked = Asked()
    first = optimize(tmp_path, asked)
    fork = promptdescent.rerun(first.run, from_step=2, seed=8, store=tmp_path, **asked.models)
    later = promptdescent.rerun(fork.run, from_step=3, seed=9, store=tmp_path, **asked.models)
    record = shown(tmp_path, later.run)
    assert record["later_seeds"] == [[2, 8], [3, 9]]
    assert prompts(record)[:2] == prompts(shown(tmp_path, fork.run))[:2]
    earlier = promptdescent.rerun(fork.run, from_step=1, seed=7, store=tmp_path, **asked.models)
    assert shown(tmp_path, earlier.run)["later_seeds"] == [[1, 7]]
    asked.forget()
    replay = promptdescent.rerun(later.run, replay_only=True, store=tmp_path)
    assert canonical(shown(tmp_path, replay.run)) == canonical(record)
    assert f"Forked from {fork.run} at step 3 with seed 9" in summary(record)
    assert f"Run {later.run} once more" in summary(shown(tmp_path, replay.run))


def test_a_replay_takes_what_its_run_was_answered_and_no_other_reply(tmp_path: Path) -> None:
    """Functions that answer differently in each run: an older run holds other replies to the same requests."""
    for number in (1, 2):
        count = iter(range(10_000))

        async def answer(messages: list[dict[str, str]], number: int = number, count: Any = count) -> str:
            return "yes" if crc32(f"{number} {messages} {next(count) % 3}".encode()) % 3 else "no"

        asked = Asked()
        asked.answer = FunctionLLM(answer, name="moody", version="1")  # type: ignore[method-assign,assignment]
        first = optimize(tmp_path, asked, cache="run")
    replay = promptdescent.rerun(first.run, replay_only=True, store=tmp_path)
    again = promptdescent.rerun(replay.run, replay_only=True, store=tmp_path)
    assert canonical(shown(tmp_path, again.run)) == canonical(shown(tmp_path, first.run))


def test_a_reply_of_another_run_is_no_reply_of_the_replayed_one(tmp_path: Path) -> None:
    """A run ended by its cap is replayed to the same end, though a later run holds the replies that came after."""
    asked = Asked()
    asked.answer = FunctionLLM(asked.answer, name="a", version="1")  # type: ignore[method-assign,assignment]
    asked.rewrite = FunctionLLM(asked.rewrite, name="r", version="1")  # type: ignore[method-assign,assignment]
    first = optimize(tmp_path, asked, max_calls=130, whole_steps=True)
    optimize(tmp_path, asked)
    replay = promptdescent.rerun(first.run, replay_only=True, store=tmp_path)
    assert len(shown(tmp_path, replay.run)["steps"]) == 1
    assert canonical(shown(tmp_path, replay.run)) == canonical(shown(tmp_path, first.run))


def lenient(reply: str, target: str) -> float:
    return float(target in reply)


def strict(reply: str, target: str) -> float:
    return float(target == reply and len(reply) == 2)


def test_a_replay_with_another_metric_is_refused(tmp_path: Path) -> None:
    optimize(tmp_path, Asked(), metric=lenient)
    strict.__name__ = "lenient"
    with pytest.raises(ConfigError, match="the source of the metric python:lenient has changed"):
        promptdescent.rerun(replay_only=True, metric=strict, store=tmp_path)
    promptdescent.rerun(replay_only=True, metric=lenient, store=tmp_path)


def test_a_record_that_differs_is_named(tmp_path: Path) -> None:
    asked = Asked()
    first, second = optimize(tmp_path, asked), optimize(tmp_path, asked, seed=2)
    store = Store.open(tmp_path)
    check_equal(store, replay=first.run, origin=first.run)
    with pytest.raises(RunFailed, match=rf"replay of run {first.run} is not equal to it: \S+ is .* and not"):
        check_equal(store, replay=second.run, origin=first.run)
    store.close()


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        ({"a": 1}, {"a": 1}, ""),
        ({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "y"}]}, 'a[1].b is "y" and not "x"'),
        ({"a": [1]}, {"a": [1, 2]}, "a has 2 entries and not 1"),
        ({"a": 1}, {}, "a is missing"),
        ({}, {"a": 1}, "a is new"),
        ({"a": 1}, {"a": None}, "a is null and not 1"),
        ({"a": "x" * 99}, {"a": ""}, 'a is "" and not "' + "x" * 58 + "…"),
    ],
    ids=["equal", "deep", "longer", "missing", "new", "null", "long"],
)
def test_first_difference(before: Any, after: Any, difference: str) -> None:
    assert first_difference(before, after) == difference


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a seed alone": ({"seed": 3}, "--seed needs --from-step"),
    "a step alone": ({"from_step": 3}, "--from-step needs --seed"),
    "step 0": ({"from_step": 0, "seed": 3}, "has steps 1 to 3"),
    "a step too many": ({"from_step": 4, "seed": 3}, "has steps 1 to 3"),
    "a replay with a cap": ({"replay_only": True, "max_calls": 9}, "--max-calls has no place"),
    "a replay and a fork": ({"replay_only": True, "from_step": 1, "seed": 3}, "--from-step has no place"),
    "another task": ({"dev_rows": 9}, "--dev-rows cannot be changed in a rerun"),
    "an unknown setting": ({"max_cals": 9}, "--max-cals cannot be changed"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_rerun_cannot_do_is_refused_before_anything_is_recorded(what: str, tmp_path: Path) -> None:
    asked = Asked()
    optimize(tmp_path, asked)
    arguments, message = REFUSED[what]
    with pytest.raises(ConfigError, match=message):
        promptdescent.rerun(store=tmp_path, **asked.models, **arguments)
    store = Store.open(tmp_path)
    assert len(store.runs()) == 1
    store.close()


def test_a_fork_after_the_end_of_the_search_is_refused(tmp_path: Path) -> None:
    asked = Asked()
    optimize(tmp_path, asked, max_calls=130, whole_steps=True)
    with pytest.raises(ConfigError, match="ended after step 1"):
        promptdescent.rerun(from_step=2, seed=3, store=tmp_path, **asked.models)


def test_an_unfinished_run_is_not_replayed(tmp_path: Path) -> None:
    asked = Asked()

    async def failing(messages: list[dict[str, str]]) -> str:
        raise UnseenRequest("no")

    asked.rewrite = failing  # type: ignore[method-assign,assignment]
    with pytest.raises(UnseenRequest):
        optimize(tmp_path, asked)
    with pytest.raises(ConfigError, match="is not finished"):
        promptdescent.rerun(replay_only=True, store=tmp_path)


def test_the_record_names_the_origin_in_json(tmp_path: Path) -> None:
    asked = Asked()
    first = optimize(tmp_path, asked)
    fork = promptdescent.rerun(from_step=2, seed=8, store=tmp_path, **asked.models)
    record = json.loads(json.dumps(shown(tmp_path, fork.run)))
    assert record["origin"] == {"run": first.run, "forked_at": 2}
    assert shown(tmp_path, first.run)["origin"] is None
    assert any(note.startswith(f"Fork of run {first.run}") for note in record["notes"])
