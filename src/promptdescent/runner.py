"""One run: spec -> task, models, recipe, optimizer -> store, telling its observers.

A run's record is a row of events: *start* (the starting prompt scored), one *step* each, *search ended*, *verdict*,
and its *status* in between. Resuming is loading the state of the last of them and going on; what an unfinished step
had asked is answered from the store.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptdescent.assembly import (
    NO_EXTRAS,
    Given,
    check_models,
    load_task,
    manifest_of,
    open_models,
    rebuild_task,
    recipe_for,
    recorded_recipe,
    to_open,
)
from promptdescent.config import RAISABLE, RunSpec, flag
from promptdescent.context_check import check_context
from promptdescent.drift import changed_settings, check_caps, check_files
from promptdescent.engine import RunSetup
from promptdescent.errors import ConfigError
from promptdescent.llm.choose import LOCAL, PYTHON, missing_file
from promptdescent.llm.failures import read_limits
from promptdescent.llm.local import SMOLLM2
from promptdescent.llm.profile import Profile
from promptdescent.narrator import Narrator
from promptdescent.parts.recipe import Recipe
from promptdescent.phases import EvaluationResult, Result, Run, RunResult, evaluation_of, result_of
from promptdescent.planning import Forecast, forecast
from promptdescent.records import (
    RunObserver,
    ScoredRows,
)
from promptdescent.replaying import with_common_past
from promptdescent.run_record import RunRecord
from promptdescent.store.store import Store
from promptdescent.store.tags import checked_tags, tags_payload
from promptdescent.tasks.task import Task

Confirm = Callable[[Forecast], bool]

Stores = Store | Callable[[], Store]
"""A store, or what opens one once there is something to record."""


async def start(
    spec: RunSpec,
    *,
    store: Stores,
    given: Given = NO_EXTRAS,
    observers: Sequence[RunObserver] = (),
    confirm: Confirm,
    profile: Profile | None = None,
    tags: Sequence[str] = (),
) -> RunResult:
    """Run ``spec`` from the beginning. ``profile`` is filled with where its time goes; ``tags`` are words by which to
    find the run again.

    ``confirm`` is asked once, and only if no cap is set and a model is outside this machine. Raises the
    :class:`InputError` family before anything is recorded or paid for; :class:`RunFailed`, :class:`ModelError` or
    ``asyncio.CancelledError`` later, with the record kept.
    """
    if spec.evaluate_on:
        raise ConfigError("evaluate_on is no setting of an optimization: `promptdescent evaluate` scores one prompt")
    return await _begin(spec, lambda run: run.drive(), store, given, observers, confirm, profile, tags)


async def evaluate(
    spec: RunSpec,
    *,
    on: ScoredRows,
    store: Stores,
    given: Given = NO_EXTRAS,
    observers: Sequence[RunObserver] = (),
    confirm: Confirm,
    profile: Profile | None = None,
) -> EvaluationResult:
    """Score the prompt of ``spec`` on these rows; nothing is searched for. The rest is as in :func:`start`."""
    return await _begin(spec.scoring(on), lambda run: run.score(), store, given, observers, confirm, profile)


async def _begin(
    spec: RunSpec,
    work: Callable[[Run], Awaitable[Result]],
    store: Stores,
    given: Given,
    observers: Sequence[RunObserver],
    confirm: Confirm,
    profile: Profile | None,
    tags: Sequence[str] = (),
) -> Result:
    """Check everything that can be checked without paying, then put the run on record and to work."""
    tags = checked_tags(tags)
    task, recipe, plan = _planned(spec, given)
    models = open_models(spec, task, given)
    try:
        # Asked first: without consent nothing is sent to another host, not even a question for its models.
        uncapped = spec.max_calls is None and spec.max_total_tokens is None and spec.max_money is None
        if uncapped and models.remote and not confirm(plan):
            raise ConfigError(
                f"this run would make up to {plan.total.calls} calls outside this machine and has no cap: "
                "set --max-calls, --max-total-tokens or --max-money, or agree with --yes"
            )
        await models.prepare()
        tight = check_context(spec, task, models.by_role)
        manifest = manifest_of(spec, recipe, task, models, plan.steps)
        store = store if isinstance(store, Store) else store()
        record = RunRecord(store, store.create_run(manifest, {"train": task.train, "dev": task.dev, "test": task.test}))
        narrator = Narrator(observers, run=record.id, total_steps=plan.steps, forecast_calls=plan.total.calls)
        await record.append("forecast", json.dumps(plan.as_data()))
        if tags:
            await record.append("tags", tags_payload(tags))
        idle = _idle(spec, recipe, task, plan)
        for note in (*task.notes, *models.notes, *tight, *idle, _announcement(plan, spec, recipe, task)):
            narrator.say(note)
            await record.append("note", json.dumps({"text": note}))
        return await work(
            Run(
                RunSetup(
                    record=record,
                    manifest=manifest,
                    spec=spec,
                    task=task,
                    recipe=recipe,
                    models=models,
                    narrator=narrator,
                    plan=plan,
                    profile=profile or Profile(),
                )
            )
        )
    finally:
        await models.close()


async def resume(
    name: str,
    *,
    store: Store,
    given: Given = NO_EXTRAS,
    observers: Sequence[RunObserver] = (),
    settings: Mapping[str, Any] | None = None,
    recorded: bool = False,
    profile: Profile | None = None,
) -> RunResult | EvaluationResult:
    """Go on with a run; ``name`` is a prefix of its id or ``latest``. A finished run is returned as it is.

    ``settings`` may change what a run may cost and how fast it goes. ``recorded``: go on with the rows, prompt, rubric
    and recipe on record, even if the files that they came from say something else by now.

    Raises as :func:`start`; :class:`StoreError` if there is no such run or it is running; :class:`ConfigError` if what
    decides its result has changed since it began.
    """
    row = store.find_run(name)
    if row.manifest.explains:
        raise ConfigError(
            f"run {row.id} holds the calls of an explanation and is not resumed: promptdescent explain "
            f"{row.manifest.explains} again pays for no reply twice"
        )
    store.claim(row.id)
    record, manifest = RunRecord(store, row.id), row.manifest
    verdict, score = record.verdict(), record.score()
    try:
        changed = changed_settings(record.settings(), settings or {})
        check_caps(changed, record.totals(), record.seconds_at_work())
        if verdict is not None or score is not None:
            _refuse_finished(row.id, changed)
        elif not recorded:
            check_files(manifest, store.examples(row.id), given)
    except ConfigError:
        store.release(row.id)
        raise
    if verdict is not None:
        await record.finish()
        return result_of(record, manifest, verdict)
    if score is not None:
        await record.finish()
        return evaluation_of(record, manifest, score)
    spec = RunSpec().with_settings({**record.settings(), **changed})
    task = rebuild_task(manifest, store.examples(row.id), given)
    recipe = recorded_recipe(manifest, given)
    plan = replace(forecast(spec, recipe, task), steps=manifest.total_steps)
    narrator = Narrator(observers, run=row.id, total_steps=manifest.total_steps, forecast_calls=plan.total.calls)
    models = with_common_past(open_models(spec, task, given), store, manifest)
    try:
        await models.prepare()
        models.check_same(manifest)
        if changed:
            await record.append("caps", json.dumps(changed))
        if set(changed) & set(RAISABLE) and manifest.total_steps < plan.wanted_steps:
            narrator.say(
                f"The run was planned for {manifest.total_steps} steps under its first caps, and keeps to them. For "
                f"more: promptdescent rerun {row.id}, with the higher cap; it pays for no reply twice."
            )
        return await carry_on(
            RunSetup(
                record=record,
                manifest=manifest,
                spec=spec,
                task=task,
                recipe=recipe,
                models=models,
                narrator=narrator,
                plan=plan,
                profile=profile or Profile(),
            )
        )
    finally:
        await models.close()


def _refuse_finished(run: str, changed: Mapping[str, Any]) -> None:
    """A finished run stays as it is; only the same run once more can go further."""
    if changed:
        given = " ".join(f"{flag(name)} {value}" for name, value in changed.items())
        raise ConfigError(
            f"run {run} is finished, so {given} changes nothing in it. To go further: "
            f"promptdescent rerun {run} {given}, "
            "which pays for no reply twice"
        )


async def carry_on(setup: RunSetup) -> RunResult | EvaluationResult:
    """Do what is left of a run: of a search with its verdict, or of scoring one prompt. Raises as :func:`start`."""
    run = Run(setup)
    return await (run.score() if setup.manifest.evaluated_on else run.drive())


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a run would do and cost."""

    plan: Forecast
    notes: tuple[str, ...]
    """What a run would say before its first call."""


