"""Tells a run's observers how it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import monotonic

from promptdescent.llm.base import NOTHING, Ledger, StoredReply, Totals
from promptdescent.records import OptimizerState, Progress, Role, RunObserver, StepRecord, Usage

OFTEN_ENOUGH = 0.05
"""Seconds between two reports of what was used, at least: nobody can read faster."""


class Narrator:
    """Keeps the latest :class:`Progress` and hands every change of it to the observers."""

    def __init__(self, observers: Sequence[RunObserver], *, run: str, total_steps: int, forecast_calls: int) -> None:
        self._observers = tuple(observers)
        self._progress = Progress(
            run=run,
            phase="start",
            step=0,
            total_steps=total_steps,
            best_score=None,
            word_budget=None,
            used=Usage(),
            paid={},
            forecast_calls=forecast_calls,
        )

    def say(self, text: str) -> None:
        """A line for the user."""
        for observer in self._observers:
            observer.on_message(text)

    def begin(self, totals: Mapping[Role, Totals]) -> None:
        """The run is in the store and goes to work; ``totals`` is what it used and paid before, if it is resumed."""
        self.used(totals)

    def search(self, state: OptimizerState, word_budget: int | None) -> None:
        """The search stands at ``state``; ``word_budget`` is that of the step to come."""
        self._tell(phase="search", step=state.step, best_score=state.best.score, word_budget=word_budget)

    def step(self, record: StepRecord) -> None:
        """A step was committed."""
        for observer in self._observers:
            observer.on_step(record)

    def verdict(self) -> None:
        """The search is over and the test rows are asked."""
        self._tell(phase="verdict", word_budget=None)

    def explanation(self) -> None:
        """Prompts that lack pieces of another are scored."""
        self._tell(phase="explanation")

    def done(self) -> None:
        """The run is over."""
        self._tell(phase="done")

    def used(self, totals: Mapping[Role, Totals]) -> None:
        """The run has used and paid so much in all."""
        self._tell(
            used=sum((role.used for role in totals.values()), Usage()),
            paid={role: both.paid for role, both in totals.items()},
        )

    def _tell(self, **changes: object) -> None:
        self._progress = replace(self._progress, **changes)  # type: ignore[arg-type]
        for observer in self._observers:
            observer.on_progress(self._progress)


class NarratedLedger:
    """A ledger that tells a narrator what was used."""

    def __init__(self, inner: Ledger, narrator: Narrator) -> None:
        self._inner = inner
        self._narrator = narrator
        self._told = 0.0

    async def begin(self, call: str, role: Role, *, bound: Usage) -> int:
        return await self._inner.begin(call, role, bound=bound)

    async def succeed(self, attempt: int, replies: Sequence[StoredReply], *, first_use: bool) -> None:
        await self._inner.succeed(attempt, replies, first_use=first_use)
        self._tell()

    async def fail(self, attempt: int, error: str, *, counter: str, lost: bool, usage: Usage = NOTHING) -> None:
        await self._inner.fail(attempt, error, counter=counter, lost=lost, usage=usage)

    async def use(self, call: str, role: Role, usage: Usage) -> None:
        await self._inner.use(call, role, usage)
        self._tell()

    def totals(self) -> Mapping[Role, Totals]:
        return self._inner.totals()

    def _tell(self) -> None:
        now = monotonic()
        if now - self._told >= OFTEN_ENOUGH:
            self._told = now
            self._narrator.used(self._inner.totals())
