"""A study: recipes x seeds on some tasks, with equal means, as one resumable unit.

In its folder, ``runs/TASK/seed-N`` is a store that holds every run of a task with a seed, so that runs which see the
same rows share their replies, and no store grows beyond what a file is good at. A run is found again by its spec; the
study itself needs no other memory. ``study.json``, ``.csv``, ``.md`` and ``.svg`` are written when all runs ended.

Where tokens are to be equal, a *pilot* comes first: each recipe once on each task, with the first seed, for as many
steps as the reference takes. What it used sets the cap, and how many steps each recipe plans under that cap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from promptdescent.errors import ConfigError, PromptDescentError, RunFailed
from promptdescent.experiments.executor import Executor, Processes
from promptdescent.experiments.grids import Cell
from promptdescent.experiments.plan import StudyPlan, StudyTask
from promptdescent.experiments.worker import Job
from promptdescent.parts.method.step_size import StepSize
from promptdescent.records import ROLES, Usage
from promptdescent.report.study.files import load, save
from promptdescent.report.study.record import StudyRecord, StudyRun, TaskBudget
from promptdescent.store.lease import FileLease
from promptdescent.version import __version__

RESERVE = 1.25
"""What a run keeps for the test rows, as a multiple of what such calls cost it so far; the runner's own factor."""

MORE_STEPS = 2
"""How many times the steps of the pilot's pace a search may take, where only the cap should end it."""

ROUND_CAP = 1000
"""Caps are rounded up to a multiple of so many tokens."""


class StudyObserver(Protocol):
    """Is told how a study goes."""

    def on_message(self, text: str) -> None:
        """A line for the user."""

    def on_run(self, run: StudyRun, *, done: int, total: int) -> None:
        """A run ended; so many of the study's runs have."""


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


def run_study(
    plan: StudyPlan,
    folder: Path,
    *,
    workers: int,
    observer: StudyObserver,
    runs_in: str | None = None,
    executor: Executor | None = None,
) -> StudyRecord:
    """Carry a study out, or go on with it, and write its files; one that is finished is only read.

    ``runs_in``: address of a store for all runs, in place of stores in the folder. ``executor``: what carries them out,
    entered by the caller, in place of ``workers`` processes.
    Runs that fail are part of the result, and so is a task on which the reference fails in the pilot, since it sets the
    budget. Raises the :class:`InputError` family before the first call; :class:`RunFailed` if the reference fails on
    every task; ``KeyboardInterrupt`` with every run recorded. The same call goes on from there.
    """
    plan.check()
    with held(folder, "study"):
        plan.claim_folder(folder)
        known = load(folder)
        if known is not None and plan.is_whole(known):
            return known
        with ExitStack() as stack:
            pool: Executor = executor or stack.enter_context(Processes(workers))
            study = _Study(plan, runs_in or folder / "runs", pool, observer)
            budgets = study.budgets()
            record = study.record(budgets, study.runs(budgets))
        save(record, folder)
        return record


@contextmanager
def held(folder: Path, what: str) -> Iterator[None]:
    """Only one process at a time works on the ``what`` in a folder. Raises :class:`ConfigError` if another one does."""
    folder.mkdir(parents=True, exist_ok=True)
    lease = FileLease.take(folder / f"{what}.lock", wait=0.0)
    if lease is None:
        raise ConfigError(f"another process is at work on the {what} in {folder}: wait for it to end, or stop it first")
    try:
        yield
    finally:
        lease.release()


