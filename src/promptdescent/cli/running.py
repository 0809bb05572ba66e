"""What every command that runs something shares: the store, progress, interruption, the result and the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from promptdescent import runner
from promptdescent.assembly import NO_EXTRAS, Given
from promptdescent.cli import output
from promptdescent.cli.output import ExitCode
from promptdescent.cli.profile_text import profile_text
from promptdescent.cli.progress import Reporter, reporter
from promptdescent.cli.stores import late_store
from promptdescent.config import RunSpec
from promptdescent.errors import PermanentError, PromptDescentError, UnseenRequest
from promptdescent.llm.profile import Profile
from promptdescent.phases import EvaluationResult, RunResult
from promptdescent.prices import total_of
from promptdescent.records import Progress, Role, Usage
from promptdescent.records.explanation import Explanation
from promptdescent.report.cost import PricedModel, charge, priced_models
from promptdescent.report.forecast import forecast_text
from promptdescent.report.record import Record, changed_settings, run_record
from promptdescent.report.text import printable, summary
from promptdescent.store.late import LateStore

Ended: TypeAlias = RunResult | EvaluationResult | Explanation


Work: TypeAlias = Callable[[LateStore, Reporter, Profile], Coroutine[Any, Any, Ended]]
"""Starts or resumes a run, and fills the profile."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where runs are kept, and how a command reports."""

    store: str
    quiet: bool = False
    require_gain: bool = False
    profile: bool = False


def carry_out(
    work: Work,
    place: Place,
    *,
    must_exist: bool = False,
    shown: Callable[[Record], str] = summary,
    stopped: Callable[[Record], str] = summary,
    written: Callable[[Ended], None] | None = None,
) -> ExitCode:
    """Do the work, print what is ``shown`` of the run, and return the exit code. Raises errors from before the run was
    at work.

    ``stopped``: what is printed of a run that did not come to its end; ``written`` writes the result, in place of what
    is ``shown``.
    """
    profile = Profile()
    try:
        with late_store(place.store, must_exist=must_exist) as store:
            watcher = reporter(quiet=place.quiet, price=PaidMoney(store))
            try:
                with watcher:
                    outcome = asyncio.run(_stoppable(work(store, watcher, profile)))
            except (KeyboardInterrupt, asyncio.CancelledError):
                return _interrupted(store, watcher.last, stopped)
            except PromptDescentError as error:
                if watcher.last is None:
                    raise
                return _failed(store, watcher.last, error, stopped)
            if written is None:
                output.result(shown(run_record(store(), outcome.run)))
            else:
                written(outcome)
            return _code_of(outcome, place)
    finally:
        if place.profile:
            output.message(profile_text(profile))


def _code_of(outcome: Ended, place: Place) -> ExitCode:
    if place.require_gain and isinstance(outcome, RunResult) and not outcome.verdict.gain_shown:
        output.error("no gain was shown (--require-gain)")
        return ExitCode.NO_GAIN
    return ExitCode.DONE


def start_run(spec: RunSpec, place: Place, *, yes: bool, tags: Sequence[str] = ()) -> ExitCode:
    """Start a run, which may ask whether it may call models outside this machine; as :func:`carry_out`."""
    return carry_out(
        lambda store, watcher, times: runner.start(
            spec,
            store=store,
            observers=[watcher],
            confirm=lambda plan: agreed(plan.total, yes=yes),
            profile=times,
            tags=tags,
        ),
        place,
    )


def foretell(spec: RunSpec, given: Given = NO_EXTRAS) -> None:
    """Print what a run would do and cost."""
    would = runner.dry_run(spec, given=given)
    for note in would.notes:
        output.message(note)
    output.result(printable(forecast_text(would.plan.as_data())))
    output.dry_run_over()


async def _stoppable(work: Coroutine[Any, Any, Ended]) -> Ended:
    """The work; SIGTERM cancels it as Ctrl-C does, so that the run is recorded as interrupted."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work


def _interrupted(store: LateStore, last: Progress | None, stopped: Callable[[Record], str]) -> ExitCode:
    if last is None:
        output.error("interrupted before the run began; nothing was paid for")
    else:
        output.result(stopped(run_record(store(), last.run)))
    return ExitCode.INTERRUPTED


def _failed(store: LateStore, last: Progress, error: PromptDescentError, stopped: Callable[[Record], str]) -> ExitCode:
    """The run is recorded as failed. A key or model that is refused before any reply came is bad input."""
    nothing_came = last.used.calls == 0
    is_input = nothing_came and isinstance(error, PermanentError) and not isinstance(error, UnseenRequest)
    nothing_sent = nothing_came and not any(usage.calls for usage in last.paid.values())
    if not (is_input or nothing_sent):
        output.result(stopped(run_record(store(), last.run)))
    output.error(str(error))
    return ExitCode.INPUT if is_input else ExitCode.FAILED


class PaidMoney:
    """US dollars that a run has paid so far, by the models in its record."""

    def __init__(self, store: LateStore) -> None:
        self._store = store
        self._models: dict[Role, PricedModel] = {}
        self._at = 0.0

    def __call__(self, progress: Progress) -> float | None:
        """None if a price is not known."""
        if not self._models:
            changed = changed_settings(self._store().events(progress.run))
            self._models = priced_models(self._store().manifest(progress.run), changed)
            self._at = self._store().clock()
        return total_of(
            [charge(model, progress.paid.get(role, Usage()), at=self._at) for role, model in self._models.items()]
        )


def agreed(total: Usage, *, yes: bool, what: str = "run") -> bool:
    """Whether a run or study without a cap, which uses ``total`` at most, may call models outside this machine: by
    --yes, or asked once in a terminal.
    """
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    output.message(
        f"This {what} has no cap: at most {total.calls:,} calls, about {total.tokens:,} tokens, outside this machine."
    )
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    with _interruptible():
        return sys.stdin.readline().strip().lower() in ("y", "yes")


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end a question: asyncio's own handler would wait for the loop, which the question blocks."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
