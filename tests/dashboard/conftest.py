"""A store with runs, and the dashboard over it, once for each file of tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard_samples import Served, served

from promptdescent.store.store import Store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[Store]:
    """Where the test writes; the dashboard opens it for itself."""
    opened = Store.open(folder)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def dashboard(store: Store, folder: Path) -> Iterator[Served]:
    with served(folder) as running:
        yield running
