"""The corpus: jobs with rows and instructions of their own, as files, read and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.phrasings import close_phrasings, phrasings, plain_phrasings

FOLDER = Path(__file__).parent / "jobs"

KINDS = (
    "sorting",
    "yes-no",
    "choice",
    "extraction",
    "counting",
    "ordering",
    "arithmetic",
    "comparison",
    "rewriting",
    "translation",
    "knowledge",
)

FEWEST_ROWS = 26
FEWEST_WEAK = 6
FEWEST_GOOD = 10


@dataclass(frozen=True, kw_only=True)
class Row:
    """One input and its right answer."""

    input: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class Weak:
    """An instruction that somebody in a hurry would write, and what is wrong with it."""

    text: str
    problem: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a prompt can be asked to do, with rows to do it on and instructions from poor to good.

    How good an instruction is nobody says here: the task model's score does (``training.scoring``).
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    """The answers there are; empty where answers are free."""
    noun: str
    """What one input is called; empty where there are no labels."""
    able: bool
    """Whether the embedded model sorts better than by guessing with one of the instructions: others are worth
    measuring then.
    """
    rows: tuple[Row, ...]
    weak: tuple[Weak, ...]
    good: tuple[str, ...]

    @property
    def instructions(self) -> tuple[str, ...]:
        """All of them, each once: those that are written in the file, and with labels some that are put together."""
        written = (*(one.text for one in self.weak), *self.good)
        if not self.labels:
            return written
        more = phrasings(self.name, self.labels, self.noun, self.good, sorting=self.kind == "sorting")
        if self.able:
            more += close_phrasings(self.name, self.labels, self.noun)
            more += plain_phrasings(self.name, self.labels)
        return tuple(dict.fromkeys((*written, *more)))


def read_jobs(folder: Path = FOLDER) -> tuple[Job, ...]:
    """All jobs, ordered by name. Raises ValueError, naming the file, for one that is not as it has to be."""
    return tuple(read_job(path) for path in sorted(folder.rglob("*.toml"), key=lambda path: path.stem))


def read_job(path: Path) -> Job:
    """The job in a file. Raises ValueError for one that is not as it has to be."""
    data = tomllib.loads(path.read_text("utf-8"))
    job = Job(
        name=path.stem,
        kind=data["kind"],
        labels=tuple(data.get("labels", ())),
        noun=data.get("noun", ""),
        able=data.get("able", False),
        rows=tuple(Row(input=text, answer=answer) for text, answer in data["rows"]),
        weak=tuple(Weak(text=text, problem=problem) for text, problem in data["weak"]),
        good=tuple(data["good"]),
    )
    if faults := tuple(_faults(job)):
        raise ValueError(f"{path}: {'; '.join(faults)}")
    return job


def _faults(job: Job) -> Iterable[str]:
    if job.kind not in KINDS:
        yield f"kind {job.kind!r} is none of {', '.join(KINDS)}"
    inputs = [row.input for row in job.rows]
    if len(set(inputs)) != len(inputs):
        yield f"rows with the same input: {sorted({text for text in inputs if inputs.count(text) > 1})}"
    for name, found, fewest in (
        ("rows", len(job.rows), FEWEST_ROWS),
        ("weak", len(job.weak), FEWEST_WEAK),
        ("good", len(job.good), FEWEST_GOOD),
    ):
        if found < fewest:
            yield f"{name} has {found} entries, at least {fewest} are needed"
    if len({*(one.text for one in job.weak), *job.good}) < len(job.weak) + len(job.good):
        yield "an instruction stands there twice"
    if bool(job.labels) != bool(job.noun):
        yield "a noun for the inputs is needed where there are labels, and only there"
    if job.labels:
        strange = {row.answer for row in job.rows} - set(job.labels)
        if strange:
            yield f"answers that are no labels: {sorted(strange)}"
        for label in job.labels:
            share = sum(row.answer == label for row in job.rows) / len(job.rows)
            if share < 0.6 / len(job.labels):
                yield f"label {label!r} has {share:.0%} of the rows"
    for text in (*job.instructions, *(one.problem for one in job.weak), *inputs, *(row.answer for row in job.rows)):
        if not text.strip() or text != text.strip() or "\n" in text:
            yield f"{text!r} is empty, has space around it or several lines"
    for text in job.instructions:
        if not 2 <= len(text.split()) <= 40:
            yield f"{text!r} has {len(text.split())} words"
