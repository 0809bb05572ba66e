"""A run from its record: what is refused before the first call, caps in a step, and going on from any event."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import promptdescent
from promptdescent.assembly import Given, load_task
from promptdescent.config import RunSpec
from promptdescent.errors import ConfigError, UnusableReplies
from promptdescent.llm.base import Completion, Request
from promptdescent.llm.budget import Caps
from promptdescent.llm.function import FunctionLLM
from promptdescent.parts.direction.gradient import DescentDirection, Reflect
from promptdescent.parts.direction.momentum import RelevanceRetrieval, RunningSummary
from promptdescent.parts.method.refinement import Edit, Paraphrase, Then
from promptdescent.parts.method.step_size import Cosine, Warmup
from promptdescent.parts.recipe import Recipe
from promptdescent.parts.search.estimation import Minibatch, Racing
from promptdescent.parts.search.initialization import Induction, PromptList
from promptdescent.parts.search.selection import Beam, TopK
from promptdescent.parts.search.stopping import TargetScore
from promptdescent.phases import RunResult
from promptdescent.planning import forecast
from promptdescent.recipes import recipe_named
from promptdescent.records import Reply, StepRecord, from_json
from promptdescent.report.record import canonical, run_record
from promptdescent.run_record import RunRecord
from promptdescent.runner import resume, start
from promptdescent.store.store import EventKind, Store

Also = tuple[EventKind, str]

ROWS = [{"q": f"Is {number} an even number?", "a": "yes" if number % 2 == 0 else "no"} for number in range(100)]


def recipe_of(candidates: int = 3, **parts: Any) -> Recipe:
    recipe = replace(recipe_named("gpo"), **parts)
    return replace(recipe, search=replace(recipe.search, candidates=candidates, minibatch=4))


def answer(messages: list[dict[str, str]]) -> str:
    """Right on a share of the numbers that the words of the prompt decide."""
    question, _, prompt = messages[-1]["content"].partition("\n")
    number = int(question.split()[1])
    ability = random.Random(prompt).random() * 0.9
    right = random.Random(f"{prompt}/{number}").random() < ability
    return "yes" if (number % 2 == 0) == right else "no"


def rewrite(messages: list[dict[str, str]], *, request: Any) -> str:
    """New words for each draw, in the form that is asked for."""
    tag = messages[-1]["content"].rsplit("</", 1)[-1].partition(">")[0]
    chance = random.Random(request.draw.model_seed())
    words = " ".join("".join(chance.choice("abdegilmnoprstu") for _ in range(6)) for _ in range(5))
    return f"<{tag}>{words}.</{tag}>"


def given(recipe: Recipe, *, optimizer: Any = rewrite, task: FunctionLLM | None = None) -> Given:
    return Given(
        task_model=task or FunctionLLM(answer, name="parity", version="1"),
        optimizer_model=FunctionLLM(optimizer, name="words", version="1"),
        rows=ROWS,
        recipe=recipe,
    )


def spec(**settings: Any) -> RunSpec:
    named = {"task_model": "python:parity", "optimizer_model": "python:words", "dev_rows": 20, "test_rows": 30}
    return RunSpec(input=("q",), target="a", prompt="Yes or no?", **{"steps": 3, **named, **settings})


def run(
    folder: Path, recipe: Recipe, *, optimizer: Any = rewrite, task: FunctionLLM | None = None, **settings: Any
) -> RunResult:
    store = Store.open(folder)
    try:
        what = given(recipe, optimizer=optimizer, task=task)
        return asyncio.run(start(spec(**settings), store=store, given=what, confirm=lambda plan: True))
    finally:
        store.close()


def go_on(folder: Path, recipe: Recipe, *, task: FunctionLLM | None = None) -> RunResult:
    store = Store.open(folder)
    try:
        return asyncio.run(resume("latest", store=store, given=given(recipe, task=task)))
    finally:
        store.close()


def read(folder: Path) -> tuple[dict[str, Any], list[StepRecord], list[str]]:
    """The canonical record, the steps, and the kinds of the events but for notes and status."""
    store = Store.open(folder)
    try:
        run_id = store.find_run("latest").id
        kinds: tuple[EventKind, ...] = ("start", "step", "search ended", "verdict")
        events = sorted((event for kind in kinds for event in store.events(run_id, kind)), key=lambda event: event.seq)
        steps = [from_json(StepRecord, event.payload) for event in events if event.kind == "step"]
        return dict(canonical(run_record(store, run_id))), steps, [event.kind for event in events]
    finally:
        store.close()


# --- before the first call --------------------------------------------------------------------------------------------

REFLECTING = DescentDirection(reflection=Reflect())

MISFITS: list[tuple[Recipe, dict[str, Any], str]] = [
    (recipe_of(momentum=RunningSummary(of="reflections")), {}, "works on reflections"),
    (recipe_of(gradient=REFLECTING, refinement=Paraphrase()), {}, "shows no reflection"),
    (recipe_of(momentum=RelevanceRetrieval(), refinement=Paraphrase()), {}, "shows no past prompts"),
    (recipe_of(selection=TopK(k=4)), {}, "keeps 4 prompts"),
    (recipe_of(gradient=DescentDirection(reflection=Reflect(reasons=4)), selection=Beam()), {}, "4 reasons per prompt"),
    (recipe_of(1, refinement=Then(first=Edit(), then=Paraphrase())), {}, "leaves no room"),
    (recipe_of(step_size=Warmup(schedule=Cosine(), steps=3)), {}, "the search has only 3"),
    (recipe_of(initialization=Induction(demonstrations=51)), {}, "shows 51 train rows"),
    (recipe_of(estimation=Racing()), {"metric": "f1"}, "no mean over rows"),
    (recipe_of(estimation=Minibatch()), {"metric": "f1"}, "no mean over rows"),
    (recipe_of(stopping=(TargetScore(score=90),)), {}, "dev score of 90"),
]


@pytest.mark.parametrize(("recipe", "settings", "says"), MISFITS)
def test_parts_that_do_not_fit_are_refused_before_the_first_call(
    recipe: Recipe, settings: dict[str, Any], says: str, tmp_path: Path
) -> None:
    asked: list[str] = []

    def never(messages: list[dict[str, str]]) -> str:
        asked.append(messages[-1]["content"])
        return "yes"

    with pytest.raises(ConfigError, match=says):
        promptdescent.optimize(
            ROWS,
            input="q",
            target="a",
            prompt="?",
            steps=3,
            task_model=never,
            recipe=recipe,
            store=tmp_path,
            dev_rows=20,
            test_rows=30,
            **settings,
        )
    assert asked == []
    store = Store.open(tmp_path)
    assert list(store.runs()) == [], "nothing is recorded, and nothing is in any ledger"
    store.close()


# --- going on from any event ------------------------------------------------------------------------------------------

RECIPES = {
    "induction and a race": recipe_of(
        4,
        initialization=Induction(subsamples=2, demonstrations=3, prompts_each=2),
        estimation=Racing(),
        selection=TopK(k=2),
    ),
    "reflections and a summary": recipe_of(
        4,
        gradient=DescentDirection(reflection=Reflect(reasons=2, mistakes=2)),
        momentum=RunningSummary(of="reflections"),
        selection=Beam(width=2),
        initialization=PromptList(texts=("Is it even?", "Odd or even?")),
    ),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_goes_on_from_each_event_to_the_same_record(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, settings = RECIPES[name], {"steps": 2}
    run(tmp_path / "whole", recipe, **settings)
    expected, steps, kinds = read(tmp_path / "whole")
    assert kinds == ["start", "step", "step", "step", "search ended", "verdict"]
    assert [step.step for step in steps] == [0, 1, 2]
    append = RunRecord.append

    for stop_after in range(len(kinds)):
        left = [stop_after + 1]

        async def cut_off(self: RunRecord, kind: EventKind, payload: str, *also: Also, left: list[int] = left) -> None:
            await append(self, kind, payload, *also)
            left[0] -= kind not in ("note", "status", "forecast")
            if left[0] == 0:
                left[0] = -1
                raise asyncio.CancelledError

        folder = tmp_path / str(stop_after)
        monkeypatch.setattr(RunRecord, "append", cut_off)
        with pytest.raises(asyncio.CancelledError):
            run(folder, recipe, **settings)
        monkeypatch.setattr(RunRecord, "append", append)
        assert read(folder)[2] == kinds[: stop_after + 1]
        go_on(folder, recipe)
        resumed, _, events = read(folder)
        assert events == kinds
        assert resumed == expected


def test_a_search_that_a_cap_ended_is_not_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last step says that it was the last; when the run is resumed there may be room for another call: the
    tokens that were set aside for calls in flight are free again. Here there is any amount of room.
    """

    def at_length(messages: list[dict[str, str]]) -> str:
        return "Let me see. " * 160 + f"The answer is {answer(messages)}."

    # About 500 tokens an answer: 20 for the start, 60 for the verdict and a quarter more, half of 120 for the step.
    recipe, task = recipe_of(6), FunctionLLM(at_length, name="parity", version="2")
    settings = {"steps": 9, "max_total_tokens": 80_000, "task_max_tokens": 1_000}
    run(tmp_path / "whole", recipe, task=task, **settings)
    expected, steps, kinds = read(tmp_path / "whole")
    assert kinds == ["start", "step", "search ended", "verdict"]
    assert "(--max-total-tokens) is reached" in steps[0].stop
    append = RunRecord.append

    async def cut_off(self: RunRecord, kind: EventKind, payload: str, *also: Also) -> None:
        if kind == "search ended":
            raise asyncio.CancelledError
        await append(self, kind, payload, *also)

    monkeypatch.setattr(RunRecord, "append", cut_off)
    with pytest.raises(asyncio.CancelledError):
        run(tmp_path / "cut", recipe, task=task, **settings)
    monkeypatch.setattr(RunRecord, "append", append)
    (step,) = read(tmp_path / "cut")[1]
    monkeypatch.setattr("promptdescent.engine.Caps", lambda **caps: Caps())
    go_on(tmp_path / "cut", recipe, task=task)
    resumed, steps, events = read(tmp_path / "cut")
    assert steps == [step]
    assert events == kinds
    assert resumed["search"]["ended_because"] == step.stop == expected["search"]["ended_because"]


