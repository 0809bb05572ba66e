"""Explains the found prompt of a run: prompts that lack some of its pieces are scored on the dev rows.

The calls belong to a run of their own, which says whose prompt it explains; the explanation itself is an event of the
run that is explained.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from promptdescent.assembly import NO_EXTRAS, Given, Models, manifest_of, open_models, rebuild_task, recipe_for
from promptdescent.config import CHANGEABLE, RAISABLE, RunSpec, flag
from promptdescent.context_check import check_context
from promptdescent.engine import RunEngine, RunSetup
from promptdescent.errors import ConfigError, RunFailed, StoreError, nearest
from promptdescent.explain.budget import capped, foreseen, most_scored
from promptdescent.explain.effects import averages, cautions, overlaps
from promptdescent.explain.measurement import WHOLE, Measurement
from promptdescent.explain.plan import FEWEST_ROWS, PRUNING, Plan, make_plan
from promptdescent.explain.pruning import Shorter, shorten
from promptdescent.explain.rows.review import review_rows
from promptdescent.explain.subject import Subject, subject_of
from promptdescent.explain.writing import Measured, effects_by_piece, explanation_of
from promptdescent.llm.failures import read_limits
from promptdescent.llm.profile import Profile
from promptdescent.narrator import Narrator
from promptdescent.phases import Run
from promptdescent.planning import Forecast
from promptdescent.records import Prompt, RunManifest, RunObserver, to_json
from promptdescent.records.explanation import Explanation
from promptdescent.run_record import RunRecord
from promptdescent.runner import Confirm
from promptdescent.stats.designs import RowwiseEffects
from promptdescent.store.store import Store
from promptdescent.tasks.task import Task
from promptdescent.verdict.comparison import measure

RECIPE_NAME = "explanation"
"""Of a run that holds the calls of one."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An explanation before its first call: all that needs no model."""

    subject: Subject
    spec: RunSpec
    task: Task
    """Its starting prompt is the one that is explained."""
    plan: Plan
    forecast: Forecast
    notes: tuple[str, ...]
    """What is said beforehand; the last one says what it will do and cost."""


def prepare(
    name: str,
    *,
    store: Store,
    prune: bool = False,
    settings: Mapping[str, Any] | None = None,
    given: Given = NO_EXTRAS,
) -> Prepared:
    """Plan the explanation of the run ``name``; nothing is opened, sent or recorded. Raises the :class:`InputError`
    family.
    """
    subject = subject_of(store, name)
    spec = _spec(RunRecord(store, subject.run).settings(), settings or {})
    read_limits(spec.failure_limit)
    prompt = subject.pieces.prompt
    task = replace(rebuild_task(subject.manifest, subject.examples, given), start=Prompt.of(prompt), length_cost=0.0)
    room = most_scored(spec, task)
    plan = make_plan(subject.pieces.free, task.dev, most_scored=room, prune=prune, seed=subject.manifest.seed)
    foretold = foreseen(spec, task, plan)
    spec = capped(spec, foretold)
    said = (
        f"Run {subject.run}: {len(subject.pieces.pieces)} pieces, {len(subject.pieces.free)} of which can be left out. "
        f"Up to {plan.prompts} prompts on {len(plan.rows)} of {len(task.dev)} dev rows; metric {task.metric.name}. "
        f"Forecast: at most {foretold.total.calls:,} calls, about {foretold.total.tokens:,} tokens{_money(foretold)}; "
        f"cap {spec.max_calls:,} calls."
    )
    return Prepared(subject=subject, spec=spec, task=task, plan=plan, forecast=foretold, notes=(*subject.notes, said))


