"""The one writer. All inserts that wait are committed as one transaction (group commit).

A server's database is written by a thread of its own. A file is written in the event loop itself, at the end of each
turn in which something was to be written: such a commit takes less time than to wake a thread, which in a busy process
has to wait for its turn of the interpreter, while a slot of the endpoint stands idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from promptdescent.errors import StoreError
from promptdescent.store.schema import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

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


class Writer(Protocol):
    """Inserts rows; there is no way to change or delete any. All methods may be called from any thread."""

    async def write(self, rows: Rows) -> None:
        """Insert ``rows``, all or none; return when they are committed. They may be even if the caller is cancelled.

        Raises :class:`~promptdescent.errors.StoreError`.
        """

    def write_sync(self, rows: Rows) -> None:
        """The same for callers outside an event loop."""

    def close(self) -> None:
        """Commit what waits. Later writes raise :class:`~promptdescent.errors.StoreError`."""


class LoopWriter:
    """Commits in the thread that writes: for a file on a local disk."""

    def __init__(self, engine: Engine, name: str) -> None:
        """``name`` is the store's name in error messages."""
        self._connection = _WritingConnection(engine, name)
        self._one_at_a_time = threading.Lock()
        self._waiting: list[_Write] = []
        self._closed = False

    async def write(self, rows: Rows) -> None:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        with self._one_at_a_time:
            self._check_open()
            if not self._waiting:
                loop.call_soon(self._commit)
            self._waiting.append(_Write(rows=rows, waiter=waiter))
        await waiter

    def write_sync(self, rows: Rows) -> None:
        waiter: Future[None] = Future()
        with self._one_at_a_time:
            self._check_open()
            self._waiting.append(_Write(rows=rows, waiter=waiter))
        self._commit()
        waiter.result()

    def close(self) -> None:
        self._commit()
        with self._one_at_a_time:
            self._closed = True
            self._connection.close()

    def _commit(self) -> None:
        with self._one_at_a_time:
            writes, self._waiting = self._waiting, []
            for start in range(0, len(writes), _MOST_AT_ONCE):
                self._connection.commit(writes[start : start + _MOST_AT_ONCE])

    def _check_open(self) -> None:
        if self._closed:
            raise self._connection.is_closed()


class ThreadWriter:
    """Commits in a thread of its own: for a server, whose answers take their time."""

    def __init__(self, engine: Engine, name: str) -> None:
        """``name`` is the store's name in error messages."""
        self._connection = _WritingConnection(engine, name)
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closed = False
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    async def write(self, rows: Rows) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._put(_Write(rows=rows, waiter=waiter))
        await waiter

    def write_sync(self, rows: Rows) -> None:
        waiter: Future[None] = Future()
        self._put(_Write(rows=rows, waiter=waiter))
        waiter.result()

    def close(self) -> None:
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _put(self, write: _Write) -> None:
        with self._closing:
            if self._closed:
                raise self._connection.is_closed()
            self._queue.put(write)

    def _work(self) -> None:
        last = False
        while not last:
            waiting = [self._queue.get()]
            while len(waiting) < _MOST_AT_ONCE and not self._queue.empty():  # this thread is the only one that takes
                waiting.append(self._queue.get())
            last = waiting[-1] is None
            self._connection.commit([write for write in waiting if write is not None])
            if self._queue.empty():
                self._connection.close()  # to the pool, which notices when a server drops it while it is idle


class _WritingConnection:
    """The connection that inserts. Used by one thread at a time."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._order = [table.name for table in tables().in_order()]
        self._connection: Connection | None = None

    def is_closed(self) -> StoreError:
        """What is said to those who come too late."""
        return StoreError(f"the store {self._name} is closed")

    def close(self) -> None:
        """Give the connection back; the next commit would open one anew."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def commit(self, writes: Sequence[_Write]) -> None:
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
            if self._connection is None:
                self._connection = self._engine.connect()
            with self._connection.begin():
                self._execute(self._connection, several)
        # Not swallowed: whoever waits for these rows gets it. If it were raised here, they would wait for ever.
        except Exception as error:
            self.close()  # a connection that failed is not trusted again
            return self._named(error)
        return None

    def _execute(self, connection: Connection, several: Sequence[Rows]) -> None:
        for table in self._order:
            if rows := [row for rows in several for row in rows.get(table, ())]:
                # The text of the statement is made once: to compile it each time would cost more than the inserting.
                text = _insert_text(connection.dialect.name, table, tuple(rows[0]))
                connection.exec_driver_sql(text, rows)

    def _named(self, error: Exception) -> Exception:
        from sqlalchemy.exc import DBAPIError

        if not isinstance(error, DBAPIError):
            return error
        named = StoreError(f"the store {self._name} cannot be written: {error.orig}")
        named.__cause__ = error
        return named


@lru_cache(maxsize=64)
def _insert_text(dialect: str, table: str, columns: tuple[str, ...]) -> str:
    """An INSERT with named parameters, in the way of the dialect's driver."""
    mark = ":{}" if dialect == "sqlite" else "%({})s"
    names = ", ".join(f'"{column}"' for column in columns)
    marks = ", ".join(mark.format(column) for column in columns)
    stays = " ON CONFLICT DO NOTHING" if table in _FIRST_ROW_STAYS else ""
    return f'INSERT INTO "{table}" ({names}) VALUES ({marks}){stays}'  # noqa: S608 - our own names, no values


def _tell(writes: Sequence[_Write], error: Exception | None) -> None:
    """Give the outcome to all who wait, with one wake-up per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for write in writes:
        if isinstance(write.waiter, asyncio.Future):
            by_loop.setdefault(write.waiter.get_loop(), []).append(write.waiter)
        else:
            _settle([write.waiter], error)
    for loop, waiters in by_loop.items():
        if loop is _running_loop():
            _settle(waiters, error)
            continue
        with contextlib.suppress(RuntimeError):  # the loop was closed, so nobody waits any more
            loop.call_soon_threadsafe(_settle, waiters, error)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _settle(waiters: Sequence[asyncio.Future[None] | Future[None]], error: Exception | None) -> None:
    for waiter in waiters:
        if waiter.cancelled():
            continue
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
