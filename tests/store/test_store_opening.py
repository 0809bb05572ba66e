"""Opening a store: a new one, an old one, one that is none, and several processes at once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from promptdescent.errors import StoreError
from promptdescent.store.database import open_database
from promptdescent.store.lease import FileLease, _lock
from promptdescent.store.schema import HEAD, tables
from promptdescent.store.store import Store
from store.samples import OpenStore, manifest


def test_the_migrations_lead_to_the_schema(store: Store) -> None:
    with store.database._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables().metadata) == []
        assert context.get_current_revision() == HEAD


def test_the_newest_migration_is_the_one_the_code_knows() -> None:
    config = Config()
    config.set_main_option("script_location", "promptdescent.store:migrations")
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [HEAD]
    revisions = [script.revision for script in scripts.walk_revisions("base", "heads")]
    assert revisions == [f"{number:04}" for number in range(int(HEAD), 0, -1)]


def test_importing_loads_no_database_and_reopening_no_alembic(place: str, open_store: OpenStore) -> None:
    open_store().close()
    source = (
        "import sys\n"
        "import promptdescent.store.store, promptdescent.store.ledger, promptdescent.store.replies\n"
        "assert not {'sqlalchemy', 'alembic', 'pydantic'} & set(sys.modules)\n"
        "promptdescent.store.store.Store.open(sys.argv[1]).close()\n"
        "assert 'sqlalchemy' in sys.modules and 'alembic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", source, place], check=True, timeout=30)


def test_processes_that_open_a_new_store_at_once_all_succeed(
    place: str, child: Callable[..., subprocess.Popen[str]]
) -> None:
    source = (
        "import sys, alembic.command, sqlalchemy\n"
        "from store import samples\n"
        "from promptdescent.store.store import Store\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "print(Store.open(sys.argv[1]).create_run(samples.manifest(), {}))\n"
    )
    processes = [child(source, place) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    made = {process.communicate(timeout=30)[0].strip() for process in processes}
    store = Store.open(place)
    assert {row.id for row in store.runs()} == made
    assert len(made) == 3
    store.close()


def test_a_migration_that_is_cut_short_leaves_nothing_behind(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic import op

    create_index = op.create_index
    monkeypatch.setattr(op, "create_index", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        Store.open(place)
    monkeypatch.setattr(op, "create_index", create_index)
    store = Store.open(place)
    assert store.runs() == ()
    store.close()


def test_a_newer_store_is_refused(place: str, open_store: OpenStore) -> None:
    store = open_store()
    with store.database._engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    store.close()
    said = rf"by a newer promptdescent \(schema 0099, known up to {HEAD}\): upgrade promptdescent"
    with pytest.raises(StoreError, match=said):
        open_store()


@pytest.mark.parametrize("statement", ["CREATE TABLE guests (name TEXT)", "CREATE TABLE runs (name TEXT)"])
def test_the_database_of_another_program_is_left_alone(place: str, open_store: OpenStore, statement: str) -> None:
    store = open_store()
    with store.database._engine.begin() as connection:
        for table in reversed(tables().in_order()):
            connection.execute(text(f"DROP TABLE {table.name}"))
        connection.execute(text("DROP TABLE alembic_version"))
        connection.execute(text(statement))
    store.close()
    with pytest.raises(StoreError, match="holds the tables of another program"):
        open_store()


# --- files ---


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("just some text, long enough to be looked at as a header " * 40)
    with pytest.raises(StoreError, match=rf"the store {tmp_path}/store.db cannot be used: file is not a database"):
        Store.open(tmp_path)
    assert (tmp_path / "store.db").read_text().startswith("just some text")


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path, inside: str) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(StoreError, match=rf"no store can be made in {tmp_path}/taken.*: name another folder"):
        Store.open(tmp_path / "taken" / inside)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match=rf"{tmp_path}/store.db cannot be used: Permission denied"):
        Store.open(tmp_path)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder in which nobody can make a file")
def test_a_folder_that_refuses_files_is_named() -> None:
    with pytest.raises(StoreError, match=r"/proc/self/store\.db cannot be used"):
        Store.open("/proc/self", wait=0.1)


def test_a_database_that_is_held_by_another_program_is_named(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match=rf"the store {tmp_path}/store.db cannot be used: database is locked"):
        Store.open(tmp_path, wait=0.1)
    other.close()
    Store.open(tmp_path).close()


def test_a_write_waits_for_another_program_and_then_says_so(tmp_path: Path) -> None:
    store = Store.open(tmp_path, wait=0.1)
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=rf"the store {tmp_path}/store.db cannot be written: database is locked"):
        store.create_run(manifest(), {})
    other.execute("ROLLBACK")
    other.close()
    assert store.find_run(store.create_run(manifest(), {})).manifest == manifest()
    store.close()


def test_sqlite_is_set_for_concurrent_use(tmp_path: Path) -> None:
    database = open_database(tmp_path, wait=30.0)
    expected = {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 30_000}
    assert {name: database.read(text(f"PRAGMA {name}"))[0][0] for name in expected} == expected
    database.close()


def test_no_lock_file_stays_behind(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    run_id = store.create_run(manifest(), {})
    assert (tmp_path / f"{run_id}.lock").exists()
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]


def test_a_lock_file_that_was_removed_or_replaced_is_not_taken_for_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    old = FileLease.take(path, wait=0.0)
    assert old is not None
    late = os.open(path, os.O_RDWR)  # another process that came while it was held
    old.release()
    assert not _lock(late, path)
    new = FileLease.take(path, wait=0.0)
    assert new is not None
    assert not _lock(late, path)
    os.close(late)
    assert FileLease.take(path, wait=0.0) is None
    new.release()


# --- servers ---


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_connection_that_the_server_dropped_is_made_anew(open_store: OpenStore) -> None:
    store, other = open_store(), open_store()
    run_id = store.create_run(manifest(), {})
    store.release(run_id)
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    other.database.read(text(f"{others} AND datname = current_database()"))
    assert store.find_run("latest").id == run_id
    assert store.create_run(manifest(), {}) != run_id


# --- addresses ---


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mysql://me:hidden@host/db", "a store cannot lie in mysql"),
        ("sqlite:///file.db", "a store cannot lie in sqlite"),
        ("://me:hidden@", "the store's address cannot be read"),
        ("postgresql://me:hidden@host:port/db", "the store's address cannot be read"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(address: str, message: str) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        Store.open(address)
    assert "hidden" not in str(caught.value)
    assert "postgresql://user@host/database" in str(caught.value)


def test_a_server_that_does_not_answer_is_named_without_the_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="no psycopg: install the extra postgres")
    with pytest.raises(StoreError, match="cannot be used") as caught:
        Store.open(f"postgres://me:hidden@/db?host={tmp_path}", wait=1.0)
    assert "hidden" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"promptdescent\[postgres\]"):
        Store.open("postgresql://me@host/db")