async def explain(
    name: str,
    *,
    store: Store,
    prune: bool = False,
    settings: Mapping[str, Any] | None = None,
    given: Given = NO_EXTRAS,
    observers: Sequence[RunObserver] = (),
    confirm: Confirm,
    profile: Profile | None = None,
) -> Explanation:
    """Explain the found prompt of the run ``name``, a prefix of its id or ``latest``.

    ``prune``: shorter prompts are tried as well. ``settings`` may change caps, prices and pace; the caps of the run
    itself do not count. Given again, it pays for no reply twice, whatever the cache mode.

    Raises as :func:`~promptdescent.runner.start`; :class:`StoreError` if there is no such run or it is running.
    """
    prepared = prepare(name, store=store, prune=prune, settings=settings, given=given)
    subject, spec, task = prepared.subject, prepared.spec, prepared.task
    recipe = recipe_for(spec, NO_EXTRAS)
    models = open_models(spec, task, given)
    try:
        own_cap = any((settings or {}).get(cap) is not None for cap in ("max_calls", "max_total_tokens", "max_money"))
        if not own_cap and models.remote and not confirm(prepared.forecast):
            raise ConfigError(
                f"this explanation would make up to {prepared.forecast.total.calls} calls outside this machine, less "
                "what is in the store: set --max-calls, --max-total-tokens or --max-money, or agree with --yes"
            )
        await models.prepare()
        _check_same(models, subject.manifest)
        tight = check_context(spec, task, models.by_role)
        manifest = replace(
            manifest_of(spec, recipe, task, models, steps=0), recipe_name=RECIPE_NAME, explains=subject.run
        )
        record = RunRecord(store, store.create_run(manifest, subject.examples))
        narrator = Narrator(observers, run=record.id, total_steps=0, forecast_calls=prepared.forecast.total.calls)
        narrator.explanation()
        await record.append("forecast", json.dumps(prepared.forecast.as_data()))
        for note in (*models.notes, *tight, *prepared.notes):
            narrator.say(note)
            await record.append("note", json.dumps({"text": note}))
        setup = RunSetup(
            record=record,
            manifest=manifest,
            spec=spec,
            task=task,
            recipe=recipe,
            models=models,
            narrator=narrator,
            plan=prepared.forecast,
            profile=profile or Profile(),
        )
        explanation = await Run(setup).to_the_end(partial(_measure, prepared, setup))
        return await _keep(explanation, store, subject.run, narrator, pruned=bool(prepared.plan.tries))
    finally:
        await models.close()


async def _measure(prepared: Prepared, setup: RunSetup, engine: RunEngine) -> Explanation:
    subject, task, plan = prepared.subject, prepared.task, prepared.plan
    setup.profile.enter("explanation")
    measurement = Measurement(
        subject.pieces,
        plan.rows,
        score=engine.verdict_evaluator.side_by_side,
        objective=task.objective,
        seed=setup.manifest.seed,
    )
    await measurement.measure(plan.first)
    free = subject.pieces.free
    design = [tuple(place not in lacking for place in free) for lacking in plan.design]
    fitted = RowwiseEffects(design, [measurement.scores(lacking) for lacking in plan.design])
    told = min(fitted.rows, sum(score is not None for score in measurement.scores(WHOLE)))
    if told < FEWEST_ROWS:
        raise RunFailed(
            f"{told} of the {len(plan.rows)} rows have a score under enough prompts to tell what a piece does; "
            f"{FEWEST_ROWS} are needed. The first failure: {measurement.first_failure}. What was paid for is kept: "
            f"promptdescent explain {subject.run}, with a higher cap if one is the reason, asks for the rest"
        )
    on_rows = replace(task, splits=replace(task.splits, dev=plan.rows))
    whole = measure(measurement.of(WHOLE), on_rows, "dev", seed=setup.manifest.seed)
    await setup.record.append("evaluation", to_json(whole))
    found, pairs = averages(fitted, len(free)), overlaps(fitted, len(free))
    shorter: Shorter | None = None
    if plan.tries:

        async def attempt(lacking: frozenset[int]) -> Any:
            await measurement.measure([lacking])
            fair = measurement.without_luck(lacking, effects_by_piece(free, found)) if subject.chosen else None
            return fair or measurement.shortened(lacking)

        shorter = await shorten(free, found, pairs, attempt=attempt, tries=plan.tries)
    review = review_rows({**subject.examples, "dev": plan.rows}, measurement.evaluations, task.labels)
    return explanation_of(
        Measured(
            run=setup.record.id,
            subject=subject,
            plan=plan,
            measurement=measurement,
            score=whole.score,
            rows=whole.rows,
            objective=task.objective,
            found=found,
            pairs=pairs,
            cautions=cautions(fitted, len(free)),
            shorter=shorter,
            most_calls=prepared.forecast.roles["task"].high.calls,
            calls=engine.totals["task"].used.calls,
            review=review,
            sampled=setup.manifest.task_model.temperature > 0,
            dev_rows=len(task.dev),
        )
    )


