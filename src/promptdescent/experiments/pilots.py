"""What every search on a task may use, by the pilots, and which cells cannot afford a step of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from promptdescent.errors import ConfigError, RunFailed
from promptdescent.experiments.plan import StudyPlan, StudyTask
from promptdescent.llm.budget import CHARACTERS_PER_TOKEN, TEMPLATE_TOKENS
from promptdescent.parts.context import Calls
from promptdescent.parts.method.step_size import StepSize
from promptdescent.parts.recipe import Recipe
from promptdescent.parts.search.selection import Greedy
from promptdescent.records import Usage
from promptdescent.report.study.record import StudyRun, TaskBudget

RESERVE = 1.25
"""What a run keeps for the test rows, as a multiple of what such calls cost it so far; the runner's own factor."""

MORE_STEPS = 2
"""How many times the steps of the pilot's pace a search may take, where only the cap should end it."""

ROUND_CAP = 1000
"""Caps are rounded up to a multiple of so many tokens."""

ROUND_ADVICE = 100
"""Caps that would do are rounded up to a multiple of so many tokens, since they are estimates."""

AS_REFERENCE = "what the reference uses"
"""What sets the cap of every run where the user gave none."""

_A_CAP = re.compile(r"^the cap of ")
"""How a run says that a cap ended its search."""


@dataclass(frozen=True, kw_only=True)
class _Pace:
    """What a recipe's search uses, by its pilot."""

    start: int
    """Tokens before the first step."""
    step: float
    """Tokens of a step, on average."""
    dearest: int
    """Of the dearest step; the runner begins no step for which that much is not left."""

    def budget(self, steps: int) -> float:
        """Tokens in which so many steps fit."""
        return self.start + (steps - 1) * self.step + self.dearest

    def steps(self, budget: float) -> int:
        """Steps that fit into so many tokens; at most 0 if none does."""
        return 1 + math.floor((budget - self.start - self.dearest) / self.step + 1e-9)


def planned_budget(plan: StudyPlan, task: StudyTask, pilots: Mapping[str, StudyRun]) -> TaskBudget:
    """What every search on a task may use; ``pilots`` by cell. A cell that cannot afford a step is a hole.

    Raises :class:`RunFailed` if the pilot of the reference failed and no cap is to blame; :class:`ConfigError` if
    nothing can be planned, or if no cell can afford a step.
    """
    reference = pilots[plan.grid.reference]
    cap, pace = plan.max_tokens, _pace(reference)
    by_cap = cap is not None and plan.cap_flag.is_in(reference.reason)
    if reference.status != "finished" and not by_cap:
        raise RunFailed(
            f"the pilot of {reference.cell} on {task.name} failed, so nothing can be planned: {reference.reason}. "
            "The same command tries again."
        )
    if pace is None and not by_cap:
        raise ConfigError(
            f"the pilot of {reference.cell} on {task.name} took no step, so nothing can be planned: "
            f"{reference.ended_because}. Leave the task out, or give --equal steps."
        )
    reserve = _reserve(plan, task, reference)
    if cap is None and pace is not None:
        cap = math.ceil((pace.budget(plan.same_steps[task.name]) + reserve) / ROUND_CAP) * ROUND_CAP
    if cap is None:
        raise ValueError("a cap is given or follows from the reference")
    steps: dict[str, int] = {}
    holes: dict[str, str] = {}
    for cell in plan.grid.cells:
        if cell.recipe is None:
            continue
        pilot = pilots[cell.label]
        # A recipe whose pilot failed for another reason is tried all the same, and says itself what is wrong.
        affordable = plan.same_steps[task.name]
        if (own := _pace(pilot)) is not None:
            affordable = own.steps(cap - reserve)
            # What the pilot could do under the same cap, the others can be expected to.
            affordable = max(affordable, 1) if plan.max_tokens is not None else affordable
        elif plan.max_tokens is not None and plan.cap_flag.is_in(pilot.reason):
            holes[cell.label] = pilot.reason
            continue
        if own is not None and affordable < 1:
            holes[cell.label] = unaffordable(plan, cap, need=own.budget(1) + reserve)
        else:
            steps[cell.label] = planned_steps(cell.recipe.step_size, affordable)
    if not steps:
        label, reason = next(iter(holes.items()))
        raise ConfigError(f"no recipe can afford a step on {task.name}; {label}: {reason}")
    return TaskBudget(task=task.name, max_tokens=cap, steps=steps, holes=holes)


def planned_steps(step_size: StepSize, affordable: int) -> int:
    """T: the steps that are affordable by the pilot, where the word budget runs its course over T steps. Where it does
    not depend on T, the cap is what ends the search; seeds whose steps are cheaper than the pilot's take more of them.
    """
    steps = max(affordable, step_size.warmup_steps + 1)
    more = MORE_STEPS * steps
    course = [step_size.words(step, steps) for step in range(1, steps + 1)]
    return more if course == [step_size.words(step, more) for step in range(1, steps + 1)] else steps


