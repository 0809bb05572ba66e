"""A bench: the tasks of a suite x recipes x task models x seeds, as one experiment that goes on where it was stopped.

It is one study per task model. What is added to that: the rows come from the suite's declarations, a task that cannot
take part is a hole and does not stop the others, one budget is shared out over all runs, and leaks are looked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from promptdescent.errors import ConfigError, InputError, PromptDescentError
from promptdescent.experiments.bench_leaks import by_split, leaks
from promptdescent.experiments.bench_plan import BenchPlan
from promptdescent.experiments.bench_rows import OtherRows, PreparedTask, prepare
from promptdescent.experiments.executor import Executor
from promptdescent.experiments.plan import StudyPlan, StudyTask
from promptdescent.experiments.study import StudyObserver, held, run_study
from promptdescent.records import Split, Usage
from promptdescent.report.bench.files import save
from promptdescent.report.bench.record import BenchHole, BenchRecord
from promptdescent.tasks.task import Task
from promptdescent.text import fingerprint
from promptdescent.version import __version__

ROWS = "rows"
"""Folder of the rows that the runs of a bench use, within the bench's folder."""


@dataclass(frozen=True, kw_only=True)
class ModelForecast:
    """What a bench uses with one task model."""

    tasks: int
    """Those that can take part."""
    runs: int
    """The pilots among them."""
    used: Usage
    """Calls at most, tokens about, if every search takes the steps of the reference."""


@dataclass(frozen=True, kw_only=True)
class BenchForecast:
    """What a bench uses, before its first call."""

    models: Mapping[str, ModelForecast]
    """By task model."""
    holes: tuple[BenchHole, ...]

    @property
    def total(self) -> ModelForecast:
        """All models together; a task counts once."""
        parts = self.models.values()
        return ModelForecast(
            tasks=max(part.tasks for part in parts),
            runs=sum(part.runs for part in parts),
            used=sum((part.used for part in parts), Usage()),
        )


def run_bench(
    plan: BenchPlan,
    folder: Path,
    *,
    workers: int,
    observer: StudyObserver,
    runs_in: str | None = None,
    executor: Executor | None = None,
) -> BenchRecord:
    """Carry a bench out, or go on with it, and write its files.

    Tasks that cannot take part and runs that fail are part of the result. Raises, before the first call, the
    :class:`InputError` family if no task can take part, or if the folder holds another bench or is at work;
    ``KeyboardInterrupt`` with every run recorded. The same call goes on from there. ``runs_in`` and ``executor`` are
    those of :func:`run_study`.
    """
    with held(folder, "bench"):
        prepared, holes = _prepare(plan, folder / ROWS, observer)
        plans: dict[str, StudyPlan] = {}
        for model in plan.models:
            study, more = _study_plan(plan, model, prepared, observer)
            holes.extend(more)
            if study is not None:
                plans[model] = study
        if not plans:
            raise _nothing_left(plan, holes)
        places = _places(folder, plan.models)
        for model, study in plans.items():  # all of them, so that nothing is begun of a bench that cannot go on
            study.claim_folder(places[model])
        studies = {}
        for model, study in plans.items():
            observer.on_message(f"{plan.suite.name} with {model}: {len(study.tasks)} tasks.")
            try:
                studies[model] = run_study(
                    study, places[model], workers=workers, observer=observer, runs_in=runs_in, executor=executor
                )
            except PromptDescentError as error:
                if len(plans) == 1:
                    raise
                holes.extend(_hole(task.name, error, observer, model=model) for task in study.tasks)
        if not studies:
            raise _nothing_left(plan, holes)
        record = BenchRecord(
            suite=plan.suite.name,
            title=plan.suite.title,
            version=__version__,
            splits=plan.splits,
            sizes=_sizes(plans),
            equal=plan.equal,
            budget=plan.budget,
            studies=studies,
            holes=tuple(holes),
            leaks=tuple(leaks(_loaded(plans), studies)),
            notes=tuple(f"{one.task.name}: {note}" for one in prepared for note in one.notes),
        )
        save(record, folder)
        return record


