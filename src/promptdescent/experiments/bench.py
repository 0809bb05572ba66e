"""A bench: the tasks of a suite x recipes x task models x seeds, as one experiment that goes on where it was stopped.

It is one study per task model. What is added to that: the rows come from the suite's declarations, a task that cannot
take part is a hole and does not stop the others, one budget is shared out over all runs, and leaks are looked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from promptdescent.config import RunSpec
from promptdescent.errors import ConfigError, InputError, PromptDescentError, nearest
from promptdescent.experiments.grids import Grid
from promptdescent.experiments.plan import StudyPlan, StudyTask
from promptdescent.experiments.study import StudyObserver, run_study
from promptdescent.llm.choose import SIMULATED, is_remote
from promptdescent.records import Example, Role, Split, Usage
from promptdescent.report.bench.files import save
from promptdescent.report.bench.record import BenchHole, BenchLeak, BenchRecord, SplitRule
from promptdescent.report.study.record import Equal, StudyRecord
from promptdescent.tasks.benchmarks import (
    BenchmarkRow,
    BenchmarkRows,
    BenchmarkTask,
    Suite,
    draw_splits,
    load_rows,
    size_notes,
)
from promptdescent.tasks.leaks import find_leaks, quoted_rows
from promptdescent.tasks.splits import SPLITS, SplitSizes
from promptdescent.tasks.task import Task
from promptdescent.version import __version__

ROWS = "rows"
"""Folder of the rows that the runs of a bench use, within the bench's folder."""

ROLES_OF_A_BENCH: tuple[Role, ...] = ("task", "optimizer")
"""No suite has answers that a model grades."""

FIXED_SEED = 0
"""Seed of the one split that all runs share where splits are fixed."""

SIZES = ("train_rows", "dev_rows", "test_rows")


@dataclass(frozen=True, kw_only=True)
class BenchPlan:
    """A bench as it was asked for."""

    suite: Suite
    tasks: tuple[str, ...]
    data_dir: Path | None = None
    """Folder of the suite's files; None: from the Hugging Face hub."""
    grid: Grid
    models: tuple[str, ...]
    """Task models."""
    seeds: tuple[int, ...]
    start: str = ""
    """The prompt that every search starts from; empty for each task's own."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of RunSpec that every run gets; rows per split among them replace the suite's own sizes."""
    equal: Equal = "tokens"
    budget: int | None = None
    """Cap on the tokens of all runs together."""
    splits: SplitRule = "fixed"
    reference_scorer: bool = False
    """Whether answers are read as the paper's code does, faults included."""
    second_round: bool = False
    """Whether the task model is asked for its bare answer after its first reply."""

    def __post_init__(self) -> None:
        for name in self.tasks:
            if name not in self.suite.tasks:
                known = nearest(name, self.suite.tasks)
                raise ConfigError(f"--tasks: {self.suite.name} has no task {name!r}; {known}")
        double = next((name for name in self.models if self.models.count(name) > 1), None)
        if double is not None:
            raise ConfigError(f"--models names {double} twice")

    @property
    def runs(self) -> int:
        """All runs if every task takes part, the pilots among them."""
        searching = sum(cell.recipe is not None for cell in self.grid.cells)
        per_task = len(self.grid.cells) * len(self.seeds) + (searching if self.equal == "tokens" else 0)
        return len(self.models) * len(self.tasks) * per_task

    @cached_property
    def cap(self) -> int | None:
        """What each run may use of the budget. Raises :class:`ConfigError` if that is nothing."""
        if self.budget is None:
            return None
        if self.budget < self.runs:
            raise ConfigError(f"--budget {self.budget} is less than a token for each of {self.runs} runs")
        return self.budget // self.runs

    @property
    def simulated(self) -> bool:
        """Whether every model is a simulated one, which only needs a processor."""
        return all(name.startswith(SIMULATED) for name in self._model_names)

    @property
    def remote(self) -> bool:
        """Whether calls leave this machine."""
        spec = RunSpec().with_settings({name: value for name, value in self.settings.items() if name not in SIZES})
        specs = [replace(spec, task_model=model).model(role) for model in self.models for role in ROLES_OF_A_BENCH]
        return any(is_remote(one.settings.name, one.base_url) for one in specs)

    @property
    def _model_names(self) -> tuple[str, ...]:
        optimizer = self.settings.get("optimizer_model")
        return self.models if optimizer is None else (*self.models, optimizer)

    def sizes(self, task: BenchmarkTask) -> SplitSizes:
        """Rows per split: those asked for, or else the suite's own."""
        asked = {split: self.settings.get(f"{split}_rows") for split in SPLITS}
        return replace(task.sizes, **{split: size for split, size in asked.items() if size is not None})

    def spec(self, task: BenchmarkTask, model: str, rows: Mapping[str, str]) -> RunSpec:
        """What the runs of a task share; ``rows`` says where its rows are."""
        declared: dict[str, Any] = {
            "input": ("input",),
            "target": "target",
            "prompt": self.start or task.start,
            "placement": task.placement,
            "metric": task.reference_metric if self.reference_scorer else task.metric,
            "patience": 0,
        }
        if task.read is not None and not self.reference_scorer:
            declared["read"] = task.read
        if self.second_round and task.bare_answer:
            declared["second_round"] = task.bare_answer
        asked = {name: value for name, value in self.settings.items() if name not in SIZES}
        return RunSpec().with_settings({**declared, **rows, **asked, "task_model": model})


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


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    """A task whose rows are at hand."""

    task: BenchmarkTask
    rows: Mapping[str, Any]
    """Fields of RunSpec that say where the rows are."""
    notes: tuple[str, ...]


