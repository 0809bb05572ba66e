"""One search of a race: a contestant on a task with a seed, behind a proxy of its own."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptdescent.assembly import NO_EXTRAS, open_models
from promptdescent.config import RunSpec
from promptdescent.errors import RunFailed
from promptdescent.experiments.race.contestants import Contestant
from promptdescent.experiments.race.install import environment_python
from promptdescent.experiments.race.job import read_found, row_as_data, write_job
from promptdescent.experiments.race.meter import Meters
from promptdescent.experiments.race.plan import RACED, RacePlan, RaceTask
from promptdescent.experiments.race.process import AFTER_THE_CAP, Ended, carry_out, python_path
from promptdescent.experiments.race.proxy import Proxy
from promptdescent.llm.base import LLM
from promptdescent.llm.limits import RetryPolicy
from promptdescent.records import Role
from promptdescent.report.race.record import End, RaceRun
from promptdescent.tasks.metrics import Metric
from promptdescent.tasks.task import Task

CALLS = "calls.jsonl"
CONCURRENCY = 4
"""Calls that a contestant may have in flight unless --concurrency says otherwise."""

OURS = "promptdescent.experiments.race.ours"


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a search is about."""

    plan: RacePlan
    task: RaceTask
    loaded: Task
    contestant: Contestant
    seed: int
    folder: Path
    """Where it may write; emptied before it begins."""

    @property
    def empty(self) -> RaceRun:
        """Its result before there is one."""
        return RaceRun(task=self.task.name, contestant=self.contestant.label, seed=self.seed, status="hole")

    @property
    def spec(self) -> RunSpec:
        return self.task.spec


async def find_prompt(search: Search) -> RaceRun:
    """Run a search to its end; the result has no scores on the test rows yet. It is a hole, with the reason, if the
    contestant crashed or broke the rules.

    Raises :class:`PromptDescentError` if the models cannot be used at all.
    """
    contestant = search.contestant
    if contestant.kind == "prompt":
        prompt = search.task.start if contestant.prompt is None else contestant.prompt
        return replace(search.empty, ended="no search", prompt=prompt)
    missing = contestant.missing(search.plan.peers)
    if missing:
        raise RunFailed(missing)
    shutil.rmtree(search.folder, ignore_errors=True)
    search.folder.mkdir(parents=True)
    models = open_models(search.spec, search.loaded, NO_EXTRAS)
    try:
        await models.prepare()
        return await _behind_proxy(search, {"task": models.task, "optimizer": models.optimizer})
    finally:
        await models.close()


async def _behind_proxy(search: Search, models: Mapping[Role, LLM]) -> RaceRun:
    plan, spec = search.plan, search.spec
    meters = Meters(plan.caps, search.folder / CALLS)
    proxy = Proxy(
        {role: (models[role], spec.model(role).settings) for role in RACED},
        meters=meters,
        metric=_metric(search.loaded),
        seed=search.seed,
        retry=RetryPolicy(attempts=spec.attempts),
    )
    async with proxy.serving() as base_url:
        began = time.monotonic()
        job = write_job(search.folder, _job(search, base_url, proxy.key))
        ended = await carry_out(
            _command(search, job),
            search.folder,
            seconds=60 * plan.minutes,
            cut=proxy.cut,
            more=python_path() if not search.contestant.family else {},
        )
        seconds = time.monotonic() - began
    measured = replace(search.empty, used=meters.used, seconds=seconds)
    reason = proxy.failure or _crash(ended)
    if reason:
        return replace(measured, reason=reason)
    try:
        found = read_found(search.folder)
    except RunFailed as error:
        return replace(measured, reason=_limit(ended, meters, plan) + str(error))
    best = found.best
    return replace(
        measured,
        ended=_end_of(ended, used_up=meters.used_up),
        prompt=best.prompt,
        messages=best.layout.messages if best.layout else (),
        answer_pattern=best.layout.answer_pattern if best.layout else None,
        dev_score=best.dev_score,
        candidates=len({one.prompt for one in found.scored}),
        unscored=found.unscored,
    )


def _metric(task: Task) -> Metric:
    """The metric, which is no judge: the plan's check has seen to that."""
    return task.metric  # type: ignore[return-value]


def _crash(ended: Ended) -> str:
    """Why there is no result, if the process crashed; empty if it did not."""
    if ended.killed or ended.status == 0:
        return ""
    how = f"signal {-ended.status}" if ended.status < 0 else f"exit status {ended.status}"
    return f"it crashed ({how}): {ended.last_line or 'it said nothing'}"


def _limit(ended: Ended, meters: Meters, plan: RacePlan) -> str:
    """The limit that ended the search, to stand before what it did not come to; empty if none did."""
    tokens = " and ".join(f"its {plan.caps[role]:,} {role} tokens (--{role}-tokens)" for role in meters.roles_used_up)
    if ended.killed == "time":
        return f"it was ended after {plan.minutes:g} minutes (--max-minutes): "
    if ended.killed == "cap":
        return f"it was ended {AFTER_THE_CAP:g} seconds after it had used up {tokens}: "
    return f"it used up {tokens}: " if tokens else ""


def _end_of(ended: Ended, *, used_up: bool) -> End:
    if ended.killed == "time":
        return "time"
    return "cap" if used_up else "itself"


def _command(search: Search, job: Path) -> list[str]:
    contestant = search.contestant
    if contestant.script is None:
        return [sys.executable, "-m", OURS, str(job)]
    if not contestant.family:
        return [sys.executable, str(contestant.script), str(job)]
    python = environment_python(search.plan.peers, contestant.family)
    return [str(python), "-I", str(contestant.script), str(job)]


def _job(search: Search, base_url: str, key: str) -> dict[str, Any]:
    """What the contestant is told; test rows are no part of it."""
    spec, task, plan, contestant = search.spec, search.loaded, search.plan, search.contestant
    job: dict[str, Any] = {
        "peer": contestant.label,
        "seed": search.seed,
        "folder": str(search.folder.resolve()),
        "base_url": base_url,
        "api_key": key,
        "task_model": "task",
        "optimizer_model": "optimizer",
        "task_max_tokens": spec.task_max_tokens,
        "optimizer_max_tokens": spec.optimizer_max_tokens,
        "optimizer_temperature": spec.optimizer_temperature,
        "concurrency": spec.concurrency or CONCURRENCY,
        "start": search.task.start,
        "about": search.task.about,
        "labels": list(task.labels),
        "perfect_score": task.metric.perfect_score,
        "train": [row_as_data(row) for row in task.train],
        "dev": [row_as_data(row) for row in task.dev],
        **{f"{role}_tokens": plan.caps[role] for role in RACED},
    }
    if contestant.recipe:
        ours = {name: getattr(spec, name) for name in ("metric", "placement", "read")}
        style = spec.model("optimizer").settings.style
        job |= {"recipe": contestant.recipe, "optimizer_style": style, **ours}
    return job
