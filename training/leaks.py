"""The check that no row of a data set, or of the demo, is in the corpus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptdescent.tasks.demo import ROWS
from training.jobs import Job

FEW_WORDS = 2
"""From so many words on, an input that stands in a data set is a row of it, whatever its answer. A single word is one
only together with its answer: corpus and data set may both ask something about a cat.
"""


@dataclass(frozen=True)
class Leak:
    """A row of the corpus that stands in a file."""

    job: str
    input: str
    file: str


def leaks(jobs: Iterable[Job], files: Iterable[Path]) -> tuple[Leak, ...]:
    """Rows of the jobs, and texts of several words in their instructions, that stand in the files, in any case and
    punctuation. Reads JSON and JSON Lines.
    """
    found = []
    jobs = tuple(jobs)
    for file in files:
        records = [(together, [_plain(text) for text in texts]) for together, texts in _records(file)]
        texts = {text for _, record in records for text in record if len(text.split()) >= FEW_WORDS}
        pairs = {
            (one, other)
            for together, record in records
            for one in record
            for other in record
            if together and one != other
        }
        for job in jobs:
            for row in job.rows:
                text = _plain(row.input)
                if text in texts or (text, _plain(row.answer)) in pairs:
                    found.append(Leak(job.name, row.input, file.name))
            found += [Leak(job.name, text, file.name) for text in job.instructions if _plain(text) in texts]
    return tuple(found)


def files_to_check(data: Path | None) -> tuple[Path, ...]:
    """The demo's rows, and all files of rows in the folder ``data``."""
    if data is None:
        return (ROWS,)
    return (ROWS, *sorted(path for path in data.rglob("*.json*") if path.is_file()))


def _records(file: Path) -> Iterator[tuple[bool, Sequence[str]]]:
    """The texts of every object and list, and whether it is an object: input and answer of a row stand in one."""
    text = file.read_text("utf-8")
    for value in map(json.loads, text.splitlines()) if file.suffix == ".jsonl" else (json.loads(text),):
        yield from _texts(value)


def _texts(value: object) -> Iterator[tuple[bool, Sequence[str]]]:
    if not isinstance(value, dict | list):
        return
    inner = tuple(value.values()) if isinstance(value, dict) else tuple(value)
    yield isinstance(value, dict), [text for text in inner if isinstance(text, str)]
    for one in inner:
        yield from _texts(one)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
