"""What becomes of a store in a bad world: each trouble is named, and what was committed stays."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import text

from promptdescent.errors import StoreError
from promptdescent.report.record import as_text, canonical, run_record
from promptdescent.store import database
from promptdescent.store.ledger import RunLedger, totals_of
from promptdescent.store.listing import listed_runs
from promptdescent.store.replies import RunReplies
from promptdescent.store.store import Store
from store.samples import OpenStore, example, manifest, pay, replies_to, stored
from whole_runs import command, optimize_arguments, run, write_rows

pytestmark = pytest.mark.anyio

Child = Callable[..., subprocess.Popen[str]]

KEEPS_LOCKED = (
    "import sqlite3, sys, time\n"
    "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    "c.execute('BEGIN IMMEDIATE')\n"
    "print('locked', flush=True)\n"
    "time.sleep(float(sys.argv[2]))\n"
    "c.execute('ROLLBACK')\n"
)
"""Holds a database for some seconds, as a backup or another program may."""

IN_LITTLE_ROOM = (
    "import resource, sys\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))\n"
    "from promptdescent.cli.main import main\n"
    "main()\n"
)
"""The command line where no file can become larger than so many bytes."""


def small_run(folder: Path, store: Path | str, *, seed: int = 5) -> list[object]:
    """The arguments of a run of 2 steps of 2 candidates; its rows lie in ``folder``."""
    rows = write_rows(folder / "rows.csv", 60)
    return [*optimize_arguments(rows, folder, seed=seed, steps=2, candidates=2), f"--store={store}"]


def shown(store: Path) -> str:
    """The canonical record of the newest run."""
    with closing(Store.open(store)) as opened:
        return as_text(canonical(run_record(opened, "latest")))


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets something for all SQLite connections that are opened from now on."""

    def add(setting: str) -> None:
        monkeypatch.setattr(database, "_SQLITE_SETTINGS", (*database._SQLITE_SETTINGS, setting))

    return add


# --- no room ---


async def test_a_full_disk_is_named_and_loses_nothing(tmp_path: Path, settings: Callable[[str], None]) -> None:
    settings("max_page_count = 60")  # SQLite says of it what it says of a disk without room
    keys: list[str] = []
    with closing(Store.open(tmp_path)) as store:
        run_id = store.create_run(manifest(), {"test": [example("a")]})
        ledger = RunLedger(store, run_id)

        async def pay_on() -> None:
            for number in itertools.count():
                await pay(ledger, [stored(f"k{number}", text="long " * 500)])
                keys.append(f"k{number}")

        with pytest.raises(StoreError, match=rf"the store {tmp_path}/store.db cannot be written: .* is full"):
            await pay_on()
        assert len(keys) > 3
        assert set(await replies_to(store, run_id, keys)) == set(keys)  # reading goes on

    settings("max_page_count = 1000000")
    with closing(Store.open(tmp_path)) as store:
        assert set(await replies_to(store, run_id, keys)) == set(keys)
        store.claim(run_id)
        assert len(keys) <= totals_of(store, run_id)["task"].paid.calls <= len(keys) + 1
        await pay(RunLedger(store, run_id), [stored("next")])


def test_a_store_for_which_there_is_no_room_is_not_half_made(tmp_path: Path, settings: Callable[[str], None]) -> None:
    settings("max_page_count = 5")
    with pytest.raises(StoreError, match=r"cannot be used: .* is full"):
        Store.open(tmp_path)
    settings("max_page_count = 1000000")
    with closing(Store.open(tmp_path)) as store:
        assert listed_runs(store) == ()


