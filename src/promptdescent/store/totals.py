"""What a run has used, paid and lost, and how often its calls failed.

The tables that say so grow by a row or more with each call. So a run keeps its totals on record, as an event beside
each step and each end; a reader goes on from the newest of these and reads only the rows that came after it. The tables
alone count: totals that are not there are summed anew, and the result is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promptdescent.llm.base import NOTHING, Totals
from promptdescent.records import ROLES, Role, Usage, from_json
from promptdescent.store.schema import tables
from promptdescent.store.store import Store

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select

_AT_ONCE = 500
"""Numbers in one query; databases bound the number of parameters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenAttempt:
    """An attempt that has not ended: it is in flight, or the process that sent it was killed."""

    number: int
    role: Role
    bound: Usage
    """The most that it can have used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunTotals:
    """The sums over a run's calls up to some moment, and where to go on from there."""

    used: Mapping[Role, Usage] = field(default_factory=dict)
    paid: Mapping[Role, Usage] = field(default_factory=dict)
    """Of the attempts that have ended."""
    lost: Mapping[Role, Usage] = field(default_factory=dict)
    """Of the attempts that have ended: those whose answer never came, at their upper bounds."""
    open: tuple[OpenAttempt, ...] = ()
    failures: Mapping[Role, Mapping[str, int]] = field(default_factory=dict)
    """Attempts that failed, by role and counter."""
    foreign: int = 0
    """Replies that the run used and other runs had paid for."""
    oldest_foreign: float | None = None
    """When the oldest of these came, Unix time in seconds."""
    last_attempt: int = 0
    """Number of the last attempt that is counted or open."""
    last_use: int = -1
    """Number of the last use that is counted; 0 if those counted have none, as in runs of schema 0002; -1 if no use is
    counted.
    """

    def by_role(self) -> dict[Role, Totals]:
        """The counters of every role. An attempt that has not ended counts as lost until it does."""
        paid, lost = dict(self.paid), dict(self.lost)
        for one in self.open:
            paid[one.role] = paid.get(one.role, NOTHING) + Usage(calls=1)
            lost[one.role] = lost.get(one.role, NOTHING) + one.bound
        return {
            role: Totals(used=self.used.get(role, NOTHING), paid=paid.get(role, NOTHING), lost=lost.get(role, NOTHING))
            for role in ROLES
        }


def run_totals(store: Store, run_id: str) -> RunTotals:
    """The totals of a run as the tables have them now, whoever holds it."""
    kept = store.newest(run_id, "totals")
    return later_totals(store, run_id, RunTotals() if kept is None else from_json(RunTotals, kept.payload))


def later_totals(store: Store, run_id: str, before: RunTotals) -> RunTotals:
    """``before``, with what the tables say of the calls since then. A reader that looks again and again goes on from
    its last look.
    """
    attempts = _new_attempts(store, run_id, before)
    uses = store.database.read(_uses(run_id, before.last_use))
    last_use = max((row.last or 0 for row in uses), default=before.last_use)
    foreign, oldest = _foreign(store, run_id, after=before.last_use, until=last_use) if uses else (0, None)
    ended = [row for row in attempts if row.open is None]
    paid, lost = dict(before.paid), dict(before.lost)
    failures = {role: dict(counts) for role, counts in before.failures.items()}
    for row in ended:
        paid[row.role] = paid.get(row.role, NOTHING) + _usage(row.calls, row.tokens_in, row.tokens_out)
        lost[row.role] = lost.get(row.role, NOTHING) + _usage(row.lost, row.lost_in, row.lost_out)
        if row.counter is not None:
            counts = failures.setdefault(row.role, {})
            counts[row.counter] = counts.get(row.counter, 0) + row.calls
    used = dict(before.used)
    for row in uses:
        used[row.role] = used.get(row.role, NOTHING) + _usage(row.calls, row.tokens_in, row.tokens_out)
    return RunTotals(
        used=used,
        paid=paid,
        lost=lost,
        open=tuple(
            OpenAttempt(number=row.open, role=row.role, bound=_usage(1, row.reserved_in, row.reserved_out))
            for row in sorted((row for row in attempts if row.open is not None), key=lambda row: row.open)
        ),
        failures=failures,
        foreign=before.foreign + foreign,
        oldest_foreign=min((at for at in (before.oldest_foreign, oldest) if at is not None), default=None),
        last_attempt=max(before.last_attempt, *(row.last for row in attempts)) if attempts else before.last_attempt,
        last_use=last_use,
    )


