"""Leaks of a bench: rows that splits share, and found prompts that quote rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from promptdescent.records import Example, Split
from promptdescent.report.bench.record import BenchLeak
from promptdescent.report.study.record import StudyRecord
from promptdescent.tasks.leaks import find_leaks, quoted_rows
from promptdescent.tasks.task import Task


def leaks(tasks: Mapping[str, Task], studies: Mapping[str, StudyRecord]) -> Iterator[BenchLeak]:
    """What leaked, of all tasks and all finished searches. Where seeds draw their own rows, ``tasks`` has those of one
    seed, and only these are looked at.
    """
    for name, task in tasks.items():
        for row in find_leaks(task.train, task.dev, task.test):
            yield BenchLeak(
                kind="shared row", task=name, where=" and ".join(row.splits), split=row.splits[-1], excerpt=row.excerpt
            )
    for model, study in studies.items():
        searching = {cell.label for cell in study.cells if cell.recipe is not None}
        for run in study.runs:
            if run.status != "finished" or run.cell not in searching:
                continue
            where = f"{run.cell}, seed {run.seed}" + (f", {model}" if len(studies) > 1 else "")
            for split, rows in by_split(tasks[run.task]).items():
                for quote in quoted_rows(run.prompt, rows):
                    yield BenchLeak(kind="quoted row", task=run.task, where=where, split=split, excerpt=quote.excerpt)


def by_split(task: Task) -> dict[Split, tuple[Example, ...]]:
    """The rows of a task."""
    return {"train": task.train, "dev": task.dev, "test": task.test}
