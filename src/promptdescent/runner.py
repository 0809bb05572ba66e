"""One run: spec -> task, models, recipe, optimizer -> store, telling its observers.

A run's record is a row of events: *start* (the starting prompt scored), one *step* each, *search ended*, *verdict*,
and its *status* in between. Resuming is loading the state of the last of them and going on; what an unfinished step
had asked is answered from the store.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeVar

from promptdescent.assembly import (
    NO_EXTRAS,
    Given,
    load_task,
    manifest_of,
    open_models,
    rebuild_task,
    recipe_for,
    recorded_recipe,
)
from promptdescent.config import RunSpec, flag
from promptdescent.context_check import check_context
from promptdescent.drift import changed_settings, check_caps, check_files
from promptdescent.engine import RunEngine, RunSetup
from promptdescent.errors import BudgetExhausted, ConfigError, PromptDescentError, RunFailed
from promptdescent.first_replies import FIRST_REPLIES, ProposalCheck, check_answers
from promptdescent.llm.budget import Amount
from promptdescent.llm.failures import read_limits
from promptdescent.llm.profile import Profile
from promptdescent.narrator import Narrator
from promptdescent.optimizer import descend, first_state, stop_reason
from promptdescent.parts.recipe import Recipe
from promptdescent.parts.search.selection import score_of
from promptdescent.planning import Forecast, forecast
from promptdescent.records import (
    OptimizerState,
    Prompt,
    PromptScore,
    Role,
    RunManifest,
    RunObserver,
    ScoredRows,
    StepRecord,
    Usage,
    Verdict,
    to_json,
)
from promptdescent.replaying import with_common_past
from promptdescent.run_record import RunRecord
from promptdescent.store.store import Store
from promptdescent.tasks.task import Task
from promptdescent.verdict import compare, measure

Confirm = Callable[[Forecast], bool]

Stores = Store | Callable[[], Store]
"""A store, or what opens one once there is something to record."""
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How a run ended."""

    run: str
    """Its id in the store."""
    start_prompt: str
    best_prompt: str
    """The best prompt on the dev rows; the starting prompt if none was better."""
    best_dev_score: float
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """What one prompt scores."""

    run: str
    """Its id in the store."""
    prompt: str
    score: PromptScore
    """With its interval, and what became of each row."""


