"""A bench: the tasks of a suite x recipes x task models x seeds, as one experiment that goes on where it was stopped.

It is one study per task model. What is added to that: the rows come from the suite's declarations, a task that cannot
take part is a hole and does not stop the others, one budget is shared out over all runs, and leaks are looked for.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from promptdescent.errors import ConfigError, InputError, ModelError, PromptDescentError
from promptdescent.experiments.bench_leaks import by_split, leaks
from promptdescent.experiments.bench_models import check_names, out_of_reach
from promptdescent.experiments.bench_plan import BenchPlan
from promptdescent.experiments.bench_rows import OtherRows, PreparedTask, prepare
from promptdescent.experiments.bench_shares import shared_out
from promptdescent.experiments.executor import Executor
from promptdescent.experiments.plan import PLAN_FILE, CapFlag, StudyPlan, StudyTask
from promptdescent.experiments.study import StudyObserver, held, run_study
from promptdescent.records import Split, Usage
from promptdescent.report.bench.files import save
from promptdescent.report.bench.record import BenchHole, BenchRecord
from promptdescent.report.tables import count
from promptdescent.tasks.task import Task
from promptdescent.text import fingerprint, first_few
from promptdescent.version import __version__

ROWS = "rows"
"""Folder of the rows that the runs of a bench use, within the bench's folder."""


MOST_SAID = 3
"""Tasks without rows of which the reason is said at once; all are in the record."""


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

    Tasks that cannot take part, models that cannot be asked and runs that fail are part of the result. Raises, before
    the first call, the :class:`InputError` family for a model that there is not, if no task can take part, or if the
    folder holds another bench or is at work; ``KeyboardInterrupt`` with every run recorded. The same call goes on from
    there. ``runs_in`` and ``executor`` are those of :func:`run_study`.
    """
    check_names(plan)
    with held(folder, "bench"):
        prepared, holes = _prepare(plan, folder / ROWS, observer)
        places = _places(folder, plan.models)
        tasks = {}
        refused = _out_of_reach(plan, _not_begun(places)) if prepared else {}
        for model in plan.models:
            tasks[model], more = _tasks_with(plan, model, prepared, refused.get(model), observer)
            holes.extend(more)
        asked = [model for model in plan.models if tasks[model]]
        if not asked:
            raise _nothing_left(plan, holes)
        shares = shared_out(plan, folder, asked, places)
        plans: dict[str, StudyPlan] = {}
        for model in asked:
            if nothing := shares.left_nothing(model):
                holes.extend(_left_out(model, _names(tasks[model]), ConfigError(nothing), observer))
            else:
                plans[model] = _study(plan, tasks[model], cap=shares.cap(model), flag=shares.flag)
        if not plans:
            raise _nothing_left(plan, holes)
        for model, study in plans.items():  # all of them, so that nothing is begun of a bench that cannot go on
            study.claim_folder(places[model])
        shares.keep(folder)
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
                holes.extend(_left_out(model, _names(study.tasks), error, observer))
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
    if plan.budget is not None:
        plan.share(len(plan.models))
    with TemporaryDirectory() as folder:
        prepared, holes = _prepare(plan, Path(folder), observer)
        models = {}
        for model in plan.models:
            used, tasks = Usage(), 0
            for one in prepared:
                try:
                    task = StudyTask(name=one.task.name, spec=plan.spec(one.task, model, one.rows))
                    study = _study(plan, (task,))
                    study.check_recipes()
                    used += study.most()
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


def _nothing_left(plan: BenchPlan, holes: Sequence[BenchHole]) -> ConfigError:
    return ConfigError(f"no task of {plan.suite.name} can take part; {holes[0].task}: {holes[0].reason}")


def _out_of_reach(plan: BenchPlan, models: Sequence[str]) -> Mapping[str, ModelError]:
    """Why runs with these models would not come about, by model. Where a loop is at work already, as in a notebook, no
    endpoint is asked, and the runs find out.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(out_of_reach(plan, models))
    return {}


# --- tasks ---


def _prepare(plan: BenchPlan, folder: Path, observer: StudyObserver) -> tuple[list[PreparedTask], list[BenchHole]]:
    """The tasks with their rows in files below ``folder``, and those that have none."""
    prepared: list[PreparedTask] = []
    holes: list[BenchHole] = []
    for name in plan.tasks:
        try:
            prepared.append(prepare(plan, name, folder / name))
        except OtherRows:
            raise
        except InputError as error:
            holes.append(_hole(name, error, observer if len(holes) < MOST_SAID else None))
    if more := [hole.task for hole in holes[MOST_SAID:]]:
        observer.on_message(f"{count(len(more), 'more task')} left out: {first_few(more)}.")
    return prepared, holes


def _not_begun(places: Mapping[str, Path]) -> list[str]:
    """The models whose study is still to begin. Those of the others say themselves what is wrong, or are done."""
    return [model for model, place in places.items() if not (place / PLAN_FILE).exists()]


def _tasks_with(
    plan: BenchPlan,
    model: str,
    prepared: Sequence[PreparedTask],
    refused: PromptDescentError | None,
    observer: StudyObserver,
) -> tuple[tuple[StudyTask, ...], list[BenchHole]]:
    """The tasks that pass every check with a model, unless it is ``refused`` as a whole."""
    if refused is not None:
        return (), _left_out(model, [one.task.name for one in prepared], refused, observer)
    tasks, holes = [], []
    for one in prepared:
        try:
            task = StudyTask(name=one.task.name, spec=plan.spec(one.task, model, one.rows))
            _study(plan, (task,)).check()
            tasks.append(task)
        except PromptDescentError as error:  # a key that is missing now, too
            holes.append(_hole(one.task.name, error, observer, model=model))
    return tuple(tasks), holes


def _study(
    plan: BenchPlan, tasks: tuple[StudyTask, ...], *, cap: int | None = None, flag: CapFlag | None = None
) -> StudyPlan:
    """The study of a model; ``cap``: tokens of each run."""
    return StudyPlan(
        grid=plan.grid,
        tasks=tasks,
        seeds=plan.seeds,
        equal=plan.equal,
        max_tokens=cap,
        cap_flag=flag or CapFlag(),
        tasks_may_join=True,
    )


def _hole(task: str, error: Exception, observer: StudyObserver | None, *, model: str = "") -> BenchHole:
    """``observer``: who is told; nobody, where it would be one too many."""
    reason = _one_line(error)
    if observer is not None:
        observer.on_message(f"{task} {f'with {model} ' if model else ''}is left out: {reason}")
    return BenchHole(task=task, reason=reason, model=model)


def _left_out(model: str, tasks: Sequence[str], error: Exception, observer: StudyObserver) -> list[BenchHole]:
    """The holes of a model without which the bench goes on; said once."""
    observer.on_message(f"{model} is left out: {_one_line(error)}")
    return [_hole(task, error, None, model=model) for task in tasks]


def _names(tasks: Sequence[StudyTask]) -> list[str]:
    return [task.name for task in tasks]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


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
