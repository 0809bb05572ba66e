"""One fault server for all tests of the engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from worlds import Worlds, worlds_on

from whole_runs import write_rows


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    """The server and its clients."""
    yield from worlds_on(write_rows(tmp_path_factory.mktemp("worlds") / "rows.csv", 60))
