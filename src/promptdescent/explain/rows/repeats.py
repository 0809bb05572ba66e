"""Rows that nearly repeat another one, within a split or across splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from promptdescent.records import Example, Split
from promptdescent.records.explanation import RowDoubt
from promptdescent.tasks.leaks import SharedRow, find_repeats

SHOWN = 60
"""Characters of a target that are quoted."""

_Stands = tuple[Split, Example]


def repeated_rows(examples: Mapping[Split, Sequence[Example]]) -> tuple[RowDoubt, ...]:
    """One doubt per row that repeats an earlier one; where their targets differ, one for each of the two."""
    found: dict[str, list[_Stands]] = {}
    for split in ("train", "dev", "test"):
        for row in examples.get(split, ()):
            found.setdefault(row.id, []).append((split, row))
    shared = find_repeats(*(examples.get(split, ()) for split in ("train", "dev", "test")))
    doubts = {(doubt.split, doubt.example, doubt.other): doubt for one in shared for doubt in _doubts(one, found)}
    return tuple(doubts.values())


def _doubts(shared: SharedRow, found: Mapping[str, Sequence[_Stands]]) -> Iterator[RowDoubt]:
    first, *others = [stands for row in shared.ids for stands in found[row]]
    for other in others:
        yield _doubt(shared, other, first)
        if other[1].target != first[1].target:
            yield _doubt(shared, first, other)


def _doubt(shared: SharedRow, row: _Stands, other: _Stands) -> RowDoubt:
    (split, example), (its_split, its) = row, other
    how = "Repeats" if shared.kind == "copy" else f"Shares {shared.overlap:.0%} of its word runs with"
    where = f"a {its_split} row" if its_split != split else f"another {split} row"
    if example.target != its.target:
        targets = f"{_quoted(example.target)} here and {_quoted(its.target)} there"
        reason = f"{how} {where}, with another target: {targets}. One of the two may be wrong."
    else:
        reason = f"{how} {where}, with the same target."
    return RowDoubt(example=example.id, split=split, kind="near-duplicate", other=its.id, reason=reason)


def has_other_target(doubt: RowDoubt, targets: Mapping[str, str]) -> bool:
    """Whether a row and the one that it nearly repeats have different targets. ``targets`` is by id."""
    return doubt.kind == "near-duplicate" and targets.get(doubt.example) != targets.get(doubt.other)


def _quoted(target: str) -> str:
    line = " ".join(target.split())
    return repr(line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…")
