"""The one thread that writes. It takes all inserts that wait and commits them as one transaction (group commit)."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from promptdescent.errors import StoreError
from promptdescent.store.schema import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table
    from sqlalchemy.sql.dml import Insert

Rows: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""What one write inserts: rows by table name. All rows of a table have the same columns."""

_MOST_AT_ONCE = 1_000
"""Writes that share a transaction at most, which bounds how long a commit keeps other processes waiting."""

_FIRST_ROW_STAYS = frozenset({"replies", "uses"})
"""Tables in which a row whose key is taken is dropped; in the others it is an error."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Write:
    rows: Rows
    waiter: asyncio.Future[None] | Future[None]


class Writer:
    """Inserts rows; there is no way to change or delete any. All methods may be called from any thread."""

    def __init__(self, engine: Engine, name: str) -> None:
        """``name`` is the store's name in error messages."""
        self._engine = engine
        self._name = name
        self._inserts = [(table.name, _insert(table, engine.dialect.name)) for table in tables().in_order()]
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closed = False
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    async def write(self, rows: Rows) -> None:
        """Insert ``rows``, all or none; return when they are committed. They may be even if the caller is cancelled.

        Raises :class:`~promptdescent.errors.StoreError`.
        """
        waiter = asyncio.get_running_loop().create_future()
        self._put(_Write(rows=rows, waiter=waiter))
        await waiter

    def write_sync(self, rows: Rows) -> None:
        """The same for callers outside an event loop."""
        waiter: Future[None] = Future()
        self._put(_Write(rows=rows, waiter=waiter))
        waiter.result()

    def close(self) -> None:
        """Commit what waits and end the thread. Later writes raise :class:`~promptdescent.errors.StoreError`."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _put(self, write: _Write) -> None:
        with self._closing:
            if self._closed:
                raise StoreError(f"the store {self._name} is closed")
            self._queue.put(write)

    def _work(self) -> None:
        last = False
        while not last:
            waiting = [self._queue.get()]
            while len(waiting) < _MOST_AT_ONCE and not self._queue.empty():  # this thread is the only one that takes
                waiting.append(self._queue.get())
            last = waiting[-1] is None
            self._commit([write for write in waiting if write is not None])

    def _commit(self, writes: Sequence[_Write]) -> None:
        """Commit all writes together; if that fails, each alone, so that one that cannot be done harms no other."""
        if not writes:
            return
        error = self._try([write.rows for write in writes])
        if error is None or len(writes) == 1:
            _tell(writes, error)
            return
        for write in writes:
            _tell([write], self._try([write.rows]))

    def _try(self, several: Sequence[Rows]) -> Exception | None:
        try:
            with self._engine.begin() as connection:
                self._execute(connection, several)
        # Not swallowed: whoever waits for these rows gets it. If the thread died instead, they would wait for ever.
        except Exception as error:
            return self._named(error)
        return None

    def _execute(self, connection: Connection, several: Sequence[Rows]) -> None:
        for table, statement in self._inserts:
            if rows := [row for rows in several for row in rows.get(table, ())]:
                connection.execute(statement, rows)

    def _named(self, error: Exception) -> Exception:
        from sqlalchemy.exc import DBAPIError

        if not isinstance(error, DBAPIError):
            return error
        named = StoreError(f"the store {self._name} cannot be written: {error.orig}")
        named.__cause__ = error
        return named


def _insert(table: Table, dialect: str) -> Insert:
    from sqlalchemy import insert
    from sqlalchemy.dialects import postgresql, sqlite

    if table.name not in _FIRST_ROW_STAYS:
        return insert(table)
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def _tell(writes: Sequence[_Write], error: Exception | None) -> None:
    """Give the outcome to all who wait, with one wake-up per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for write in writes:
        if isinstance(write.waiter, asyncio.Future):
            by_loop.setdefault(write.waiter.get_loop(), []).append(write.waiter)
        else:
            _settle([write.waiter], error)
    for loop, waiters in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed, so nobody waits any more
            loop.call_soon_threadsafe(_settle, waiters, error)


def _settle(waiters: Sequence[asyncio.Future[None] | Future[None]], error: Exception | None) -> None:
    for waiter in waiters:
        if waiter.cancelled():
            continue
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
