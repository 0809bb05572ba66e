"""A study before its first call: its runs, what each may use, and whether every recipe fits every task."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from promptdescent.assembly import NO_EXTRAS, Models, load_task, open_models, recipe_for
from promptdescent.config import PATHS, RunSpec, load_task_file
from promptdescent.errors import ConfigError
from promptdescent.experiments.grids import Cell, Grid
from promptdescent.llm.choose import SIMULATED
from promptdescent.parts.recipe import Recipe
from promptdescent.planning import Forecast, forecast
from promptdescent.records import Role, Usage
from promptdescent.report.study.files import load
from promptdescent.report.study.record import Equal, StudyCell, StudyRecord
from promptdescent.store.database import is_there
from promptdescent.tasks.task import Task

PLAN_FILE = "plan.json"

NOT_PART_OF_A_RUN = (
    *PATHS,
    "concurrency",
    "attempts",
    "cache",
    "ray",
    "task_api_key_env",
    "optimizer_api_key_env",
    "judge_api_key_env",
)
"""Settings that may change between two starts of a study: where things are, and how fast they go."""


RUN_FLAG = "--max-total-tokens"
"""As which every run knows its cap on tokens."""


@dataclass(frozen=True, kw_only=True)
class CapFlag:
    """The flag that sets the cap of every run, for texts that say what to give."""

    name: str = RUN_FLAG
    words: str = RUN_FLAG
    """What is said of a cap that was reached."""
    shares: int = 1
    """Runs that share the flag's tokens; 1 where it is the cap of each."""

    def setting(self, tokens: int) -> str:
        """The flag as it is given for runs of so many tokens."""
        return f"{self.name} {tokens * self.shares}"

    def said(self, text: str) -> str:
        """What a run said, in terms of this flag."""
        return text.replace(RUN_FLAG, self.words)

    def is_in(self, text: str) -> bool:
        """Whether :meth:`said` of a text puts an end down to this cap."""
        return f"({self.words})" in text


