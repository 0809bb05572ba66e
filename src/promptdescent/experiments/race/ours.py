"""A recipe of ours as a contestant: a process that reads a job and writes what it finds, as every other script does.

    python -m promptdescent.experiments.race.ours job.json

It asks the race's proxy as it would ask any endpoint, and sees train and dev rows alone. The search is the one of
``promptdescent optimize``, without the verdict: the cap of the proxy ends it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptdescent.assembly import NO_EXTRAS, Models, manifest_of, open_models, recipe_for
from promptdescent.config import RunSpec
from promptdescent.engine import RunEngine, RunSetup
from promptdescent.errors import BudgetExhausted, PermanentError, PromptDescentError
from promptdescent.experiments.race.job import FOUND, found_line
from promptdescent.experiments.race.proxy import USED_UP_SAID
from promptdescent.llm.base import Completion
from promptdescent.llm.limits import Call, LimitedLLM
from promptdescent.llm.profile import Profile
from promptdescent.narrator import Narrator
from promptdescent.optimizer import first_state, stop_reason, take_step
from promptdescent.parts.recipe import Recipe
from promptdescent.planning import Forecast, forecast
from promptdescent.records import Evaluate, Evaluation, Example, Prompt, Role
from promptdescent.run_record import RunRecord
from promptdescent.store.store import Store
from promptdescent.tasks.datasets import to_examples
from promptdescent.tasks.files import Row
from promptdescent.tasks.splits import Splits
from promptdescent.tasks.task import Task, build_task

KEY_VARIABLE = "PROMPTDESCENT_RACE_KEY"
"""Holds the key of the proxy."""

ROLES: tuple[Role, Role] = ("task", "optimizer")

MOST_STEPS = 1000
"""Of a search, whatever its caps afford."""


class UntilTheCap(LimitedLLM):
    """A model of the proxy: its refusal for want of tokens is a cap that is reached, which ends a search in order."""

    async def send(self, call: Call, *, first_use: bool) -> Completion:
        """One call with its retries; raises :class:`BudgetExhausted` too."""
        try:
            return await super().send(call, first_use=first_use)
        except PermanentError as error:
            if USED_UP_SAID in str(error):
                raise BudgetExhausted(f"the race's cap on tokens of the {call.request.role} model is reached") from None
            raise


@dataclass(frozen=True)
class Noted:
    """Scores prompts, and writes each that was scored on all dev rows into the file at once."""

    inner: Evaluate
    dev: tuple[Example, ...]
    found: Path

    def __call__(
        self, prompts: AsyncGenerator[Prompt, None], examples: Sequence[Example]
    ) -> AsyncGenerator[Evaluation, None]:
        return self._noted(prompts, examples)

    async def _noted(
        self, prompts: AsyncGenerator[Prompt, None], examples: Sequence[Example]
    ) -> AsyncGenerator[Evaluation, None]:
        asked: list[Prompt] = []

        async def kept() -> AsyncGenerator[Prompt, None]:
            async with aclosing(prompts):
                async for prompt in prompts:
                    asked.append(prompt)
                    yield prompt

        whole = tuple(examples) == self.dev
        async with aclosing(self.inner(kept(), examples)) as evaluations:
            async for evaluation in evaluations:
                prompt = asked.pop(0)
                if whole and not evaluation.missing:
                    note(self.found, prompt, evaluation.score)
                yield evaluation


def note(found: Path, prompt: Prompt, score: float | None) -> None:
    """Write a prompt with its dev score."""
    with found.open("a", encoding="utf-8") as file:
        file.write(found_line(prompt.text, score))


async def search(job: Mapping[str, Any]) -> None:
    """Carry the job out, until the search or the cap ends it. Raises :class:`PromptDescentError`."""
    folder = Path(job["folder"])
    spec, task = spec_of(job), task_of(job)
    recipe = recipe_for(spec, NO_EXTRAS)
    models = replace(open_models(spec, task, NO_EXTRAS), sender=UntilTheCap)
    store = Store.open(folder / "store")
    try:
        await models.prepare()
        await _searched(job, spec, task, recipe, models, store)
    finally:
        await models.close()
        store.close()


async def _searched(
    job: Mapping[str, Any], spec: RunSpec, task: Task, recipe: Recipe, models: Models, store: Store
) -> None:
    caps: Mapping[Role, int] = {role: job[f"{role}_tokens"] for role in ROLES}
    recipe, plan = planned(spec, recipe, task, caps)
    manifest = manifest_of(spec, recipe, task, models, plan.steps)
    record = RunRecord(store, store.create_run(manifest, {"train": task.train, "dev": task.dev}))
    setup = RunSetup(
        record=record,
        manifest=manifest,
        spec=spec,
        task=task,
        recipe=recipe,
        models=models,
        narrator=Narrator((), run=record.id, total_steps=plan.steps, forecast_calls=plan.total.calls),
        plan=plan,
        profile=Profile(),
    )
    engine = RunEngine(setup)
    try:
        await _steps(setup, engine, caps, Path(job["folder"]) / FOUND)
    except BudgetExhausted as error:
        print(error, file=sys.stderr)
    finally:
        await engine.bring_home(1.0)


async def _steps(setup: RunSetup, engine: RunEngine, caps: Mapping[Role, int], found: Path) -> None:
    """Search until a stopping part ends it. Raises :class:`BudgetExhausted` where a cap does, as it should."""
    task, recipe = setup.task, setup.recipe
    around = replace(engine.around, evaluate=Noted(engine.around.evaluate, task.dev, found))
    evaluation, *_ = await engine.evaluator.side_by_side([task.start], task.dev)
    state = first_state(recipe, task.start, evaluation, total_steps=setup.plan.steps)
    note(found, task.start, state.best.score)
    at_start = {role: engine.totals[role].paid.tokens for role in ROLES}
    while not (reason := stop_reason(recipe, state, around.brief)):
        step, state = await take_step(recipe, state, around)
        for candidate in step.candidates:
            # Those that were scored bit by bit; of the others it only says once more what is known.
            if candidate.fate == "scored":
                note(found, candidate.prompt, candidate.score)
        used = {role: engine.totals[role].paid.tokens for role in ROLES}
        steps = horizon(step.step, at_start=at_start, used=used, caps=caps) if step.step else setup.plan.steps
        state = replace(state, total_steps=steps)
    print(reason, file=sys.stderr)


def horizon(done: int, *, at_start: Mapping[Role, int], used: Mapping[Role, int], caps: Mapping[Role, int]) -> int:
    """T after ``done`` steps: those that the caps afford at the pace so far, and one more at least, so that a cap is
    what ends the search. The word budget then runs its course over all that the caps afford, as the forecast, which
    knows nothing of the models' habits, could not have it.
    """
    left = [(caps[role] - used[role]) * done // max(1, used[role] - at_start[role]) for role in caps]
    return min(MOST_STEPS, done + max(1, min(left)))


def spec_of(job: Mapping[str, Any]) -> RunSpec:
    """The settings of the search: the models are the proxy's, and only its cap ends the search."""
    return RunSpec(
        prompt=job["start"],
        recipe=job["recipe"],
        seed=job["seed"],
        notes=job["about"],
        patience=0,
        task_model=job["task_model"],
        optimizer_model=job["optimizer_model"],
        base_url=job["base_url"],
        task_api_key_env=KEY_VARIABLE,
        optimizer_api_key_env=KEY_VARIABLE,
        task_max_tokens=job["task_max_tokens"],
        optimizer_max_tokens=job["optimizer_max_tokens"],
        optimizer_temperature=job["optimizer_temperature"],
        optimizer_style=job["optimizer_style"],
        concurrency=job["concurrency"],
        placement=job["placement"],
        metric=job["metric"],
        read=job["read"],
    )