def judged(plan: StudyPlan, run: StudyRun, *, cap: int | None) -> StudyRun:
    """A run as the study counts it: a search that its cap ended before the first step has no result, since what it
    found is the prompt that it started from. What it says of its cap names the flag that the user gave.
    """
    flag = plan.cap_flag
    run = replace(run, reason=flag.said(run.reason), ended_because=flag.said(run.ended_because))
    if plan.grid.cell(run.cell).recipe is None:
        return run
    # An initialization that came to its end is a point of the curve, and what it found is a result.
    nothing_found = run.steps < 1 and len(run.curve) < 2
    no_step = run.status == "finished" and nothing_found and _A_CAP.match(run.ended_because) is not None
    if not no_step and not (run.status == "failed" and flag.is_in(run.reason)):
        return run
    reason = f"no step was taken: {run.ended_because}" if no_step else run.reason
    if cap is not None and flag.is_in(reason):
        need = _of_one_step(plan, run)
        if no_step or need > cap:
            reason = unaffordable(plan, cap, need=max(need, cap + ROUND_ADVICE))
    return StudyRun(
        cell=run.cell,
        task=run.task,
        seed=run.seed,
        status="failed",
        reason=reason,
        run=run.run,
        used=run.used,
        seconds=run.seconds,
        money=run.money,
    )


def unaffordable(plan: StudyPlan, cap: int, *, need: float) -> str:
    """Why a search has no result whose cap is below what one step and the test rows need, in tokens."""
    why = AS_REFERENCE if plan.max_tokens is None else plan.cap_flag.words
    least = math.ceil(need / ROUND_ADVICE) * ROUND_ADVICE
    return (
        f"{cap:,} tokens ({why}) do not pay for one step and the test rows, which need up to about {least:,}: "
        f"give {plan.cap_flag.setting(least)}, or fewer rows or candidates, and another folder with --store"
    )


def _of_one_step(plan: StudyPlan, run: StudyRun) -> int:
    """Tokens that a search of one step needs at most, about, with the test rows: the calls of the start and of a first
    step, by what those of a run used that did not come as far, or by forecast where it made none of the kind.
    """
    task = next(task for task in plan.tasks if task.name == run.task)
    cell, dev = plan.grid.cell(run.cell), len(plan.loaded[task.name].dev)
    forecast, recipe = plan.forecast_of(cell, task, steps=1), plan.recipe(cell, task)
    verdict = max(forecast.verdict.tokens, _measured(forecast.verdict.calls, run))
    if "task" not in run.used:
        return forecast.start.tokens + forecast.step.tokens + verdict
    calls = recipe.start_calls(dev) + Calls(task=dev) + _first_step(recipe).step_calls(dev)
    most = recipe.step_calls(dev)
    answers = most.task * forecast.verdict.tokens / forecast.verdict.calls
    proposal = (forecast.step.tokens - answers) / max(1, most.optimizer)
    if (proposing := run.used.get("optimizer", Usage())).calls:  # one that asked for several counts as several
        proposal = min(proposal, RESERVE * proposing.tokens / proposing.calls)
    return _measured(calls.task, run) + math.ceil(calls.optimizer * proposal) + verdict


def _first_step(recipe: Recipe) -> Recipe:
    """The recipe as it is in its first step, where a search that starts from one prompt has no other parents yet."""
    if recipe.initialization.proposals:
        return recipe
    return replace(recipe, selection=Greedy())


def _reserve(plan: StudyPlan, task: StudyTask, reference: StudyRun) -> int:
    """Tokens that the runner keeps for the test rows, and those that it sets aside for a proposal before it is sent,
    which are more than it costs.
    """
    cell = plan.grid.cell(plan.grid.reference)
    verdict = plan.forecast_of(cell, task, steps=1).verdict
    proposing = reference.used.get("optimizer", Usage())
    asked = math.ceil(proposing.tokens_in / max(1, proposing.calls))
    settings = plan.spec(cell, task, seed=reference.seed, steps=1, cap=None).model("optimizer").settings
    set_aside = CHARACTERS_PER_TOKEN * asked + TEMPLATE_TOKENS + settings.max_tokens
    return max(verdict.tokens, _measured(verdict.calls, reference)) + set_aside


def _measured(calls: int, run: StudyRun) -> int:
    """Tokens that so many calls of scoring use, by what such calls of a run used, with some to spare."""
    scoring = sum((run.used[role] for role in ("task", "judge") if role in run.used), Usage())
    return round(RESERVE * calls * scoring.tokens / max(1, scoring.calls))


def _pace(pilot: StudyRun) -> _Pace | None:
    """What a pilot's steps used; None if it took none."""
    if pilot.status != "finished" or pilot.steps < 1:
        return None
    points = [point.tokens for point in pilot.curve[-1 - pilot.steps :]]
    used = [after - before for before, after in pairwise(points)]
    return _Pace(start=points[0], step=sum(used) / len(used), dearest=max(used))
