"""Steps, and the states after them: kept apart, committed together, and found again in records of every version."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from loop_samples import DEV, Scored, stage, start
from promptdescent.errors import StoreError
from promptdescent.optimizer import Step, descend
from promptdescent.recipes import recipe_named
from promptdescent.records import OptimizerState, Prompt, StepRecord, from_json, read_step, state_inside, to_json
from promptdescent.run_record import RunRecord
from promptdescent.store.store import Store
from promptdescent.store.summaries import summary_of
from store.samples import example, manifest

pytestmark = pytest.mark.anyio


async def steps(count: int) -> list[Step]:
    """Steps of two proposals, each of a text of its own; the later, the better."""
    recipe = recipe_named("gpo")
    recipe = replace(recipe, search=replace(recipe.search, candidates=2))
    scored = Scored(lambda text, row: float(DEV.index(row) < int(text.split()[1])) if text != "start" else 0.0)

    def reply(request: Any) -> str:
        return f"words {request.draw.step} {request.draw.index} {'x' * 40}"

    found = descend(recipe, start(recipe, 0.0, total=count), stage(reply, evaluate=scored).around)
    return [step async for step in found]


@pytest.fixture
def record(store: Store) -> RunRecord:
    return RunRecord(store, store.create_run(manifest(), {"test": [example("a")]}))


def old(step: StepRecord, state: OptimizerState) -> str:
    """The step as versions wrote it that kept the state inside."""
    fields = {**json.loads(to_json(step)), "state": json.loads(to_json(state))}
    del fields["best"], fields["total_steps"]
    return json.dumps(fields, separators=(",", ":"))


async def test_a_step_does_not_grow_with_the_steps_before_it_and_its_state_does() -> None:
    taken = await steps(12)
    assert len(taken) == 12
    sizes, states = ([len(to_json(one)) for one in kind] for kind in zip(*taken, strict=True))
    assert max(sizes[3:]) < 1.05 * sizes[3], "by the third, as many past prompts are shown as ever"
    assert states[11] > states[3] + 8 * 2 * 40, "what was tried is part of the state"


async def test_step_and_state_come_back_as_they_were_put(store: Store, record: RunRecord) -> None:
    taken = await steps(3)
    for step, state in taken:
        await record.add_step(step, state)
        assert record.state() == state
    assert record.steps() == [step for step, _ in taken]
    assert [step.best for step in record.steps()] == [state.best for _, state in taken]
    kinds = [event.kind for event in store.events(record.id)]
    assert kinds == ["step"] * 3, "states are read when they are asked for"
    assert len(store.events(record.id, "state")) == 3


async def test_no_step_is_there_without_its_state(store: Store, record: RunRecord) -> None:
    """They are one write; here its second row cannot be inserted."""
    (step, state), *_ = await steps(1)
    await record.append("note", '"first"')
    taken = {"run_id": record.id, "seq": 3, "at": 0.0, "kind": "note", "payload": '"in the way"', "summary": None}
    store.database.writer.write_sync({"events": [taken]})
    with pytest.raises(StoreError):
        await record.add_step(step, state)
    assert record.steps() == []
    assert record.state_or_none() is None


async def test_steps_of_earlier_versions_are_read(store: Store, record: RunRecord) -> None:
    (step, state), (second, after), (_, last) = await steps(3)
    assert read_step(old(step, state)) == step
    assert state_inside(old(step, state)) == state
    assert summary_of("step", old(step, state)) == summary_of("step", to_json(step))
    await record.append("step", old(step, state))
    assert record.state() == state
    await record.append("step", old(second, after))
    assert record.state() == after
    await record.add_step(second, last)
    assert record.state() == last, "gone on with by this version"
    assert record.steps() == [step, second, second]


async def test_a_prompt_that_looks_like_a_state_is_none() -> None:
    (step, _), *_ = await steps(1)
    tricky = from_json(
        StepRecord,
        to_json(step).replace(to_json(step.best.prompt), to_json(Prompt.of('{"state":{"best":1}} "state":{'))),
    )
    assert tricky.best.prompt.text.startswith('{"state":{')
    assert read_step(to_json(tricky)) == tricky
    assert state_inside(to_json(tricky)) is None