def test_a_run_that_meets_a_full_disk_fails_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    run(*small_run(tmp_path, tmp_path / "clean"))
    arguments = small_run(tmp_path, tmp_path / "store")
    size = "300000"  # the write-ahead log is the first to come up against it
    little = [sys.executable, "-c", IN_LITTLE_ROOM, size, *map(str, arguments)]
    ended = subprocess.run(little, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 3, ended.stderr
    assert f"error: the store {tmp_path}/store/store.db cannot be written: " in ended.stderr
    assert "Traceback" not in ended.stderr
    done = run("resume", "latest", "--store", tmp_path / "store")
    assert "finished" in done.stdout
    assert shown(tmp_path / "store") == shown(tmp_path / "clean")


# --- nothing may be written ---


async def test_a_store_that_may_only_be_read_is_read(tmp_path: Path, settings: Callable[[str], None]) -> None:
    with closing(Store.open(tmp_path)) as store:
        run_id = store.create_run(manifest(), {})
        await store.set_status(run_id, "finished")
    settings("query_only = ON")  # root may write any file; SQLite says the same of a file that may not be written
    with closing(Store.open(tmp_path)) as store:
        assert [row.status.state for row in listed_runs(store)] == ["finished"]
        assert run_record(store, "latest")["id"] == run_id
        store.claim(run_id)
        said = rf"the store {tmp_path}/store.db cannot be written: attempt to write a readonly database"
        with pytest.raises(StoreError, match=said):
            await store.append(run_id, "note", "{}")
        with pytest.raises(StoreError, match=said):
            store.create_run(manifest(), {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named_by_the_command_line(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir(mode=0o500)
    ended = run(*small_run(tmp_path, folder), check=2)
    assert f"the store {folder}/store.db cannot be used: Permission denied" in ended.stderr


def test_a_path_below_a_file_is_named_by_the_command_line(tmp_path: Path) -> None:
    ended = run(*small_run(tmp_path, tmp_path / "rows.csv" / "store"), check=2)
    assert (
        f"error: no store can be made in {tmp_path}/rows.csv/store (Not a directory): name another folder"
        in ended.stderr
    )


# --- damaged entries ---


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("text = 'no JSON'", id="no-json"),
        pytest.param("text = ''", id="nothing"),
        pytest.param("text = '[\"yes\"]'", id="a-list"),
        pytest.param("text = 'null'", id="null"),
        pytest.param("text = '7'", id="a-number"),
        pytest.param("text = '\"cut o'", id="cut-off"),
        pytest.param("finish = 'sideways'", id="an-end-that-is-not-known"),
        pytest.param("tokens_in = -1", id="negative-tokens"),
    ],
)
async def test_a_damaged_reply_counts_as_not_there(open_store: OpenStore, damage: str) -> None:
    store = open_store()
    run_id = store.create_run(manifest(), {})
    await pay(RunLedger(store, run_id), [stored("bad"), stored("worse", call="bad"), stored("good")])
    harm(store, damage, where="key <> 'good'")
    replies = RunReplies(store, run_id, "store")
    assert set((await replies.find("", ["bad", "good"])).replies) == {"good"}
    assert set((await replies.find("", ["worse", "bad"])).replies) == set()
    assert replies.damaged == 3
    (note,) = store.events(run_id, "note")  # said once
    assert json.loads(note.payload)["text"].startswith(
        f"a stored reply of run {run_id} is damaged; it is asked for again"
    )


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("tokens_out = 'many'", id="words-for-tokens"),
        pytest.param("thought_chars = 1.5", id="half-a-character"),
        pytest.param("created_at = 'yesterday'", id="words-for-a-time"),
        pytest.param("text = x'ff00'", id="bytes-for-a-text"),
    ],
)
async def test_a_value_of_another_type_counts_as_not_there(store: Store, damage: str) -> None:
    """SQLite takes values of any type."""
    run_id = store.create_run(manifest(), {})
    await pay(RunLedger(store, run_id), [stored("bad")])
    harm(store, damage)
    assert await replies_to(store, run_id, ["bad"]) == {}


async def test_a_whole_reply_of_another_run_is_taken_for_a_damaged_one(open_store: OpenStore) -> None:
    store = open_store()
    earlier, this = (store.create_run(manifest(), {}) for _ in range(2))
    for run_id in (earlier, this):
        await pay(RunLedger(store, run_id), [stored("a", text=run_id)])
    harm(store, "text = '{'", where=f"run_id = '{this}'")
    assert (await replies_to(store, this, ["a"]))["a"].reply.text == earlier
    assert await replies_to(store, this, ["a"], mode="run") == {}


def test_a_run_asks_again_for_what_is_damaged(tmp_path: Path) -> None:
    where = tmp_path / "store"
    arguments = small_run(tmp_path, where)
    run(*arguments)
    before = shown(where)
    with closing(sqlite3.connect(where / "store.db")) as connection, connection:
        harmed = connection.execute("UPDATE replies SET text = '{\"' WHERE attempt % 7 = 0").rowcount
    run(*arguments)
    assert shown(where) == before
    with closing(Store.open(where)) as store:
        record = run_record(store, "latest")
        assert sum(usage["paid"]["calls"] for usage in record["usage"].values()) == harmed > 0
        assert len([note for note in record["notes"] if "is damaged" in note]) == 1


