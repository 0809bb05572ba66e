"""How long a run was at work."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from promptdescent.store.schema import tables
from promptdescent.store.store import Event, EventKind, Store

AFTERWARDS: frozenset[EventKind] = frozenset({"explanation", "tags"})
"""Kinds of events that others add to a run when nobody is at work on it."""


def last_sent(store: Store, run_id: str) -> Callable[[float], float]:
    """When a run sent its last attempt before a moment; 0 if it had sent none. Unix times, seconds.

    Attempts are numbered as they are sent, so their times are searched by halves, and not read one and all.
    """
    from sqlalchemy import func, select

    attempts = tables().attempts
    own = attempts.c.run_id == run_id

    def before(moment: float) -> float:
        found, first = 0.0, 1
        last = store.database.read(select(func.max(attempts.c.attempt)).where(own))[0][0] or 0
        while first <= last:
            middle = (first + last) // 2
            # The nearest one down from the middle: a write that failed leaves a gap in the numbers.
            query = select(attempts.c.attempt, attempts.c.at).where(own, attempts.c.attempt.between(first, middle))
            nearest = store.database.read(query.order_by(attempts.c.attempt.desc()).limit(1))
            if not nearest or nearest[0].at < moment:
                found, first = nearest[0].at if nearest else found, middle + 1
            else:
                last = nearest[0].attempt - 1
        return found

    return before


def seconds_at_work(events: Sequence[Event], sent_before: Callable[[float], float]) -> float:
    """The time from each start or resumption to its end, or to the last thing that a process which was killed put on
    record. ``events`` are all of the run's, in order; ``sent_before`` tells its attempts, as :func:`last_sent` does.

    Summed from one event to the next, and never less than nothing: where the clock was put back between two of them,
    the time between is not known and not counted.
    """
    total, at_work, last = 0.0, False, 0.0
    for event in events:
        if event.kind in AFTERWARDS:
            continue
        state = json.loads(event.payload)["state"] if event.kind == "status" else None
        # Either opens a resumption: since the last event of a process that was killed nobody worked.
        resumed = state == "running" or event.kind == "caps"
        if at_work:
            end = sent_before(event.at) if resumed else event.at
            total += max(0.0, end - last)
        if state is not None or resumed:
            at_work = state == "running"
        last = event.at
    return total