def run_bench(
    plan: BenchPlan, folder: Path, *, workers: int, observer: StudyObserver, runs_in: str | None = None
) -> BenchRecord:
    """Carry a bench out, or go on with it, and write its files.

    Tasks that cannot take part and runs that fail are part of the result. Raises the :class:`InputError` family if no
    task can take part, before the first call; ``KeyboardInterrupt`` with every run recorded. The same call goes on from
    there. ``runs_in``: address of a store for all runs, in place of stores in the folder.
    """
    prepared, holes = _prepare(plan, folder / ROWS, observer)
    plans: dict[str, StudyPlan] = {}
    for model in plan.models:
        study, more = _study_plan(plan, model, prepared, observer)
        holes.extend(more)
        if study is not None:
            plans[model] = study
    if not plans:
        raise _nothing_left(plan, holes)
    studies = {}
    for model, study in plans.items():
        observer.on_message(f"{plan.suite.name} with {model}: {len(study.tasks)} tasks.")
        try:
            place = folder / _slug(model)
            studies[model] = run_study(study, place, workers=workers, observer=observer, runs_in=runs_in)
        except PromptDescentError as error:
            if isinstance(error, InputError) and not studies and len(plans) == 1:
                raise
            holes.extend(_hole(task.name, error, observer, model=model) for task in study.tasks)
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
        leaks=tuple(_leaks(plans, studies)),
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


def _prepare(plan: BenchPlan, folder: Path, observer: StudyObserver) -> tuple[list[_Prepared], list[BenchHole]]:
    """The tasks with their rows in files below ``folder``, and those that have none."""
    prepared, holes = [], []
    for name in plan.tasks:
        task = plan.suite.tasks[name]
        try:
            rows = load_rows(plan.suite, name, data_dir=plan.data_dir)
            prepared.append(_written(plan, task, rows, folder / name))
        except InputError as error:
            holes.append(_hole(name, error, observer))
    return prepared, holes


