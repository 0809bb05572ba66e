"""The one writer: many inserts in one transaction, none lost for another's fault, and nothing but inserts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from promptdescent.errors import StoreError
from promptdescent.store.ledger import RunLedger
from promptdescent.store.listing import listed_runs
from promptdescent.store.replies import RunReplies
from promptdescent.store.store import Store
from promptdescent.store.totals import run_totals
from store.samples import USAGE, OpenStore, begin, example, fail, manifest, pay, stored

pytestmark = pytest.mark.anyio


@pytest.fixture
def commits(store: Store) -> Iterator[list[str]]:
    """One entry for each transaction that was committed."""
    seen: list[str] = []
    engine = store.database._engine

    def committed(_: object) -> None:
        seen.append(threading.current_thread().name)

    event.listen(engine, "commit", committed)
    yield seen
    event.remove(engine, "commit", committed)


def note(run_id: str, seq: int, payload: str | None = "{}") -> dict[str, list[dict[str, Any]]]:
    return {"events": [{"run_id": run_id, "seq": seq, "at": 1.0, "kind": "note", "payload": payload}]}


async def test_what_waits_is_committed_together(store: Store, commits: list[str]) -> None:
    run_id = store.create_run(manifest(), {})
    commits.clear()
    await asyncio.gather(*[store.append(run_id, "note", "{}") for _ in range(400)])
    assert len(store.events(run_id)) == 400
    assert len(commits) <= 100
    on_a_server = store.database.name.startswith("postgresql")
    assert set(commits) == {"store-writer" if on_a_server else threading.current_thread().name}


async def test_a_write_that_cannot_be_done_harms_no_other(store: Store, commits: list[str]) -> None:
    run_id = store.create_run(manifest(), {})
    commits.clear()
    await store.database.writer.write(note(run_id, 3))
    results = await asyncio.gather(
        *[store.database.writer.write(note(run_id, seq, None if seq == 9 else "{}")) for seq in range(1, 21)],
        return_exceptions=True,
    )
    failed = {seq: error for seq, error in enumerate(results, start=1) if error is not None}
    assert set(failed) == {3, 9}
    assert all(isinstance(error, StoreError) for error in failed.values())
    assert f"the store {store.database.name} cannot be written" in str(failed[3])
    assert [entry.seq for entry in store.events(run_id)] == [seq for seq in range(1, 21) if seq != 9]


async def test_one_write_is_all_or_nothing(store: Store) -> None:
    run_id = store.create_run(manifest(), {})
    rows = note(run_id, 1)["events"] + note(run_id, 2, None)["events"]
    with pytest.raises(StoreError):
        await store.database.writer.write({"events": rows})
    with pytest.raises(StoreError):
        await store.database.writer.write(note("no such run", 1))
    assert store.events(run_id) == store.events("no such run") == ()


async def test_a_caller_that_gives_up_harms_nobody(store: Store) -> None:
    run_id = store.create_run(manifest(), {})
    tasks = [asyncio.ensure_future(store.append(run_id, "note", "{}")) for _ in range(20)]
    await asyncio.sleep(0)
    tasks[7].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results].count(asyncio.CancelledError) == 1
    assert [result for result in results if result is not None] == [results[7]]


async def test_a_closed_store_says_so(store: Store) -> None:
    run_id = store.create_run(manifest(), {})
    ledger = RunLedger(store, run_id)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        await begin(ledger, "a")
    with pytest.raises(StoreError, match="is closed"):
        store.create_run(manifest(), {})


async def test_nothing_is_changed_or_deleted(open_store: OpenStore) -> None:
    """All the SQL of a run's life, from the empty database on, as the driver gets it."""
    store = open_store()
    seen: list[str] = []
    engine = store.database._engine
    event.listen(engine, "before_cursor_execute", lambda *arguments: seen.append(str(arguments[2])))
    run_id = store.create_run(manifest(), {"train": [example("a")]})
    ledger = RunLedger(store, run_id)
    await pay(ledger, [stored("a")])
    await pay(ledger, [stored("a")])
    await fail(ledger, "b")
    for _ in range(2):
        await ledger.use("a", "task", USAGE)
    listed_runs(store)
    await store.append(run_id, "step", "{}")
    await store.set_status(run_id, "finished")
    store.release(run_id)
    store.claim(run_id)
    await RunReplies(store, RunLedger(store, run_id)._run_id, "store").find("a", ["a", "b"])
    store.find_run("latest")
    run_totals(store, run_id)
    verbs = {statement.split()[0].upper() for statement in seen}
    assert verbs <= {"INSERT", "SELECT"}
    assert {"INSERT", "SELECT"} <= verbs
    assert not [statement for statement in seen if "DO UPDATE" in statement.upper() or "REPLACE" in statement.upper()]