def dry_run(spec: RunSpec, *, given: Given = NO_EXTRAS) -> DryRun:
    """Plan ``spec`` and check what can be checked without a model: nothing is opened, sent or recorded. Files of models
    may be on another machine; those that are missing on this one are noted.

    Raises the :class:`InputError` family.
    """
    task, recipe, plan = _planned(spec, given)
    check_models(spec, given)
    reasons = dict.fromkeys(missing_file(model.settings.name) for model in to_open(spec, given))
    missing = (f"On this machine the run would be refused: {reason}." for reason in reasons if reason)
    idle = _idle(spec, recipe, task, plan)
    return DryRun(plan=plan, notes=(*task.notes, *missing, *idle, _announcement(plan, spec, recipe, task)))


def _planned(spec: RunSpec, given: Given) -> tuple[Task, Recipe, Forecast]:
    """What needs no model, checked. Raises the :class:`InputError` family."""
    read_limits(spec.failure_limit)
    task = load_task(spec, given)
    recipe = recipe_for(spec, given)
    plan = forecast(spec, recipe, task)
    if not spec.evaluate_on:
        recipe.check(task.brief, total_steps=plan.steps)
    return task, recipe, plan


def _idle(spec: RunSpec, recipe: Recipe, task: Task, plan: Forecast) -> tuple[str, ...]:
    """What is set and may do nothing in the search, or no good, in sentences."""
    if not plan.steps:
        return ()
    found = list(recipe.notes(dev=len(task.dev)))
    optimizer = spec.model("optimizer").settings
    if spec.notes and optimizer.style != "chat":
        found.append(f"--notes has no effect: the optimizer style {optimizer.style} has no place for it.")
    if optimizer.style != "writer" and optimizer.name.removeprefix(PYTHON).startswith(f"{LOCAL}{SMOLLM2}+"):
        found.append(
            f"{optimizer.name} is asked in the style {optimizer.style}. The prompt writer, and adapters of its "
            "training, know no form but that of --optimizer-style writer."
        )
    return tuple(found)


def _cut(plan: Forecast) -> str:
    return f" (the cap leaves no room for all {plan.wanted_steps})" if plan.steps < plan.wanted_steps else ""


def _announcement(plan: Forecast, spec: RunSpec, recipe: Recipe, task: Task) -> str:
    """What the run will do and cost, in one paragraph."""
    total = plan.total
    if spec.evaluate_on:
        return (
            f"{len(task.rows_on(spec.evaluate_on))} rows ({spec.evaluate_on}); metric {task.metric.name}; "
            f"prompt {task.placement}. Forecast: at most {total.calls:,} calls, about {total.tokens:,} tokens."
        )
    return (
        f"{len(task.train)} train, {len(task.dev)} dev and {len(task.test)} test rows; metric {task.metric.name}"
        f"{'' if task.objective.name == 'mean' else f', objective {task.objective.name}'}; "
        f"prompt {task.placement}. Up to {plan.steps} steps of {recipe.proposals_per_step} candidates{_cut(plan)}. "
        f"Forecast: at most {total.calls:,} calls, about {total.tokens:,} tokens."
    )
