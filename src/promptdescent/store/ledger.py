"""One run's account of its calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from promptdescent.llm.base import NOTHING, StoredReply, Totals
from promptdescent.records import Role, Usage
from promptdescent.store.schema import pack, tables, unpack
from promptdescent.store.store import Store
from promptdescent.store.totals import run_totals

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
        before = run_totals(store, run_id)
        self._totals, self._last_attempt = before.by_role(), before.last_attempt
        self._last_use = max(0, before.last_use)

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
        self._last_use += 1
        return {
            "run_id": self._run_id,
            "call": call,
            "role": role,
            "calls": usage.calls,
            "tokens_in": usage.tokens_in,
            "tokens_out": usage.tokens_out,
            "number": self._last_use,
        }


def totals_of(store: Store, run_id: str) -> Mapping[Role, Totals]:
    """What a run has used and paid so far, whoever holds it."""
    return run_totals(store, run_id).by_role()


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
