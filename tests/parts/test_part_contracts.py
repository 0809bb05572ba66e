"""What holds for every part of every slot, in a whole search on scripted models."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from typing import Any

import pytest

from loop_samples import DEV, Scored, asked_for, stage, start
from promptdescent.llm.base import Request
from promptdescent.optimizer import descend
from promptdescent.parts.direction.gradient import DescentDirection, Reflect
from promptdescent.parts.direction.momentum import (
    ImportanceRetrieval,
    NoMomentum,
    RecencyRetrieval,
    RelevanceRetrieval,
    RunningSummary,
)
from promptdescent.parts.method.refinement import Edit, Generate, Paraphrase, Then
from promptdescent.parts.method.step_size import Constant, Cosine, Linear, Unbounded, Warmup
from promptdescent.parts.recipe import Recipe, Search
from promptdescent.parts.registry import PARTS, SLOTS, recipe_from_data
from promptdescent.parts.search.estimation import Bandit, FullDev, Minibatch, Racing
from promptdescent.parts.search.initialization import Induction, PromptList, SeedPrompt
from promptdescent.parts.search.screening import ExactDuplicates, StandardScreening
from promptdescent.parts.search.selection import Beam, Greedy, TopK
from promptdescent.parts.search.stopping import Patience, PerfectScore, TargetScore
from promptdescent.recipes import recipe_named
from promptdescent.records import StepRecord, to_json

STEPS = 3

REFLECTING = DescentDirection(reflection=Reflect(reasons=2, mistakes=3))

SAMPLES: dict[str, list[Any]] = {
    "initialization": [
        SeedPrompt(),
        Induction(subsamples=2, demonstrations=3, prompts_each=4),
        PromptList(texts=("First list.", "Second list.")),
    ],
    "gradient": [DescentDirection(), DescentDirection(score=False), REFLECTING],
    "momentum": [
        NoMomentum(),
        RelevanceRetrieval(),
        RelevanceRetrieval(k=1, order="current first", raw_scores=True),
        RecencyRetrieval(of="all"),
        ImportanceRetrieval(k=20, of="all"),
        RunningSummary(of="prompts"),
        RunningSummary(of="reflections"),
    ],
    "step_size": [Unbounded(), Constant(), Linear(), Cosine(), Warmup(schedule=Cosine(), steps=2)],
    "refinement": [
        Generate(),
        Edit(),
        Paraphrase(),
        Then(first=Edit(), then=Paraphrase(), variants=1),
        Then(first=Generate(), then=Edit(), variants=5),
    ],
    "screening": [StandardScreening(), ExactDuplicates()],
    "estimation": [FullDev(), Minibatch(rows=6), Bandit(rounds=3, prompts=2, rows=4), Racing(), Racing(halving=False)],
    "selection": [Greedy(), Greedy(accept="better"), TopK(k=3), Beam(width=3)],
    "stopping": [Patience(), PerfectScore(), TargetScore(score=0.9)],
    "search": [Search(candidates=7, rounds=STEPS), Search(candidates=4, minibatch=3, shown_rows=0)],
}
PAIRS = [(slot, part) for slot, parts in SAMPLES.items() for part in parts]
each_part = pytest.mark.parametrize(
    ("slot", "part"), PAIRS, ids=lambda value: value if isinstance(value, str) else repr(value)
)


def recipe_with(slot: str, part: Any, **others: Any) -> Recipe:
    """GPO with this part, and with what the part needs beside it."""
    recipe = replace(recipe_named("gpo"), search=Search(candidates=7, minibatch=4), **others)
    if part == RunningSummary(of="reflections"):
        recipe = replace(recipe, gradient=REFLECTING)
    if isinstance(part, Paraphrase):
        recipe = replace(recipe, momentum=NoMomentum())
    return replace(recipe, **{slot: (part,) if slot == "stopping" else part})


def test_every_part_is_here() -> None:
    assert tuple(SAMPLES) == SLOTS
    for slot, known in PARTS.items():
        assert {type(part) for part in SAMPLES[slot]} == set(known.values())


@each_part
def test_a_part_is_frozen_and_keyword_only(slot: str, part: Any) -> None:
    assert is_dataclass(part)
    assert hash(part) == hash(replace(part))
    assert part == replace(part)
    for slot_field in fields(part):
        with pytest.raises(FrozenInstanceError):
            setattr(part, slot_field.name, getattr(part, slot_field.name))
        assert slot_field.kw_only


@each_part
def test_a_part_survives_json(slot: str, part: Any) -> None:
    recipe = recipe_with(slot, part)
    assert recipe_from_data(json.loads(json.dumps(recipe.as_data())), name=recipe.name) == recipe


# --- in a search ------------------------------------------------------------------------------------------------------


def reply(request: Request) -> str:
    """New words for each draw; none of what screening rejects."""
    chance = random.Random(request.draw.model_seed())
    words = " ".join("".join(chance.choice("abdegilmnoprstu") for _ in range(6)) for _ in range(5))
    return f"<{asked_for(request)}>{words}.</{asked_for(request)}>"


def score(text: str, row: Any) -> float:
    """All train rows are wrong, so that there is always something to reflect on."""
    return float(row in DEV and random.Random(f"{text}/{row.id}").random() < random.Random(text).random())


Shape = Callable[[str, Any], Recipe]

SHAPES: dict[str, Shape] = {
    "alone": recipe_with,
    "in a beam with reflections": lambda slot, part: (
        recipe_with(slot, part)
        if isinstance(part, Paraphrase)
        else recipe_with(
            slot,
            part,
            **{name: other for name, other in (("gradient", REFLECTING), ("selection", Beam(width=2))) if name != slot},
        )
    ),
}


async def searched(recipe: Recipe) -> tuple[list[StepRecord], list[tuple[int, int]]]:
    """The records, and the calls of each step: of the task model, and of the optimizer model."""
    scored = Scored(score)
    on = stage(reply, evaluate=scored)
    recipe.check(on.around.brief, total_steps=STEPS)
    records, calls, before = [], [], (0, 0)
    async for record, _ in descend(recipe, start(recipe, total=STEPS), on.around):
        now = (len(scored.asked), len(on.optimizer.requests))
        calls.append((now[0] - before[0], now[1] - before[1]))
        records.append(record)
        before = now
    return records, calls


@pytest.mark.anyio
@pytest.mark.parametrize("shape", SHAPES)
@each_part
async def test_a_step_asks_for_no_more_than_the_recipe_says(slot: str, part: Any, shape: str) -> None:
    recipe = SHAPES[shape](slot, part)
    records, calls = await searched(recipe)
    assert records
    for record, (task, optimizer) in zip(records, calls, strict=True):
        most = recipe.step_calls(len(DEV)) if record.step else recipe.start_calls(len(DEV))
        assert task <= most.task
        assert optimizer <= most.optimizer
        proposals = sum(one.purpose in ("proposal", "variant") and one.n for one in record.requests)
        assert proposals <= recipe.proposals_per_step
        assert len(record.candidates) <= (proposals if record.step else recipe.initialization.proposals)


@pytest.mark.anyio
@each_part
async def test_equal_seeds_give_equal_searches(slot: str, part: Any) -> None:
    recipe = SHAPES["in a beam with reflections"](slot, part)
    once, again = [[to_json(record) for record in (await searched(recipe))[0]] for _ in range(2)]
    assert once == again


@pytest.mark.anyio
async def test_the_bounds_are_reached_where_nothing_is_spared() -> None:
    """Otherwise a forecast could be a wild guess and still be true."""
    recipe = recipe_with("gradient", REFLECTING, momentum=RunningSummary(of="reflections"), selection=Beam(width=2))
    records, calls = await searched(recipe)
    most = recipe.step_calls(len(DEV))
    assert records[1].step == 2
    assert calls[1] == (most.task, most.optimizer) == (2 * 4 + 14 * 20, 2 * 2 + 2 * 2 + 14)
