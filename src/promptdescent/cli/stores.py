"""The store that a command names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from promptdescent.errors import StoreError
from promptdescent.store.database import is_there
from promptdescent.store.late import LateStore
from promptdescent.store.store import Store


@contextlib.contextmanager
def opened_store(where: str, *, must_exist: bool) -> Iterator[Store]:
    """The store in a folder or at a database address. Raises :class:`StoreError`."""
    with late_store(where, must_exist=must_exist) as store:
        yield store()


def late_store(where: str, *, must_exist: bool) -> LateStore:
    """The store, made or opened when it is first used. Raises :class:`StoreError`."""
    if must_exist and not is_there(where):
        raise StoreError(f"there is no store in {where}: name the folder of your runs with --store")
    return LateStore(where)