def _usage(calls: Any, tokens_in: Any, tokens_out: Any) -> Usage:
    """Sums as a database gives them: PostgreSQL's are decimal numbers."""
    return Usage(calls=int(calls), tokens_in=int(tokens_in), tokens_out=int(tokens_out))


def _new_attempts(store: Store, run_id: str, before: RunTotals) -> list[Any]:
    """The sums over the attempts since ``before`` and over those that were open then."""
    attempts = tables().attempts
    rows = list(store.database.read(_attempts(run_id, attempts.c.attempt > before.last_attempt)))
    numbers = [one.number for one in before.open]
    for start in range(0, len(numbers), _AT_ONCE):
        some = attempts.c.attempt.in_(numbers[start : start + _AT_ONCE])
        rows += store.database.read(_attempts(run_id, some))
    return rows


def _attempts(run_id: str, some: ColumnElement[bool]) -> Select[Any]:
    """Sums over some attempts by role and counter of failure, in one statement, so that none ends in between. Each
    that has not ended is a row of its own, with its number as ``open``.
    """
    from sqlalchemy import case, func, select

    attempts, ends = tables().attempts, tables().attempt_ends
    still_open = case((ends.c.attempt.is_(None), attempts.c.attempt))

    def total(value: Any) -> Any:
        return func.coalesce(func.sum(value), 0)

    return (
        select(
            attempts.c.role,
            ends.c.counter,
            still_open.label("open"),
            func.count().label("calls"),
            func.max(attempts.c.attempt).label("last"),
            total(ends.c.tokens_in).label("tokens_in"),
            total(ends.c.tokens_out).label("tokens_out"),
            total(attempts.c.reserved_in).label("reserved_in"),
            total(attempts.c.reserved_out).label("reserved_out"),
            total(case((ends.c.lost, 1), else_=0)).label("lost"),
            total(case((ends.c.lost, attempts.c.reserved_in), else_=0)).label("lost_in"),
            total(case((ends.c.lost, attempts.c.reserved_out), else_=0)).label("lost_out"),
        )
        .join_from(
            attempts,
            ends,
            (ends.c.run_id == attempts.c.run_id) & (ends.c.attempt == attempts.c.attempt),
            isouter=True,
        )
        .where(attempts.c.run_id == run_id, some)
        .group_by(attempts.c.role, ends.c.counter, still_open)
    )


def _uses(run_id: str, after: int) -> Select[Any]:
    """Sums over the used calls by role."""
    from sqlalchemy import func, select

    uses = tables().uses
    query = select(
        uses.c.role,
        func.max(uses.c.number).label("last"),
        func.sum(uses.c.calls).label("calls"),
        func.sum(uses.c.tokens_in).label("tokens_in"),
        func.sum(uses.c.tokens_out).label("tokens_out"),
    )
    return query.where(uses.c.run_id == run_id, *_since(after)).group_by(uses.c.role)


def _since(after: int) -> Sequence[ColumnElement[bool]]:
    """Of the uses: those after a number, as ``RunTotals.last_use`` has it."""
    return (tables().uses.c.number > after,) if after >= 0 else ()


def _foreign(store: Store, run_id: str, *, after: int, until: int) -> tuple[int, float | None]:
    """How many replies behind some uses of a run other runs had paid for, and when the oldest came."""
    from sqlalchemy import func, or_, select

    uses, others, own = tables().uses, tables().replies, tables().replies.alias()
    if after >= 0:
        paid_itself: ColumnElement[bool] = (
            select(own.c.key).where(own.c.call == uses.c.call, own.c.run_id == run_id).exists()
        )
    else:
        # As a list, which is read in one go; asked call by call it would be found in as many places.
        paid_itself = uses.c.call.in_(select(own.c.call).where(own.c.run_id == run_id))
    query = (
        select(func.count(others.c.key.distinct()), func.min(others.c.created_at))
        .join(uses, uses.c.call == others.c.call)
        .where(uses.c.run_id == run_id, others.c.run_id != run_id, ~paid_itself)
        .where(*_since(after), or_(uses.c.number.is_(None), uses.c.number <= until))
    )
    found = store.database.read(query)[0]
    return found[0], found[1]