def task_of(job: Mapping[str, Any]) -> Task:
    """The task, without test rows."""
    rows = {
        split: to_examples(
            [Row(columns=row, number=number) for number, row in enumerate(job[split], start=1)],
            path=f"{split} rows",
            inputs=("input",),
            target="target",
        )
        for split in ("train", "dev")
    }
    splits = Splits(train=rows["train"], dev=rows["dev"], test=(), unused=0, leaked=(), notes=())
    return build_task(
        splits,
        prompt=job["start"],
        placement=job["placement"],
        metric=job["metric"],
        read=job["read"],
        labels=tuple(job["labels"]) or None,
        notes=job["about"],
    )


def planned(spec: RunSpec, recipe: Recipe, task: Task, caps: Mapping[Role, int]) -> tuple[Recipe, Forecast]:
    """The recipe and its plan for as many steps as the caps afford by forecast, and as the word budget needs."""

    def taking(steps: int) -> tuple[Recipe, Forecast]:
        longer = replace(recipe, search=replace(recipe.search, rounds=steps))
        return longer, forecast(replace(spec, steps=steps), longer, task, prices={})

    one, two = taking(1)[1], taking(2)[1]
    affordable = [recipe.step_size.warmup_steps + 1]
    for role, cap in caps.items():
        first, both = one.roles[role].likely.tokens, two.roles[role].likely.tokens
        affordable.append(1 + (cap - first) // max(1, both - first))
    return taking(min(MOST_STEPS, max(affordable[0], min(affordable[1:]))))


def main(path: str) -> int:
    """Carry out the job in a file. Returns the exit status."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    os.environ[KEY_VARIABLE] = job["api_key"]
    try:
        asyncio.run(search(job))
    except PromptDescentError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
