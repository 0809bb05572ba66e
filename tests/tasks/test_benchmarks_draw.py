"""The splits of benchmarks: their sizes, copies, ready splits, and what stays the same."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptdescent.errors import DataError
from promptdescent.tasks.benchmarks import SUITES, BenchmarkRow, BenchmarkRows, draw_splits, load_rows, size_notes
from promptdescent.tasks.splits import SplitSizes


def numbered(count: int, *, start: int = 0, targets: Sequence[str] = ("Yes", "No")) -> tuple[BenchmarkRow, ...]:
    return tuple(
        BenchmarkRow(input=f"question {number}", target=targets[number % len(targets)])
        for number in range(start, start + count)
    )


def inputs(rows: Sequence[BenchmarkRow]) -> set[str]:
    return {row["input"] for row in rows}


SIZES = SplitSizes(train=10, dev=10, test=30)


def test_sizes_as_asked_and_disjoint() -> None:
    drawn = draw_splits(BenchmarkRows(pool=numbered(80)), SIZES, seed=0)
    assert [len(part) for part in drawn] == [10, 10, 30]
    assert len(set().union(*map(inputs, drawn))) == 50
    assert size_notes(drawn, SIZES) == ()


def test_the_same_whatever_the_order_and_another_with_another_seed() -> None:
    rows = numbered(80)
    shuffled = list(rows)
    random.Random(3).shuffle(shuffled)
    first = draw_splits(BenchmarkRows(pool=rows), SIZES, seed=0)
    assert draw_splits(BenchmarkRows(pool=tuple(shuffled)), SIZES, seed=0) == first
    assert draw_splits(BenchmarkRows(pool=rows), SIZES, seed=1) != first


def test_targets_in_proportion() -> None:
    rows = numbered(100, targets=("Yes", "No", "No", "No"))
    for part in draw_splits(BenchmarkRows(pool=rows), SplitSizes(train=20, dev=20, test=60), seed=5):
        assert Counter(row["target"] for row in part)["Yes"] == len(part) // 4


def test_fewer_rows_are_shared_out_in_the_ratio() -> None:
    drawn = draw_splits(BenchmarkRows(pool=numbered(25)), SIZES, seed=0)
    assert [len(part) for part in drawn] == [5, 5, 15]
    assert size_notes(drawn, SIZES) == ("5/5/15 train/dev/test rows instead of 10/10/30: there are no more.",)


@settings(max_examples=40)
@given(copies=st.lists(st.integers(1, 4), min_size=12, max_size=40), seed=st.integers(0, 5))
def test_copies_stay_in_one_split(copies: list[int], seed: int) -> None:
    rows = [
        BenchmarkRow(input=f"question {number}" + " " * copy, target=str((number + copy) % 3))
        for number, count in enumerate(copies)
        for copy in range(count)
    ]
    drawn = draw_splits(BenchmarkRows(pool=tuple(rows)), SplitSizes(train=3, dev=3, test=6), seed=seed)
    parts = [{row["input"].strip() for row in part} for part in drawn]
    assert sum(map(len, parts)) == len(set().union(*parts))


def test_ready_splits_that_are_asked_for_whole_stay_as_they_are() -> None:
    ready = {"train": numbered(10), "dev": numbered(10, start=10), "test": numbered(30, start=20)}
    rows = BenchmarkRows(pool=numbered(50), ready=ready)  # type: ignore[arg-type]
    assert draw_splits(rows, SIZES, seed=7) == (ready["train"], ready["dev"], ready["test"])


def test_ready_splits_are_drawn_from_each_alone() -> None:
    ready = {"train": numbered(40), "dev": numbered(40, start=40), "test": numbered(40, start=80)}
    rows = BenchmarkRows(pool=numbered(120), ready=ready)  # type: ignore[arg-type]
    drawn = draw_splits(rows, SplitSizes(train=10, dev=10, test=60), seed=7)
    assert [len(part) for part in drawn] == [10, 10, 40]
    for part, split in zip(drawn, ("train", "dev", "test"), strict=True):
        assert inputs(part) <= inputs(ready[split])


@pytest.mark.parametrize("there", ["train", "dev"])
def test_train_and_dev_come_from_the_one_that_there_is(there: str) -> None:
    ready = {there: numbered(30), "test": numbered(60, start=30)}
    rows = BenchmarkRows(pool=numbered(90), ready=ready)  # type: ignore[arg-type]
    train, dev, test = draw_splits(rows, SIZES, seed=0)
    assert [len(train), len(dev), len(test)] == [10, 10, 30]
    assert inputs(train) | inputs(dev) <= inputs(ready[there])
    assert not inputs(train) & inputs(dev)
    assert inputs(test) <= inputs(ready["test"])


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_rows(count: int) -> None:
    with pytest.raises(DataError, match=f"{count} rows are too few"):
        draw_splits(BenchmarkRows(pool=numbered(count)), SIZES, seed=0)


def test_rows_that_are_all_copies() -> None:
    with pytest.raises(DataError, match="there would be none for"):
        draw_splits(BenchmarkRows(pool=numbered(1) * 40), SIZES, seed=0)


def test_shared_rows_fill_the_sizes_of_the_paper(shared_data: Path) -> None:
    drawn_sizes = {}
    for suite in SUITES.values():
        for name, task in suite.tasks.items():
            if any((shared_data / suite.name).glob(f"{name}.json*")) or len(suite.tasks) == 1:
                drawn = draw_splits(load_rows(suite, name, data_dir=shared_data), task.sizes, seed=0)
                assert size_notes(drawn, task.sizes) == ()
                drawn_sizes[name] = tuple(len(part) for part in drawn)
    assert drawn_sizes["penguins_in_a_table"] == (27, 27, 82)
    assert drawn_sizes["causal_judgement"] == (35, 35, 107)
    assert drawn_sizes["us_foreign_policy"] == (20, 20, 59)
    assert drawn_sizes["gsm8k"] == (100, 100, 300)
