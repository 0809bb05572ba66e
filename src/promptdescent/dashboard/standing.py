"""How a run stands: read once in whole, and after that only what is new."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptdescent.llm.base import Totals
from promptdescent.records import Candidate, Role, RunManifest, StepRecord, from_json
from promptdescent.records.search import read_step
from promptdescent.report.cost import money, priced_models
from promptdescent.report.failures import failure_text
from promptdescent.report.record import CAPS, changed_settings
from promptdescent.report.text import to_go_on
from promptdescent.store.schema import tables
from promptdescent.store.store import Event, RunStatus, Store
from promptdescent.store.totals import RunTotals, later_totals, run_totals

_OF_INTEREST = ("start", "step", "search ended", "verdict", "evaluation", "caps", "forecast")
"""Kinds of events that change how a run stands, beside its status."""

_COUNTING_SECONDS = 1.0
"""Least time between two counts of calls and tokens."""


@dataclass(frozen=True, kw_only=True)
class Meter:
    """Something that a run spends, and how much of it there is."""

    name: str
    value: float
    cap: float | None
    forecast: float | None = None
    """The most that was forecast before the first call; None where that is not on record."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a run stood at one moment."""

    seq: int
    """Of the newest event."""
    status: RunStatus
    phase: str
    """What it does, or did last."""
    step: int
    total_steps: int
    start_score: float | None
    """Dev score of the starting prompt."""
    best: Candidate | None
    meters: tuple[Meter, ...]
    failures: str
    """In sentences; empty without any."""
    to_go_on: str = ""
    """The command that goes on with it; empty where it runs or is finished."""

    @property
    def running(self) -> bool:
        """Whether a process is at work on it."""
        return self.status.state == "running"


@dataclass(frozen=True, kw_only=True)
class NewStep:
    """A step as it came."""

    seq: int
    at: float
    """Unix time, seconds."""
    record: StepRecord


