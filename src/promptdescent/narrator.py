"""Tells a run's observers how it goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from promptdescent.llm.base import Ledger, StoredReply, Totals
from promptdescent.records import OptimizerState, Progress, Role, RunObserver, StepRecord, Usage


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

    async def begin(self, call: str, role: Role) -> int:
        return await self._inner.begin(call, role)

    async def succeed(self, attempt: int, replies: Sequence[StoredReply]) -> None:
        await self._inner.succeed(attempt, replies)

    async def fail(self, attempt: int, error: str) -> None:
        await self._inner.fail(attempt, error)

    async def use(self, call: str, role: Role, usage: Usage) -> None:
        await self._inner.use(call, role, usage)
        self._narrator.used(self._inner.totals())

    def used_calls(self) -> Collection[str]:
        return self._inner.used_calls()

    def totals(self) -> Mapping[Role, Totals]:
        return self._inner.totals()
