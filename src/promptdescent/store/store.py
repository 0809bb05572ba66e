"""Runs and what became of them."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from promptdescent.errors import StoreError
from promptdescent.records import Example, RunManifest, Split, from_json, to_json
from promptdescent.store.database import Database, open_database
from promptdescent.store.lease import Lease
from promptdescent.store.schema import explains_another, pack, tables, unpack
from promptdescent.store.summaries import summary_of
from promptdescent.version import __version__

if TYPE_CHECKING:
    from pydantic import ValidationError

State = Literal["running", "finished", "failed", "interrupted"]
EventKind = Literal[
    "status",
    "start",
    "step",
    "state",
    "totals",
    "search ended",
    "verdict",
    "note",
    "caps",
    "forecast",
    "evaluation",
    "explanation",
    "tags",
]
"""A status holds a :class:`RunStatus`, a start the scored starting prompt, a step a StepRecord, a state the
OptimizerState after the step before it, totals the RunTotals up to then, a verdict a Verdict, an explanation an
Explanation of the run's found prompt, tags a list of all that the run has from then on.
"""

ASIDE: tuple[EventKind, ...] = ("state", "totals")
"""Kinds of which only the newest is of use, and the states are large: read when they are asked for by name."""

Clock: TypeAlias = Callable[[], float]
"""Unix time in seconds."""

_CLAIM_WAIT = 0.5
"""Seconds; someone who merely looks whether a run is held holds it for an instant."""
_IDS_AT_ONCE = 500
"""Ids in one query; databases bound the number of parameters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunStatus:
    """How a run stands."""

    state: State
    reason: str = ""
    """Why it failed or was interrupted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRow:
    """A run in the store."""

    id: str
    created_at: float
    """Unix time, seconds."""
    manifest: RunManifest
    status: RunStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened in a run."""

    seq: int
    """1, 2, … within the run."""
    at: float
    """Unix time, seconds."""
    kind: EventKind
    payload: str
    """JSON text."""