class _Study:
    def __init__(self, plan: StudyPlan, runs_in: str | Path, pool: Executor, observer: StudyObserver) -> None:
        """``runs_in``: a folder of stores, or the address of one store."""
        self._plan = plan
        self._runs_in = runs_in
        self._pool = pool
        self._observer = observer
        self._searching = [cell for cell in plan.grid.cells if cell.recipe is not None]

    # --- budgets ---

    def budgets(self) -> tuple[TaskBudget, ...]:
        """What every search may use, by task."""
        plan = self._plan
        if plan.equal == "steps":
            return tuple(
                TaskBudget(
                    task=task.name,
                    max_tokens=plan.max_tokens,
                    steps={cell.label: plan.same_steps[task.name] for cell in self._searching},
                )
                for task in plan.tasks
            )
        self._observer.on_message(
            f"Pilot: each recipe once per task for the steps of {plan.grid.reference}, to see what a step uses."
        )
        jobs = [
            self._job(cell, task, plan.seeds[0], steps=plan.same_steps[task.name], cap=plan.max_tokens)
            for task in plan.tasks
            for cell in self._searching
        ]
        pilots = {(run.task, run.cell): run for run in self._results(jobs)}
        return self._planned(pilots)

    def _planned(self, pilots: Mapping[tuple[str, str], StudyRun]) -> tuple[TaskBudget, ...]:
        """The budgets that the pilots allow; raises what speaks against the first task if it is so of all."""
        found: list[TaskBudget] = []
        errors: list[PromptDescentError] = []
        for task in self._plan.tasks:
            try:
                found.append(self._budget(task, pilots))
            except PromptDescentError as error:
                errors.append(error)
                self._observer.on_message(f"{task.name} is left out: {error}")
                found.append(TaskBudget(task=task.name, max_tokens=self._plan.max_tokens, steps={}, refused=str(error)))
        if len(errors) == len(found):
            raise errors[0]
        return tuple(found)

    def _budget(self, task: StudyTask, pilots: Mapping[tuple[str, str], StudyRun]) -> TaskBudget:
        plan, reference = self._plan, pilots[task.name, self._plan.grid.reference]
        pace = _pace(reference)
        if reference.status != "finished" and plan.max_tokens is not None and "--max-total-tokens" in reference.reason:
            raise ConfigError(
                f"--max-total-tokens {plan.max_tokens} is too small for the pilot of {reference.cell} on {task.name}: "
                f"{reference.reason}. Give a higher cap, and another folder with --store."
            )
        if reference.status != "finished":
            raise RunFailed(
                f"the pilot of {reference.cell} on {task.name} failed, so nothing can be planned: {reference.reason}. "
                "The same command tries again."
            )
        if pace is None:
            raise ConfigError(
                f"the pilot of {reference.cell} on {task.name} took no step, so nothing can be planned: "
                f"{reference.ended_because}. Give a higher --max-total-tokens, or a task that leaves room for a gain."
            )
        reserve = self._reserve(task, reference)
        cap = plan.max_tokens
        if cap is None:
            cap = math.ceil((pace.budget(plan.same_steps[task.name]) + reserve) / ROUND_CAP) * ROUND_CAP
        steps = {}
        for cell in self._searching:
            own = _pace(pilots[task.name, cell.label])
            # A recipe whose pilot failed is tried all the same, and says itself what is wrong.
            steps[cell.label] = plan.same_steps[task.name] if own is None else own.steps(cap - reserve)
        too_dear = [label for label, affordable in steps.items() if affordable < 1]
        if too_dear:
            raise ConfigError(
                f"--max-total-tokens {cap} is too small on {task.name}: with the test rows it does not afford one step "
                f"of {', '.join(too_dear)}. Raise it, or lower --dev-rows, --test-rows or --candidates, "
                "and name another folder with --store."
            )
        planned = {
            cell.label: planned_steps(cell.recipe.step_size, steps[cell.label])
            for cell in self._searching
            if cell.recipe
        }
        return TaskBudget(task=task.name, max_tokens=cap, steps=planned)

    def _reserve(self, task: StudyTask, reference: StudyRun) -> int:
        """Tokens that the runner keeps for the test rows."""
        forecast = self._plan.verdict_reserve(task)
        scoring = sum((reference.used[role] for role in ("task", "judge") if role in reference.used), Usage())
        return max(forecast.tokens, round(RESERVE * forecast.calls * scoring.tokens / max(1, scoring.calls)))

    # --- runs ---

    def runs(self, budgets: Sequence[TaskBudget]) -> tuple[StudyRun, ...]:
        """All runs of the study, in the order of tasks, seeds and cells."""
        plan = self._plan
        jobs = [
            self._job(cell, task, seed, steps=budget.steps.get(cell.label, 0), cap=budget.max_tokens)
            for seed in plan.seeds
            for task, budget in zip(plan.tasks, budgets, strict=True)
            if not budget.refused
            for cell in plan.grid.cells
        ]
        found = {
            (budget.task, seed, cell.label): StudyRun(
                cell=cell.label, task=budget.task, seed=seed, status="failed", reason=budget.refused
            )
            for budget in budgets
            if budget.refused
            for seed in plan.seeds
            for cell in plan.grid.cells
        }
        for budget in budgets:
            if budget.refused:
                continue
            steps = ", ".join(f"{label} {number}" for label, number in budget.steps.items())
            cap = "" if budget.max_tokens is None else f"at most {budget.max_tokens:,} tokens per run; "
            self._observer.on_message(f"{budget.task}: {cap}steps at most: {steps}.")
        found |= {(run.task, run.seed, run.cell): run for run in self._results(jobs)}
        return tuple(
            found[task.name, seed, cell.label] for task in plan.tasks for seed in plan.seeds for cell in plan.grid.cells
        )

    def _job(self, cell: Cell, task: StudyTask, seed: int, *, steps: int, cap: int | None) -> Job:
        spec = self._plan.spec(cell, task, seed=seed, steps=steps, cap=cap)
        return Job.of(cell.label, task.name, seed, store=self._store(task, seed), spec=spec)

    def _store(self, task: StudyTask, seed: int) -> str | Path:
        """Where a run is kept: with those that see the same rows, since they share replies."""
        if isinstance(self._runs_in, str):
            return self._runs_in
        return self._runs_in / task.name if task.fixed_rows else self._runs_in / task.name / f"seed-{seed}"

    def _results(self, jobs: Sequence[Job]) -> Iterator[StudyRun]:
        for done, run in enumerate(self._pool.results(jobs), start=1):
            self._observer.on_run(run, done=done, total=len(jobs))
            yield run

    def record(self, budgets: tuple[TaskBudget, ...], runs: tuple[StudyRun, ...]) -> StudyRecord:
        """All of it."""
        plan = self._plan
        used = [role for role in ROLES if any(role in run.used for run in runs)]
        return StudyRecord(
            grid=plan.grid.name,
            version=__version__,
            equal=plan.equal,
            reference=plan.grid.reference,
            cells=plan.cells(),
            tasks=tuple(task.name for task in plan.tasks),
            seeds=plan.seeds,
            models={role: plan.tasks[0].spec.model(role).settings.name for role in used},
            same_steps=plan.same_steps,
            budgets=budgets,
            runs=runs,
        )


def planned_steps(step_size: StepSize, affordable: int) -> int:
    """T: the steps that are affordable by the pilot, where the word budget runs its course over T steps. Where it does
    not depend on T, the cap is what ends the search; seeds whose steps are cheaper than the pilot's take more of them.
    """
    steps = max(affordable, step_size.warmup_steps + 1)
    more = MORE_STEPS * steps
    course = [step_size.words(step, steps) for step in range(1, steps + 1)]
    return more if course == [step_size.words(step, more) for step in range(1, steps + 1)] else steps


def _pace(pilot: StudyRun) -> _Pace | None:
    """What a pilot's steps used; None if it took none."""
    if pilot.status != "finished" or pilot.steps < 1:
        return None
    points = [point.tokens for point in pilot.curve[-1 - pilot.steps :]]
    used = [after - before for before, after in pairwise(points)]
    return _Pace(start=points[0], step=sum(used) / len(used), dearest=max(used))
