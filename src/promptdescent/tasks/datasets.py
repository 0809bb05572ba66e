"""Readers: examples from rows, splits from a source."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from promptdescent.errors import ConfigError, DataError, nearest
from promptdescent.records import Example
from promptdescent.tasks.files import open_rows, other_separator
from promptdescent.tasks.rows import GivenRows, HeldRows, NotText, Row, Rows
from promptdescent.tasks.splits import Splits, SplitSizes, all_as_test, ready_splits, split_by_column, split_by_seed
from promptdescent.text import fingerprint

INPUT_NAMES = ("input", "text", "question", "sentence")
"""Columns that are taken as input where none is named."""

TARGET_NAMES = ("target", "label", "answer", "output")
"""Columns that are taken as target where none is named."""

SHOWN = 5
"""Numbers of rows that a message names."""


# --- examples --------------------------------------------------------------------------------------------------------


class Examples:
    """One example per row, in their order; made anew each time, so that none is held.

    Settings and faults are those of :func:`to_examples`. A fault is raised when the rows have been read to their end,
    since it says how many rows have it; an iteration that ends without an error has checked all rows.
    """

    def __init__(
        self,
        rows: Rows,
        *,
        path: Path | str,
        inputs: Sequence[str] | None,
        target: str | None,
        target_for: str | None = "the metric",
    ) -> None:
        self._rows = rows
        self._path = path
        self._inputs = inputs
        self._target = target
        self._target_for = target_for

    def __iter__(self) -> Iterator[Example]:
        return (example for _, example in self.with_rows())

    def at(self, places: Sequence[int]) -> list[Example]:
        """The examples at these 0-based places, which are given in ascending order."""
        inputs, target = self._names
        return [_example(row, inputs, _target(row, target)) for row in self._rows.at(places)]

    def with_rows(self) -> Iterator[tuple[Row, Example]]:
        """Each row and its example."""
        inputs, target = self._names
        faults = _Faults(inputs=inputs, target=target, target_for=self._target_for)
        for row in self._rows:
            text = _target(row, target)
            if faults.none_in(row, text):
                example = _example(row, inputs, text)
                if faults.none_in_text(row, example):
                    yield row, example
        faults.refuse(self._rows, self._path)

    @cached_property
    def _names(self) -> tuple[tuple[str, ...], str | None]:
        """The columns that are inputs, and the one that is the target."""
        if self._inputs and self._target is not None:
            return tuple(self._inputs), self._target
        try:
            columns = self._rows.columns()
            target = _target_column(columns, self._target, path=self._path, target_for=self._target_for)
            inputs = self._inputs or [_known_column(columns, None, flag="--input", path=self._path, usual=INPUT_NAMES)]
        except DataError:
            for _ in self._rows:  # what cannot be read at all comes first
                pass
            raise
        return tuple(inputs), target


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
    return tuple(Examples(HeldRows(rows), path=path, inputs=inputs, target=target, target_for=target_for))


def _target_column(columns: Sequence[str], name: str | None, *, path: Path | str, target_for: str | None) -> str | None:
    """The column of the right answers; None if there is none and none is needed."""
    if target_for is None and name is None and not set(columns) & set(TARGET_NAMES):
        return None
    try:
        return _known_column(columns, name, flag="--target", path=path, usual=TARGET_NAMES)
    except DataError as error:
        if name is not None or target_for is None:
            raise
        raise DataError(
            f"{error} ({target_for} needs a right answer per row; see docs/metrics.md for those that do not)"
        ) from None


def _target(row: Row, name: str | None) -> str:
    return "" if name is None else _text(row.columns.get(name)).strip()


def _example(row: Row, inputs: Sequence[str], target: str) -> Example:
    pairs = tuple([(name, _text(row.columns[name])) for name in inputs])
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
    columns: Sequence[str], name: str | None, *, flag: str, path: Path | str, usual: Sequence[str] = ()
) -> str:
    """``name`` if it is a column; without a name, the only column that is called as ``usual``."""
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


# --- faults ----------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class _Count:
    """Rows with one fault: how many, and the numbers of the first few."""

    rows: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, row: Row) -> None:
        self.rows += 1
        if self.rows <= SHOWN:
            self.first.append(row.number)

    def refuse(self, what: str, path: Path | str) -> None:
        """Raise :class:`DataError` if there are any."""
        if self.rows:
            shown = ", ".join(map(str, self.first)) + (", ..." if self.rows > SHOWN else "")
            raise DataError(f"{path}: {self.rows} row{'s' if self.rows > 1 else ''} (number {shown}): {what}")


class _Faults:
    """What is wrong with rows, counted as they pass. Of several kinds of faults the first one is said."""

    def __init__(self, *, inputs: Sequence[str], target: str | None, target_for: str | None) -> None:
        self._inputs = inputs
        self._target = target
        self._target_for = target_for
        self._rows = 0
        self._first: Row | None = None
        self._target_seen = False
        self._without_input = {name: _Count() for name in inputs}
        self._without_target = _Count()
        self._broken: int | None = None
        self._any = False

    def none_in(self, row: Row, target: str) -> bool:
        """Count the faults of a row whose target is ``target``. Whether there have been none so far."""
        self._rows += 1
        if self._first is None:
            self._first = row
        self._target_seen = self._target_seen or self._target in row.columns
        for name, count in self._without_input.items():
            if name not in row.columns:
                count.add(row)
                self._any = True
        if not target and self._target_for is not None:
            self._without_target.add(row)
            self._any = True
        return not self._any

    def none_in_text(self, row: Row, example: Example) -> bool:
        """Whether all is characters. JSON can write half of a surrogate pair; no endpoint and no store takes it."""
        try:
            "".join((example.target, *(text for _, text in example.inputs))).encode()
        except UnicodeEncodeError:
            self._broken = row.number
            self._any = True
        return not self._any

    def refuse(self, rows: Rows, path: Path | str) -> None:
        """Raise :class:`ConfigError` for a column named twice, :class:`DataError` for what was found in ``rows``."""
        if self._target is not None and not self._target_seen:
            _known_column(rows.columns(), self._target, flag="--target", path=path)
        for name in self._inputs:
            if self._without_input[name].rows == self._rows:
                _known_column(rows.columns(), name, flag="--input", path=path)
            if name == self._target:
                raise ConfigError(
                    f"--input and --target both name the column {name!r}; the answer must not stand in the question"
                )
            if list(self._inputs).count(name) > 1:
                raise ConfigError(f"--input names the column {name!r} more than once")
            self._without_input[name].refuse(f"no column {name!r} (--input)", path)
        if self._first is not None:
            _refuse_what_is_no_text(
                self._first, (*(("--input", name) for name in self._inputs), ("--target", self._target)), path
            )
        self._without_target.refuse(
            f"no target in the column {self._target!r}, which {self._target_for} needs; fill it in or take these rows "
            "out",
            path,
        )
        if self._broken is not None:
            raise DataError(
                f"{path}, row {self._broken}: holds half of a surrogate pair, which is no character; repair it"
            )


def _refuse_what_is_no_text(row: Row, columns: Iterable[tuple[str, str | None]], path: Path | str) -> None:
    for flag, name in columns:
        value = None if name is None else row.columns.get(name)
        if isinstance(value, NotText):
            raise DataError(
                f"{path}: the column {name!r} ({flag}) holds {value.kind}, which is no text, number, date or list of "
                "them; save what you need of it as a column of its own"
            )


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
        read = [tuple(_examples(open_rows(path), path, source)) for path in files]
        paths = ", ".join(map(str, files))
        return all_as_test([row for rows in read for row in rows]) if source.whole else ready_splits(*read, path=paths)
    path: Path | str = source.file or "rows"
    rows = open_rows(source.file) if source.file else GivenRows(source.rows or ())
    examples = _examples(rows, path, source)
    if source.whole:
        return all_as_test(tuple(examples))
    if source.split_column is None:
        return split_by_seed(examples, seed=seed, sizes=source.sizes, stratify=True, path=path)
    return split_by_column(
        _with_values(rows, examples, source.split_column, path), column=source.split_column, path=path
    )


def _examples(rows: Rows, path: Path | str, source: DataSource) -> Examples:
    return Examples(rows, path=path, inputs=source.inputs, target=source.target, target_for=source.target_for)


def _with_values(rows: Rows, examples: Examples, column: str, path: Path | str) -> Iterator[tuple[int, str, Example]]:
    """Each row's number, what it has in ``column``, and the row."""
    seen = False
    for row, example in examples.with_rows():
        seen = seen or column in row.columns
        yield row.number, _text(row.columns.get(column)), example
    if not seen:
        _known_column(rows.columns(), column, flag="--split-column", path=path)


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
