"""What a bench measured: a study per task model, the tasks that could not take part, and the leaks that were found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from promptdescent.records import Split
from promptdescent.report.study.record import Equal, StudyRecord, StudyRun

SplitRule = Literal["fixed", "per-seed"]
"""Whether all seeds see the same rows, as in the paper, or each draws its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchHole:
    """A task that could not take part."""

    task: str
    reason: str
    """One line."""
    model: str = ""
    """The task model that it could not be run with; empty if it was no model's fault."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchLeak:
    """Rows that two splits share, or a prompt that quotes rows."""

    kind: Literal["shared row", "quoted row"]
    task: str
    where: str
    """The splits of a shared row, such as ``dev and test``; the run of a prompt, such as ``gpo, seed 3``."""
    split: Split
    """Where the quoted row stands; of a shared row, the later of its splits."""
    excerpt: str
    """Beginning of the row or of what is quoted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchRecord:
    """A bench."""

    suite: str
    title: str
    version: str
    splits: SplitRule
    sizes: Mapping[str, Mapping[Split, int]]
    """Rows by task and split."""
    equal: Equal
    budget: int | None
    """Cap of the whole bench on tokens; None without one."""
    studies: Mapping[str, StudyRecord]
    """By task model."""
    holes: tuple[BenchHole, ...] = ()
    leaks: tuple[BenchLeak, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences for the reader, such as rows that were left out."""

    @property
    def failed(self) -> tuple[StudyRun, ...]:
        """Runs without a result."""
        return tuple(run for study in self.studies.values() for run in study.failed)

    @property
    def whole(self) -> bool:
        """Whether every task took part and every run has a result."""
        return not self.holes and not self.failed
