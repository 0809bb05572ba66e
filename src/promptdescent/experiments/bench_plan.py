"""A bench as it was asked for: which tasks of a suite, recipes, models and seeds, and what each run may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from promptdescent.config import ModelSpec, RunSpec
from promptdescent.errors import ConfigError, nearest
from promptdescent.experiments.grids import Grid
from promptdescent.llm.choose import SIMULATED, check_simulated, is_remote
from promptdescent.records import Role
from promptdescent.report.bench.record import SplitRule
from promptdescent.report.study.record import Equal
from promptdescent.tasks.benchmarks import BenchmarkTask, Suite
from promptdescent.tasks.splits import LEAST_TEST_ROWS, SPLITS, SplitSizes

ROLES_OF_A_BENCH: tuple[Role, ...] = ("task", "optimizer")
"""No suite has answers that a model grades."""

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
    equal: Equal = "steps"
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
        RunSpec().with_settings({name: self.settings[name] for name in SIZES if name in self.settings})
        wanted = self.settings.get("test_rows")
        if wanted is not None and wanted < LEAST_TEST_ROWS:
            raise ConfigError(f"--test-rows {wanted} is too few: a verdict needs at least {LEAST_TEST_ROWS}")
        if not self.models:
            raise ConfigError("--models names no model; give one, such as gpt-4o-mini or local:smollm2")
        check_simulated(self._model_names)

    @property
    def runs(self) -> int:
        """All runs if every task takes part, the pilots among them."""
        searching = sum(cell.recipe is not None for cell in self.grid.cells)
        per_task = len(self.grid.cells) * len(self.seeds) + (searching if self.equal == "tokens" else 0)
        return len(self.models) * len(self.tasks) * per_task

    def share(self, models: int) -> int:
        """What each run may use of the budget if so many models are asked. Raises :class:`ConfigError` if that is
        nothing, or if there is no budget to share.
        """
        if self.budget is None:
            raise ConfigError("there is no --budget to share out")
        runs = self.runs * models // len(self.models)
        if self.budget < runs:
            raise ConfigError(f"--budget {self.budget} is less than a token for each of {runs} runs")
        return self.budget // runs

    @property
    def simulated(self) -> bool:
        """Whether every model is a simulated one, which only needs a processor."""
        return all(name.startswith(SIMULATED) for name in self._model_names)

    @property
    def remote(self) -> bool:
        """Whether calls leave this machine."""
        specs = [spec for model in self.models for spec in self.model_specs(model)]
        return any(is_remote(one.settings.name, one.base_url) for one in specs)

    @property
    def common(self) -> RunSpec:
        """The settings that every run gets."""
        return RunSpec().with_settings({name: value for name, value in self.settings.items() if name not in SIZES})

    def model_specs(self, model: str) -> tuple[ModelSpec, ...]:
        """The models of the runs with a task model."""
        spec = replace(self.common, task_model=model)
        return tuple(spec.model(role) for role in ROLES_OF_A_BENCH)

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
