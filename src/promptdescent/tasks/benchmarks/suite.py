"""What a benchmark is: its tasks, its files, and the rows that are read from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from promptdescent.records import Placement, Split
from promptdescent.tasks.files import Row
from promptdescent.tasks.splits import SplitSizes

Kind = Literal["choice", "boolean", "number", "brackets", "words", "exact", "rouge-l"]
"""What an answer is: an option, one of two words, a number, closing brackets, a list of words, a text that is right or
wrong, a text that is compared with references.
"""

Layout = Literal["file-per-task", "file-per-split"]
"""Whether a folder has one file per task, or the files train, validation and test of the only task."""

METRICS: Mapping[Kind, str] = {
    "choice": "choice",
    "boolean": "boolean",
    "number": "number",
    "brackets": "brackets",
    "words": "list:ordered",
    "exact": "exact",
    "rouge-l": "rouge-l",
}
"""The metric of each kind of answer."""

REFERENCE_METRICS: Mapping[Kind, str] = {
    "choice": "reference:choice",
    "boolean": "reference:boolean",
    "number": "reference:number",
    "brackets": "reference:brackets",
    "words": "reference:words",
    "exact": "exact",
    "rouge-l": "reference:rouge-l",
}
"""How the code of the GPO paper read each kind of answer, to compare with its figures."""

START = "Let's think step by step."
"""The prompt that the paper starts from, but for MMLU."""


@dataclass(frozen=True, kw_only=True)
class BenchmarkTask:
    """One task of a suite."""

    name: str
    kind: Kind
    metric: str
    """As ``--metric`` takes it."""
    reference_metric: str
    """The same for the paper's way of reading answers, its faults included."""
    start: str = START
    """The prompt that a search starts from."""
    placement: Placement = "after"
    """Where the prompt stands; ``after`` is the paper's."""
    sizes: SplitSizes
    """Rows per split; the paper's where it has the task."""
    about: str
    """The task in a few words."""
    read: str | None = None
    """As ``--read`` takes it."""
    bare_answer: str = ""
    """The user turn that asks for the bare answer in a second round; empty where there is none (paper, appendix)."""
    answers: tuple[str, ...] = ()
    """The only right answers there are, in any case; empty where a task has no fixed ones. A choice without them has
    option letters in brackets.
    """


class BenchmarkRow(TypedDict):
    """A question and its right answer; several references are a JSON list of texts."""

    input: str
    target: str


@dataclass(frozen=True, kw_only=True)
class BenchmarkRows:
    """The rows of a task, in the order of their files."""

    pool: tuple[BenchmarkRow, ...]
    """All of them; every row stands in one ready split if there are any."""
    ready: Mapping[Split, tuple[BenchmarkRow, ...]] | None = None
    """The splits that came with the data: test, and train, dev or both; None where there is no test split."""
    notes: tuple[str, ...] = ()
    """Sentences for the user, such as how many rows were left out."""


ReadRow = Callable[[Row], tuple[str, str | Sequence[str]]]
"""A question and its answer, or its references, from the columns of a row. Raises :class:`ValueError` that says what is
wrong with the row.
"""


@dataclass(frozen=True, kw_only=True)
class HubSource:
    """Where the Hugging Face hub has a suite, as plain files that ``datasets`` reads without running any code."""

    id: str
    config: str = ""
    """The configuration; ``{task}`` stands for the name of the task."""
    splits: Mapping[str, Split | None]
    """The hub's splits; None for one that is only part of the pool."""
    files: str = ""
    """The Parquet files of a split, where the repository itself only has a script; ``{split}`` stands for its name."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A benchmark: tasks that share a source and a way to be read."""

    name: str
    title: str
    tasks: Mapping[str, BenchmarkTask]
    licence: str
    layout: Layout
    read_row: ReadRow
    split_names: Mapping[str, Split] = field(default_factory=dict)
    """What the column ``split`` of a file per task may say, in lower case; empty where there is no such column."""
    hub: HubSource | None = None
    """None where no copy on the hub is known to have plain files in a known form."""
    how_to_get: str
    """Where the files come from and how they must be called, for who has no hub."""
