"""What pages say of runs, kept for a moment: a page and its charts are asked for one after the other."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from promptdescent.dashboard.shelf import Found
from promptdescent.report.page.content import RunPage, read_page
from promptdescent.store.schema import tables
from promptdescent.store.store import Store

_KEPT = 4
"""Pages; those of long runs are large."""

_Key: TypeAlias = tuple[int, str, str, int]


@dataclass(kw_only=True, slots=True)
class _Known:
    store: Store
    """Kept, so that no other gets its number."""
    page: RunPage
    html: dict[bool, str] = field(default_factory=dict)
    """As HTML, by variant, as far as it was asked for."""


class RunPages:
    """Reads what a page says of a run, unless nothing happened since it was last read. Safe to use from any thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[_Key, _Known] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, found: Found) -> RunPage:
        """All that a page says of the run. Raises :class:`~promptdescent.errors.StoreError`."""
        if found.row.status.state == "running":  # what it costs changes without an event
            return read_page(found.store, found.row.id)
        return self._known_of(found).page

    def html(self, found: Found, made: Callable[[RunPage], str], *, variant: bool) -> str:
        """The page of a finished run as ``made`` renders it, which is done once for each ``variant``."""
        known = self._known_of(found)
        if variant not in known.html:
            known.html[variant] = made(known.page)
        return known.html[variant]

    def _known_of(self, found: Found) -> _Known:
        status = found.row.status.state
        key = id(found.store), found.row.id, status, _newest(found)
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                return known
        known = _Known(store=found.store, page=read_page(found.store, found.row.id))
        with self._lock:
            self._known[key] = known
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return known


def _newest(found: Found) -> int:
    from sqlalchemy import func, select

    events = tables().events
    query = select(func.max(events.c.seq).label("seq")).where(events.c.run_id == found.row.id)
    return found.store.database.read(query)[0].seq or 0
