"""Live progress of a run on stderr: a bar in a terminal, plain lines elsewhere. Both implement RunObserver."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from promptdescent.cli import output
from promptdescent.records import Progress, StepRecord
from promptdescent.report.numbers import dollars
from promptdescent.report.text import duration, printable, score_text

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress as Bar
    from rich.progress import TaskID

Price: TypeAlias = Callable[[Progress], float | None]
"""US dollars paid so far; None if a price is not known."""
Clock: TypeAlias = Callable[[], float]
"""Seconds from any fixed moment on."""

PHASES = {
    "start": "scoring the starting prompt",
    "search": "search",
    "verdict": "verdict: both prompts on the test rows",
    "explanation": "explanation: prompts without some of their pieces",
    "done": "done",
}

SECONDS_BETWEEN_UPDATES = 0.1
"""Of the bar: a run may make many calls in that time."""


class Reporter(Protocol):
    """An observer with a beginning and an end, which remembers the latest progress."""

    last: Progress | None

    def on_message(self, text: str) -> None: ...

    def on_progress(self, progress: Progress) -> None: ...

    def on_step(self, record: StepRecord) -> None: ...

    def __enter__(self) -> Reporter: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None: ...


def reporter(*, quiet: bool, price: Price) -> Reporter:
    """The reporter that suits where stderr goes."""
    if quiet:
        return Silent()
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return LiveBar(price=price)
    return PlainLines(price=price)


class TimeLeft:
    """Estimates the time left from the calls that are to come, by the pace of this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._first: tuple[float, int] | None = None

    def seconds(self, progress: Progress) -> float | None:
        """None until a call was made."""
        now, calls = self._clock(), progress.used.calls
        if self._first is None:
            self._first = (now, calls)
        began, calls_before = self._first
        if calls <= calls_before:
            return None
        return max(0, progress.forecast_calls - calls) * (now - began) / (calls - calls_before)


def numbers(progress: Progress, *, price: Price, left: float | None) -> str:
    """The state of a run on one line."""
    parts = [f"best dev score {score_text(progress.best_score)}"]
    if progress.word_budget is not None:
        parts.append(f"word budget {progress.word_budget}")
    parts.append(f"{progress.used.calls:,} of at most {progress.forecast_calls:,} calls")
    parts.append(f"{progress.used.tokens:,} tokens")
    money = price(progress)
    if money:
        parts.append(f"{dollars(money)} US dollars")
    if left is not None and progress.phase != "done":
        parts.append(f"at most {duration(left)} left")
    return ", ".join(parts)


class Silent:
    """Says nothing."""

    def __init__(self) -> None:
        self.last: Progress | None = None

    def on_message(self, text: str) -> None: ...

    def on_progress(self, progress: Progress) -> None:
        self.last = progress

    def on_step(self, record: StepRecord) -> None: ...

    def __enter__(self) -> Silent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None: ...


class PlainLines:
    """One line per message, phase and step, for logs."""

    def __init__(self, *, price: Price, clock: Clock = time.monotonic) -> None:
        self.last: Progress | None = None
        self._price = price
        self._left = TimeLeft(clock)
        self._seconds_left: float | None = None

    def on_message(self, text: str) -> None:
        output.message(text)

    def on_progress(self, progress: Progress) -> None:
        self._seconds_left = self._left.seconds(progress)
        if self.last is None or progress.phase != self.last.phase:
            output.message(PHASES[progress.phase])
        self.last = progress

    def on_step(self, record: StepRecord) -> None:
        line = step_line(record)
        if self.last is not None:
            now = replace(self.last, best_score=record.best.score, word_budget=record.word_budget)
            line += "; " + numbers(now, price=self._price, left=self._seconds_left)
        output.message(line)

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None: ...


def step_line(record: StepRecord) -> str:
    """What became of a step's proposals."""
    scores = [candidate.score for candidate in record.candidates if candidate.fate == "scored"]
    best = max((score for score in scores if score is not None), default=None)
    dropped = sum(candidate.fate == "dropped" for candidate in record.candidates)
    proposals = f"{len(scores)} of {len(record.candidates)} proposals scored"
    if dropped:
        proposals += f" on every dev row, {dropped} on some of them"
    parts = [f"step {record.step}/{record.total_steps}: {proposals}"]
    if best is not None:
        parts.append(f"the best of them {score_text(best)}")
    if record.failed_proposals:
        parts.append(f"{record.failed_proposals} never came")
    if record.stop:
        parts.append(f"the search ends: {record.stop}")
    return ", ".join(parts)


class LiveBar:
    """A bar that counts calls up to the forecast, with the run's numbers below it; messages scroll above."""

    def __init__(self, *, price: Price, clock: Clock = time.monotonic) -> None:
        self.last: Progress | None = None
        self._price = price
        self._clock = clock
        self._left = TimeLeft(clock)
        self._shown_at = 0.0
        self._bar, self._task = _bar()

    def on_message(self, text: str) -> None:
        # Without markup: a message may hold names of files and words of an endpoint.
        self._bar.console.print(printable(text), markup=False, highlight=False, emoji=False, soft_wrap=True)

    def on_progress(self, progress: Progress) -> None:
        before, self.last = self.last, progress
        left = self._left.seconds(progress)
        if before and _same_place(before, progress) and self._clock() - self._shown_at < SECONDS_BETWEEN_UPDATES:
            return
        self._shown_at = self._clock()
        self._bar.update(
            self._task,
            total=progress.forecast_calls,
            completed=progress.used.calls,
            phase=PHASES[progress.phase],
            numbers=f"step {progress.step}/{progress.total_steps}, " + numbers(progress, price=self._price, left=left),
        )
        self._bar.start()  # of no effect but the first time

    def on_step(self, record: StepRecord) -> None:
        self.on_message(step_line(record))

    def __enter__(self) -> LiveBar:
        # The bar itself starts with the run, so that it does not draw over a question before.
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._bar.stop()


def _same_place(before: Progress, now: Progress) -> bool:
    return (before.phase, before.step) == (now.phase, now.step)


def _bar() -> tuple[Bar, TaskID]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    bar = Progress(
        BarColumn(bar_width=20),
        TextColumn("{task.fields[phase]}: {task.fields[numbers]}", markup=False, table_column=Column(ratio=1)),
        console=Console(stderr=True),
        transient=True,
        expand=True,
    )
    return bar, bar.add_task("", total=None, phase="getting ready", numbers="")