async def start(
    spec: RunSpec,
    *,
    store: Stores,
    given: Given = NO_EXTRAS,
    observers: Sequence[RunObserver] = (),
    confirm: Confirm,
    profile: Profile | None = None,
) -> RunResult:
    """Run ``spec`` from the beginning. ``profile`` is filled with where its time goes.

    ``confirm`` is asked once, and only if no cap is set and a model is outside this machine. Raises the
    :class:`InputError` family before anything is recorded or paid for; :class:`RunFailed`, :class:`ModelError` or
    ``asyncio.CancelledError`` later, with the record kept.
    """
    if spec.evaluate_on:
        raise ConfigError("evaluate_on is no setting of an optimization: `promptdescent evaluate` scores one prompt")
    return await _begin(spec, lambda run: run.drive(), store, given, observers, confirm, profile)


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
    work: Callable[[_Run], Awaitable[Result]],
    store: Stores,
    given: Given,
    observers: Sequence[RunObserver],
    confirm: Confirm,
    profile: Profile | None,
) -> Result:
    """Check everything that can be checked without paying, then put the run on record and to work."""
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
        idle = recipe.notes(dev=len(task.dev)) if plan.steps else ()
        for note in (*task.notes, *models.notes, *tight, *idle, _announcement(plan, spec, recipe, task)):
            narrator.say(note)
            await record.append("note", json.dumps({"text": note}))
        return await work(
            _Run(
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
        return _result(record, manifest, verdict)
    if score is not None:
        await record.finish()
        return EvaluationResult(run=record.id, prompt=manifest.prompt, score=score)
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
    run = _Run(setup)
    return await (run.score() if setup.manifest.evaluated_on else run.drive())


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a run would do and cost."""

    plan: Forecast
    notes: tuple[str, ...]
    """What a run would say before its first call."""


def dry_run(spec: RunSpec, *, given: Given = NO_EXTRAS) -> DryRun:
    """Plan ``spec`` and check what can be checked without a model: nothing is opened, sent or recorded.

    Raises the :class:`InputError` family.
    """
    task, recipe, plan = _planned(spec, given)
    idle = recipe.notes(dev=len(task.dev)) if plan.steps else ()
    return DryRun(plan=plan, notes=(*task.notes, *idle, _announcement(plan, spec, recipe, task)))


def _planned(spec: RunSpec, given: Given) -> tuple[Task, Recipe, Forecast]:
    """What needs no model, checked. Raises the :class:`InputError` family."""
    read_limits(spec.failure_limit)
    task = load_task(spec, given)
    recipe = recipe_for(spec, given)
    plan = forecast(spec, recipe, task)
    if not spec.evaluate_on:
        recipe.check(task.brief, total_steps=plan.steps)
    return task, recipe, plan


def _result(record: RunRecord, manifest: RunManifest, verdict: Verdict) -> RunResult:
    best = record.state().best
    return RunResult(
        run=record.id,
        start_prompt=manifest.prompt,
        best_prompt=best.prompt.text,
        best_dev_score=score_of(best),
        verdict=verdict,
    )


class _Run:
    """A run that this process holds."""

    def __init__(self, setup: RunSetup) -> None:
        self.setup = setup
        self.record = setup.record
        self.manifest = setup.manifest
        self.task = setup.task
        self.recipe = setup.recipe
        self.narrator = setup.narrator
        self.plan = setup.plan
        self._proposals = ProposalCheck(max_tokens=setup.manifest.optimizer_model.max_tokens)
        self._used: list[int] = []
        """Tokens in all, after the starting prompt was scored and after each step."""
        self._spare = 0
        """Tokens of the verdict's reserve that the search may use where a step turns out dearer than foreseen."""

    async def drive(self) -> RunResult:
        """Search, then compare on the test rows; the end is recorded, whatever it is."""
        return await self._to_the_end(self._search_and_compare)

    async def score(self) -> EvaluationResult:
        """Score the prompt; the end is recorded, whatever it is."""
        return await self._to_the_end(self._score)

    async def _to_the_end(self, work: Callable[[RunEngine], Awaitable[Result]]) -> Result:
        await self.record.set_status("running")
        self.narrator.begin(self.record.totals())
        engine = RunEngine(self.setup)
        try:
            result = await work(engine)
        except asyncio.CancelledError:
            await self.record.set_status("interrupted", "stopped by the user")
            raise
        except PromptDescentError as error:
            await self.record.set_status("failed", str(error))
            raise
        await self.record.finish()
        self.setup.profile.enter("done")
        self.narrator.used(engine.totals)
        self.narrator.done()
        return result

    async def _search_and_compare(self, engine: RunEngine) -> RunResult:
        await self._search(engine)
        return _result(self.record, self.manifest, await self._verdict(engine))

    async def _score(self, engine: RunEngine) -> EvaluationResult:
        on = self.manifest.evaluated_on or "test"
        evaluation, *_ = await engine.verdict_evaluator.side_by_side([self.task.start], self.task.rows_on(on))
        score = measure(evaluation, self.task, on, seed=self.manifest.seed)
        await self.record.append("evaluation", to_json(score))
        return EvaluationResult(run=self.record.id, prompt=self.manifest.prompt, score=score)

    # --- search ---

    async def _search(self, engine: RunEngine) -> None:
        if self.record.search_ended():
            return
        around = engine.around
        state = self.record.state_or_none()
        try:
            if state is None:
                state = await self._score_start(engine)
            reason = ""
            self._used = [self.record.used_at_start()]
            for earlier in self.record.steps():
                self._proposals.add(earlier)
                self._used.append(earlier.used.tokens)
                reason = earlier.stop
            self._hold_back(engine, state.best.prompt)
            self._enter("search", engine)
            self.narrator.search(state, self._next_words(state))
            reason = reason or stop_reason(self.recipe, state, around.brief) or self._no_room(engine, state)
            if not reason:
                async with aclosing(descend(self.recipe, state, around)) as steps:
                    async for step in steps:
                        reason = await self._keep(step, engine)
                        if reason:
                            break
        except BudgetExhausted as error:
            if state is None:
                raise RunFailed(
                    f"{error} before the starting prompt was scored; raise the cap and start again"
                ) from error
            reason = str(error)
        self._proposals.end()
        await self.record.append("search ended", json.dumps({"reason": reason}))

    async def _keep(self, step: StepRecord, engine: RunEngine) -> str:
        """Put a step on record; return why the search ends with it, if it does."""
        step = replace(step, used=engine.used)
        self._proposals.check_any_came(step, lambda: self.record.last_failure("optimizer"))
        await self.record.append("step", to_json(step))
        self._used.append(step.used.tokens)
        self.narrator.step(step)
        self.narrator.search(step.state, self._next_words(step.state))
        self._proposals.add(step)
        self._hold_back(engine, step.state.best.prompt)
        await self._tell_warnings(engine)
        return step.stop or self._no_room(engine, step.state)

    def _no_room(self, engine: RunEngine, state: OptimizerState) -> str:
        """Why no whole step may fit under a cap any more: in calls by the most that it can make, in tokens by the
        dearest so far. Empty if one does.
        """
        if not self.plan.whole_steps:
            return ""
        calls = self.plan.step.calls if state.initialized else self.plan.start.calls - engine.used.calls
        by_step = [after - before for before, after in pairwise(self._used)]
        dearest = max(by_step[1:] if self.recipe.initialization.proposals else by_step, default=0)
        cap = engine.budget.used.lacking(Amount(calls=calls, tokens=dearest + self._spare))
        return f"{cap} leaves no room for another whole step" if cap else ""

    def _hold_back(self, engine: RunEngine, best: Prompt) -> None:
        """Keep the verdict's share from the search: by the forecast, or by what such calls cost if that is more.

        Room for one call at its upper bound comes on top, so that the last one can be set aside for.
        """
        # By what was used, and not paid: a run must end at the same place whether its replies are new or cached.
        verdict, totals = self.plan.verdict, engine.totals
        roles: tuple[Role, ...] = ("task", "judge")
        used = sum((totals[role].used for role in roles), Usage())
        measured = verdict.calls * used.tokens / max(1, used.calls)
        reserve = held = max(verdict.tokens, round(1.25 * measured))
        if self.plan.whole_steps and used.calls:
            # A step that is dearer than all before it may use the rest of the reserve, instead of being cut.
            held = round(measured)
        self._spare = reserve - held
        dearest = engine.dearest_verdict_call(best)
        spent = sum(engine.budget.amount(role, totals[role].used).money for role in roles)
        price = spent / used.tokens if used.tokens else 0.0
        engine.budget.hold_back(
            calls=verdict.calls,
            tokens=held + dearest,
            money=max(
                price * (held + dearest), *(engine.budget.amount(role, self.plan.verdict).money for role in roles)
            ),
            seconds=1.25 * verdict.calls * engine.seconds_per_call,
            tried_again=math.ceil(2 * verdict.calls * engine.share_tried_again),
        )

    async def _tell_warnings(self, engine: RunEngine) -> None:
        """Say and record what is new to say of the caps."""
        for text in engine.budget.warnings():
            self.narrator.say(text)
            await self.record.append("note", json.dumps({"text": text}))

    async def _score_start(self, engine: RunEngine) -> OptimizerState:
        prompt = self.task.start
        evaluator = engine.evaluator
        dev = self.task.dev
        first, *_ = await evaluator.side_by_side([prompt], dev[:FIRST_REPLIES])
        if self.manifest.total_steps:  # without a search the score itself is what was asked for
            check_answers(first.outcomes, max_tokens=self.manifest.task_model.max_tokens)
        rest, *_ = await evaluator.side_by_side([prompt], dev[FIRST_REPLIES:])
        evaluation = evaluator.combine(prompt, [*first.outcomes, *rest.outcomes], dev)
        state = first_state(self.recipe, prompt, evaluation, total_steps=self.manifest.total_steps)
        payload = {
            "evaluation": json.loads(to_json(evaluation)),
            "state": json.loads(to_json(state)),
            "used": engine.used.tokens,
        }
        await self.record.append("start", json.dumps(payload))
        await self._tell_warnings(engine)
        return state

    def _next_words(self, state: OptimizerState) -> int | None:
        if state.step >= state.total_steps or not state.initialized:
            return None
        return self.recipe.step_size.words(state.step + 1, state.total_steps)

    # --- verdict ---

    async def _verdict(self, engine: RunEngine) -> Verdict:
        engine.budget.hold_back(calls=0, tokens=0)
        self._enter("verdict", engine)
        self.narrator.verdict()
        start, best, rows = self.task.start, self.record.state().best.prompt, self.task.verdict_rows
        evaluator = engine.verdict_evaluator
        evaluations = await evaluator.side_by_side(list(dict.fromkeys([start, best])), rows)
        verdict = compare(evaluations[0], evaluations[-1], self.task, seed=self.manifest.seed)
        await self._tell_warnings(engine)
        await self.record.append("verdict", to_json(verdict))
        return verdict

    def _enter(self, phase: str, engine: RunEngine) -> None:
        self.setup.profile.enter(phase)
        self.narrator.used(engine.totals)


def _cut(plan: Forecast) -> str:
    return f" (the cap leaves no room for all {plan.wanted_steps})" if plan.steps < plan.wanted_steps else ""


def _announcement(plan: Forecast, spec: RunSpec, recipe: Recipe, task: Task) -> str:
    """What the run will do and cost, in one paragraph."""
    total = plan.total
    if spec.evaluate_on:
        return (
            f"{len(task.rows_on(spec.evaluate_on))} rows ({spec.evaluate_on}); metric {task.metric.name}; "
            f"prompt {task.placement}. Forecast: at most {total.calls} calls, about {total.tokens} tokens."
        )
    return (
        f"{len(task.train)} train, {len(task.dev)} dev and {len(task.test)} test rows; metric {task.metric.name}"
        f"{'' if task.objective.name == 'mean' else f', objective {task.objective.name}'}; "
        f"prompt {task.placement}. Up to {plan.steps} steps of {recipe.proposals_per_step} candidates{_cut(plan)}. "
        f"Forecast: at most {total.calls} calls, about {total.tokens} tokens."
    )
