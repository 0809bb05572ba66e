"""Races on a few rows of our own, with simulated models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptdescent.config import RunSpec
from promptdescent.experiments.race.contestants import contestants_named
from promptdescent.experiments.race.plan import RacePlan, RaceTask, Rows
from promptdescent.report.race.record import RaceRun
from promptdescent.tasks.benchmarks import BenchmarkRow

SCRIPTS = Path(__file__).parent / "race_scripts"
START = "Sort the message."
SIZES = {"train": 8, "dev": 10, "test": 24}


def script(name: str) -> str:
    """The path of a script of the tests."""
    return str(SCRIPTS / f"{name}.py")


def sample_rows(count: int, first: int = 0) -> tuple[BenchmarkRow, ...]:
    """Messages that are praise, a complaint or a question, in turn."""
    things = ("kettle", "lamp", "desk", "chair", "mug", "clock")
    said = {"praise": "I love the {}", "complaint": "They broke my {}", "question": "Do you sell a {}?"}
    return tuple(
        BenchmarkRow(input=f"{said[label].format(things[number % 6])} of order {number}", target=label)
        for number in range(first, first + count)
        for label in (sorted(said)[number % 3],)
    )


def race_task(name: str = "messages", **settings: Any) -> RaceTask:
    """A task on such rows."""
    train, dev = sample_rows(SIZES["train"]), sample_rows(SIZES["dev"], 100)
    spec = RunSpec().with_settings(
        {
            "task_model": "simulated:",
            "optimizer_model": "simulated:",
            "task_max_tokens": 40,
            "optimizer_max_tokens": 120,
            "metric": "choice",
            "placement": "after",
            **settings,
        }
    )
    rows: Rows = {"train": train, "dev": dev, "test": sample_rows(SIZES["test"], 200)}
    return RaceTask(name=name, about="sort messages by kind", start=START, rows=rows, spec=spec)


def race_plan(
    contestants: Sequence[str],
    *,
    peers: Path,
    seeds: int = 1,
    task_tokens: int = 4000,
    optimizer_tokens: int = 4000,
    minutes: float = 1.0,
    tasks: Sequence[RaceTask] = (),
) -> RacePlan:
    """A race of these."""
    return RacePlan(
        suite="messages",
        tasks=tuple(tasks) or (race_task(),),
        contestants=contestants_named(contestants),
        seeds=tuple(range(seeds)),
        caps={"task": task_tokens, "optimizer": optimizer_tokens},
        minutes=minutes,
        peers=peers,
    )


class RaceWatch:
    """Keeps what a race says."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.runs: list[RaceRun] = []

    def on_message(self, text: str) -> None:
        self.said.append(text)

    def on_run(self, run: RaceRun, *, done: int, total: int) -> None:
        self.runs.append(run)
