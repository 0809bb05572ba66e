"""A run once more: the recorded rows, prompt, metric, recipe, models and settings of a run make a new one.

Its store answers what that run was answered, so that only what is new is paid for. A *replay* has nothing else to
answer it and must come to the same record; a *fork* goes on with another seed from some step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptdescent.assembly import NO_EXTRAS, Given, Models, open_models, rebuild_task, recorded_recipe
from promptdescent.config import CHANGEABLE, RunSpec, flag
from promptdescent.context_check import check_context
from promptdescent.engine import RunSetup
from promptdescent.errors import ConfigError, RunFailed
from promptdescent.llm.failures import read_limits
from promptdescent.llm.profile import Profile
from promptdescent.narrator import Narrator
from promptdescent.phases import EvaluationResult, RunResult
from promptdescent.planning import Forecast, forecast
from promptdescent.records import RunManifest, RunObserver
from promptdescent.replaying import FromRecord, Past, fork_seeds, recorded_models, with_common_past, without_limits
from promptdescent.report.comparison import first_difference
from promptdescent.report.record import canonical, run_record
from promptdescent.run_record import RunRecord
from promptdescent.runner import Confirm, carry_on
from promptdescent.store.lineage import adopt_uses
from promptdescent.store.store import RunRow, Store
from promptdescent.version import __version__


@dataclass(frozen=True, kw_only=True)
class Fork:
    """Where a fork leaves its origin, and with which seed."""

    from_step: int
    """The first step of its own."""
    seed: int


def fork_of(from_step: int | None, seed: int | None) -> Fork | None:
    """The fork that is asked for, if one is. Raises :class:`ConfigError` if only one of both is given."""
    if from_step is None and seed is None:
        return None
    if from_step is None or seed is None:
        given, missing = ("--seed", "--from-step") if from_step is None else ("--from-step", "--seed")
        raise ConfigError(
            f"{given} needs {missing}: a fork is the same run with another seed from some step on. For another seed "
            "throughout, start a new run"
        )
    return Fork(from_step=from_step, seed=seed)


async def rerun(
    name: str,
    *,
    store: Store,
    replay_only: bool = False,
    fork: Fork | None = None,
    settings: Mapping[str, Any] | None = None,
    given: Given = NO_EXTRAS,
    observers: Sequence[RunObserver] = (),
    confirm: Confirm,
    profile: Profile | None = None,
) -> RunResult | EvaluationResult:
    """Run a run once more, as a new one; ``name`` is a prefix of its id or ``latest``. ``settings`` replace those that
    decide its cost and pace.

    ``replay_only``: everything is answered from the store, no model is opened, and the canonical record must come out
    the same. Raises as :func:`~promptdescent.runner.start`; :class:`UnseenRequest` at the first request that is not on
    record; :class:`RunFailed` if a replay's record is another one.
    """
    row = store.find_run(name)
    if row.manifest.explains:
        raise ConfigError(
            f"run {row.id} holds the calls of an explanation and is not run again: promptdescent explain "
            f"{row.manifest.explains} pays for no reply twice"
        )
    past = Past(store, row.id)
    recorded = RunSpec().with_settings(past.settings)
    spec = _spec(past, row, recorded, settings or {}, fork, replay_only=replay_only)
    examples = store.examples(row.id)
    task = rebuild_task(row.manifest, examples, given)
    recipe = recorded_recipe(row.manifest, given)
    plan = forecast(without_limits(spec) if replay_only else spec, recipe, task)
    if replay_only or fork:
        plan = replace(plan, steps=row.manifest.total_steps)
    models = recorded_models(past, given) if replay_only else open_models(spec, task, given)
    try:
        if not replay_only:
            _check_consent(spec, plan, models, confirm)
            await models.prepare()
            models.check_same(row.manifest)
            check_context(spec, task, models.by_role)
        manifest = replace(
            row.manifest,
            version=__version__,
            spec=spec.as_data(),
            max_calls=spec.max_calls,
            max_total_tokens=spec.max_total_tokens,
            total_steps=plan.steps,
            origin=row.id,
            forked_at=fork.from_step if fork else None,
        )
        record = RunRecord(store, store.create_run(manifest, examples), replay=replay_only)
        if replay_only:
            models = replace(
                models,
                sender=lambda llm, engine: FromRecord(llm, engine, past=past, search_is_over=record.search_ended),
            )
        else:
            models = with_common_past(models, store, manifest)
        narrator = Narrator(observers, run=record.id, total_steps=plan.steps, forecast_calls=plan.total.calls)
        note = _announcement(row, manifest, plan, fork, replay_only=replay_only)
        if not replay_only:
            await record.append("forecast", json.dumps(plan.as_data()))
        narrator.say(note)
        await record.append("note", json.dumps({"text": note}))
        result = await carry_on(
            RunSetup(
                record=record,
                manifest=manifest,
                spec=without_limits(spec) if replay_only else spec,
                task=task,
                recipe=recipe,
                models=models,
                narrator=narrator,
                plan=plan,
                profile=profile or Profile(),
            )
        )
        if replay_only:
            if past.cut.anywhere:
                # Calls that were over when the cap cut off those before them are used, though nothing was made of them.
                await adopt_uses(store, record.id, row.id)
            check_equal(store, replay=record.id, origin=row.id)
        return result
    finally:
        await models.close()


def check_equal(store: Store, *, replay: str, origin: str) -> None:
    """Raise :class:`RunFailed`, naming the first difference, unless both runs have the same canonical record. Which
    version made a record does not count.
    """
    first, second = (canonical(run_record(store, run)) for run in (origin, replay))
    found = first_difference({**first, "version": ""}, {**second, "version": ""})
    if found:
        raise RunFailed(
            f"the replay of run {origin} is not equal to it: {found} (the run by version {first['version']}, the "
            f"replay, {replay}, by version {second['version']}). The metric or this version of promptdescent is not "
            "what the run was made with"
        )


def _spec(
    past: Past, row: RunRow, recorded: RunSpec, settings: Mapping[str, Any], fork: Fork | None, *, replay_only: bool
) -> RunSpec:
    """The settings of the new run. Raises :class:`ConfigError` for what a rerun cannot do."""
    wanted = {name: value for name, value in settings.items() if value is not None}
    for name in wanted:
        if name not in CHANGEABLE:
            raise ConfigError(
                f"{flag(name)} cannot be changed in a rerun, which would then be another run: leave it out, or start a "
                f"new one. {', '.join(map(flag, CHANGEABLE))} may change"
            )
    if replay_only:
        if fork or wanted:
            other = "--from-step" if fork else flag(next(iter(wanted)))
            raise ConfigError(f"--replay-only repeats the run as it was, so {other} has no place beside it")
        if row.status.state != "finished":
            raise ConfigError(
                f"run {row.id} is not finished, so there is no whole record to replay; "
                f"go on with it first: promptdescent resume {row.id}"
            )
    read_limits(recorded.with_settings(wanted).failure_limit)
    if fork is None:
        return recorded.with_settings(wanted)
    _check_fork(past, row, fork)
    seeds = fork_seeds(row.manifest, from_step=fork.from_step, seed=fork.seed)
    return recorded.with_settings({**wanted, "later_seeds": seeds})


def _check_fork(past: Past, row: RunRow, fork: Fork) -> None:
    record, total = RunRecord(past.store, row.id), row.manifest.total_steps
    if not 1 <= fork.from_step <= total:
        raise ConfigError(
            f"--from-step {fork.from_step}: run {row.id} has "
            + (f"steps 1 to {total}" if total else "no steps, so nothing to fork")
        )
    state = record.state_or_none()
    if record.search_ended() and state is not None and fork.from_step > state.step:
        raise ConfigError(
            f"--from-step {fork.from_step}: the search of run {row.id} ended after step {state.step} "
            f"({record.end_of_search()}), so a fork from a later step would be the same run; take an earlier one"
        )


def _check_consent(spec: RunSpec, plan: Forecast, models: Models, confirm: Confirm) -> None:
    uncapped = spec.max_calls is None and spec.max_total_tokens is None and spec.max_money is None
    if uncapped and models.remote and not confirm(plan):
        raise ConfigError(
            f"this run would make up to {plan.total.calls} calls outside this machine, less what is in the store, and "
            "has no cap: set --max-calls, --max-total-tokens or --max-money, or agree with --yes"
        )


def _announcement(row: RunRow, manifest: RunManifest, plan: Forecast, fork: Fork | None, *, replay_only: bool) -> str:
    """What the run is, in one sentence or two."""
    if replay_only:
        return f"Replay of run {row.id}: every reply comes from the store, and no model is asked."
    if fork is None:
        return f"Run {row.id} once more: what it was answered comes from the store, and only what is new is paid for."
    said = (
        f"Fork of run {row.id}: with seed {fork.seed} from step {fork.from_step} on. What came before is answered from "
        "the store."
    )
    if manifest.task_model.temperature > 0:
        said += (
            f" Answers of the task model are drawn with the seed {manifest.seed} throughout, so that scores compare."
        )
    return said
