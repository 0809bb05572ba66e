"""A folder of made-up rows in the form of BIG-Bench Hard's files, and plans of small benches on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from promptdescent.experiments.bench_plan import BenchPlan
from promptdescent.experiments.grids import grid_of
from promptdescent.report.study.record import StudyRun
from promptdescent.tasks.benchmarks import suite_named

SPORTS = ("kicked the ball", "hit a home run", "scored a goal", "threw a pass", "won the set")
THINGS = ("spoons", "forks", "lamps", "chairs", "drums", "flutes", "pears", "plums")


def sports_rows(count: int = 60) -> list[dict[str, str]]:
    """Yes or no."""
    return [
        {"input": f"Is this plausible? Player {number} {SPORTS[number % 5]}.", "target": ("yes", "no")[number % 2]}
        for number in range(count)
    ]


def counting_rows(count: int = 60) -> list[dict[str, str]]:
    """Numbers."""
    return [
        {"input": f"I have {number} {THINGS[number % 8]} and a stove. How many are that?", "target": str(number + 1)}
        for number in range(1, count + 1)
    ]


def write_bbh(folder: Path, **tasks: list[dict[str, Any]]) -> Path:
    """The folder, with a file per task."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tasks.items():
        (folder / f"{name}.json").write_text(json.dumps({"canary": "none", "examples": rows}), encoding="utf-8")
    return folder


def small_plan(data_dir: Path, **changes: Any) -> BenchPlan:
    """A bench of two tasks, and two recipes on simulated models, which takes seconds."""
    values: dict[str, Any] = {
        "suite": suite_named("bbh"),
        "tasks": ("sports_understanding", "object_counting"),
        "data_dir": data_dir,
        "grid": grid_of("gpo,opro:gpo-paper"),
        "models": ("simulated:",),
        "seeds": (0,),
        "settings": {
            "train_rows": 8,
            "dev_rows": 10,
            "test_rows": 20,
            "candidates": 3,
            "steps": 2,
            "optimizer_model": "simulated:",
        },
        "equal": "steps",
    }
    return BenchPlan(**{**values, **changes})


class Heard:
    """Keeps what an observer of a bench is told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.runs: list[StudyRun] = []

    def on_message(self, text: str) -> None:
        self.messages.append(text)

    def on_run(self, run: StudyRun, *, done: int, total: int) -> None:
        self.runs.append(run)