def forecast_bench(plan: BenchPlan, *, observer: StudyObserver) -> BenchForecast:
    """What a bench would use. Opens no model and leaves no file behind.

    Raises the :class:`InputError` family if no task can take part, or the budget is too small.
    """
    with TemporaryDirectory() as folder:
        prepared, holes = _prepare(plan, Path(folder), observer)
        models = {}
        for model in plan.models:
            used, tasks = Usage(), 0
            for one in prepared:
                try:
                    task = StudyTask(name=one.task.name, spec=plan.spec(one.task, model, one.rows))
                    used += _most(_study(plan, (task,)))
                    tasks += 1
                except InputError as error:
                    # The rows lie in a folder that will be gone by the time that anybody looks for them.
                    said = ConfigError(str(error).replace(f"{Path(folder).resolve()}/", ""))
                    holes.append(_hole(one.task.name, said, observer, model=model))
            runs = tasks * plan.runs // (len(plan.models) * len(plan.tasks))
            models[model] = ModelForecast(tasks=tasks, runs=runs, used=used)
    if not any(one.tasks for one in models.values()):
        raise _nothing_left(plan, holes)
    return BenchForecast(models=models, holes=tuple(holes))


def _most(study: StudyPlan) -> Usage:
    """What a study uses at most, with its pilots."""
    study.check_recipes()
    if study.equal != "tokens":
        return study.forecast()
    searching = tuple(cell for cell in study.grid.cells if cell.recipe is not None)
    pilots = replace(study, grid=replace(study.grid, cells=searching), seeds=study.seeds[:1])
    return study.forecast() + pilots.forecast()


def _nothing_left(plan: BenchPlan, holes: Sequence[BenchHole]) -> ConfigError:
    return ConfigError(f"no task of {plan.suite.name} can take part; {holes[0].task}: {holes[0].reason}")


# --- tasks ---


def _prepare(plan: BenchPlan, folder: Path, observer: StudyObserver) -> tuple[list[PreparedTask], list[BenchHole]]:
    """The tasks with their rows in files below ``folder``, and those that have none."""
    prepared, holes = [], []
    for name in plan.tasks:
        try:
            prepared.append(prepare(plan, name, folder / name))
        except OtherRows:
            raise
        except InputError as error:
            holes.append(_hole(name, error, observer))
    return prepared, holes


def _study_plan(
    plan: BenchPlan, model: str, prepared: Sequence[PreparedTask], observer: StudyObserver
) -> tuple[StudyPlan | None, list[BenchHole]]:
    """The study of a model: of the tasks that pass every check on their own."""
    tasks, holes = [], []
    for one in prepared:
        try:
            task = StudyTask(name=one.task.name, spec=plan.spec(one.task, model, one.rows))
            _study(plan, (task,)).check()
            tasks.append(task)
        except PromptDescentError as error:  # a key that is missing, too
            holes.append(_hole(one.task.name, error, observer, model=model))
    return (_study(plan, tuple(tasks)) if tasks else None), holes


def _study(plan: BenchPlan, tasks: tuple[StudyTask, ...]) -> StudyPlan:
    return StudyPlan(
        grid=plan.grid, tasks=tasks, seeds=plan.seeds, equal=plan.equal, max_tokens=plan.cap, tasks_may_join=True
    )


def _hole(task: str, error: Exception, observer: StudyObserver, *, model: str = "") -> BenchHole:
    reason = " ".join(str(error).split())
    observer.on_message(f"{task} is left out: {reason}")
    return BenchHole(task=task, reason=reason, model=model)


def _places(folder: Path, models: Sequence[str]) -> dict[str, Path]:
    """A folder per model, called after it as far as a file system allows."""
    names = [re.sub(r"[^\w.-]+", "-", model).strip("-.") or "model" for model in models]
    alike = {name for name in names if names.count(name) > 1} | {ROWS}
    return {
        model: folder / (f"{name}-{fingerprint(model)[:6]}" if name in alike else name)
        for model, name in zip(models, names, strict=True)
    }


def _loaded(plans: Mapping[str, StudyPlan]) -> dict[str, Task]:
    """The tasks by name, with the rows of the first seed."""
    return {name: task for plan in plans.values() for name, task in plan.loaded.items()}


def _sizes(plans: Mapping[str, StudyPlan]) -> dict[str, dict[Split, int]]:
    return {name: {split: len(rows) for split, rows in by_split(task).items()} for name, task in _loaded(plans).items()}
