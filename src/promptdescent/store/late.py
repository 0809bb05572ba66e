"""A store that is opened when there is something to record."""

from __future__ import annotations

from pathlib import Path

from promptdescent.store.store import Store


class LateStore:
    """Calling it gives the store, which is opened the first time: input that is refused leaves no store behind.

    As a context manager it closes the store at the end, if it was ever opened.
    """

    def __init__(self, where: str | Path) -> None:
        self._where = where
        self._store: Store | None = None

    def __call__(self) -> Store:
        """The store, open. Raises :class:`~promptdescent.errors.StoreError`."""
        if self._store is None:
            self._store = Store.open(self._where)
        return self._store

    def __enter__(self) -> LateStore:
        return self

    def __exit__(self, *_: object) -> None:
        if self._store is not None:
            self._store.close()
