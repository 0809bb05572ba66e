"""What pages say of runs, kept for a moment: a page and its charts are asked for one after the other."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TypeAlias

from promptdescent.dashboard.shelf import Found
from promptdescent.report.page.content import RunPage, read_page
from promptdescent.store.schema import tables
from promptdescent.store.store import Store

_KEPT = 4
"""Pages; those of long runs are large."""

_Key: TypeAlias = tuple[int, str, str, int]


class RunPages:
    """Reads what a page says of a run, unless nothing happened since it was last read. Safe to use from any thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[_Key, tuple[Store, RunPage]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, found: Found) -> RunPage:
        """All that a page says of the run. Raises :class:`~promptdescent.errors.StoreError`."""
        status = found.row.status.state
        if status == "running":  # what it costs changes without an event
            return read_page(found.store, found.row.id)
        key = id(found.store), found.row.id, status, _newest(found)
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                return known[1]
        page = read_page(found.store, found.row.id)
        with self._lock:
            self._known[key] = found.store, page  # the store too, so that no other gets its number
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return page


def _newest(found: Found) -> int:
    from sqlalchemy import func, select

    events = tables().events
    query = select(func.max(events.c.seq).label("seq")).where(events.c.run_id == found.row.id)
    return found.store.database.read(query)[0].seq or 0
