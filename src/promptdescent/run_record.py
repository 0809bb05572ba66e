"""What one run has put on record, and how it adds to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from promptdescent.errors import RunFailed
from promptdescent.llm.base import Ledger, ReplyStore, Totals
from promptdescent.records import (
    OptimizerState,
    PromptScore,
    Role,
    StepRecord,
    Verdict,
    from_json,
    read_step,
    state_inside,
    to_json,
)
from promptdescent.store.ledger import RunLedger, last_failure, totals_of
from promptdescent.store.lineage import LineReplies, ancestors
from promptdescent.store.replies import CacheMode, RunReplies
from promptdescent.store.store import EventKind, RunStatus, State, Store
from promptdescent.store.totals import run_totals
from promptdescent.store.working_time import last_sent, seconds_at_work


class RunRecord:
    """The events of a run that this process holds."""

    def __init__(self, store: Store, run: str, *, replay: bool = False) -> None:
        """``replay``: only what the run that this one repeats was answered may be used."""
        self._store = store
        self.id = run
        self._replay = replay

    @property
    def clock(self) -> Callable[[], float]:
        """Unix time in seconds, as the store tells it."""
        return self._store.clock

    async def append(self, kind: EventKind, payload: str, *also: tuple[EventKind, str]) -> None:
        """Add an event and those that belong to it, all or none; ``payload`` is JSON text. Returns when it is
        committed.
        """
        await self._store.append_all(self.id, [(kind, payload), *also])

    async def set_status(self, state: State, reason: str = "") -> None:
        """Record how the run stands now, with its totals where it has come to an end."""
        totals = () if state == "running" else (self._totals(),)
        await self.append("status", to_json(RunStatus(state=state, reason=reason)), *totals)

    async def finish(self) -> None:
        """Record that the run is finished, unless that is on record."""
        if self._store.status(self.id).state != "finished":
            await self.set_status("finished")

    def ledger(self) -> Ledger:
        """The account of the run's calls."""
        return RunLedger(self._store, self.id)

    def totals(self) -> Mapping[Role, Totals]:
        """What the run has used and paid so far."""
        return totals_of(self._store, self.id)

    def _totals(self) -> tuple[EventKind, str]:
        """The event that spares readers the sums over all calls up to now."""
        return "totals", to_json(run_totals(self._store, self.id))

    def last_failure(self, role: Role) -> str:
        """Why the last call of a role that failed did so; empty if none failed."""
        return last_failure(self._store, self.id, role)

    def replies(self, mode: CacheMode) -> ReplyStore:
        """The replies that the run may use."""
        line = ancestors(self._store, self.id)
        if line:
            return LineReplies(self._store, self.id, line, mode, replay=self._replay)
        return RunReplies(self._store, self.id, mode)

    def settings(self) -> dict[str, Any]:
        """The settings in force: those that the run began with, with what was changed when it was resumed."""
        settings = dict(self._store.manifest(self.id).spec)
        for event in self._store.events(self.id, "caps"):
            settings.update(json.loads(event.payload))
        return settings

    def seconds_at_work(self) -> float:
        """How long the run was at work so far, over all its resumptions."""
        return seconds_at_work(self._store.events(self.id), last_sent(self._store, self.id))

    def end_of_search(self) -> str | None:
        """Why the search ended; None while it has not."""
        ends = self._store.events(self.id, "search ended")
        return str(json.loads(ends[-1].payload)["reason"]) if ends else None

    def search_ended(self) -> bool:
        """Whether only the verdict is left."""
        return bool(self._store.events(self.id, "search ended"))

    def search_ended_because(self) -> str:
        """Why the search ended; empty while it goes on."""
        ends = self._store.events(self.id, "search ended")
        return str(json.loads(ends[-1].payload)["reason"]) if ends else ""

    async def add_step(self, step: StepRecord, state: OptimizerState) -> None:
        """Add a step with state and totals after it, all or none. Returns when they are committed."""
        await self.append("step", to_json(step), ("state", to_json(state)), self._totals())

    def steps(self) -> list[StepRecord]:
        """The steps so far."""
        return [read_step(event.payload) for event in self._store.events(self.id, "step")]

    def used_at_start(self) -> int:
        """Tokens that the run had used when the starting prompt was scored, which must be on record."""
        return int(json.loads(self._store.events(self.id, "start")[-1].payload)["used"])

    def state_or_none(self) -> OptimizerState | None:
        """Where the search stands; None before the starting prompt was scored."""
        state = self._store.newest(self.id, "state")
        if state is not None:
            return from_json(OptimizerState, state.payload)
        step = self._store.newest(self.id, "step")
        if step is not None:  # of an earlier version
            return state_inside(step.payload)
        starts = self._store.events(self.id, "start")
        if starts:
            return from_json(OptimizerState, json.dumps(json.loads(starts[-1].payload)["state"]))
        return None

    def state(self) -> OptimizerState:
        """Where the search stands. Raises :class:`RunFailed` if the starting prompt was never scored."""
        state = self.state_or_none()
        if state is None:
            raise RunFailed(f"run {self.id} ended before its starting prompt was scored")
        return state

    def score(self) -> PromptScore | None:
        """What the prompt scores, once that is known; only where nothing is searched for."""
        scores = self._store.events(self.id, "evaluation")
        return from_json(PromptScore, scores[-1].payload) if scores else None

    def verdict(self) -> Verdict | None:
        """The verdict, once there is one."""
        verdicts = self._store.events(self.id, "verdict")
        return from_json(Verdict, verdicts[-1].payload) if verdicts else None

    def earlier_verdicts_on(self, rows: Iterable[str]) -> int:
        """How many earlier runs have a verdict on test rows of which some have these ids."""
        return self._store.earlier_verdicts_on(self.id, rows)