def _written(plan: BenchPlan, task: BenchmarkTask, rows: BenchmarkRows, folder: Path) -> _Prepared:
    """The task's rows as files that runs read: its splits, or all of them where each seed draws its own."""
    sizes = plan.sizes(task)
    if plan.splits == "per-seed":
        if not rows.pool:
            raise ConfigError(f"{task.name} comes in ready splits, so that seeds cannot draw their own; --splits fixed")
        file = _write(folder / "all.jsonl", rows.pool)
        asked = {f"{split}_rows": size for split in SPLITS if (size := getattr(sizes, split)) is not None}
        return _Prepared(task=task, rows={"data": file, **asked}, notes=rows.notes)
    drawn = draw_splits(rows, sizes, seed=FIXED_SEED)
    files: dict[str, str] = {
        split: _write(folder / f"{split}.jsonl", part) for split, part in zip(SPLITS, drawn, strict=True)
    }
    return _Prepared(task=task, rows=files, notes=(*rows.notes, *size_notes(drawn, sizes)))


def _write(path: Path, rows: Sequence[BenchmarkRow]) -> str:
    """The absolute path of the file of these rows, which may be there already."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8", newline="\n")
    return str(path.resolve())


def _study_plan(
    plan: BenchPlan, model: str, prepared: Sequence[_Prepared], observer: StudyObserver
) -> tuple[StudyPlan | None, list[BenchHole]]:
    """The study of a model: of the tasks that pass every check on their own."""
    tasks, holes = [], []
    for one in prepared:
        try:
            task = StudyTask(name=one.task.name, spec=plan.spec(one.task, model, one.rows))
            _study(plan, (task,)).check()
            tasks.append(task)
        except InputError as error:
            holes.append(_hole(one.task.name, error, observer, model=model))
    return (_study(plan, tuple(tasks)) if tasks else None), holes


def _study(plan: BenchPlan, tasks: tuple[StudyTask, ...]) -> StudyPlan:
    return StudyPlan(grid=plan.grid, tasks=tasks, seeds=plan.seeds, equal=plan.equal, max_tokens=plan.cap)


def _hole(task: str, error: Exception, observer: StudyObserver, *, model: str = "") -> BenchHole:
    reason = " ".join(str(error).split())
    observer.on_message(f"{task} is left out: {reason}")
    return BenchHole(task=task, reason=reason, model=model)


def _slug(model: str) -> str:
    """A folder's name for a model."""
    return re.sub(r"[^\w.-]+", "-", model).strip("-.") or "model"


def _sizes(plans: Mapping[str, StudyPlan]) -> dict[str, dict[Split, int]]:
    loaded = {name: task for plan in plans.values() for name, task in plan.loaded.items()}
    return {name: {split: len(rows) for split, rows in _by_split(task).items()} for name, task in loaded.items()}


# --- leaks ---


def _by_split(task: Task) -> dict[Split, tuple[Example, ...]]:
    return {"train": task.train, "dev": task.dev, "test": task.test}


def _leaks(plans: Mapping[str, StudyPlan], studies: Mapping[str, StudyRecord]) -> Iterator[BenchLeak]:
    """Rows that splits share, and found prompts that quote rows. Where seeds draw their own rows, of the first seed."""
    loaded = {name: task for plan in plans.values() for name, task in plan.loaded.items()}
    for name, task in loaded.items():
        for row in find_leaks(task.train, task.dev, task.test):
            yield BenchLeak(
                kind="shared row",
                task=name,
                where=" and ".join(row.splits),
                split=row.splits[-1],
                excerpt=row.excerpt,
            )
    for model, study in studies.items():
        searching = {cell.label for cell in study.cells if cell.recipe is not None}
        for run in study.runs:
            if run.status != "finished" or run.cell not in searching:
                continue
            where = f"{run.cell}, seed {run.seed}" + (f", {model}" if len(studies) > 1 else "")
            for split, rows in _by_split(loaded[run.task]).items():
                for quote in quoted_rows(run.prompt, rows):
                    yield BenchLeak(kind="quoted row", task=run.task, where=where, split=split, excerpt=quote.excerpt)
