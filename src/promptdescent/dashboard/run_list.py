"""The runs of all stores, searched and sorted, a page at a time; quick however many there are."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args
from urllib.parse import urlencode

from promptdescent.dashboard.shelf import Shelf
from promptdescent.errors import StoreError
from promptdescent.store.listing import ListedRun, Sort, asks_for_explanations, chosen, count_runs, listed_runs
from promptdescent.store.schema import tables
from promptdescent.store.store import Store

PAGE_SIZE = 50
_AT_LEAST = 50
"""Newest runs that are read again each time: those that go are among them, as a rule."""


@dataclass(frozen=True, kw_only=True)
class RunQuery:
    """What a page of runs shows. Its URL says the same."""

    search: str = ""
    tag: str = ""
    sort: Sort = "started"
    reverse: bool = False
    page: int = 1
    """Counted from 1."""

    @classmethod
    def of(cls, search: str, tag: str, sort: str, order: str, page: str) -> RunQuery:
        """From a URL, whatever it holds."""
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1
        known: Sort = next((one for one in get_args(Sort) if one == sort), "started")
        return cls(search=search.strip(), tag=tag.strip(), sort=known, reverse=order == "reverse", page=max(1, number))

    @property
    def plain(self) -> bool:
        """Whether it asks for the newest runs, whatever they are."""
        return not self.search and not self.tag and self.sort == "started" and not self.reverse

    def url(self, **changes: object) -> str:
        """The address of the page with some things changed, from the first page of its rows unless that is given."""
        wanted = replace(self, **{"page": 1, **changes})  # type: ignore[arg-type]
        said = {
            "q": wanted.search,
            "tag": wanted.tag,
            "sort": "" if wanted.sort == "started" else wanted.sort,
            "order": "reverse" if wanted.reverse else "",
            "page": "" if wanted.page == 1 else str(wanted.page),
        }
        query = urlencode({name: value for name, value in said.items() if value})
        return f"/?{query}" if query else "/"

    def sorted_by(self, sort: Sort) -> str:
        """The address after a click on the head of a column: the other way round where it is sorted by it already."""
        return self.url(sort=sort, reverse=self.sort == sort and not self.reverse)


@dataclass(frozen=True, kw_only=True)
class RunPart:
    """One page of runs."""

    query: RunQuery
    runs: tuple[ListedRun, ...]
    found: int
    """How many there are on all pages."""
    total: int
    """How many there are in all."""
    running: int
    """How many of those on this page go."""
    tags: tuple[str, ...]
    """All tags of the runs on this page, and the one that is asked for."""

    @property
    def pages(self) -> int:
        """How many pages there are; at least one."""
        return max(1, -(-self.found // PAGE_SIZE))

    @property
    def first(self) -> int:
        """Number of the first run on the page, counted from 1."""
        return (self.query.page - 1) * PAGE_SIZE + 1


class RunList:
    """What is known of all runs. Safe to use from any thread."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def part(self, query: RunQuery) -> RunPart:
        """The page that ``query`` asks for. Raises :class:`~promptdescent.errors.StoreError`."""
        stores = list(self._shelf.stores())
        explanations = asks_for_explanations(query.search)
        total = sum(count_runs(store, explanations=explanations) for store in stores)
        if query.plain and len(stores) == 1:
            newest = listed_runs(stores[0], last=query.page * PAGE_SIZE)
            return _part(query, newest, found=total, total=total)
        with self._lock:
            everything = [run for store in stores for run in self._all_of(store)]
        if len(stores) > 1:
            everything.sort(key=lambda run: -run.created_at)
        tags = [query.tag] if query.tag else []
        wanted = chosen(everything, search=query.search, sort=query.sort, reverse=query.reverse, tags=tags)
        return _part(query, wanted, found=len(wanted), total=total)

    def warm(self) -> None:
        """Read what a search needs, unless it is known."""
        with self._lock, contextlib.suppress(StoreError):
            for store in self._shelf.stores():
                if store.database.name not in self._known:
                    self._all_of(store)

    def _all_of(self, store: Store) -> Sequence[ListedRun]:
        known = self._known.get(store.database.name)
        if known is None or known.store is not store:
            known = self._known[store.database.name] = _Known(store)
        return known.runs()


class _Known:
    """All runs of one store, of which only those are read again that may have changed."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._runs: tuple[ListedRun, ...] = ()
        self._seen = 0

    def runs(self) -> Sequence[ListedRun]:
        """Newest first."""
        newest = _last_event(self.store)
        if newest is None or not self._runs:
            self._runs = listed_runs(self.store, explanations=True)
        else:
            again = max(_AT_LEAST, self._oldest_running(), _runs_since_changed(self.store, self._seen))
            fresh = listed_runs(self.store, last=again, explanations=True)
            read = {run.id for run in fresh}
            self._runs = (*fresh, *(run for run in self._runs if run.id not in read))
        self._seen = newest or 0
        return self._runs

    def _oldest_running(self) -> int:
        """How many of the newest runs hold all that were going when they were last read."""
        going = [place for place, run in enumerate(self._runs, 1) if run.status.state == "running"]
        return max(going, default=0)


def _part(query: RunQuery, runs: Sequence[ListedRun], *, found: int, total: int) -> RunPart:
    first = (query.page - 1) * PAGE_SIZE
    shown = tuple(runs[first : first + PAGE_SIZE])
    tags = {tag for run in shown for tag in run.tags} | ({query.tag} if query.tag else set())
    return RunPart(
        query=query,
        runs=shown,
        found=found,
        total=total,
        running=sum(run.status.state == "running" for run in shown),
        tags=tuple(sorted(tags)),
    )


def _last_event(store: Store) -> int | None:
    """A number that grows with every event of a file; None where the database counts them not."""
    from sqlalchemy import text

    if "://" in store.database.name:
        return None
    return store.database.read(text("SELECT max(rowid) AS newest FROM events"))[0].newest or 0


def _runs_since_changed(store: Store, seen: int) -> int:
    """How many of the newest runs hold all that have an event after the one with number ``seen``."""
    from sqlalchemy import func, literal_column, select

    runs, events = tables().runs, tables().events
    oldest = (
        select(func.min(runs.c.number))
        .join(events, events.c.run_id == runs.c.id)
        .where(literal_column("events.rowid") > seen)
        .scalar_subquery()
    )
    return int(store.database.read(select(func.count().label("count")).where(runs.c.number >= oldest))[0].count)
