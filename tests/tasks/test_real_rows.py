"""The shared real rows: each file is read, split and made a task, and each target is read back right."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from promptdescent.records import Example
from promptdescent.tasks.datasets import DataSource, load_splits
from promptdescent.tasks.task import build_task


def path_of(shared_data: Path, name: str) -> Path:
    path = shared_data / name
    if not path.is_file():
        pytest.skip(f"{name} is not among the shared rows")
    return path


@pytest.mark.parametrize(
    ("name", "metric", "labels"),
    [
        ("bbh/boolean_expressions.json", "choice", 2),
        ("bbh/causal_judgement.json", "choice", 2),
        ("bbh/date_understanding.json", "choice", 6),
        ("bbh/formal_fallacies.json", "choice", 2),
        ("bbh/hyperbaton.json", "choice", 2),
        ("bbh/object_counting.json", "number", 0),
        ("bbh/multistep_arithmetic_two.json", "number", 0),
        ("bbh/word_sorting.json", "exact", 0),
        ("gsm8k/test.jsonl", "number", 0),
        ("instruction_induction/sentiment.jsonl", "choice", 2),
        ("instruction_induction/antonyms.jsonl", "exact", 0),
        ("instruction_induction/sum.jsonl", "number", 0),
    ],
)
def test_file_becomes_a_task(shared_data: Path, name: str, metric: str, labels: int) -> None:
    path = path_of(shared_data, name)
    task = build_task(load_splits(DataSource(file=path), seed=0), prompt="Answer the question.")
    assert (task.metric.name, len(task.labels)) == (metric, labels)
    rows = (*task.train, *task.dev, *task.test)
    assert len(rows) + task.splits.unused >= 180
    assert all(score(task, row, row.target) == 1 for row in rows)
    if metric != "exact":
        assert all(score(task, row, f"I thought about it. So the answer is: {row.target}.") == 1 for row in rows)
    wrong = sum(score(task, row, other.target) for row, other in pairwise(rows)) / len(rows)
    assert wrong < 0.9


def score(task, row: Example, reply: str) -> float:  # type: ignore[no-untyped-def]
    return float(task.metric.score(reply, row).value)


def test_ready_splits_of_winograd_schemas(shared_data: Path) -> None:
    paths = {split: path_of(shared_data, f"wsc/{split}.jsonl") for split in ("train", "validation", "test")}
    source = DataSource(train=paths["train"], dev=paths["validation"], test=paths["test"])
    task = build_task(load_splits(source, seed=0), prompt="Choose.")
    assert [len(rows) for rows in (task.train, task.dev, task.test)] == [50, 50, 150]
    assert task.labels == ("(A)", "(B)")


def test_copies_in_real_rows_stay_together(shared_data: Path) -> None:
    splits = load_splits(DataSource(file=path_of(shared_data, "bbh/sports_understanding.json")), seed=1)
    parts = [{row.question for row in rows} for rows in (splits.train, splits.dev, splits.test)]
    assert sum(map(len, parts)) == len(set().union(*parts))
