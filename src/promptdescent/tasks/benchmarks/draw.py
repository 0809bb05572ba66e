"""Train, dev and test rows of a benchmark, drawn by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptdescent.errors import DataError
from promptdescent.records import Split
from promptdescent.tasks.benchmarks.suite import BenchmarkRow, BenchmarkRows
from promptdescent.tasks.datasets import to_examples
from promptdescent.tasks.files import Row
from promptdescent.tasks.splits import DEFAULT_SIZES, SPLITS, SplitSizes, draw_parts

_LEARNING: tuple[Split, ...] = ("train", "dev")

DrawnRows = tuple[tuple[BenchmarkRow, ...], tuple[BenchmarkRow, ...], tuple[BenchmarkRow, ...]]
"""Train, dev and test."""


def draw_splits(rows: BenchmarkRows, sizes: SplitSizes, *, seed: int) -> DrawnRows:
    """The splits of a task: the same for the same rows, sizes and seed, whatever the order of the rows.

    Test rows come from the ready test split alone, where there is one; train and dev rows from theirs, or both from the
    one that there is. A ready split that is asked for whole keeps the order of its file. What is drawn has the targets
    in proportion if there are at most 20, and rows with the same input never fall into two drawn splits. Where there
    are fewer rows than asked for, those there are are shared out in the ratio of ``sizes``; :func:`size_notes` says so.

    Raises :class:`DataError` if a split would have no row.
    """
    wanted = {split: _size(sizes, split) for split in SPLITS}
    if rows.ready is None:
        drawn = _draw(rows.pool, wanted, seed)
    else:
        ready = rows.ready
        drawn = _draw(ready["test"], {"test": wanted["test"]}, seed)
        learning = {split: ready[split] for split in _LEARNING if split in ready}
        if len(learning) == len(_LEARNING):
            for split, part in learning.items():
                drawn |= _draw(part, {split: wanted[split]}, seed)
        else:
            (part,) = learning.values()
            drawn |= _draw(part, {split: wanted[split] for split in _LEARNING}, seed)
    for split in SPLITS:
        if not drawn[split]:
            raise DataError(
                f"{len(rows.pool)} rows are too few: there would be none for {split}; give more distinct rows"
            )
    return drawn["train"], drawn["dev"], drawn["test"]


def size_notes(drawn: DrawnRows, sizes: SplitSizes) -> tuple[str, ...]:
    """A sentence for the user where the splits are not of the sizes asked for."""
    got, asked = [len(part) for part in drawn], [_size(sizes, split) for split in SPLITS]
    if got == asked:
        return ()
    return (f"{_slashed(got)} train/dev/test rows instead of {_slashed(asked)}: there are no more.",)


def _size(sizes: SplitSizes, split: Split) -> int:
    given: int | None = getattr(sizes, split)
    return DEFAULT_SIZES[split] if given is None else given


def _draw(
    rows: Sequence[BenchmarkRow], wanted: Mapping[Split, int], seed: int
) -> dict[Split, tuple[BenchmarkRow, ...]]:
    if len(wanted) == 1 and sum(wanted.values()) >= len(rows):
        (split,) = wanted
        return {split: tuple(rows)}
    numbered = [Row(number, dict(row)) for number, row in enumerate(rows, start=1)]
    examples = to_examples(numbered, path="the benchmark's rows", inputs=("input",), target="target")
    parts = draw_parts(examples, _shares(list(wanted.values()), len(rows)), seed=seed, stratify=True)
    return {
        split: tuple(BenchmarkRow(input=example.question, target=example.target) for example in part)
        for split, part in zip(wanted, parts, strict=True)
    }


def _shares(wanted: Sequence[int], rows: int) -> list[int]:
    """``wanted``, or ``rows`` in the same ratio if they are fewer; what rounding leaves over goes to the last."""
    total = sum(wanted)
    if total <= rows:
        return list(wanted)
    shares = [max(1, rows * size // total) for size in wanted[:-1]]
    return [*shares, max(0, rows - sum(shares))]


def _slashed(sizes: Sequence[int]) -> str:
    return "/".join(str(size) for size in sizes)
