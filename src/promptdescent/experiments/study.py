"""A study: recipes x seeds on some tasks, with equal means, as one resumable unit.

In its folder, ``runs/TASK/seed-N`` is a store that holds every run of a task with a seed, so that runs which see the
same rows share their replies, and no store grows beyond what a file is good at. A run is found again by its spec; the
study itself needs no other memory. ``study.json``, ``.csv``, ``.md`` and ``.svg`` are written when all runs ended.

Where tokens are to be equal, a *pilot* comes first: each recipe once on each task, with the first seed, for as many
steps as the reference takes. What it used sets the cap, and how many steps each recipe plans under that cap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from promptdescent.errors import ConfigError, PromptDescentError
from promptdescent.experiments.executor import Executor, Processes
from promptdescent.experiments.grids import Cell
from promptdescent.experiments.pilots import judged, planned_budget
from promptdescent.experiments.plan import StudyPlan, StudyTask
from promptdescent.experiments.worker import Job
from promptdescent.records import ROLES
from promptdescent.report.study.files import load, save
from promptdescent.report.study.record import StudyRecord, StudyRun, TaskBudget
from promptdescent.store.lease import FileLease
from promptdescent.version import __version__


class StudyObserver(Protocol):
    """Is told how a study goes."""

    def on_message(self, text: str) -> None:
        """A line for the user."""

    def on_run(self, run: StudyRun, *, done: int, total: int) -> None:
        """A run ended; so many of the study's runs have."""


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
    Runs that fail are part of the result. So are searches that a cap ended before they found anything, and a task on
    which nothing can be planned since the pilot of the reference failed. Raises the :class:`InputError` family before
    the first call, or if no recipe can afford a step; :class:`RunFailed` if the reference fails on every task;
    ``KeyboardInterrupt`` with every run recorded. The same call goes on from there.
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
                by_cell = {cell.label: pilots[task.name, cell.label] for cell in self._searching}
                found.append(planned_budget(self._plan, task, by_cell))
            except PromptDescentError as error:
                errors.append(error)
                self._observer.on_message(f"{task.name} is left out: {error}")
                found.append(TaskBudget(task=task.name, max_tokens=self._plan.max_tokens, steps={}, refused=str(error)))
        if len(errors) == len(found):
            raise errors[0]
        return tuple(found)

    # --- runs ---

    def runs(self, budgets: Sequence[TaskBudget]) -> tuple[StudyRun, ...]:
        """All runs of the study, in the order of tasks, seeds and cells."""
        plan = self._plan
        jobs = [
            self._job(cell, task, seed, steps=budget.steps.get(cell.label, 0), cap=budget.max_tokens)
            for seed in plan.seeds
            for task, budget in zip(plan.tasks, budgets, strict=True)
            for cell in plan.grid.cells
            if not budget.why_not(cell.label)
        ]
        found = {
            (budget.task, seed, cell.label): StudyRun(
                cell=cell.label, task=budget.task, seed=seed, status="failed", reason=reason
            )
            for budget in budgets
            for seed in plan.seeds
            for cell in plan.grid.cells
            if (reason := budget.why_not(cell.label))
        }
        for budget in budgets:
            if budget.refused:
                continue
            steps = ", ".join(f"{label} {number}" for label, number in budget.steps.items())
            cap = "" if budget.max_tokens is None else f"at most {budget.max_tokens:,} tokens per run; "
            self._observer.on_message(f"{budget.task}: {cap}steps at most: {steps}.")
            for label, reason in budget.holes.items():
                self._observer.on_message(f"{label} on {budget.task} is left out: {reason}")
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
        caps = {(job.task, job.cell, job.seed): job.spec.get("max_total_tokens") for job in jobs}
        for done, found in enumerate(self._pool.results(jobs), start=1):
            run = judged(self._plan, found, cap=caps[found.task, found.cell, found.seed])
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
