"""How long a run was at work."""

from __future__ import annotations

import json
from collections.abc import Sequence

from promptdescent.store.store import Event


def seconds_at_work(events: Sequence[Event]) -> float:
    """The time from each start or resumption to its end, or to the last event before a kill. ``events`` are all of the
    run's, in order.

    Summed from one event to the next, and never less than nothing: where the clock was put back between two of them,
    the time between is not known and not counted.
    """
    total, at_work, last = 0.0, False, 0.0
    for event in events:
        state = json.loads(event.payload)["state"] if event.kind == "status" else None
        # Either opens a resumption: since the last event of a process that was killed nobody worked.
        resumed = state == "running" or event.kind == "caps"
        if at_work and not resumed:
            total += max(0.0, event.at - last)
        if state is not None or resumed:
            at_work = state == "running"
        last = event.at
    return total