# --- replies that are of no use ---------------------------------------------------------------------------------------


def test_a_cap_in_the_first_score_says_nothing_of_the_proposals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends with its verdict, and not with a complaint about the optimizer model."""
    monkeypatch.setattr("promptdescent.phases.Run._no_room", lambda *_: "")  # so that the step begins
    # 20 dev rows, 2 proposals and 7 rows; twice 30 test rows are kept for the verdict.
    result = run(tmp_path, recipe_of(2), steps=1, max_calls=20 + 2 + 7 + 60, whole_steps=True)
    _, steps, _ = read(tmp_path)
    assert [(one.fate, one.reason) for one in steps[0].candidates] == [("failed", steps[0].stop)]
    assert result.best_prompt == "Yes or no?"
    assert result.verdict.rows == 30


def test_given_prompts_are_no_replies_of_the_optimizer_model(tmp_path: Path) -> None:
    texts = tuple(f"Yes or no? {'!' * number}" for number in range(1, 25))
    recipe = recipe_of(initialization=PromptList(texts=texts))
    run(tmp_path / "fine", recipe, steps=1)
    _, steps, _ = read(tmp_path / "fine")
    assert {one.fate for one in steps[0].candidates} == {"rejected"}, "near duplicates of the starting prompt"
    with pytest.raises(UnusableReplies, match="none of the first 3 proposals of the optimizer model"):
        run(tmp_path / "empty", recipe, steps=1, optimizer=lambda messages: "Yes or no?")


class RunsOn(FunctionLLM):
    """Begins to think about the starting prompt, and answers others."""

    async def complete(self, request: Request) -> Completion:
        done = await super().complete(request)
        if not request.messages[-1].text.endswith("Yes or no?"):
            return done
        return replace(done, replies=(Reply(text="Let me think", finish="length"),))


def test_a_start_that_lets_the_task_model_run_on_is_searched_from_if_that_is_wanted(tmp_path: Path) -> None:
    task = RunsOn(answer, name="parity", version="1")
    with pytest.raises(UnusableReplies, match="20 were cut off"):
        run(tmp_path / "refused", recipe_of(2), task=task)
    result = run(tmp_path / "wanted", recipe_of(2), task=task, failure_limit=("cut-off=1",))
    assert result.verdict.start_score == 0
    assert result.verdict.best_score > 0
    with pytest.raises(UnusableReplies, match="20 were cut off"):
        run(tmp_path / "short of it", recipe_of(2), task=task, failure_limit=("cut-off=0.99",))


def test_the_cost_of_an_initialization_is_not_that_of_a_step(tmp_path: Path) -> None:
    """Eight prompts are scored in step 0 and two in each later step; where two fit under the cap, there is one more."""
    texts = tuple(f"{word} yes or no?" for word in ("Say", "Tell", "Reply", "Write", "Give", "Choose", "Name", "Find"))
    recipe = recipe_of(2, initialization=PromptList(texts=texts))
    run(tmp_path / "free", recipe, steps=3)
    _, free, _ = read(tmp_path / "free")
    assert [len(step.candidates) for step in free] == [8, 2, 2, 2]
    settings = {"steps": 3, "whole_steps": True}
    verdict = forecast(spec(**settings), recipe, load_task(spec(), given(recipe))).verdict
    run(tmp_path / "capped", recipe, max_total_tokens=free[-1].used.tokens + verdict.tokens + 600, **settings)
    assert [len(step.candidates) for step in read(tmp_path / "capped")[1]] == [8, 2, 2, 2]