async def _keep(explanation: Explanation, store: Store, run: str, narrator: Narrator, *, pruned: bool) -> Explanation:
    """Put the explanation on record of the run that it explains, unless a fuller one stands there, which is then among
    its notes. It is paid for: no error may lose it.
    """
    try:
        store.claim(run)
    except StoreError as error:
        narrator.say(
            f"The explanation is not on record, since {error}. Then: promptdescent explain {run} again, which pays for "
            "no reply twice."
        )
        return explanation
    try:
        if kept := _fuller(explanation, store, run, pruned=pruned):
            return replace(explanation, notes=(*explanation.notes, kept))
        await store.append(run, "explanation", to_json(explanation))
    finally:
        store.release(run)
    return explanation


def _fuller(explanation: Explanation, store: Store, run: str, *, pruned: bool) -> str:
    """That the explanation on record stays the one that counts, if it is of the same prompt and rests on more rows or
    prompts; empty otherwise. ``pruned``: whether shorter prompts were tried, for which prompts are set aside.
    """
    newest = store.newest(run, "explanation")
    before = json.loads(newest.payload) if newest else {}
    if before.get("prompt") != explanation.prompt:
        return ""
    prompts, shorter = before["prompts"], bool(before.get("pruned"))
    rows = max(piece["average"]["rows"] for piece in before["pieces"])
    behind = max(piece.average.rows for piece in explanation.pieces)
    fewer = behind < rows or explanation.prompts + (PRUNING if pruned else 0) < prompts
    loses_shorter = shorter and not pruned and behind <= rows
    if not (fewer or loses_shorter):
        return ""
    return (
        f"Run {run} keeps the explanation that is on record, of {rows} rows and {prompts} prompts"
        f"{' with a shorter prompt' if shorter else ''}; this one, of {behind} rows and "
        f"{explanation.prompts} prompts, does not take its place."
    )


def _spec(recorded: Mapping[str, Any], settings: Mapping[str, Any]) -> RunSpec:
    """The settings of the run, as those of scoring prompts on its dev rows, without the caps that its search had.
    Raises :class:`ConfigError` for a setting that would make other scores.
    """
    for name in settings:
        if name not in {field.name for field in fields(RunSpec)}:
            raise ConfigError(f"there is no setting {name!r}; {nearest(name, ('prune', *CHANGEABLE))}")
        if name not in CHANGEABLE:
            raise ConfigError(
                f"{flag(name)} cannot be changed in an explanation, whose scores would not be those of the run. "
                f"{', '.join(map(flag, CHANGEABLE))} may change"
            )
    wanted = {name: value for name, value in settings.items() if value is not None}
    return RunSpec().with_settings({**recorded, **dict.fromkeys(RAISABLE), **wanted}).scoring("dev")


def _check_same(models: Models, manifest: RunManifest) -> None:
    """Raise :class:`ConfigError` if task model or judge is not the one that the run had. Nothing asks the others."""
    models.check_same(
        replace(manifest, optimizer_identity=models.optimizer.identity, similarity=models.similarity.name)
    )


def _money(forecast: Forecast) -> str:
    """What is likely paid, where every price is known and something is paid."""
    total = forecast.as_data()["total"]["money"]
    return f", {total['likely']:.2f} US dollars" if total and total["likely"] else ""