class Store:
    """All runs of a folder or database. A run is written by the one process that made or claimed it, and read by all.

    Methods raise :class:`~promptdescent.errors.StoreError` when the database cannot be used or a run is not in it.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self._leases: dict[str, Lease] = {}
        self._last_seq: dict[str, int] = {}

    @classmethod
    def open(cls, where: str | Path, *, clock: Clock = time.time, wait: float = 30.0) -> Store:
        """Open the store in the folder ``where`` (made if missing) or at a ``postgresql://`` address.

        ``wait`` is how long to wait for other processes that hold the database, in seconds. A folder must lie on a
        local disk; several machines share a store through PostgreSQL.

        Raises :class:`~promptdescent.errors.StoreError`: the place cannot be used, is no store, or a newer version
        wrote it.
        """
        return cls(open_database(where, wait=wait), clock)

    def close(self) -> None:
        """Commit what waits, let go of all runs and close the database."""
        self.database.writer.close()
        for run_id in tuple(self._leases):
            self.release(run_id)
        self.database.close()

    # --- making and holding runs ---

    def create_run(self, manifest: RunManifest, examples: Mapping[Split, Sequence[Example]]) -> str:
        """Record a new run with the rows that it uses, hold it, and return its id: 12 hexadecimal digits."""
        run_id = self._new_id()
        rows = [
            {
                "run_id": run_id,
                "split": split,
                "position": position,
                "example_id": example.id,
                "inputs": pack(example.inputs),
                "target": pack(example.target),
            }
            for split, members in examples.items()
            for position, example in enumerate(members)
        ]
        run = {"id": run_id, "created_at": self.clock(), "manifest": to_json(manifest)}
        self.claim(run_id)
        try:
            self.database.writer.write_sync({"runs": [run], "examples": rows})
        except StoreError:
            self.release(run_id)
            raise
        return run_id

    def _new_id(self) -> str:
        from sqlalchemy import select

        runs = tables().runs
        while True:
            run_id = secrets.token_hex(6)
            if not self.database.read(select(runs.c.id).where(runs.c.id == run_id)):
                return run_id

    def claim(self, run_id: str) -> None:
        """Hold a run for writing until :meth:`release`, :meth:`close` or the end of this process.

        Raises :class:`~promptdescent.errors.StoreError` if it is held already, here or in another process.
        """
        lease = None if run_id in self._leases else self.database.lease(run_id, wait=_CLAIM_WAIT)
        if lease is None:
            raise StoreError(f"run {run_id} is still running: wait for it to end, or stop it first")
        self._leases[run_id] = lease

    def release(self, run_id: str) -> None:
        """Let go of a run. A run that is not held stays as it is."""
        self._last_seq.pop(run_id, None)
        lease = self._leases.pop(run_id, None)
        if lease is not None:
            lease.release()

    def holds(self, run_id: str) -> bool:
        """Whether this store holds the run for writing."""
        return run_id in self._leases

    def check_held(self, run_id: str) -> None:
        """Raise :class:`~promptdescent.errors.StoreError` unless this store holds the run."""
        if not self.holds(run_id):
            raise StoreError(f"run {run_id} cannot be written: claim it first")

    # --- what happened ---

    async def append(self, run_id: str, kind: EventKind, payload: str) -> None:
        """Add an event to a run that is held; return when it is committed. ``payload`` is JSON text without secrets."""
        await self.append_all(run_id, [(kind, payload)])

    async def append_all(self, run_id: str, events: Sequence[tuple[EventKind, str]]) -> None:
        """Add events, kind and payload of each, all or none of them; as :meth:`append` else."""
        self.check_held(run_id)
        for kind, _ in events:
            if kind not in get_args(EventKind):
                raise ValueError(f"event kind {kind!r}: pass one of {', '.join(get_args(EventKind))}")
        if run_id not in self._last_seq:
            self._last_seq[run_id] = self._newest_seq(run_id)
        first, at = self._last_seq[run_id] + 1, self.clock()
        self._last_seq[run_id] += len(events)
        rows = [
            {
                "run_id": run_id,
                "seq": seq,
                "at": at,
                "kind": kind,
                "payload": payload,
                "summary": summary_of(kind, payload),
            }
            for seq, (kind, payload) in enumerate(events, start=first)
        ]
        await self.database.writer.write({"events": rows})

    def _newest_seq(self, run_id: str) -> int:
        from sqlalchemy import func, select

        events = tables().events
        newest = self.database.read(select(func.max(events.c.seq)).where(events.c.run_id == run_id))
        return newest[0][0] or 0

    async def set_status(self, run_id: str, state: State, reason: str = "") -> None:
        """Add a status to a run that is held."""
        await self.append(run_id, "status", to_json(RunStatus(state=state, reason=reason)))

    def events(self, run_id: str, kind: EventKind | None = None) -> tuple[Event, ...]:
        """A run's events in order: those of one kind, or all but those ``ASIDE``."""
        from sqlalchemy import select

        events = tables().events
        query = select(events).where(events.c.run_id == run_id).order_by(events.c.seq)
        query = query.where(events.c.kind.not_in(ASIDE) if kind is None else events.c.kind == kind)
        return tuple(_event(row) for row in self.database.read(query))

    def newest(self, run_id: str, kind: EventKind) -> Event | None:
        """A run's last event of a kind; None if there is none."""
        from sqlalchemy import select

        events = tables().events
        query = select(events).where(events.c.run_id == run_id, events.c.kind == kind)
        found = self.database.read(query.order_by(events.c.seq.desc()).limit(1))
        return _event(found[0]) if found else None

    def status(self, run_id: str) -> RunStatus:
        """How a run stands. One that says it is running while no process holds it was killed: it is interrupted."""
        from sqlalchemy import select

        events = tables().events
        query = select(events.c.payload).where(events.c.run_id == run_id, events.c.kind == "status")
        said = self.database.read(query.order_by(events.c.seq.desc()).limit(1))
        return self._standing({run_id: said[0].payload if said else None})[run_id]

    def statuses(self, *, since: int = 0) -> dict[str, RunStatus]:
        """How all runs stand whose number is at least ``since``, by id."""
        from sqlalchemy import func, select

        runs, events = tables().runs, tables().events
        newest = (
            select(events.c.run_id, func.max(events.c.seq).label("seq"))
            .where(events.c.kind == "status")
            .group_by(events.c.run_id)
            .subquery()
        )
        query = (
            select(runs.c.id, events.c.payload)
            .join_from(runs, newest, newest.c.run_id == runs.c.id, isouter=True)
            .join(events, (events.c.run_id == newest.c.run_id) & (events.c.seq == newest.c.seq), isouter=True)
            .where(runs.c.number >= since)
        )
        return self._standing({row.id: row.payload for row in self.database.read(query)})

    def _standing(self, said: Mapping[str, str | None]) -> dict[str, RunStatus]:
        """What the last statuses that were said come to: of runs that say they run, those that nobody holds do not."""
        statuses = {
            run_id: RunStatus(state="running") if payload is None else from_json(RunStatus, payload)
            for run_id, payload in said.items()
        }
        running = {run_id for run_id, status in statuses.items() if status.state == "running"} - self._leases.keys()
        for run_id in running - self.database.held(running):
            statuses[run_id] = RunStatus(state="interrupted", reason="its process ended unexpectedly")
        return statuses

    # --- finding runs ---

    def runs(self) -> tuple[RunRow, ...]:
        """All runs, oldest first."""
        from sqlalchemy import select

        runs = tables().runs
        rows = self.database.read(select(runs).order_by(runs.c.number))
        statuses = self.statuses()
        return tuple(_run_row(row, statuses[row.id]) for row in rows)

    def find_run(self, name: str) -> RunRow:
        """The run whose id starts with ``name``, or the newest one for ``latest``. A run that explains another is never
        the latest: what it found is on record of the other one.

        Raises :class:`~promptdescent.errors.StoreError` if there is none or more than one.
        """
        from sqlalchemy import select

        runs = tables().runs
        newest_first = select(runs).order_by(runs.c.number.desc())
        if name == "latest":
            found = self.database.read(newest_first.where(~explains_another()).limit(1))
        else:
            found = self.database.read(newest_first.where(runs.c.id.startswith(name, autoescape=True)))
        if name and len(found) == 1:
            return _run_row(found[0], self.status(found[0].id))
        place = f"in the store {self.database.name}"
        if name and found:
            raise StoreError(f"{len(found)} runs {place} start with {name!r}: {_listed(found)}")
        recent = self.database.read(newest_first.limit(6))
        if not recent:
            raise StoreError(f"there is no run {place} yet")
        raise StoreError(f"no run {name!r} {place}; the newest: {_listed(recent)}")

    def manifest(self, run_id: str) -> RunManifest:
        """What a run is."""
        from sqlalchemy import select

        runs = tables().runs
        found = self.database.read(select(runs.c.manifest).where(runs.c.id == run_id))
        if not found:
            raise StoreError(f"no run {run_id!r} in the store {self.database.name}")
        return _manifest(run_id, found[0].manifest)

    def examples(self, run_id: str) -> dict[Split, tuple[Example, ...]]:
        """The rows that a run uses, in their order; an empty split is left out."""
        from sqlalchemy import select

        examples = tables().examples
        query = select(examples).where(examples.c.run_id == run_id).order_by(examples.c.split, examples.c.position)
        splits: dict[Split, list[Example]] = {}
        for row in self.database.read(query):
            inputs = tuple((name, text) for name, text in unpack(row.inputs))
            example = Example(id=row.example_id, inputs=inputs, target=unpack(row.target))
            splits.setdefault(row.split, []).append(example)
        return {split: tuple(members) for split, members in splits.items()}

    def example_ids(self, run_id: str, split: Split) -> tuple[str, ...]:
        """The ids of the rows of a split, in their order."""
        from sqlalchemy import select

        examples = tables().examples
        query = select(examples.c.example_id).where(examples.c.run_id == run_id, examples.c.split == split)
        return tuple(row.example_id for row in self.database.read(query.order_by(examples.c.position)))

    # --- what a run owes to earlier ones ---

    def earlier_verdicts_on(self, run_id: str, example_ids: Iterable[str]) -> int:
        """How many earlier runs have a verdict on test rows of which some are among ``example_ids``."""
        from sqlalchemy import select

        events, examples, runs = tables().events, tables().examples, tables().runs
        this = select(runs.c.number).where(runs.c.id == run_id).scalar_subquery()
        judged = select(events.c.seq).where(events.c.run_id == runs.c.id, events.c.kind == "verdict").exists()
        tested = select(examples.c.position).where(examples.c.run_id == runs.c.id, examples.c.split == "test")
        ids = list(example_ids)
        earlier: set[str] = set()
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[start : start + _IDS_AT_ONCE]
            shared = tested.where(examples.c.example_id.in_(some)).exists()
            found = self.database.read(select(runs.c.id).where(runs.c.number < this, judged, shared))
            earlier.update(row.id for row in found)
        return len(earlier)


