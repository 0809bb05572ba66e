"""Benches with made-up numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from study_samples import failed_run, made_up_run, study_of

from promptdescent.report.bench.record import BenchRecord
from promptdescent.report.study.record import Move, StudyRecord, StudyRun

MODEL = "some-model"
SEEDS = (0, 1, 2, 3)

# How far above 0.5 a cell is on each task, in hundredths; a seed adds its number.
LEVELS: Mapping[str, Mapping[str, int]] = {
    "counting": {"gpo": 30, "ape": 10, "Empty": -20},
    "sorting": {"gpo": 10, "ape": 20, "Empty": -10},
}


def runs_of(levels: Mapping[str, Mapping[str, int]] = LEVELS, seeds: Sequence[int] = SEEDS) -> list[StudyRun]:
    """Runs on every task with every seed; of ``gpo`` with moves under a word budget."""
    moves = (Move(step=1, budget=40, distance=12.0), Move(step=2, budget=20, distance=22.0))
    found = []
    for task, cells in levels.items():
        for seed in seeds:
            for cell, level in cells.items():
                others: dict[str, Any] = {"moves": moves} if cell == "gpo" else {}
                if cell == "Empty":
                    others["steps"] = 0
                # Without a factor of its own, every difference would be the same for all seeds.
                score = 0.5 + level / 100 + seed * (1 if cell == "gpo" else 2) / 100
                found.append(made_up_run(cell, seed, score, task=task, money=0.25, **others))
    return found


def study(runs: Sequence[StudyRun] | None = None, *, model: str = MODEL) -> StudyRecord:
    """A study of them; ``gpo`` is the reference."""
    return study_of(runs_of() if runs is None else runs, without_search=["Empty"], model=model)


def with_failures(
    runs: Sequence[StudyRun], *failures: tuple[str, str, int], reason: str = "no reply"
) -> list[StudyRun]:
    """The runs, of which those named by cell, task and seed failed."""
    return [
        failed_run(run.cell, run.seed, task=run.task, reason=reason)
        if (run.cell, run.task, run.seed) in failures
        else run
        for run in runs
    ]


def bench_of(*studies: StudyRecord, **changes: Any) -> BenchRecord:
    """A bench of these studies, by the names of their task models."""
    made = studies or (study(),)
    values: dict[str, Any] = {
        "suite": "bbh",
        "title": "BIG-Bench Hard",
        "version": "1",
        "splits": "fixed",
        "sizes": {task: {"train": 8, "dev": 10, "test": 20} for task in made[0].tasks},
        "equal": "tokens",
        "budget": None,
        "studies": {one.models["task"]: one for one in made},
    }
    return BenchRecord(**{**values, **changes})
