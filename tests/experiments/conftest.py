"""What several tests of experiments need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.conftest import server as server  # the PostgreSQL server of the store's tests


@pytest.fixture
def database(server: Path) -> Iterator[str]:
    """Address of an empty PostgreSQL database."""
    import psycopg

    name = f"study_{os.urandom(4).hex()}"
    with psycopg.connect(host=str(server), user="tester", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield f"postgresql://tester@/{name}?host={server}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
