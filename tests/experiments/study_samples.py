"""Studies with made-up numbers, and task files for small real ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promptdescent.experiments.grids import grid_named
from promptdescent.experiments.plan import StudyPlan, tasks_from
from promptdescent.records import Usage
from promptdescent.report.study.record import CurvePoint, StudyCell, StudyRecord, StudyRun, TaskBudget, TokenClaim

ROWS = 90
PROMPT = "Sort the message."


def write_task(folder: Path, name: str = "messages", *, model: str = "simulated:", **settings: object) -> Path:
    """A task file with its rows beside it; a run on it takes a fraction of a second."""
    folder.mkdir(parents=True, exist_ok=True)
    things = ("kettle", "lamp", "desk", "chair", "mug", "clock")
    said = {"praise": "I love the {}", "complaint": "They broke my {}", "question": "Do you sell a {}?"}
    rows = [
        {"text": f"{said[label].format(things[number % 6])} of order {number}", "label": label}
        for number in range(ROWS)
        for label in (sorted(said)[number % 3],)
    ]
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task: dict[str, object] = {
        "data": f"{name}.jsonl",
        "input": "text",
        "target": "label",
        "prompt": PROMPT,
        "task_model": model,
        "optimizer_model": model,
        "train_rows": 8,
        "dev_rows": 12,
        "test_rows": 20,
        "candidates": 4,
        **settings,
    }
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(task), encoding="utf-8")  # JSON is YAML
    return file


def write_grid(folder: Path, **content: Any) -> Path:
    """A grid file of two recipes, or of what is given."""
    mixture = {"label": "gpo without momentum", "recipe": {"base": "gpo", "momentum": "NoMomentum"}}
    file = folder / "small.yaml"
    file.write_text(json.dumps({"recipes": ["gpo", mixture], **content}), encoding="utf-8")
    return file


def plan_of(*tasks: Path, grid: Path, seeds: int = 2) -> StudyPlan:
    """A study of these task files with equal tokens."""
    return StudyPlan(
        grid=grid_named(str(grid)), tasks=tasks_from([str(task) for task in tasks], {}), seeds=tuple(range(seeds))
    )


def canonical(file: Path) -> Any:
    """A study's file without ids of runs and clocks, which differ between two equal studies."""
    content = json.loads(file.read_text(encoding="utf-8"))
    for run in content["record"]["runs"]:
        del run["run"], run["seconds"]
    for cell in content["analysis"]["cells"]:
        del cell["seconds"]
    return content


def made_up_run(
    cell: str, seed: int, score: float, *, task: str = "t", steps: int = 2, tokens: int = 100, **others: Any
) -> StudyRun:
    """A finished run whose start takes 50 tokens and each of whose steps takes ``tokens``; 10 of them the optimizer's.

    Its dev score rises evenly from 0.5 to ``score``.
    """
    search = 50 + steps * tokens
    curve = tuple(
        CurvePoint(tokens=50 + done * tokens, dev_score=0.5 + (score - 0.5) * done / max(1, steps))
        for done in range(steps + 1)
    )
    settings: dict[str, Any] = {
        "test_score": score,
        "start_test_score": 0.5,
        "dev_score": score,
        "used": {
            "task": Usage(calls=20, tokens_in=search - 10 * steps, tokens_out=0),
            "optimizer": Usage(calls=steps, tokens_in=6 * steps, tokens_out=4 * steps),
        },
        "seconds": 2.0,
        **others,
    }
    return StudyRun(cell=cell, task=task, seed=seed, status="finished", steps=steps, curve=curve, **settings)


def failed_run(cell: str, seed: int, *, task: str = "t", reason: str = "no reply could be used") -> StudyRun:
    """A run without a result."""
    return StudyRun(cell=cell, task=task, seed=seed, status="failed", reason=reason)


def study_of(
    runs: Sequence[StudyRun],
    *,
    claims: Mapping[str, TokenClaim] | None = None,
    without_search: Sequence[str] = (),
    model: str = "some-model",
) -> StudyRecord:
    """A study of these runs; the cell ``gpo`` is the reference."""
    labels = list(dict.fromkeys(run.cell for run in runs))
    tasks = tuple(dict.fromkeys(run.task for run in runs))
    return StudyRecord(
        grid="made-up",
        version="1",
        equal="tokens",
        reference="gpo",
        cells=tuple(
            StudyCell(
                label=label,
                recipe=None if label in without_search else {},
                prompt="" if label in without_search else None,
                token_claim=(claims or {}).get(label),
            )
            for label in labels
        ),
        tasks=tasks,
        seeds=tuple(sorted({run.seed for run in runs})),
        models={"task": model, "optimizer": model},
        same_steps=dict.fromkeys(tasks, 2),
        budgets=tuple(TaskBudget(task=task, max_tokens=500, steps={}) for task in tasks),
        runs=tuple(runs),
    )
