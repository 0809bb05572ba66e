"""Opens the database of a store, brings it to the newest schema, and reads it. Only this module knows where it lies."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from promptdescent.errors import StoreError
from promptdescent.store.lease import AdvisoryLease, FileLease, Lease
from promptdescent.store.schema import HEAD, tables
from promptdescent.store.writer import LoopWriter, ThreadWriter, Writer

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Executable

T = TypeVar("T")

_SQLITE_SETTINGS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")
_PLACES = "give a folder or postgresql://user@host/database"
_OPENING_LOCK = -1
"""Number of the advisory lock under which a store is opened; those of runs are their ids, which are not negative."""


class Database:
    """An open database: one connection that reads, and one that writes. Safe to use from any thread.

    What is committed survives the death of the process. In SQLite the last commits may be lost, each as a whole, if the
    machine itself dies.
    """

    def __init__(self, engine: Engine, *, folder: Path | None) -> None:
        """``folder`` holds the SQLite file; None for a server."""
        self._engine = engine
        self._folder = folder
        self.name = _name(engine, folder)
        """For messages; without a password."""
        self.writer: Writer = (LoopWriter if folder is not None else ThreadWriter)(engine, self.name)
        # Kept open: taking one from the pool for each look-up would double its cost.
        self._reader = _reading_connection(engine)
        self._reading = threading.Lock()
        self._closed = False

    def read(self, statement: Executable, **parameters: Any) -> Sequence[Any]:
        """All rows of a query, with the columns as attributes. Raises :class:`~promptdescent.errors.StoreError`."""
        with _naming(self.name):
            return self._with_reader(lambda connection: connection.execute(statement, parameters).all())

    def _with_reader(self, ask: Callable[[Connection], T]) -> T:
        """What ``ask`` finds by the connection that reads."""
        from sqlalchemy.exc import DBAPIError

        with self._reading:
            if self._closed:
                raise StoreError(f"the store {self.name} is closed")
            try:
                return ask(self._reader)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            # A server may drop a connection that was idle for long.
            self._reader.close()
            self._reader = _reading_connection(self._engine)
            return ask(self._reader)

    async def read_async(self, statement: Executable, **parameters: Any) -> Sequence[Any]:
        """The same without holding up the event loop. A local file is read at once, which is quicker."""
        if self._folder is not None:
            return self.read(statement, **parameters)
        return await asyncio.to_thread(self.read, statement, **parameters)

    def lease(self, run_id: str, *, wait: float) -> Lease | None:
        """Exclusive hold of a run, or None if another has it for ``wait`` seconds."""
        with _naming(self.name):
            if self._folder is not None:
                return FileLease.take(self._folder / f"{run_id}.lock", wait=wait)
            return AdvisoryLease.take(self._engine, int(run_id, 16), wait=wait)

    def held(self, run_ids: Collection[str]) -> frozenset[str]:
        """Which of the runs are held, here or in another process."""
        if not run_ids:
            return frozenset()
        with _naming(self.name):
            if self._folder is not None:
                return frozenset(one for one in run_ids if FileLease.is_held(self._folder / f"{one}.lock"))
            numbers = self._with_reader(AdvisoryLease.held)
            return frozenset(one for one in run_ids if int(one, 16) in numbers)

    def close(self) -> None:
        """Commit what waits and close all connections."""
        self.writer.close()
        with self._reading:
            self._closed = True
            self._reader.close()
        self._engine.dispose()


FILE = "store.db"
"""The database in a store's folder."""


def is_there(where: str | Path) -> bool:
    """Whether a store lies in the folder ``where``; of a server's database that is not known before it is opened."""
    return "://" in str(where) or (Path(where) / FILE).is_file()


def is_empty(address: str, *, wait: float) -> bool:
    """Whether a server's database holds no store yet. Nothing is written to it.

    ``wait`` is how long to wait for the server, in seconds. Raises :class:`~promptdescent.errors.StoreError`.
    """
    from sqlalchemy import inspect

    engine = _server_engine(address, wait=wait)
    try:
        with _naming(_name(engine, None)):
            return not inspect(engine).has_table(tables().runs.name)
    finally:
        engine.dispose()