def _event(row: Any) -> Event:
    return Event(seq=row.seq, at=row.at, kind=row.kind, payload=row.payload)


def _listed(found: Sequence[Any]) -> str:
    """At most five ids."""
    return ", ".join(row.id for row in found[:5]) + (", …" if len(found) > 5 else "")


def _run_row(row: Any, status: RunStatus) -> RunRow:
    return RunRow(id=row.id, created_at=row.created_at, manifest=_manifest(row.id, row.manifest), status=status)


def _manifest(run_id: str, text: str) -> RunManifest:
    """The manifest in ``text``; one of a newer version is refused, since what this one does not know may matter."""
    from pydantic import ValidationError

    written_by = str(json.loads(text).get("version", ""))
    if _release(written_by) > _release(__version__):
        raise StoreError(
            f"run {run_id} was written by promptdescent {written_by}, which is newer than this {__version__}:"
            " upgrade promptdescent"
        )
    try:
        return from_json(RunManifest, text, whole=True)
    except ValidationError as error:
        raise StoreError(
            f"run {run_id} was written by another version of promptdescent ({_misfits(error)}) and cannot be read:"
            " upgrade promptdescent"
        ) from error


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a version, without what marks it as not final; empty if there are none."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _misfits(error: ValidationError) -> str:
    """The fields that do not fit, at most five."""
    fields = [".".join(map(str, one["loc"])) for one in error.errors()]
    return ", ".join(fields[:5]) + (", …" if len(fields) > 5 else "")
