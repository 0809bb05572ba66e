"""One run's account of its calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from promptdescent.llm.base import NOTHING, StoredReply, Totals
from promptdescent.records import ROLES, Role, Usage
from promptdescent.store.schema import pack, tables, unpack
from promptdescent.store.store import Store

_ONE_CALL = Usage(calls=1)


class RunLedger:
    """Implements :class:`~promptdescent.llm.base.Ledger` for a run that the store holds.

    An attempt that began and never ended, because the process was killed or the call cancelled, is a lost one.
    """

    def __init__(self, store: Store, run_id: str) -> None:
        """Go on from what the tables hold. Raises :class:`~promptdescent.errors.StoreError` unless the run is held."""
        store.check_held(run_id)
        self._store = store
        self._writer = store.database.writer
        self._run_id = run_id
        self._open: dict[int, tuple[Role, Usage]] = {}
        self._totals, self._last_attempt = _totals_and_last(store, run_id)

    async def begin(self, call: str, role: Role, *, bound: Usage) -> int:
        """Record that an attempt at ``call`` is about to be sent; return the attempt's number."""
        self._last_attempt += 1
        attempt = self._last_attempt
        row = {
            "run_id": self._run_id,
            "attempt": attempt,
            "call": call,
            "role": role,
            "at": self._store.clock(),
            "reserved_in": bound.tokens_in,
            "reserved_out": bound.tokens_out,
        }
        await self._writer.write({"attempts": [row]})
        self._open[attempt] = role, bound
        self._add(role, paid=_ONE_CALL)
        return attempt

    async def succeed(self, attempt: int, replies: Sequence[StoredReply], *, first_use: bool) -> None:
        """Record the replies that the attempt brought: at least one, all of the same call and with its usage.

        Where the run has a reply of the same key already, that one stays.
        """
        if not replies:
            raise ValueError("an attempt without a reply did not succeed: pass at least one")
        usage = replies[0].usage
        if usage.calls != 1 or any(stored.usage != usage for stored in replies):
            raise ValueError("the replies of one attempt share the usage of one call")
        role, _ = self._close(attempt)
        rows = {
            "attempt_ends": [self._end(attempt, usage=usage)],
            "replies": [self._reply(attempt, stored) for stored in replies],
        }
        if first_use:
            rows["uses"] = [self._use(replies[0].call, role, usage)]
        await self._writer.write(rows)
        self._add(role, paid=replace(usage, calls=0), used=usage if first_use else NOTHING)

    async def fail(self, attempt: int, error: str, *, counter: str, lost: bool, usage: Usage = NOTHING) -> None:
        """Record that the attempt failed. ``error`` holds no secret."""
        role, bound = self._close(attempt)
        row = self._end(attempt, usage=usage, error=error, counter=counter, lost=lost)
        await self._writer.write({"attempt_ends": [row]})
        self._add(role, paid=replace(usage, calls=0), lost=bound if lost else NOTHING)

    async def use(self, call: str, role: Role, usage: Usage) -> None:
        """Record that the run used replies of ``call`` that were in the store, for the first time."""
        await self._writer.write({"uses": [self._use(call, role, usage)]})
        self._add(role, used=usage)

    def totals(self) -> Mapping[Role, Totals]:
        """What is committed so far, from the run's first start on."""
        return dict(self._totals)

    def _add(self, role: Role, *, used: Usage = NOTHING, paid: Usage = NOTHING, lost: Usage = NOTHING) -> None:
        totals = self._totals[role]
        self._totals[role] = Totals(
            used=totals.used if used is NOTHING else totals.used + used,
            paid=totals.paid if paid is NOTHING else totals.paid + paid,
            lost=totals.lost if lost is NOTHING else totals.lost + lost,
        )

    def _close(self, attempt: int) -> tuple[Role, Usage]:
        found = self._open.pop(attempt, None)
        if found is None:
            raise ValueError(f"attempt {attempt} was not begun here or has ended already")
        return found

    def _end(
        self, attempt: int, *, usage: Usage, error: str | None = None, counter: str | None = None, lost: bool = False
    ) -> dict[str, object]:
        return {
            "run_id": self._run_id,
            "attempt": attempt,
            "at": self._store.clock(),
            "error": None if error is None else pack(error),
            "tokens_in": usage.tokens_in,
            "tokens_out": usage.tokens_out,
            "counter": counter,
            "lost": lost,
        }

    def _reply(self, attempt: int, stored: StoredReply) -> dict[str, object]:
        return {
            "run_id": self._run_id,
            "key": stored.key,
            "attempt": attempt,
            "call": stored.call,
            "text": pack(stored.reply.text),
            "finish": stored.reply.finish,
            "thought_chars": stored.reply.thought_chars,
            "tokens_in": stored.usage.tokens_in,
            "tokens_out": stored.usage.tokens_out,
            "created_at": stored.created_at,
        }

    def _use(self, call: str, role: Role, usage: Usage) -> dict[str, object]:
        return {
            "run_id": self._run_id,
            "call": call,
            "role": role,
            "calls": usage.calls,
            "tokens_in": usage.tokens_in,
            "tokens_out": usage.tokens_out,
        }