def open_database(where: str | Path, *, wait: float) -> Database:
    """The database in the folder ``where`` (made if missing) or at a ``postgresql://`` address, at the newest schema.

    ``wait`` is how long to wait for other processes that hold it, in seconds.
    Raises :class:`~promptdescent.errors.StoreError`.
    """
    folder = None if "://" in str(where) else Path(where)
    engine = _server_engine(str(where), wait=wait) if folder is None else _file_engine(folder, wait=wait)
    try:
        with _naming(_name(engine, folder)), _opening(engine, folder, wait=wait):
            _bring_to_head(engine)
        return Database(engine, folder=folder)
    except BaseException:
        engine.dispose()
        raise


def _reading_connection(engine: Engine) -> Connection:
    # Without a transaction, so that every query sees what is committed by then.
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def _name(engine: Engine, folder: Path | None) -> str:
    return str(folder / FILE) if folder is not None else engine.url.render_as_string(hide_password=True)


def _file_engine(folder: Path, *, wait: float) -> Engine:
    from sqlalchemy import URL, create_engine, event

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"no store can be made in {folder} ({error.strerror}): name another folder") from error
    url = URL.create("sqlite", database=str(folder / FILE))
    engine = create_engine(url, connect_args={"timeout": wait})

    @event.listens_for(engine, "connect")
    def settings(connection: Any, _record: object) -> None:
        for setting in _SQLITE_SETTINGS:
            connection.execute(f"PRAGMA {setting}")

    return engine


def _server_engine(address: str, *, wait: float) -> Engine:
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(address)
    except (ArgumentError, ValueError) as error:
        # The address is not repeated: it may hold a password.
        raise StoreError(f"the store's address cannot be read: {_PLACES}") from error
    if url.drivername not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise StoreError(f"a store cannot lie in {url.drivername}: {_PLACES}")
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"), connect_args={"connect_timeout": ceil(wait)}, pool_pre_ping=True
        )
    except ImportError as error:
        raise StoreError("a store in PostgreSQL needs the extra: pip install 'promptdescent[postgres]'") from error


@contextlib.contextmanager
def _opening(engine: Engine, folder: Path | None, *, wait: float) -> Iterator[None]:
    """Only one process at a time opens a store, so that two never migrate it together."""
    if folder is not None:
        lease: Lease | None = FileLease.take(folder / "opening.lock", wait=wait)
    else:
        lease = AdvisoryLease.take(engine, _OPENING_LOCK, wait=wait)
    if lease is None:
        raise StoreError(f"the store {_name(engine, folder)} is being opened by another process: try again")
    try:
        yield
    finally:
        lease.release()


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """Turn what the database and the file system raise into an error that names the store."""
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"the store {name} cannot be used: {error.orig}") from error
    except OSError as error:
        raise StoreError(f"the store {name} cannot be used: {error.strerror}") from error


def _bring_to_head(engine: Engine) -> None:
    with engine.begin() as connection:
        if _at_head(connection):
            return
        if engine.dialect.name == "sqlite":
            # The driver begins no transaction before CREATE TABLE; a migration cut short must leave nothing behind.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        _migrate(connection)


def _at_head(connection: Connection) -> bool:
    """Whether the schema is the newest; otherwise it is empty or older. Raises ``StoreError`` for anything else."""
    from sqlalchemy import inspect, text

    place = connection.engine.url.render_as_string(hide_password=True)
    inspector = inspect(connection)
    if not inspector.has_table("alembic_version"):
        if inspector.get_table_names():
            raise StoreError(f"{place} holds the tables of another program: name another folder or database")
        return False
    versions = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    if len(versions) != 1 or not versions[0].isdigit():
        raise StoreError(f"{place} holds the tables of another program: name another folder or database")
    if int(versions[0]) > int(HEAD):
        raise StoreError(
            f"the store {place} was written by a newer promptdescent (schema {versions[0]}, known up to {HEAD}):"
            " upgrade promptdescent, or name another store"
        )
    return bool(versions[0] == HEAD)


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "promptdescent.store:migrations")
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "head")