class StandingReader:
    """Follows one run of one store. Used by one thread at a time."""

    def __init__(self, store: Store, run_id: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock``: seconds. Raises :class:`~promptdescent.errors.StoreError` if the run cannot be read."""
        self._store = store
        self._run_id = run_id
        self._clock = clock
        self._manifest = store.manifest(run_id)
        self._created_at = _created_at(store, run_id)
        self._seq = 0
        self._step = 0
        self._total_steps = self._manifest.total_steps
        self._start_score: float | None = None
        self._best: Candidate | None = None
        self._reached: set[str] = set()
        self._changed: dict[str, Any] = {}
        self._forecast: Mapping[str, Any] = {}
        self._replies: dict[Role, Counter[str]] = {role: Counter() for role in self._manifest.models}
        self._meters: tuple[Meter, ...] = ()
        self._totals: RunTotals | None = None
        self._count_at = 0.0
        self._was_running = True

    def read(self) -> Standing:
        """How the run stands now. Raises :class:`~promptdescent.errors.StoreError`."""
        new = events_after(self._store, self._run_id, self._seq)
        for event in new:
            self._take(event)
        status = self._store.status(self._run_id)
        running = status.state == "running"
        now = self._clock()
        if now >= self._count_at or (self._was_running and not running):
            self._count()
            self._count_at = now + _COUNTING_SECONDS
        self._was_running = running
        failures = self._totals.failures if self._totals else {}
        return Standing(
            seq=self._seq,
            status=status,
            phase=self._phase(),
            step=self._step,
            total_steps=self._total_steps,
            start_score=self._start_score,
            best=self._best,
            meters=self._meters,
            failures=failure_text(
                {
                    role: {"attempts": failures.get(role, {}), "replies": dict(self._replies[role])}
                    for role in self._replies
                }
            ),
            to_go_on=self._to_go_on(status),
        )

    def _to_go_on(self, status: RunStatus) -> str:
        if status.state not in ("failed", "interrupted"):
            return ""
        return f"promptdescent {to_go_on({'id': self._run_id, 'explains': self._manifest.explains})}"

    def _take(self, event: Event) -> None:
        self._seq = event.seq
        self._reached.add(event.kind)
        if event.kind == "start":
            payload = json.loads(event.payload)
            self._start_score = payload["evaluation"]["score"]
            self._best = from_json(Candidate, json.dumps(payload["state"]["best"]))
            self._replies["task"].update(
                outcome["kind"] for outcome in payload["evaluation"]["outcomes"] if outcome["kind"] != "answered"
            )
        elif event.kind == "step":
            step = read_step(event.payload)
            self._step, self._total_steps, self._best = step.step, step.total_steps, step.best
            for role, ends in step.replies.items():
                unanswered = {end: count for end, count in ends.items() if end != "answered"}
                self._replies.setdefault(role, Counter()).update(unanswered)
        elif event.kind == "caps":
            self._changed.update(changed_settings([event]))
        elif event.kind == "forecast":
            self._forecast = json.loads(event.payload)["total"]

    def _phase(self) -> str:
        if self._reached & {"verdict", "evaluation"}:
            return "Done"
        if "search ended" in self._reached:
            return "Verdict: both prompts on the test rows"
        if self._manifest.evaluated_on is not None:
            return "Scoring the prompt"
        return "Search" if "start" in self._reached else "Scoring the starting prompt"

    def _count(self) -> None:
        store, run_id, known = self._store, self._run_id, self._totals
        self._totals = run_totals(store, run_id) if known is None else later_totals(store, run_id, known)
        self._meters = meters(
            self._manifest, self._changed, self._totals.by_role(), self._forecast, at=self._created_at
        )


def meters(
    manifest: RunManifest,
    changed: Mapping[str, Any],
    totals: Mapping[Role, Totals],
    forecast: Mapping[str, Any],
    *,
    at: float,
) -> tuple[Meter, ...]:
    """Calls, tokens and US dollars, each with its cap. A cap stops what is used or paid, whichever is more."""
    settings = {**manifest.spec, **changed}
    caps = {name: settings.get(setting) for name, setting in CAPS.items()}
    roles = list(manifest.models)
    most = {
        counter: max(
            sum(getattr(totals[role].used, counter) for role in roles),
            sum(getattr(totals[role].paid, counter) for role in roles),
        )
        for counter in ("calls", "tokens")
    }
    high = {name: (forecast.get(name) or {}).get("high") for name in ("calls", "tokens", "money")}
    found = [Meter(name=name, value=most[name], cap=caps[name], forecast=high[name]) for name in ("calls", "tokens")]
    cost = money(priced_models(manifest, changed), totals, at=at)
    paid = None if cost is None else cost["total"]["paid"]
    if paid is not None:
        found.append(Meter(name="US dollars", value=paid, cap=caps["money"], forecast=high["money"]))
    return tuple(found)


def events_after(store: Store, run_id: str, seq: int) -> Sequence[Event]:
    """The run's events of interest after event ``seq``, in order. Raises :class:`~promptdescent.errors.StoreError`."""
    from sqlalchemy import select

    events = tables().events
    query = (
        select(events)
        .where(events.c.run_id == run_id, events.c.seq > seq, events.c.kind.in_(_OF_INTEREST))
        .order_by(events.c.seq)
    )
    return [Event(seq=row.seq, at=row.at, kind=row.kind, payload=row.payload) for row in store.database.read(query)]


def steps_after(store: Store, run_id: str, seq: int) -> tuple[NewStep, ...]:
    """The run's steps after event ``seq``, oldest first."""
    return tuple(
        NewStep(seq=event.seq, at=event.at, record=read_step(event.payload))
        for event in events_after(store, run_id, seq)
        if event.kind == "step"
    )


def _created_at(store: Store, run_id: str) -> float:
    from sqlalchemy import select

    runs = tables().runs
    return float(store.database.read(select(runs.c.created_at).where(runs.c.id == run_id))[0].created_at)