def totals_of(store: Store, run_id: str) -> Mapping[Role, Totals]:
    """What a run has used and paid so far, whoever holds it."""
    return _totals_and_last(store, run_id)[0]


def failure_counts(store: Store, run_id: str) -> dict[Role, dict[str, int]]:
    """How many attempts of each role failed, by counter."""
    from sqlalchemy import func, select

    attempts, ends = tables().attempts, tables().attempt_ends
    query = (
        select(attempts.c.role, ends.c.counter, func.count().label("count"))
        .join_from(attempts, ends, (ends.c.run_id == attempts.c.run_id) & (ends.c.attempt == attempts.c.attempt))
        .where(attempts.c.run_id == run_id, ends.c.counter.is_not(None))
        .group_by(attempts.c.role, ends.c.counter)
        .order_by(attempts.c.role, ends.c.counter)
    )
    counts: dict[Role, dict[str, int]] = {}
    for row in store.database.read(query):
        counts.setdefault(row.role, {})[row.counter] = row.count
    return counts


def last_failure(store: Store, run_id: str, role: Role) -> str:
    """What was said of the last attempt of a role that failed; empty if none failed."""
    from sqlalchemy import select

    attempts, ends = tables().attempts, tables().attempt_ends
    query = (
        select(ends.c.error)
        .join(attempts, (ends.c.run_id == attempts.c.run_id) & (ends.c.attempt == attempts.c.attempt))
        .where(attempts.c.run_id == run_id, attempts.c.role == role, ends.c.error.is_not(None))
        .order_by(attempts.c.attempt.desc())
        .limit(1)
    )
    found = store.database.read(query)
    return str(unpack(found[0].error)) if found else ""


def _totals_and_last(store: Store, run_id: str) -> tuple[dict[Role, Totals], int]:
    """The sums in the tables by role, and the number of the last attempt."""
    paid, lost, last = _attempted(store, run_id)
    used = _used(store, run_id)
    totals = {
        role: Totals(used=used.get(role, NOTHING), paid=paid.get(role, NOTHING), lost=lost.get(role, NOTHING))
        for role in ROLES
    }
    return totals, last


def _attempted(store: Store, run_id: str) -> tuple[dict[Role, Usage], dict[Role, Usage], int]:
    """By role: all attempts, those that are lost, and the number of the last one."""
    from sqlalchemy import case, func, or_, select

    attempts, ends = tables().attempts, tables().attempt_ends
    is_lost = or_(ends.c.attempt.is_(None), ends.c.lost)

    def total(value: Any) -> Any:
        return func.coalesce(func.sum(value), 0)

    query = (
        select(
            attempts.c.role,
            func.count().label("calls"),
            func.max(attempts.c.attempt).label("last"),
            total(ends.c.tokens_in).label("tokens_in"),
            total(ends.c.tokens_out).label("tokens_out"),
            total(case((is_lost, 1), else_=0)).label("lost"),
            total(case((is_lost, attempts.c.reserved_in), else_=0)).label("lost_in"),
            total(case((is_lost, attempts.c.reserved_out), else_=0)).label("lost_out"),
        )
        .join_from(
            attempts,
            ends,
            (ends.c.run_id == attempts.c.run_id) & (ends.c.attempt == attempts.c.attempt),
            isouter=True,
        )
        .where(attempts.c.run_id == run_id)
        .group_by(attempts.c.role)
    )
    paid: dict[Role, Usage] = {}
    lost: dict[Role, Usage] = {}
    last = 0
    for row in store.database.read(query):
        last = max(last, row.last)
        paid[row.role] = Usage(calls=row.calls, tokens_in=int(row.tokens_in), tokens_out=int(row.tokens_out))
        lost[row.role] = Usage(calls=int(row.lost), tokens_in=int(row.lost_in), tokens_out=int(row.lost_out))
    return paid, lost, last


def _used(store: Store, run_id: str) -> dict[Role, Usage]:
    """The sums of the used calls in the table, by role."""
    from sqlalchemy import func, select

    uses = tables().uses
    query = (
        select(
            uses.c.role,
            func.sum(uses.c.calls).label("calls"),
            func.sum(uses.c.tokens_in).label("tokens_in"),
            func.sum(uses.c.tokens_out).label("tokens_out"),
        )
        .where(uses.c.run_id == run_id)
        .group_by(uses.c.role)
    )
    return {
        row.role: Usage(calls=int(row.calls), tokens_in=int(row.tokens_in), tokens_out=int(row.tokens_out))
        for row in store.database.read(query)
    }
