"""Train, dev and test rows: split by seed, or ready; with copies kept together and leaks reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, get_args

from promptdescent.errors import ConfigError, DataError
from promptdescent.records import Example, Split
from promptdescent.tasks.ranking import Group, Pool, Ranking, copy_key

LEAST_TEST_ROWS = 20
"""Distinct test rows below which there is no verdict."""

MOST_STRATA = 20
"""Distinct targets up to which a split by seed is stratified."""

SPLITS: tuple[Split, ...] = get_args(Split)

DEFAULT_SIZES: Mapping[Split, int] = {"train": 100, "dev": 100, "test": 300}
"""The most rows that are taken unless sizes are given."""

SHARES: Mapping[Split, int] = {"train": 1, "dev": 1, "test": 3}
"""How rows are shared out where there are fewer."""

SPLIT_VALUES: Mapping[str, Split] = {
    "train": "train",
    "dev": "dev",
    "validation": "dev",
    "valid": "dev",
    "val": "dev",
    "test": "test",
}
"""What a split column may say, in any case."""


@dataclass(frozen=True)
class SplitSizes:
    """Rows per split; None takes the default: at most 100, 100 and 300 rows, 1:1:3 where there are fewer."""

    train: int | None = None
    dev: int | None = None
    test: int | None = None


@dataclass(frozen=True, kw_only=True)
class Splits:
    """The rows of a task."""

    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]
    unused: int
    """Rows in no split."""
    leaked: tuple[str, ...]
    """Ids of test rows whose inputs also stand in train or dev: they are left out of the verdict."""
    notes: tuple[str, ...]
    """Sentences for the user."""


# --- by seed ---------------------------------------------------------------------------------------------------------


class ExampleSource(Protocol):
    """Rows that are read anew each time, so that none need to be held."""

    def __iter__(self) -> Iterator[Example]: ...

    def at(self, places: Sequence[int]) -> list[Example]:
        """The rows at these 0-based places, which are given in ascending order."""


def split_by_seed(
    examples: Sequence[Example] | ExampleSource,
    *,
    seed: int,
    sizes: SplitSizes,
    stratify: bool,
    path: Path | str = "rows",
) -> Splits:
    """Draw disjoint splits. The same rows, seed and sizes give the same splits, whatever the order of the rows.

    Rows with the same inputs (white space aside) always fall into one split, even if their targets differ. With
    ``stratify``, and at most 20 distinct targets, each target has the same share of every split, to within two rows
    where there are no copies. ``path`` stands in messages.

    A source is read twice: once for the order of its rows, of which 29 bytes each are held, and once for those drawn.

    Raises :class:`DataError` for one class only, sizes that the rows do not fill, and fewer than 20 distinct test rows.
    """
    ranking = _ranking(examples, seed)
    rows = ranking.rows
    wanted = _resolve(sizes, rows, path)
    _check_targets(ranking.targets, rows, path)
    pool = ranking.pool(sum(wanted.values()), stratify=stratify)
    parts = _draw_parts(examples, ranking, pool, [wanted[split] for split in SPLITS], path)
    drawn = dict(zip(SPLITS, parts, strict=True))
    for split in SPLITS:
        if not drawn[split]:
            raise DataError(
                f"{path}: no rows for {split}: the rows are copies of {pool.distinct} distinct ones; give more "
                "distinct rows"
            )
    _check_test_rows(drawn["test"], flag="--test-rows", leaked=(), path=path)
    unused = rows - sum(len(part) for part in drawn.values())
    notes = [*_copy_notes(pool, rows, wanted, drawn)]
    if unused:
        notes.append(
            f"{unused} of {rows} rows are left unused; --train-rows, --dev-rows and --test-rows set how many are taken."
        )
    return Splits(**drawn, unused=unused, leaked=(), notes=tuple(notes))


def draw_parts(
    examples: Sequence[Example], sizes: Sequence[int], *, seed: int, stratify: bool
) -> list[tuple[Example, ...]]:
    """Disjoint parts of at most so many rows each; fewer, possibly none, where rows run out or copies do not fit.

    As in :func:`split_by_seed`, the order of the rows does not matter, copies stay together, and ``stratify`` gives
    each of at most 20 distinct targets the same share of every part.
    """
    ranking = _ranking(examples, seed)
    return _draw_parts(examples, ranking, ranking.pool(sum(sizes), stratify=stratify), sizes, "rows")


def _ranking(examples: Iterable[Example], seed: int) -> Ranking:
    ranking = Ranking(seed, most_strata=MOST_STRATA)
    for example in examples:
        ranking.add(example)
    return ranking


def _draw_parts(
    examples: Sequence[Example] | ExampleSource, ranking: Ranking, pool: Pool, sizes: Sequence[int], path: Path | str
) -> list[tuple[Example, ...]]:
    left, counts = pool.groups, Counter(pool.strata)
    parts: list[list[Group]] = []
    for size in sizes:
        taken, left = _draw(left, counts, size)
        parts.append(taken)
    rank_at = {place: group.rank for part in parts for group in part for place in group.places}
    places = sorted(rank_at)
    rows = [examples[place] for place in places] if isinstance(examples, Sequence) else examples.at(places)
    found = dict(zip(places, rows, strict=False))
    if any(place not in found or ranking.rank(found[place]) != rank for place, rank in rank_at.items()):
        raise DataError(f"{path}: the rows have changed while they were read; try again when nothing writes to them")
    return [tuple(found[place] for group in part for place in group.places) for part in parts]


def _resolve(sizes: SplitSizes, rows: int, path: Path | str) -> dict[Split, int]:
    """How many of ``rows`` rows each split is to have."""
    given = {split: size for split in SPLITS if (size := getattr(sizes, split)) is not None}
    for split, size in given.items():
        if size < 1:
            raise ConfigError(f"--{split}-rows {size}: a split needs at least one row")
    rest = rows - sum(given.values())
    if rest < 0:
        flags = " + ".join(f"--{split}-rows {size}" for split, size in given.items())
        raise DataError(f"{path}: {flags} is more than the {rows} rows there are; ask for fewer, or give more rows")
    shares = sum(SHARES[split] for split in SPLITS if split not in given)
    wanted = dict(given)
    for split in SPLITS:
        if split not in given:
            # test comes last and takes what rounding leaves over
            share = rest * SHARES[split] // shares if split != "test" else rows - sum(wanted.values())
            wanted[split] = min(DEFAULT_SIZES[split], share)
    if wanted["train"] < 1 or wanted["dev"] < 1 or wanted["test"] < LEAST_TEST_ROWS:
        sizes_text = f"{wanted['train']} train, {wanted['dev']} dev and {wanted['test']} test rows"
        raise DataError(
            f"{path}: too few rows: {rows} would be {sizes_text}; at least 1, 1 and {LEAST_TEST_ROWS} are needed. "
            "Give more rows, or share them out with --train-rows, --dev-rows and --test-rows"
        )
    return wanted


def _draw(pool: Sequence[Group], counts: Counter[str], size: int) -> tuple[list[Group], list[Group]]:
    """Groups of ``size`` rows in all, as far as can be, in proportion to the strata; and the others of ``pool``.

    ``counts`` has the rows of each stratum, also of groups that are not in ``pool``; those drawn are taken off it.
    """
    room = _quotas(counts, size)
    taken, rest = [], []
    for group in pool:
        if len(group.places) <= room[group.stratum]:
            room[group.stratum] -= len(group.places)
            taken.append(group)
        else:
            rest.append(group)
    # Copies may leave places that no group of their stratum fills: whatever fits takes them.
    places, left = sum(room.values()), []
    for group in rest:
        if len(group.places) <= places:
            places -= len(group.places)
            taken.append(group)
        else:
            left.append(group)
    for group in taken:
        counts[group.stratum] -= len(group.places)
    return taken, left


def _quotas(counts: Mapping[str, int], size: int) -> dict[str, int]:
    """``size`` shared out in proportion to ``counts``: rounded down, then up for the largest remainders."""
    total = sum(counts.values())
    size = min(size, total)
    if size == 0:
        return dict.fromkeys(counts, 0)
    quotas = {stratum: size * count // total for stratum, count in counts.items()}
    by_remainder = sorted(counts, key=lambda stratum: (-(size * counts[stratum] % total), stratum))
    for stratum in by_remainder[: size - sum(quotas.values())]:
        quotas[stratum] += 1
    return quotas


def _copy_notes(
    pool: Pool, rows: int, wanted: Mapping[Split, int], drawn: Mapping[Split, Sequence[Example]]
) -> list[str]:
    notes = []
    if copies := rows - pool.distinct:
        notes.append(f"{copies} of {rows} rows have the same input as an earlier one; such copies stay in one split.")
    if pool.torn:
        inputs = "input has" if pool.torn == 1 else "inputs have"
        notes.append(f"{pool.torn} {inputs} more than one target; check these labels.")
    if any(len(drawn[split]) != wanted[split] for split in SPLITS):
        got, asked = ("/".join(str(size) for size in sizes) for sizes in (_sizes(drawn), (wanted[s] for s in SPLITS)))
        notes.append(f"Keeping copies together made the splits {got} train/dev/test rows instead of {asked}.")
    return notes


def _sizes(drawn: Mapping[Split, Sequence[Example]]) -> list[int]:
    return [len(drawn[split]) for split in SPLITS]


# --- ready -----------------------------------------------------------------------------------------------------------


def ready_splits(
    train: Sequence[Example], dev: Sequence[Example], test: Sequence[Example], *, path: Path | str = "rows"
) -> Splits:
    """Splits as given, whole. Test rows that also stand in train or dev, by equal inputs, are reported as leaked.
    ``path`` stands in messages: the file, or the files.

    Raises :class:`DataError` if a split is empty, the splits have different input columns, all rows have one target, or
    fewer than 20 distinct test rows remain.
    """
    drawn: dict[Split, tuple[Example, ...]] = {"train": tuple(train), "dev": tuple(dev), "test": tuple(test)}
    for split, rows in drawn.items():
        if not rows:
            raise DataError(f"{path}: the {split} split has no rows; train, dev and test rows are all needed")
    columns = {split: [name for name, _ in rows[0].inputs] for split, rows in drawn.items()}
    if len({tuple(names) for names in columns.values()}) > 1:
        found = "; ".join(f"{split}: {', '.join(names)}" for split, names in columns.items())
        raise DataError(
            f"{path}: the splits have different input columns ({found}); give them one name, or name them with --input"
        )
    _check_targets({row.target for rows in drawn.values() for row in rows}, sum(map(len, drawn.values())), path)
    keys = {split: {copy_key(example) for example in rows} for split, rows in drawn.items()}
    seen = keys["train"] | keys["dev"]
    leaked = tuple(dict.fromkeys(example.id for example in test if copy_key(example) in seen))
    _check_test_rows(test, flag="--test", leaked=leaked, path=path)
    notes = []
    if leaked:
        out = [example for example in test if example.id in leaked]
        shown = ", ".join(_start(example) for example in out[:3]) + (", ..." if len(out) > 3 else "")
        notes.append(
            f"{len(out)} of {len(test)} test rows also stand in train or dev and are left out of the verdict: {shown}"
        )
    if both := len(keys["train"] & keys["dev"]):
        notes.append(f"{both} {'row stands' if both == 1 else 'rows stand'} in both train and dev.")
    return Splits(**drawn, unused=0, leaked=leaked, notes=tuple(notes))


def split_by_column(rows: Iterable[tuple[int, str, Example]], *, column: str, path: Path | str) -> Splits:
    """Ready splits from a column.

    ``rows`` has the number of each row in ``path``, for messages, what the column says of it, and the row itself.
    Raises :class:`DataError` for a value that names no split, and whatever :func:`ready_splits` raises.
    """
    drawn: dict[Split, list[Example]] = {split: [] for split in SPLITS}
    unknown: tuple[int, str] | None = None
    for number, value, example in rows:
        split = SPLIT_VALUES.get(value.strip().lower())
        if split is not None:
            drawn[split].append(example)
        elif unknown is None:  # said once all rows are read: a fault in them comes first
            unknown = number, value
    if unknown is not None:
        raise DataError(
            f"{path}, row {unknown[0]}: the column {column!r} (--split-column) says {unknown[1]!r}, which is no split; "
            f"known: {', '.join(SPLIT_VALUES)}"
        )
    for split, part in drawn.items():
        if not part:
            raise DataError(
                f"{path}: no row says {split} in the column {column!r} (--split-column); all three splits are needed"
            )
    return ready_splits(drawn["train"], drawn["dev"], drawn["test"], path=path)


def all_as_test(examples: Sequence[Example]) -> Splits:
    """Every row a test row, where one prompt is scored and nothing is searched for."""
    return Splits(train=(), dev=(), test=tuple(examples), unused=0, leaked=(), notes=())


# --- without some rows -----------------------------------------------------------------------------------------------


def without_rows(splits: Splits, ids: Collection[str], *, path: Path | str) -> Splits:
    """The splits without some rows: the others stay where they are. ``path``, the file that names the rows, stands in
    messages.

    Ids of rows that were not drawn are said in a note if some rows are unused, since they may be among these. Raises
    :class:`DataError` for ids of no row, and if too few rows are left.
    """
    kept: dict[Split, tuple[Example, ...]] = {}
    taken: dict[Split, int] = {}
    for split in SPLITS:
        rows = getattr(splits, split)
        kept[split] = tuple(row for row in rows if row.id not in ids)
        taken[split] = len(rows) - len(kept[split])
    known = {row.id for split in SPLITS for row in getattr(splits, split)}
    unknown = [one for one in ids if one not in known]
    if unknown and (len(unknown) == len(ids) or not splits.unused):
        raise DataError(
            f"--leave-out {path}: {len(unknown)} of {len(ids)} ids are of none of the rows, such as {unknown[0]!r}; "
            "give the file that was written for these rows, with the same --seed and numbers of rows"
        )
    for split, count in taken.items():
        if count and not kept[split]:
            raise DataError(f"--leave-out {path}: no {split} rows are left; leave out fewer")
    leaked = tuple(one for one in splits.leaked if one not in ids)
    if taken["test"] and splits.train:  # without a search there is no verdict
        _check_test_rows(kept["test"], flag=f"--leave-out {path} takes {taken['test']} out", leaked=leaked, path="rows")
    told = ", ".join(f"{count} {split}" for split, count in taken.items() if count) or "no"
    notes = [f"{told} rows are left out, as {path} says."]
    if unknown:
        notes.append(f"{len(unknown)} of {len(ids)} rows that {path} leaves out are not among those drawn.")
    return Splits(
        train=kept["train"],
        dev=kept["dev"],
        test=kept["test"],
        unused=splits.unused,
        leaked=leaked,
        notes=(*splits.notes, *notes),
    )


# --- checks ----------------------------------------------------------------------------------------------------------


def _check_targets(targets: Iterable[str], rows: int, path: Path | str) -> None:
    """Raise :class:`DataError` if all rows have the same target; rows without any were refused if one was needed."""
    distinct = list(targets)
    if len(distinct) == 1 and distinct != [""]:
        raise DataError(
            f"{path}: all {rows} rows have the same target {distinct[0]!r}, so that every prompt would look alike; "
            "give rows of every class, or another --target column"
        )


def _check_test_rows(test: Sequence[Example], *, flag: str, leaked: Sequence[str], path: Path | str) -> None:
    distinct = len({copy_key(example) for example in test if example.id not in leaked})
    if distinct < LEAST_TEST_ROWS:
        lost = f" ({len(leaked)} more also stand in train or dev)" if leaked else ""
        raise DataError(
            f"{path}: only {distinct} distinct test rows{lost}: "
            f"a verdict needs at least {LEAST_TEST_ROWS}; give more rows ({flag})"
        )


def _start(example: Example) -> str:
    text = " ".join(example.question.split())
    return repr(text if len(text) <= 40 else text[:37] + "...")