@dataclass(frozen=True, kw_only=True)
class StudyTask:
    """A task with the settings that all its runs share."""

    name: str
    spec: RunSpec

    @property
    def fixed_rows(self) -> bool:
        """Whether every seed sees the same rows."""
        return self.spec.train is not None or self.spec.split_column is not None


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """A study as it was asked for."""

    grid: Grid
    tasks: tuple[StudyTask, ...]
    seeds: tuple[int, ...]
    equal: Equal = "tokens"
    max_tokens: int | None = None
    """Cap of every run on used tokens; None: what the reference uses without one, if tokens are to be equal."""
    cap_flag: CapFlag = CapFlag()
    """What sets that cap."""
    tasks_may_join: bool = False
    """Whether a later start may have other tasks too, as where those that cannot take part are left out."""

    @cached_property
    def loaded(self) -> Mapping[str, Task]:
        """By name: the tasks with the rows of the first seed."""
        return {task.name: load_task(replace(task.spec, seed=self.seeds[0]), NO_EXTRAS) for task in self.tasks}

    @cached_property
    def same_steps(self) -> Mapping[str, int]:
        """By task: the steps that the reference takes without a cap."""
        recipe = self.recipe(self.grid.cell(self.grid.reference), self.tasks[0])
        return {
            task.name: min(recipe.search.steps(len(self.loaded[task.name].train)), task.spec.steps)
            for task in self.tasks
        }

    def recipe(self, cell: Cell, task: StudyTask) -> Recipe:
        """The cell's recipe with the task's settings put in, such as the number of candidates."""
        if cell.recipe is None:
            raise ValueError(f"{cell.label} has no recipe")
        return recipe_for(replace(task.spec, recipe=_mixture(cell.recipe)), NO_EXTRAS)

    def spec(self, cell: Cell, task: StudyTask, *, seed: int, steps: int, cap: int | None) -> RunSpec:
        """The run of a cell. It takes ``steps`` steps, whatever its recipe says, unless the cap ends it before.

        What needs no search is capped only where the user set the cap.
        """
        if cell.recipe is None:
            placement = "after" if task.spec.placement == "template" else task.spec.placement
            if placement is None and self.loaded[task.name].placement == "template":
                placement = "after"
            # No optimizer runs: the parts do not matter, but a list of runs should not call it after a recipe.
            named = _mixture(replace(recipe_for(task.spec, NO_EXTRAS), name=cell.label))
            capped = replace(task.spec, max_total_tokens=self.max_tokens, recipe=named)
            return replace(capped, seed=seed, steps=0, prompt=cell.prompt, placement=placement)
        recipe = replace(cell.recipe, search=replace(cell.recipe.search, rounds=max(1, steps)))
        return replace(
            task.spec,
            seed=seed,
            steps=max(1, steps),
            recipe=_mixture(recipe),
            max_total_tokens=cap,
            whole_steps=True,
        )

    def check(self) -> None:
        """Raise the :class:`InputError` family for whatever would go wrong in every run, before the first call."""
        for task in self.tasks:
            open_models(task.spec, self.loaded[task.name], NO_EXTRAS)
        self.check_recipes()

    def check_recipes(self) -> None:
        """Raise the :class:`InputError` family if a recipe does not fit a task. Opens no model."""
        for task in self.tasks:
            for cell in self.grid.cells:
                if cell.recipe is not None:
                    recipe = self.recipe(cell, task)
                    recipe.check(self.loaded[task.name].brief, total_steps=self.same_steps[task.name])

    @property
    def remote(self) -> bool:
        """Whether calls leave this machine."""
        return any(self._models(task).remote for task in self.tasks)

    def _models(self, task: StudyTask) -> Models:
        return open_models(task.spec, self.loaded[task.name], NO_EXTRAS)

    @property
    def simulated(self) -> bool:
        """Whether every model is a simulated one, which only needs a processor."""
        return all(name.startswith(SIMULATED) for task in self.tasks for name in self.model_names(task))

    def model_names(self, task: StudyTask) -> list[str]:
        """The models of the runs on a task."""
        roles: tuple[Role, ...] = ("task", "optimizer", "judge") if task.spec.judge_model else ("task", "optimizer")
        return [task.spec.model(role).settings.name for role in roles]

    @property
    def runs(self) -> int:
        """All of them, the pilots too."""
        searching = sum(cell.recipe is not None for cell in self.grid.cells)
        pilots = searching if self.equal == "tokens" else 0
        return len(self.tasks) * (len(self.grid.cells) * len(self.seeds) + pilots)

    def forecast(self) -> Usage:
        """What the study uses at most, about, if every search takes the reference's steps."""
        total = Usage()
        for task in self.tasks:
            for cell in self.grid.cells:
                one = self.forecast_of(cell, task, steps=self.same_steps[task.name]).total
                for _ in self.seeds:
                    total += one
        return total

    def most(self) -> Usage:
        """The same with the pilots, where tokens are to be equal."""
        if self.equal != "tokens":
            return self.forecast()
        searching = tuple(cell for cell in self.grid.cells if cell.recipe is not None)
        pilots = replace(self, grid=replace(self.grid, cells=searching), seeds=self.seeds[:1])
        return self.forecast() + pilots.forecast()

    def forecast_of(self, cell: Cell, task: StudyTask, *, steps: int) -> Forecast:
        """What a run of a cell uses, without a cap."""
        spec = self.spec(cell, task, seed=self.seeds[0], steps=steps, cap=None)
        return forecast(spec, recipe_for(spec, NO_EXTRAS), self.loaded[task.name])

    def cells(self) -> tuple[StudyCell, ...]:
        """The cells as a record holds them."""
        return tuple(
            StudyCell(
                label=cell.label,
                recipe=None if cell.recipe is None else cell.recipe.as_data(),
                prompt=cell.prompt,
                token_claim=cell.token_claim,
            )
            for cell in self.grid.cells
        )

    def identity(self) -> dict[str, Any]:
        """What makes it this study and no other, as JSON can hold it; seeds may be added later."""
        return {
            "grid": self.grid.name,
            "reference": self.grid.reference,
            "cells": {
                cell.label: cell.prompt if cell.recipe is None else cell.recipe.as_data() for cell in self.grid.cells
            },
            "first seed": self.seeds[0],
            "tasks": {task.name: run_key(task.spec) for task in self.tasks},
            "rows": {name: task.fingerprint for name, task in self.loaded.items()},
            "equal means": self.equal,
            "cap": self.max_tokens,
        }

    def claim_folder(self, folder: Path) -> None:
        """Write the plan into the study's folder. Raises :class:`ConfigError` if another study lives there."""
        path, wanted = folder / PLAN_FILE, json.loads(json.dumps(self.identity()))
        if is_there(folder):
            raise ConfigError(f"{folder} holds runs of its own; name a folder for this study alone with --store")
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(wanted, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            return
        found = read_whole(path)
        for key in ("tasks", "rows") if self.tasks_may_join else ():
            found[key], wanted[key] = wanted[key] | found[key], found[key] | wanted[key]
        other = _differences(found, wanted)
        if other:
            raise ConfigError(
                f"{folder} holds another study: {'; '.join(other)}. "
                "Name another folder with --store, or give the command that began the study."
            )
        known = load(folder)
        if known is not None and len(known.seeds) > len(self.seeds):
            raise ConfigError(
                f"the study in {folder} has {len(known.seeds)} seeds already: give --seeds {len(known.seeds)} or more"
            )
        if self.tasks_may_join:
            path.write_text(json.dumps(wanted, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def is_whole(self, known: StudyRecord) -> bool:
        """Whether a record has a result of every run that is planned."""
        tasks = tuple(task.name for task in self.tasks)
        return known.seeds == self.seeds and known.tasks == tasks and not known.failed


def tasks_from(files: Sequence[str], flags: Mapping[str, Any]) -> tuple[StudyTask, ...]:
    """The tasks of a study from their files; a flag wins over every file. Raises :class:`ConfigError`.

    A task goes by the name of its file, or of the file's folder where the file is called ``task``.
    """
    tasks = []
    for file in files:
        path = Path(file)
        own = load_task_file(path)
        if own.recipe != RunSpec().recipe:
            raise ConfigError(f"{file}: the recipes of a study come from its grid; put this `recipe` into a grid file")
        spec = own.with_settings(flags)
        # Without paths that mean something else in another folder: a study may be resumed from anywhere.
        located = {name: str(Path(getattr(spec, name)).resolve()) for name in PATHS if getattr(spec, name) is not None}
        patience = 0 if spec.patience is None else spec.patience
        shared = spec.with_settings({**located, "patience": patience, "max_total_tokens": None, "ray": None})
        name = path.resolve().parent.name if path.stem == "task" else path.stem
        tasks.append(StudyTask(name=name, spec=shared))
    names = [task.name for task in tasks]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise ConfigError(f"two task files are called {double}: rename one, since a task goes by the name of its file")
    return tuple(tasks)


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any], *, below: str = "") -> list[str]:
    """What is not the same in two identities, in words; of what is long, only that it differs. What is so of several
    tasks is said once.
    """
    said: list[str] = []
    for key in sorted(found.keys() | wanted.keys()):
        then, now = found.get(key), wanted.get(key)
        if then == now:
            continue
        if below == "tasks" and (then is None or now is None):
            said.append(f"{'without' if now is None else 'with'} task {key}")
        elif key == "tasks" or below == "tasks":
            said.extend(one for one in _differences(then or {}, now or {}, below=key) if one not in said)
        elif isinstance(then, (dict, list)) or isinstance(now, (dict, list)):
            said.append(f"other {key}")
        else:
            said.append(f"{key} was {then}, now {now}")
    return said


def run_key(spec: RunSpec) -> dict[str, Any]:
    """What a run of a study is found by: all that decides its result."""
    data = json.loads(json.dumps(spec.as_data()))
    return {key: value for key, value in data.items() if key not in NOT_PART_OF_A_RUN}


def _mixture(recipe: Recipe) -> Mapping[str, Any]:
    """A recipe as a spec holds it."""
    return {"name": recipe.name, **recipe.as_data()}


def read_whole(path: Path, *, keys: Iterable[str] = ()) -> dict[str, Any]:
    """What an experiment keeps of itself in its folder, with these ``keys`` at least. Raises :class:`ConfigError` for a
    file that is damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # no JSON, or no UTF-8
        found = None
    if not isinstance(found, dict) or not found.keys() >= set(keys):
        raise ConfigError(f"{path} is damaged: put it back, or name another folder with --store")
    return found
