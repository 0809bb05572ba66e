"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, the loop that aiohttp needs."""
    return "asyncio"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real rows; tests that use it are skipped where it is missing."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("PROMPTDESCENT_DATA", beside))
    if not folder.is_dir():
        pytest.skip("no folder of shared rows: set PROMPTDESCENT_DATA to it")
    return folder
