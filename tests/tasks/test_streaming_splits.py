"""A split by seed that holds digests only draws what a split with all rows at hand would draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptdescent.errors import DataError
from promptdescent.records import Example
from promptdescent.tasks.ranking import Ranking
from promptdescent.tasks.splits import Splits, SplitSizes, draw_parts, split_by_seed
from promptdescent.text import fingerprint


def example(text: str, target: str) -> Example:
    return Example(id=fingerprint([text, target])[:16], inputs=(("text", text),), target=target)


# What a split by seed is, with all rows in memory


class Held:
    """Groups of copies in seeded order, and draws from them."""

    def __init__(self, rows: Sequence[Example], seed: int, *, stratify: bool) -> None:
        copies: dict[str, list[Example]] = {}
        for row in rows:
            copies.setdefault(" ".join(row.question.split()), []).append(row)
        self.groups = [
            sorted(copies[text], key=lambda row: row.id)
            for text in sorted(copies, key=lambda text: fingerprint([seed, [["text", text]]]))
        ]
        self.distinct = len(self.groups)
        self.torn = sum(len({row.target for row in group}) > 1 for group in self.groups)
        self.by_target = stratify and len({row.target for row in rows}) <= 20

    def _stratum(self, group: Sequence[Example]) -> str:
        return group[0].target if self.by_target else ""

    def draw(self, size: int) -> tuple[Example, ...]:
        rows = Counter(self._stratum(group) for group in self.groups for _ in group)
        total = rows.total()
        size = min(size, total)
        room = {stratum: size * count // total for stratum, count in rows.items()}
        most_left = sorted(rows, key=lambda stratum: (-(size * rows[stratum] % total), stratum))
        for stratum in most_left[: size - sum(room.values())]:
            room[stratum] += 1
        drawn: list[int] = []
        for of_stratum in (True, False):  # then any group that fits what is left
            left = sum(room.values())
            for number, group in enumerate(self.groups):
                name = self._stratum(group)
                if number not in drawn and len(group) <= (room[name] if of_stratum else left):
                    room[name] -= len(group)
                    left -= len(group)
                    drawn.append(number)
        rows_drawn = tuple(row for number in drawn for row in self.groups[number])
        self.groups = [group for number, group in enumerate(self.groups) if number not in drawn]
        return rows_drawn


def by_definition(rows: Sequence[Example], seed: int, sizes: tuple[int, int, int], *, stratify: bool) -> Splits:
    """The splits, for sizes that are given, without the checks."""
    held = Held(rows, seed, stratify=stratify)
    train, dev, test = (held.draw(size) for size in sizes)
    unused = len(rows) - len(train) - len(dev) - len(test)
    got = (len(train), len(dev), len(test))
    notes = []
    if len(rows) > held.distinct:
        notes.append(
            f"{len(rows) - held.distinct} of {len(rows)} rows have the same input as an earlier one; such copies stay "
            "in one split."
        )
    if held.torn:
        have = "input has" if held.torn == 1 else "inputs have"
        notes.append(f"{held.torn} {have} more than one target; check these labels.")
    if got != sizes:
        shown, asked = ("/".join(map(str, part)) for part in (got, sizes))
        notes.append(f"Keeping copies together made the splits {shown} train/dev/test rows instead of {asked}.")
    if unused:
        notes.append(
            f"{unused} of {len(rows)} rows are left unused; --train-rows, --dev-rows and --test-rows set how many are "
            "taken."
        )
    return Splits(train=train, dev=dev, test=test, unused=unused, leaked=(), notes=tuple(notes))


class Source:
    """Rows that are read twice and not held."""

    def __init__(self, rows: Sequence[Example]) -> None:
        self.rows = rows
        self.readings = 0

    def __iter__(self) -> Iterator[Example]:
        self.readings += 1
        return iter(self.rows)

    def at(self, places: Sequence[int]) -> list[Example]:
        self.readings += 1
        return [self.rows[place] for place in places]


@st.composite
def rows_with_copies(draw: st.DrawFn) -> list[Example]:
    """Up to some hundred rows: few or many distinct, with copies in other white space and with other targets."""
    distinct = draw(st.sampled_from([25, 60, 120]))
    targets = draw(st.sampled_from([2, 3, 20, 21, 40]))
    drawn = draw(
        st.lists(
            st.tuples(st.integers(0, distinct), st.integers(0, targets - 1), st.sampled_from([" ", " ", " ", "\n\t"])),
            min_size=60,
            max_size=200,
        )
    )
    own_target = draw(st.booleans())  # else any row may have any target
    return [
        example(f"text{space}{number}", str(number % targets if own_target else target))
        for number, target, space in drawn
    ]


@given(
    rows=rows_with_copies(),
    seed=st.integers(0, 2**40),
    stratify=st.booleans(),
    sizes=st.tuples(st.integers(1, 25), st.integers(1, 25), st.integers(20, 60)),
)
@settings(max_examples=40, deadline=None)
def test_the_draw_is_that_of_all_rows_at_hand(
    rows: list[Example], seed: int, stratify: bool, sizes: tuple[int, int, int]
) -> None:
    train, dev, test = sizes
    expected = by_definition(rows, seed, sizes, stratify=stratify)
    assert draw_parts(rows, sizes, seed=seed, stratify=stratify) == [expected.train, expected.dev, expected.test]
    source = Source(rows)

    def split() -> Splits:
        wanted = SplitSizes(train=train, dev=dev, test=test)
        return split_by_seed(source, seed=seed, sizes=wanted, stratify=stratify)

    if fault := fault_of(rows, sizes, expected):
        with pytest.raises(DataError, match=fault):
            split()
    else:
        assert split() == expected
        assert source.readings == 2


def fault_of(rows: Sequence[Example], sizes: tuple[int, int, int], drawn: Splits) -> str:
    """What is said of rows that cannot be split, of several faults the first one; empty for others."""
    if sum(sizes) > len(rows):
        return f"is more than the {len(rows)} rows there are"
    if len({row.target for row in rows}) == 1:
        return f"all {len(rows)} rows have the same target"
    distinct = len({" ".join(row.question.split()) for row in rows})
    for split in ("train", "dev", "test"):
        if not getattr(drawn, split):
            return f"no rows for {split}: the rows are copies of {distinct} distinct ones"
    tested = len({" ".join(row.question.split()) for row in drawn.test})
    return f"only {tested} distinct test rows" if tested < 20 else ""


@given(copies=st.lists(st.integers(1, 6), min_size=60, max_size=120), seed=st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_groups_of_all_sizes_fill_the_places(copies: list[int], seed: int) -> None:
    """The few groups that still fit may stand anywhere in the seeded order."""
    rows = [example(f"text {i}", "ab"[i % 2]) for i, count in enumerate(copies) for _ in range(count)]
    expected = by_definition(rows, seed, (7, 9, 23), stratify=True)
    assert draw_parts(rows, (7, 9, 23), seed=seed, stratify=True) == [expected.train, expected.dev, expected.test]


def test_few_of_many_rows_can_be_drawn() -> None:
    """What is kept for the draw is bounded by what is drawn, not by the rows there are."""
    ranking = Ranking(3, most_strata=20)
    for i in range(3000):
        ranking.add(example(f"text {i}", "abc"[i % 3]))
    pool = ranking.pool(50, stratify=True)
    assert (len(pool.groups), pool.distinct, pool.strata["a"]) == (150, 3000, 1000)


def test_rows_that_change_between_the_readings_are_refused() -> None:
    class Changing(Source):
        def at(self, places: Sequence[int]) -> list[Example]:
            return [replace(row, inputs=(("text", f"{row.question}!"),)) for row in super().at(places)]

    class Shrinking(Source):
        def at(self, places: Sequence[int]) -> list[Example]:
            return super().at(places)[:-1]

    rows = [example(f"text {i}", "ab"[i % 2]) for i in range(100)]
    for source in (Changing(rows), Shrinking(rows)):
        with pytest.raises(DataError, match=r"^rows\.csv: the rows have changed while they were read"):
            split_by_seed(source, seed=0, sizes=SplitSizes(), stratify=True, path="rows.csv")
