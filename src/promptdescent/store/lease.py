"""Exclusive leases between processes. A lease ends with its process, however that ends, so none is ever left behind.

Beside an SQLite file a lease is a locked file (``flock``: POSIX, local disks only), in PostgreSQL an advisory lock
that belongs to a connection.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_PAUSE = 0.02
"""Seconds between two tries."""


class Lease(Protocol):
    """Something that this process holds and no other."""

    def release(self) -> None:
        """Give it up. Called once."""


class FileLease:
    """A lock on a file that exists only while it is held (or was held by a process that was killed)."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path, *, wait: float) -> FileLease | None:
        """The lease on ``path``, or None if another holds it for ``wait`` seconds.

        Raises ``OSError`` if the file cannot be made.
        """
        deadline = time.monotonic() + wait
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            if _lock(descriptor, path):
                return cls(path, descriptor)
            os.close(descriptor)
            if time.monotonic() >= deadline:
                return None
            time.sleep(_PAUSE)

    @classmethod
    def is_held(cls, path: Path) -> bool:
        """Whether anybody holds the lease on ``path``. A file that a killed process left behind is removed."""
        if not path.exists():
            return False
        lease = cls.take(path, wait=0.0)
        if lease is not None:
            lease.release()
        return lease is None

    def release(self) -> None:
        # Removed before it is unlocked: whoever opened the old file sees in _lock that it is gone.
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def _lock(descriptor: int, path: Path) -> bool:
    """Whether the open file could be locked and is still the one that ``path`` names."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except (BlockingIOError, FileNotFoundError):
        return False


class AdvisoryLease:
    """A PostgreSQL advisory lock on a connection of its own. It is lost if the server drops that connection."""

    def __init__(self, connection: Connection, number: int) -> None:
        self._connection = connection
        self._number = number

    @classmethod
    def take(cls, engine: Engine, number: int, *, wait: float) -> AdvisoryLease | None:
        """The lease on ``number``, a signed 64-bit integer, or None if another holds it for ``wait`` seconds."""
        from sqlalchemy import text

        # Outside a transaction: one left open would keep the server from cleaning up for as long as the lease is held.
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        deadline = time.monotonic() + wait
        while not connection.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": number}).scalar_one():
            if time.monotonic() >= deadline:
                connection.close()
                return None
            time.sleep(_PAUSE)
        return cls(connection, number)

    @staticmethod
    def held(connection: Connection) -> frozenset[int]:
        """The numbers of all leases on this database, whoever holds them."""
        from sqlalchemy import text

        # The server keeps a number of 64 bits as two halves, each without a sign.
        query = text(
            "SELECT classid::bigint AS high, objid::bigint AS low FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return frozenset((row.high << 32) + row.low for row in connection.execute(query))

    def release(self) -> None:
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        # Said and not left to the end of the session: the server ends that when it comes to it, and until then whoever
        # looks sees the lock held.
        try:
            self._connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": self._number})
        except SQLAlchemyError:  # the session is gone, and the lock with it
            self._connection.invalidate()
        finally:
            self._connection.close()
