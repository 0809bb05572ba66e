"""Pages only read: a database without a store stays without one."""

from __future__ import annotations

from contextlib import closing

import pytest

from promptdescent.dashboard.shelf import Shelf
from promptdescent.errors import StoreError
from promptdescent.store.store import Store


def test_reading_makes_no_store(place: str) -> None:
    shelf = Shelf(place)
    for _ in range(2):  # a store that was made would be there the second time
        with pytest.raises(StoreError, match="there is no store in"):
            list(shelf.stores())
    with closing(Store.open(place)):
        assert len(list(shelf.stores())) == 1
    shelf.close()
