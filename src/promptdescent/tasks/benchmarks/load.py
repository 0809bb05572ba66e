"""The rows of a benchmark, from a folder or from the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from promptdescent.errors import ConfigError, DataError, nearest
from promptdescent.records import Split
from promptdescent.tasks.benchmarks.hub import rows_from_hub
from promptdescent.tasks.benchmarks.read_row import lists_triples
from promptdescent.tasks.benchmarks.right_answers import right_answer
from promptdescent.tasks.benchmarks.suite import BenchmarkRow, BenchmarkRows, BenchmarkTask, Suite
from promptdescent.tasks.files import SUFFIXES, Row, read_rows
from promptdescent.text import first_few

_SPLIT_FILES: Mapping[str, Split] = {"train": "train", "validation": "dev", "dev": "dev", "test": "test"}
"""How the files of a suite of one task are called."""

_Named = tuple[str, Split | None, list[Row]]
"""Rows with what to call them in messages, and the split that they are."""


def load_rows(suite: Suite, task: str, *, data_dir: Path | None) -> BenchmarkRows:
    """The rows of one task: from ``data_dir``, the suite's folder or the one above it, or from the hub if it is None.

    Rows whose target no answer can match (a title where an option letter is due) are left out, and a note says so.

    Raises :class:`DataError`, naming the file and the row, for a folder or file that is missing, empty or cannot be
    read, for rows without a question or without a right answer, and for a hub that cannot be reached;
    :class:`ConfigError` for an unknown task and for a missing extra.
    """
    if task not in suite.tasks:
        raise ConfigError(f"{task}: no such task of {suite.name}; {nearest(task, suite.tasks)}")
    parts = _from_hub(suite, task) if data_dir is None else _from_folder(suite, task, data_dir)
    return _labelled(suite, suite.tasks[task], parts)


# --- sources ---------------------------------------------------------------------------------------------------------


def _from_hub(suite: Suite, task: str) -> list[_Named]:
    fetched = rows_from_hub(suite, task)
    splits = {} if suite.hub is None else suite.hub.splits
    return [(place, splits[name], rows) for name, (place, rows) in fetched.items()]


def _from_folder(suite: Suite, task: str, data_dir: Path) -> list[_Named]:
    files = _files(suite, data_dir)
    if suite.layout == "file-per-task":
        if task not in files:
            raise _missing(suite, task, data_dir, files, what=f"no file {task}.json or {task}.jsonl")
        path = files[task]
        return _by_split_column(suite, path, read_rows(path))
    found = {name: files[name] for name in _SPLIT_FILES if name in files}
    if not found:
        raise _missing(suite, "train", data_dir, files, what="none of the files train, validation and test")
    if {"validation", "dev"} <= set(found):
        raise DataError(f"{found['dev']}: there is also {found['validation'].name}, which is the same split; keep one")
    return [(str(path), _SPLIT_FILES[name], read_rows(path)) for name, path in found.items()]


def _files(suite: Suite, data_dir: Path) -> dict[str, Path]:
    """The files of rows by name without suffix, in the suite's own folder where ``data_dir`` has one."""
    try:
        if not data_dir.is_dir():
            what = "this is a file, not a folder" if data_dir.exists() else "there is no such folder"
            raise DataError(f"--data-dir {data_dir}: {what}; for {suite.name}, {suite.how_to_get}")
        folder = data_dir / suite.name if (data_dir / suite.name).is_dir() else data_dir
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError as error:
        raise DataError(f"--data-dir {data_dir}: the folder cannot be read: {error.strerror}") from error
    files: dict[str, Path] = {}
    for path in paths:
        if path.stem in files:
            raise DataError(f"{path}: there is also {files[path.stem].name}; keep the one that is to be read")
        files[path.stem] = path
    return files


def _missing(suite: Suite, name: str, data_dir: Path, files: Mapping[str, Path], *, what: str) -> DataError:
    there = f"there are {first_few([path.name for path in files.values()])}" if files else "there are no files of rows"
    hint = nearest(name, files) if files else ""
    hint = f"; {hint}" if hint.startswith("did") else ""
    return DataError(f"{suite.name}: {what} in --data-dir {data_dir} ({there}){hint}; {suite.how_to_get}")


def _by_split_column(suite: Suite, path: Path, rows: Sequence[Row]) -> list[_Named]:
    """The rows of one file, taken apart where a column ``split`` says which split each belongs to."""
    if not suite.split_names or not any("split" in row.columns for row in rows):
        return [(str(path), None, list(rows))]
    parts: dict[Split, list[Row]] = {}
    for row in rows:
        value = str(row.columns.get("split", "")).strip().lower()
        if value not in suite.split_names:
            raise DataError(
                f"{path}, row {row.number}: the column 'split' says {value!r}, which is no split; known: "
                f"{', '.join(suite.split_names)}"
            )
        parts.setdefault(suite.split_names[value], []).append(row)
    return [(str(path), split, part) for split, part in parts.items()]


# --- rows ------------------------------------------------------------------------------------------------------------


def _labelled(suite: Suite, task: BenchmarkTask, parts: Sequence[_Named]) -> BenchmarkRows:
    ready: dict[Split, list[BenchmarkRow]] = {}
    pool: list[BenchmarkRow] = []
    unscorable: list[str] = []
    for place, split, rows in parts:
        kept = _read(suite, task, place, rows, unscorable)
        pool += kept
        if split is not None and kept:
            ready.setdefault(split, []).extend(kept)
    if not pool:
        first = unscorable[0] if unscorable else "there are no rows"
        raise DataError(f"{parts[0][0]}: no row can be scored as {task.kind}: {first}")
    whole = {split: tuple(rows) for split, rows in ready.items()}
    complete = "test" in whole and len(whole) > 1
    notes = []
    if unscorable:
        is_or_are = "row is" if len(unscorable) == 1 else "rows are"
        notes.append(f"{len(unscorable)} {is_or_are} left out, since no answer could be right: {unscorable[0]}.")
    if whole and not complete:
        notes.append(f"Only {' and '.join(whole)} rows are there, so all three splits are drawn from them.")
    return BenchmarkRows(pool=tuple(pool), ready=whole if complete else None, notes=tuple(notes))


def _read(
    suite: Suite, task: BenchmarkTask, place: str, rows: Sequence[Row], unscorable: list[str]
) -> list[BenchmarkRow]:
    """The rows that can be scored; what is wrong with the others is added to ``unscorable``."""
    merged: dict[str, list[str]] = {}
    kept = []
    for row in rows:
        try:
            question, answer = suite.read_row(row)
        except ValueError as error:
            raise DataError(f"{place}, row {row.number}: {error}") from None
        if lists_triples(row):
            merged.setdefault(question, []).extend([answer] if isinstance(answer, str) else answer)
            continue
        target = right_answer(task, answer)
        if target is None:
            unscorable.append(f"row {row.number} of {place} has the target {answer!r}")
        else:
            kept.append(BenchmarkRow(input=question, target=target))
    texts = {question: json.dumps(list(dict.fromkeys(refs)), ensure_ascii=False) for question, refs in merged.items()}
    return kept + [BenchmarkRow(input=question, target=target) for question, target in texts.items()]
