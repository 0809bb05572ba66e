"""A race before its first call: tasks with their rows, contestants, caps, and whether all of it makes sense."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from promptdescent.assembly import NO_EXTRAS, Given, load_task, open_models
from promptdescent.config import RunSpec
from promptdescent.errors import ConfigError
from promptdescent.experiments.plan import run_key
from promptdescent.experiments.race.contestants import Contestant
from promptdescent.llm.budget import TEMPLATE_TOKENS, estimate_tokens
from promptdescent.recipes import recipe_named
from promptdescent.records import Prompt, Role, Split
from promptdescent.tasks.benchmarks import BenchmarkRow, draw_splits, load_rows, suite_named
from promptdescent.tasks.judge import Judge
from promptdescent.tasks.splits import SPLITS, SplitSizes
from promptdescent.tasks.target import compose
from promptdescent.tasks.task import Task
from promptdescent.text import fingerprint

PLAN_FILE = "plan.json"
ROWS_SEED = 0
"""The split is drawn once: all seeds of all contestants see the same rows."""

RACED: tuple[Role, Role] = ("task", "optimizer")

Rows = Mapping[Split, Sequence[BenchmarkRow]]


@dataclass(frozen=True, kw_only=True)
class RaceTask:
    """A task with its rows, and the settings that all contestants share."""

    name: str
    about: str
    start: str
    """The prompt that every search starts from."""
    rows: Rows
    spec: RunSpec
    """Metric, placement and models; where the rows are is the race's to say."""

    def located(self, folder: Path) -> RunSpec:
        """The settings with the rows as files in the race's folder."""
        files = {split: str((_rows_folder(folder, self.name) / f"{split}.jsonl").resolve()) for split in SPLITS}
        return replace(self.spec, input=("input",), target="target", prompt=None, **files)  # type: ignore[arg-type]

    def load(self, folder: Path) -> Task:
        """The task from these files. Raises the :class:`InputError` family."""
        return load_task(self.located(folder), Given(prompt=self.start))

    def write_rows(self, folder: Path) -> None:
        """Write the files of rows."""
        into = _rows_folder(folder, self.name)
        into.mkdir(parents=True, exist_ok=True)
        for split in SPLITS:
            lines = [json.dumps({"input": row["input"], "target": row["target"]}) for row in self.rows[split]]
            (into / f"{split}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class RacePlan:
    """A race as it was asked for."""

    suite: str
    tasks: tuple[RaceTask, ...]
    contestants: tuple[Contestant, ...]
    seeds: tuple[int, ...]
    caps: Mapping[Role, int]
    """Tokens that a search may use, by role."""
    minutes: float = 15.0
    """That a search may take."""
    peers: Path
    """Folder of the environments of other systems."""

    @cached_property
    def reference(self) -> str:
        """Whom the others are compared with: gpo, or else the first that searches."""
        searching = [one.label for one in self.contestants if one.kind != "prompt"]
        return "gpo" if "gpo" in searching else searching[0]

    @property
    def model_names(self) -> dict[Role, str]:
        """By role."""
        return {role: self.tasks[0].spec.model(role).settings.name for role in RACED}

    def check_rows(self) -> None:
        """Raise the :class:`InputError` family for what would go wrong in every search, as far as no model has to be
        opened for it. Leaves no file.
        """
        with TemporaryDirectory() as folder:
            for task in self.tasks:
                task.write_rows(Path(folder))
            self._loaded(Path(folder))

    def _loaded(self, folder: Path) -> list[Task]:
        """The tasks, whose files of rows are in ``folder``, once all is checked that needs no model."""
        tasks = []
        for task in self.tasks:
            loaded = task.load(folder)
            if isinstance(loaded.metric, Judge):
                raise ConfigError(f"{task.name}: a race takes no judge, whose calls no cap of it counts")
            if loaded.placement == "template":
                raise ConfigError(f"{task.name}: a race takes no template, since only we would fill it in")
            for contestant in self.contestants:
                if contestant.recipe:
                    recipe_named(contestant.recipe).check(loaded.brief, total_steps=1)
            self._check_caps(task, loaded)
            tasks.append(loaded)
        return tasks

    def _check_caps(self, task: RaceTask, loaded: Task) -> None:
        """Refuse caps that do not even afford a beginning."""
        asked = [compose(loaded.start, row, loaded.placement) for row in loaded.dev]
        needed = sum(estimate_tokens(sum(len(message.text) for message in messages)) + 1 for messages in asked)
        if self.caps["task"] < needed:
            raise ConfigError(
                f"--task-tokens {self.caps['task']} is too small for {task.name}: to score the starting prompt on "
                f"{len(asked)} dev rows takes about {needed} tokens; give several times as many, or fewer --dev-rows"
            )
        needed = task.spec.optimizer_max_tokens + TEMPLATE_TOKENS + estimate_tokens(len(task.start))
        if self.caps["optimizer"] < needed:
            raise ConfigError(
                f"--optimizer-tokens {self.caps['optimizer']} is too small: one call may take {needed} tokens; give "
                "many times as many, or a smaller --optimizer-max-tokens"
            )

    def identity(self) -> dict[str, Any]:
        """What makes it this race and no other, as JSON can hold it; contestants and seeds may be added later."""
        return {
            "suite": self.suite,
            "tasks": {task.name: run_key(task.spec) for task in self.tasks},
            "rows": {
                task.name: fingerprint({split: list(task.rows[split]) for split in SPLITS}) for task in self.tasks
            },
            "starting prompts": {task.name: Prompt.of(task.start).text for task in self.tasks},
            "caps": dict(self.caps),
            "minutes": self.minutes,
        }

    def claim_folder(self, folder: Path) -> None:
        """Check the race, and write its plan and rows into its folder. Raises the :class:`InputError` family, and
        :class:`ConfigError` if another race lives there.
        """
        path, wanted = folder / PLAN_FILE, json.loads(json.dumps(self.identity()))
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            other = [key for key in wanted if found.get(key) != wanted[key]]
            if other:
                raise ConfigError(
                    f"{folder} holds another race: other {', '.join(other)}. Name another folder with --store, or give "
                    "the command that began the race."
                )
        for task in self.tasks:
            task.write_rows(folder)
        for task, loaded in zip(self.tasks, self._loaded(folder), strict=True):
            open_models(task.located(folder), loaded, NO_EXTRAS)
        path.write_text(json.dumps(wanted, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def tasks_of(
    suite: str,
    names: Sequence[str],
    *,
    data_dir: Path | None,
    sizes: SplitSizes,
    settings: Mapping[str, Any],
    start: str = "",
) -> tuple[RaceTask, ...]:
    """The named tasks of a suite, or all, with as many rows as ``sizes`` says, or else the suite; ``settings`` are
    fields of RunSpec; ``start`` is the prompt that every search starts from, in place of each task's own.

    Raises :class:`ConfigError` and :class:`DataError`.
    """
    found = suite_named(suite)
    tasks = []
    for name in names or tuple(found.tasks):
        rows = load_rows(found, name, data_dir=data_dir)
        task = found.tasks[name]
        wanted = {split: getattr(sizes, split) or getattr(task.sizes, split) for split in SPLITS}
        drawn = draw_splits(rows, SplitSizes(**wanted), seed=ROWS_SEED)
        own = {"metric": task.metric, "placement": task.placement, "read": task.read, "notes": task.about}
        spec = RunSpec().with_settings({**own, **settings})
        rows_of: Rows = dict(zip(SPLITS, drawn, strict=True))
        tasks.append(RaceTask(name=name, about=task.about, start=start or task.start, rows=rows_of, spec=spec))
    double = next((task.name for task in tasks if [one.name for one in tasks].count(task.name) > 1), None)
    if double is not None:
        raise ConfigError(f"--tasks names {double!r} twice")
    return tuple(tasks)


def _rows_folder(folder: Path, task: str) -> Path:
    return folder / "rows" / task
