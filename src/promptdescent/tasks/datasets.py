"""Readers: examples from rows, splits from a source."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from promptdescent.errors import ConfigError, DataError, nearest
from promptdescent.records import Example
from promptdescent.tasks.files import NotText, Row, other_separator, read_rows
from promptdescent.tasks.splits import Splits, SplitSizes, all_as_test, ready_splits, split_by_column, split_by_seed
from promptdescent.text import fingerprint

INPUT_NAMES = ("input", "text", "question", "sentence")
"""Columns that are taken as input where none is named."""

TARGET_NAMES = ("target", "label", "answer", "output")
"""Columns that are taken as target where none is named."""


# --- examples --------------------------------------------------------------------------------------------------------


def to_examples(
    rows: Sequence[Row],
    *,
    path: Path | str,
    inputs: Sequence[str] | None,
    target: str | None,
    target_for: str | None = "the metric",
) -> tuple[Example, ...]:
    """One example per row, in their order.

    ``inputs`` and ``target`` name columns; where they are None, the only column with a usual name is taken. Numbers and
    booleans become text as Python writes them, null an empty text; a list or an object becomes JSON text. Targets lose
    their outer white space. ``target_for`` says what needs the target; if that is None, rows may be without one, and so
    may the file. ``path`` stands in messages.

    Raises :class:`DataError` for a missing column and for rows without a target that is needed, :class:`ConfigError`
    for a column named twice.
    """
    target = _target_column(rows, target, path=path, target_for=target_for)
    if not inputs:
        inputs = (_known_column(rows, None, flag="--input", path=path, usual=INPUT_NAMES),)
    for name in inputs:
        _known_column(rows, name, flag="--input", path=path)
        if name == target:
            raise ConfigError(
                f"--input and --target both name the column {name!r}; the answer must not stand in the question"
            )
        if list(inputs).count(name) > 1:
            raise ConfigError(f"--input names the column {name!r} more than once")
        _refuse([row for row in rows if name not in row.columns], f"no column {name!r} (--input)", path)
    _refuse_what_is_no_text(rows[0], (*(("--input", name) for name in inputs), ("--target", target)), path)
    targets = ["" if target is None else _text(row.columns.get(target)).strip() for row in rows]
    if target_for is not None:
        _refuse(
            [row for row, text in zip(rows, targets, strict=True) if not text],
            f"no target in the column {target!r}, which {target_for} needs; fill it in or take these rows out",
            path,
        )
    return tuple(_example(row, inputs, text, path) for row, text in zip(rows, targets, strict=True))


def _target_column(rows: Sequence[Row], name: str | None, *, path: Path | str, target_for: str | None) -> str | None:
    """The column of the right answers; None if there is none and none is needed."""
    if target_for is None and name is None:
        columns = {column for row in rows for column in row.columns}
        if not columns & set(TARGET_NAMES):
            return None
    try:
        return _known_column(rows, name, flag="--target", path=path, usual=TARGET_NAMES)
    except DataError as error:
        if name is not None or target_for is None:
            raise
        raise DataError(
            f"{error} ({target_for} needs a right answer per row; see docs/metrics.md for those that do not)"
        ) from None


def _refuse_what_is_no_text(row: Row, columns: Iterable[tuple[str, str | None]], path: Path | str) -> None:
    for flag, name in columns:
        value = None if name is None else row.columns.get(name)
        if isinstance(value, NotText):
            raise DataError(
                f"{path}: the column {name!r} ({flag}) holds {value.kind}, which is no text, number, date or list of "
                "them; save what you need of it as a column of its own"
            )


def _example(row: Row, inputs: Sequence[str], target: str, path: Path | str) -> Example:
    pairs = tuple((name, _text(row.columns[name])) for name in inputs)
    try:
        "".join((target, *(text for _, text in pairs))).encode()
    except UnicodeEncodeError:
        # JSON can write half of a surrogate pair; no endpoint and no store takes it.
        raise DataError(
            f"{path}, row {row.number}: holds half of a surrogate pair, which is no character; repair it"
        ) from None
    return Example(id=fingerprint([pairs, target])[:16], inputs=pairs, target=target)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _known_column(
    rows: Sequence[Row], name: str | None, *, flag: str, path: Path | str, usual: Sequence[str] = ()
) -> str:
    """``name`` if it is a column; without a name, the only column that is called as ``usual``."""
    columns = list(dict.fromkeys(column for row in rows for column in row.columns))
    if name is not None:
        if name in columns:
            return name
        raise DataError(f"{path}: no column {name!r} ({flag}); {nearest(name, columns)}{_separator_hint(columns)}")
    found = [column for column in usual if column in columns]
    if len(found) == 1:
        return found[0]
    why = f"several columns may be it ({', '.join(found)})" if found else f"no column is called {', '.join(usual)}"
    raise DataError(f"{path}: {why}; say which with {flag}. Columns: {', '.join(columns)}{_separator_hint(columns)}")


def _separator_hint(columns: Sequence[str]) -> str:
    hint = other_separator(columns)
    return f" ({hint})" if hint else ""


def _refuse(rows: Sequence[Row], what: str, path: Path | str) -> None:
    """Raise :class:`DataError` if there are any ``rows``, naming the first few."""
    if rows:
        shown = ", ".join(str(row.number) for row in rows[:5]) + (", ..." if len(rows) > 5 else "")
        raise DataError(f"{path}: {len(rows)} row{'s' if len(rows) > 1 else ''} (number {shown}): {what}")


# --- sources ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """Where the rows come from: one file, rows in memory, or three files that are splits already."""

    file: Path | None = None
    rows: Sequence[Mapping[str, object]] | None = None
    """In place of a file."""
    train: Path | None = None
    dev: Path | None = None
    test: Path | None = None
    split_column: str | None = None
    """Column that says train, dev or test; else the rows are split by seed."""
    inputs: Sequence[str] | None = None
    target: str | None = None
    target_for: str | None = "the metric"
    """What needs a target, for messages; None if rows may be without one."""
    sizes: SplitSizes = field(default_factory=SplitSizes)
    whole: bool = False
    """Whether every row is a test row, for a prompt that is scored on all of them."""


def load_splits(source: DataSource, *, seed: int) -> Splits:
    """Read ``source`` and split it. Raises :class:`ConfigError` for settings that conflict, :class:`DataError` for
    the data.
    """
    _check_source(source)
    if source.train and source.dev and source.test:
        files = (source.train, source.dev, source.test)
        read = [_read_examples(path, source) for path in files]
        paths = ", ".join(map(str, files))
        return all_as_test([row for rows in read for row in rows]) if source.whole else ready_splits(*read, path=paths)
    path: Path | str = source.file or "rows"
    rows = read_rows(source.file) if source.file else _rows_in_memory(source.rows or ())
    examples = _to_examples(rows, path, source)
    if source.whole:
        return all_as_test(examples)
    if source.split_column is None:
        return split_by_seed(examples, seed=seed, sizes=source.sizes, stratify=True, path=path)
    column = _known_column(rows, source.split_column, flag="--split-column", path=path)
    values = [_text(row.columns.get(column)) for row in rows]
    return split_by_column(examples, values=values, numbers=[row.number for row in rows], column=column, path=path)


def _rows_in_memory(rows: Sequence[Mapping[str, object]]) -> list[Row]:
    if not rows:
        raise DataError("rows: there are none; give one labelled example per row")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise DataError(f"rows: number {number} is {type(row).__name__}, not a mapping of column to value")
    return [Row(number, row) for number, row in enumerate(rows, start=1)]


def _read_examples(path: Path, source: DataSource) -> tuple[Example, ...]:
    return _to_examples(read_rows(path), path, source)


def _to_examples(rows: Sequence[Row], path: Path | str, source: DataSource) -> tuple[Example, ...]:
    return to_examples(rows, path=path, inputs=source.inputs, target=source.target, target_for=source.target_for)


def _check_source(source: DataSource) -> None:
    ready = {"--train": source.train, "--dev": source.dev, "--test": source.test}
    given = _given(ready.items())
    missing = [flag for flag, path in ready.items() if path is None]
    sizes = _given(
        {"--train-rows": source.sizes.train, "--dev-rows": source.sizes.dev, "--test-rows": source.sizes.test}.items()
    )
    one = source.file is not None or source.rows is not None
    if one and given:
        raise ConfigError(
            f"one data file to split and ready splits ({', '.join(given)}) cannot both be given; leave one out"
        )
    if source.file is not None and source.rows is not None:
        raise ConfigError("a data file and rows cannot both be given; leave one out")
    if not one and not given:
        raise ConfigError("no data: give a data file, or ready splits with --train, --dev and --test")
    if given and missing:
        raise ConfigError(f"{', '.join(missing)} missing: ready splits need all of --train, --dev and --test")
    if given and source.split_column:
        raise ConfigError("--split-column splits one data file; leave it out with --train, --dev and --test")
    if sizes and (given or source.split_column):
        raise ConfigError(f"ready splits are used whole; leave out {', '.join(sizes)}")


def _given(flags: Iterable[tuple[str, object]]) -> list[str]:
    return [flag for flag, value in flags if value is not None]
