"""A run that was run again: which runs it descends from, what they were answered, and what was refused to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptdescent.errors import StoreError
from promptdescent.llm.base import Known, ReplyStore, StoredReply
from promptdescent.records import Role
from promptdescent.store.replies import CacheMode, RunReplies
from promptdescent.store.schema import tables, unpack
from promptdescent.store.store import Store


def ancestors(store: Store, run_id: str) -> tuple[str, ...]:
    """The run that a run repeats or explains, the one that this repeats, and so on, as far as the store holds them.
    Before the one that is explained stand the earlier runs that explain it too.
    """
    manifest = store.manifest(run_id)
    found = _explaining_too(store, run_id, manifest.explains) if manifest.explains else []
    origin = manifest.origin or manifest.explains
    while origin:
        try:
            manifest = store.manifest(origin)
        except StoreError:  # not every run comes along when runs are moved to another store
            break
        found.append(origin)
        origin = manifest.origin
    return tuple(found)


def _explaining_too(store: Store, run_id: str, explained: str) -> list[str]:
    """The runs before ``run_id`` that explain the same run, the newest first."""
    from sqlalchemy import select

    runs = tables().runs
    own = select(runs.c.number).where(runs.c.id == run_id).scalar_subquery()
    said = runs.c.manifest.contains(f'"explains":"{explained}"', autoescape=True)
    query = select(runs.c.id).where(said, runs.c.number < own).order_by(runs.c.number.desc())
    return [row.id for row in store.database.read(query)]


class LineReplies:
    """Implements :class:`~promptdescent.llm.base.ReplyStore` for a run that repeats another: what its ancestors were
    answered counts as its own, whatever the cache mode, since it is the same run once more.
    """

    def __init__(self, store: Store, run_id: str, line: Sequence[str], mode: CacheMode, *, replay: bool) -> None:
        """``line``: the ancestors, nearest first. ``replay``: only replies that the nearest of them used are known."""
        self._sources: list[ReplyStore] = [RunReplies(store, run, "run") for run in (run_id, *line)]
        if mode == "store" or replay:
            self._sources.append(RunReplies(store, run_id, "store"))
        self._own_uses = RunReplies(store, run_id, "off")
        self._uses_of_origin = RunReplies(store, line[0], "off") if replay else None

    async def find(self, call: str, keys: Sequence[str]) -> Known:
        """What is known of the keys: the run's own reply, else that of the nearest ancestor, else the oldest."""
        found: dict[str, StoredReply] = {}
        for source in self._sources:
            missing = [key for key in keys if key not in found]
            if missing:
                found.update((await source.find(call, missing)).replies)
        brought_by = found[keys[0]].call if keys[0] in found else call
        if self._uses_of_origin is not None and not (await self._uses_of_origin.find(brought_by, ())).used:
            brought_by, found = call, {}
        return Known(
            # What another call brought is found when its own first key is asked for.
            replies={key: stored for key, stored in found.items() if stored.call == brought_by},
            used=(await self._own_uses.find(brought_by, ())).used,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedCall:
    """A call that a run never got an answer to."""

    error: str
    """What was said of its last attempt."""
    attempts: int
    """How many attempts failed."""
    counter: str | None
    """What the last one was counted as; None in records of schema 0001."""


def failed_calls(store: Store, run_id: str) -> Mapping[str, FailedCall]:
    """The calls of a run of which some attempt failed, by call. Some may have been answered later."""
    from sqlalchemy import select

    attempts, ends = tables().attempts, tables().attempt_ends
    query = (
        select(attempts.c.call, ends.c.error, ends.c.counter)
        .join(ends, (ends.c.run_id == attempts.c.run_id) & (ends.c.attempt == attempts.c.attempt))
        .where(attempts.c.run_id == run_id, ends.c.error.is_not(None))
        .order_by(attempts.c.attempt)
    )
    found: dict[str, FailedCall] = {}
    for row in store.database.read(query):
        before = found[row.call].attempts if row.call in found else 0
        found[row.call] = FailedCall(error=str(unpack(row.error)), attempts=before + 1, counter=row.counter)
    return found


def calls_sent(store: Store, run_id: str) -> Mapping[str, Role]:
    """The calls that a run sent or was answered from the store, with the role that asked."""
    from sqlalchemy import select, union

    attempts, uses = tables().attempts, tables().uses
    query = union(
        select(attempts.c.call, attempts.c.role).where(attempts.c.run_id == run_id),
        select(uses.c.call, uses.c.role).where(uses.c.run_id == run_id),
    )
    return {row.call: row.role for row in store.database.read(query)}


async def adopt_uses(store: Store, run_id: str, origin: str) -> None:
    """Count the calls that the origin used as used by a run that is held, too."""
    from sqlalchemy import func, select

    store.check_held(run_id)
    uses, own = tables().uses, tables().uses.alias()
    known = select(own.c.call).where(own.c.run_id == run_id)
    found = store.database.read(select(uses).where(uses.c.run_id == origin, uses.c.call.not_in(known)))
    last = store.database.read(select(func.max(uses.c.number)).where(uses.c.run_id == run_id))[0][0] or 0
    if found:
        rows = [{**row._asdict(), "run_id": run_id, "number": number} for number, row in enumerate(found, last + 1)]
        await store.database.writer.write({"uses": rows})
