"""The stores that the dashboard shows, opened for reading only, and the runs in them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptdescent.errors import ConfigError, StoreError
from promptdescent.store.database import FILE, is_empty, is_there
from promptdescent.store.store import RunRow, Store

_DEPTHS = ("runs", "runs/*", "runs/*/*", "*/runs/*", "*/runs/*/*")
"""Where the stores of a study lie in its folder, or those of a bench's studies in the bench's."""

Identity = tuple[int, int]
"""Device and number of a file: another file of the same name has another."""

_WAIT = 5.0
"""Seconds for a store that another process holds; a page should not wait longer."""


class WatchedStore:
    """A store that other processes write, and that may be deleted or replaced while the dashboard runs.

    Nothing is written to it, and none is made where there is none. Safe to use from any thread.
    """

    def __init__(self, where: str) -> None:
        """``where``: a folder or a ``postgresql://`` address."""
        self.where = where
        self._opened: tuple[Store, Identity | None] | None = None
        self._lock = threading.Lock()

    def __call__(self) -> Store:
        """The store as it is now. Raises :class:`~promptdescent.errors.StoreError` if there is none."""
        with self._lock:
            identity = self._identity()
            if self._opened is not None and self._opened[1] == identity:
                return self._opened[0]
            self._close()
            if identity is None and is_empty(self.where, wait=_WAIT):
                raise StoreError("there is no store in the database yet: no run was made there")
            store = Store.open(self.where, wait=_WAIT)
            self._opened = store, identity
            return store

    def close(self) -> None:
        """Let go of it; it is opened again when it is asked for."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._opened is not None:
            opened, self._opened = self._opened[0], None
            with contextlib.suppress(StoreError):  # its file may be gone
                opened.close()

    def _identity(self) -> Identity | None:
        """None for a server's database, which is not replaced under a client."""
        if "://" in self.where:
            return None
        if not is_there(self.where):
            self._close()
            raise StoreError(f"there is no store in {self.where}: it was moved or deleted, or no run was made yet")
        found = (Path(self.where) / FILE).stat()
        return found.st_dev, found.st_ino


@dataclass(frozen=True, kw_only=True)
class Found:
    """A run, and the store that holds it."""

    store: Store
    row: RunRow


class Shelf:
    """The store of an address, or all stores of a study's folder."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.folder = None if "://" in address else Path(address)
        self._stores: dict[str, WatchedStore] = {}
        self._place_of: dict[str, str] = {}
        self._lock = threading.Lock()

    def stores(self) -> Iterator[Store]:
        """All that there are now. Raises :class:`~promptdescent.errors.StoreError` if there is none."""
        for place in self._places():
            yield self._watched(place)()

    @property
    def empty(self) -> bool:
        """Whether no store is there yet; of a server's database that is not known before it is asked for."""
        return not any(map(is_there, self._places()))

    def find(self, run: str) -> Found:
        """The run whose id starts with ``run``, or the newest for ``latest``.

        Raises :class:`~promptdescent.errors.StoreError` if there is none, or more than one.
        """
        found: list[Found] = []
        problem: StoreError | None = None
        for place in self._places():
            try:
                store = self._watched(place)()
                found.append(Found(store=store, row=store.find_run(run)))
                self._place_of[found[-1].row.id] = place
            except StoreError as error:
                problem = error
        if run == "latest" and found:
            return max(found, key=lambda one: one.row.created_at)
        if len(found) == 1:
            return found[0]
        if found:
            raise StoreError(f"{len(found)} runs start with {run!r}: give more of the id")
        raise problem or StoreError(f"no run {run!r} in {self.address}")

    def several(self, names: Sequence[str], *, most: int) -> list[Found]:
        """The runs of these names, each once; empty names are left out.

        Raises :class:`~promptdescent.errors.StoreError` as :meth:`find`, and
        :class:`~promptdescent.errors.ConfigError` for more than ``most``.
        """
        wanted = list(dict.fromkeys(filter(None, names)))
        if len(wanted) > most:
            raise ConfigError(f"at most {most} runs are compared, and {len(wanted)} are asked for")
        return list({found.row.id: found for found in map(self.find, wanted)}.values())

    def holder(self, run_id: str) -> Store:
        """The store that holds the run of this id, as it is now. Raises :class:`~promptdescent.errors.StoreError`."""
        place = self._place_of.get(run_id)
        if place is None:
            return self.find(run_id).store
        return self._watched(place)()

    def close(self) -> None:
        """Let go of all stores."""
        with self._lock:
            for store in self._stores.values():
                store.close()

    def _places(self) -> list[str]:
        if self.folder is None or is_there(self.folder):
            return [self.address]
        found = [file.parent for depth in _DEPTHS for file in self.folder.glob(f"{depth}/{FILE}")]
        return sorted(map(str, found)) or [self.address]

    def _watched(self, place: str) -> WatchedStore:
        with self._lock:
            return self._stores.setdefault(place, WatchedStore(place))
