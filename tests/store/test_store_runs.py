"""Runs: made, found, held by one process, and what is said of them."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest

from promptdescent.errors import StoreError
from promptdescent.records import Example, Split
from promptdescent.store.ledger import RunLedger
from promptdescent.store.store import RunStatus, Store
from promptdescent.store.totals import run_totals
from store.samples import ODD, OpenStore, example, manifest, pay, stored

pytestmark = pytest.mark.anyio

HOLD = "import sys; from promptdescent.store.store import Store; s = Store.open(sys.argv[1])\n{}\nsys.stdin.read()"


def new_run(store: Store, *tests: str) -> str:
    return store.create_run(manifest(), {"test": [example(name) for name in tests]})


# --- what a run is ---


def test_a_run_comes_back_as_it_was_recorded(open_store: OpenStore) -> None:
    odd = Example(id="odd", inputs=((ODD, ODD), ("b", "")), target=ODD)
    splits: dict[Split, tuple[Example, ...]] = {
        "train": (example("t1"), odd),
        "dev": (example("d1"),),
        "test": (odd, example("t1")),
    }
    run_id = open_store().create_run(manifest(seed=7), splits)

    store = open_store()
    row = store.find_run(run_id)
    assert (row.id, row.created_at, row.manifest) == (run_id, 1000.0, manifest(seed=7))
    assert store.manifest(run_id) == manifest(seed=7)
    assert store.examples(run_id) == splits
    assert len(run_id) == 12
    assert set(run_id) <= set("0123456789abcdef")


def test_runs_are_listed_oldest_first_and_latest_is_the_newest(store: Store) -> None:
    made = [new_run(store) for _ in range(5)]
    assert [row.id for row in store.runs()] == made
    assert store.find_run("latest").id == made[-1]


def test_a_run_that_explains_another_is_found_but_never_the_latest(store: Store) -> None:
    run = store.create_run(replace(manifest(), prompt='It says "explains":"something" itself.'), {})
    explaining = store.create_run(replace(manifest(), explains=run), {})
    assert store.find_run("latest").id == run
    assert store.find_run(explaining).manifest.explains == run


def test_a_run_is_found_by_the_start_of_its_id(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(["aaaa00000000", "aaaa00000000", "aaab00000000", "bbbb00000000"])  # one is drawn twice
    monkeypatch.setattr("promptdescent.store.store.secrets.token_hex", lambda _: next(ids))
    made = [new_run(store) for _ in range(3)]
    assert made == ["aaaa00000000", "aaab00000000", "bbbb00000000"]
    assert store.find_run("b").id == "bbbb00000000"
    assert store.find_run("aaab").id == "aaab00000000"
    with pytest.raises(StoreError, match=r"2 runs .* start with 'aaa': aaab00000000, aaaa00000000$"):
        store.find_run("aaa")


@pytest.mark.parametrize("name", ["zzzz", "%", "", "_", "0123456789abcd"])
def test_an_unknown_run_is_refused_and_the_newest_are_named(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match=r"there is no run in the store .* yet"):
        store.find_run(name)
    made = [new_run(store) for _ in range(6)]
    with pytest.raises(StoreError) as caught:
        store.find_run(name)
    assert str(caught.value).endswith("; the newest: " + ", ".join(made[:0:-1]) + ", …")
    with pytest.raises(StoreError, match="no run 'none'"):
        store.manifest("none")


# --- who holds it ---


def test_a_run_is_held_by_whoever_made_it_until_it_is_released(open_store: OpenStore) -> None:
    first, second = open_store(), open_store()
    run_id = new_run(first)
    for other in (first, second):
        with pytest.raises(StoreError, match=f"run {run_id} is still running"):
            other.claim(run_id)
    first.release(run_id)
    second.claim(run_id)
    with pytest.raises(StoreError, match="is still running"):
        first.claim(run_id)
    second.close()
    first.claim(run_id)


async def test_only_the_holder_writes(open_store: OpenStore) -> None:
    first, second = open_store(), open_store()
    run_id = new_run(first)
    with pytest.raises(StoreError, match=f"run {run_id} cannot be written"):
        await second.append(run_id, "note", "{}")
    with pytest.raises(StoreError, match=f"run {run_id} cannot be written"):
        RunLedger(second, run_id)


def test_a_run_is_free_as_soon_as_its_process_is_killed(
    place: str, store: Store, child: Callable[..., subprocess.Popen[str]]
) -> None:
    run_id = new_run(store)
    store.release(run_id)
    holder = child(HOLD.format("s.claim(sys.argv[2]); print('held', flush=True)"), place, run_id)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert store.status(run_id).state == "running"
    with pytest.raises(StoreError, match="is still running"):
        store.claim(run_id)
    holder.send_signal(signal.SIGKILL)
    holder.wait(timeout=10)
    assert store.status(run_id).state == "interrupted"
    store.claim(run_id)


# --- what happened ---


async def test_events_keep_their_order_over_a_resume(open_store: OpenStore) -> None:
    first = open_store()
    run_id, other = new_run(first), new_run(first)
    await first.append(run_id, "start", '{"n": 1}')
    await first.append(other, "note", "{}")
    await first.append(run_id, "step", '{"n": 2}')
    first.close()

    second = open_store()
    second.claim(run_id)
    await second.append(run_id, "step", '{"n": 3}')
    events = second.events(run_id)
    assert [event.seq for event in events] == [1, 2, 3]
    assert [event.kind for event in events] == ["start", "step", "step"]
    assert [json.loads(event.payload)["n"] for event in events] == [1, 2, 3]
    assert [event.at for event in events] == sorted({event.at for event in events})
    assert [event.seq for event in second.events(run_id, "step")] == [2, 3]
    with pytest.raises(ValueError, match="event kind 'stpe'"):
        await second.append(run_id, "stpe", "{}")  # type: ignore[arg-type]


async def test_a_status_is_the_last_one_said(open_store: OpenStore) -> None:
    store, looker = open_store(), open_store()
    run_id = new_run(store)
    assert looker.status(run_id) == RunStatus(state="running")
    await store.set_status(run_id, "failed", "the endpoint is gone")
    assert looker.status(run_id) == RunStatus(state="failed", reason="the endpoint is gone")
    await store.set_status(run_id, "running")
    assert looker.status(run_id) == RunStatus(state="running")
    store.release(run_id)
    assert looker.status(run_id).state == "interrupted"
    store.claim(run_id)
    await store.set_status(run_id, "finished")
    store.release(run_id)
    assert looker.find_run(run_id).status == RunStatus(state="finished")


async def test_a_run_let_go_is_let_go_at_once_for_whoever_looks(open_store: OpenStore) -> None:
    """PostgreSQL drops the locks of a closed session when it comes to it."""
    store, looker = open_store(), open_store()
    for _ in range(50):
        run_id = new_run(store)
        store.release(run_id)
        assert not looker.database.held([run_id])


# --- what it owes to earlier runs ---


async def test_earlier_verdicts_count_by_shared_test_rows(store: Store) -> None:
    first, unjudged, disjoint = new_run(store, "a", "b"), new_run(store, "a"), new_run(store, "x")
    train_only = store.create_run(manifest(), {"train": [example("a")]})
    this = new_run(store, "a", "b", "c")
    later = new_run(store, "a")
    for run_id in (first, disjoint, train_only, this, later):
        await store.append(run_id, "verdict", "{}")
    await store.append(first, "verdict", "{}")
    await store.append(unjudged, "step", "{}")
    assert store.earlier_verdicts_on(this, ["a", "b", "c"]) == 1
    assert store.earlier_verdicts_on(this, [f"n{i}" for i in range(1_200)] + ["x", "b"]) == 2
    assert store.earlier_verdicts_on(later, ["b"]) == 2
    assert store.earlier_verdicts_on(this, []) == 0


def foreign(store: Store, run_id: str) -> tuple[int, float | None]:
    totals = run_totals(store, run_id)
    return totals.foreign, totals.oldest_foreign


async def test_replies_of_earlier_runs_are_counted_with_their_oldest_date(store: Store) -> None:
    earlier, older, this = (RunLedger(store, new_run(store)) for _ in range(3))
    await pay(older, [stored("a", at=300.0)])
    await pay(earlier, [stored("a", at=400.0)])
    await pay(earlier, [stored("b0", call="b", at=200.0), stored("b1", call="b", at=200.0)])
    await pay(earlier, [stored("unused", at=1.0)])
    run_id = store.runs()[-1].id
    await pay(this, [stored("own", at=600.0)])
    await pay(earlier, [stored("own", at=50.0)])
    await this.use("own", "task", stored("own").usage)
    assert foreign(store, run_id) == (0, None)
    await this.use("a", "task", stored("a").usage)
    assert foreign(store, run_id) == (1, 300.0)
    await this.use("b", "optimizer", stored("b").usage)
    assert foreign(store, run_id) == (3, 200.0)