def harm(store: Store, damage: str, *, where: str = "true") -> None:
    """Change replies, which no code of ours does."""
    with store.database._engine.begin() as connection:
        assert connection.execute(text(f"UPDATE replies SET {damage} WHERE {where}")).rowcount > 0  # noqa: S608


# --- locked by another program ---


async def test_a_short_lock_is_waited_for(tmp_path: Path, child: Child) -> None:
    with closing(Store.open(tmp_path, wait=20.0)) as store:
        run_id = store.create_run(manifest(), {})
        await locked(child(KEEPS_LOCKED, str(tmp_path / "store.db"), "0.7"))
        began = time.monotonic()
        await store.append(run_id, "note", "{}")
        assert time.monotonic() - began > 0.2
        assert len(store.events(run_id)) == 1


async def test_a_long_lock_is_named(tmp_path: Path, child: Child) -> None:
    with closing(Store.open(tmp_path, wait=0.3)) as store:
        run_id = store.create_run(manifest(), {})
        holder = child(KEEPS_LOCKED, str(tmp_path / "store.db"), "60")
        await locked(holder)
        with pytest.raises(StoreError, match=rf"the store {tmp_path}/store.db cannot be written: database is locked"):
            await store.append(run_id, "note", "{}")
        assert [row.id for row in listed_runs(store)] == [run_id]  # reading needs no lock
        holder.kill()
        holder.wait(timeout=10)
        await store.append(run_id, "note", "{}")


async def locked(holder: subprocess.Popen[str]) -> None:
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"


# --- clocks ---


async def test_a_clock_that_goes_backwards_changes_no_order(place: str) -> None:
    clock: Iterator[float] = itertools.count(5_000.0, -100.0)
    with closing(Store.open(place, clock=lambda: next(clock))) as store:
        first = store.create_run(manifest(seed=1), {})
        for state in ("running", "interrupted", "running"):
            await store.set_status(first, state)
        await store.append(first, "note", '{"text": "hm"}')
        await store.set_status(first, "finished")
        second = store.create_run(manifest(seed=2), {})
        store.release(second)
        assert [event.seq for event in store.events(first)] == [1, 2, 3, 4, 5]
        assert store.find_run("latest").id == second
        assert [row.id for row in listed_runs(store)] == [second, first]
        assert [row.status.state for row in listed_runs(store)] == ["interrupted", "finished"]
        record = run_record(store, first)
        assert (record["seconds"], record["status"]) == (0.0, "finished")


# --- several processes ---


def test_a_run_that_another_process_holds_is_not_gone_on_with(place: str, store: Store, child: Child) -> None:
    run_id = store.create_run(manifest(), {})
    ended = run("resume", run_id, "--store", place, check=2)
    assert f"error: run {run_id} is still running: wait for it to end, or stop it first" in ended.stderr
    store.release(run_id)
    source = (
        "import sys; from promptdescent.store.store import Store; from promptdescent.errors import StoreError\n"
        "s = Store.open(sys.argv[1]); print('ready', flush=True); sys.stdin.readline()\n"
        "try:\n    s.claim(sys.argv[2]); print('held', flush=True)\n"
        "except StoreError as error:\n    print(error, flush=True)\n"
        "sys.stdin.readline()\n"
    )
    rivals = [child(source, place, run_id) for _ in range(2)]
    said = []
    for rival in rivals:
        assert rival.stdout is not None
        assert rival.stdout.readline() == "ready\n"
    for rival in rivals:
        assert rival.stdin is not None
        rival.stdin.write("go\n")
        rival.stdin.flush()
    for rival in rivals:
        assert rival.stdout is not None
        said.append(rival.stdout.readline().strip())
    assert sorted(said, key=len)[0] == "held"
    assert f"run {run_id} is still running" in sorted(said, key=len)[1]


def test_many_runs_side_by_side_in_one_store_all_finish(place: str, tmp_path: Path) -> None:
    with ExitStack() as started:
        processes = [
            started.enter_context(
                subprocess.Popen(
                    command(*small_run(tmp_path, place, seed=seed)),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for seed in range(4)
        ]
        for process in processes:
            said = process.communicate(timeout=90)[1]
            assert process.returncode == 0, said
    with closing(Store.open(place)) as store:
        listed = listed_runs(store)
        assert [run.status.state for run in listed] == ["finished"] * 4
        assert {run.seed for run in listed} == {0, 1, 2, 3}
        for run_ in listed:
            assert run_.calls == sum(totals.paid.calls for totals in totals_of(store, run_.id).values()) > 0
