"""The list of runs: what it says of each, and what it takes to read."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from promptdescent.report.record import run_record
from promptdescent.store.ledger import RunLedger
from promptdescent.store.listing import ListedScore, ListedVerdict, count_runs, listed_runs
from promptdescent.store.schema import tables
from promptdescent.store.store import RunStatus, Store
from promptdescent.store.summaries import summary_of
from scripts import load_script
from store.samples import OpenStore, begin, example, manifest, pay, stored

pytestmark = pytest.mark.anyio

VERDICT = json.dumps({"difference": 0.25, "interval": [0.1, 0.4], "gain_shown": True, "best_outcomes": []})
EVALUATION = json.dumps({"on": "test", "score": 0.5, "interval": [0.4, 0.6], "rows": 9, "outcomes": []})


def scored(best: float | None) -> str:
    """The payload of a start or step, with more in it than is listed."""
    return json.dumps({"state": {"best": {"id": "0.0", "score": best}, "tried": ["x" * 5_000]}})


async def test_a_run_is_listed_by_what_it_did_last(open_store: OpenStore) -> None:
    store = open_store()
    run_id = store.create_run(manifest(seed=7), {"test": [example("a")]})
    (listed,) = listed_runs(store)
    assert (listed.id, listed.created_at, listed.seed, listed.recipe) == (run_id, 1000.0, 7, "gpo")
    assert listed.models == {"task": "some-model", "optimizer": "some-model"}
    assert (listed.status, listed.best_score, listed.verdict, listed.calls) == (
        RunStatus(state="running"),
        None,
        None,
        0,
    )

    await store.append(run_id, "start", scored(0.5))
    await store.append(run_id, "note", '{"text": "hm"}')
    assert listed_runs(store)[0].best_score == 0.5
    await store.append(run_id, "step", scored(0.5))
    await store.append(run_id, "step", scored(0.75))
    assert listed_runs(store)[0].best_score == 0.75

    ledger = RunLedger(store, run_id)
    for key in ("a", "b"):
        await pay(ledger, [stored(key)])
    await begin(ledger, "c", "optimizer")
    await store.append(run_id, "verdict", VERDICT)
    await store.set_status(run_id, "failed", "no endpoint")
    (listed,) = listed_runs(open_store())
    assert listed.calls == 3
    assert listed.verdict == ListedVerdict(difference=0.25, interval=(0.1, 0.4), gain_shown=True)
    assert listed.status == RunStatus(state="failed", reason="no endpoint")


async def test_an_evaluation_is_listed_with_its_score(store: Store) -> None:
    await store.append(store.create_run(manifest(), {}), "evaluation", EVALUATION)
    (listed,) = listed_runs(store)
    assert listed.evaluation == ListedScore(on="test", score=0.5, interval=(0.4, 0.6))
    assert (listed.best_score, listed.verdict) == (None, None)


async def test_the_newest_come_first_and_as_many_as_asked_for(store: Store) -> None:
    assert (listed_runs(store), listed_runs(store, last=3), count_runs(store)) == ((), (), 0)
    made = [store.create_run(manifest(), {}) for _ in range(5)]
    for number, run_id in enumerate(made):
        await store.append(run_id, "start", scored(number / 10))
        await store.set_status(run_id, "finished")
    assert [(row.id, row.best_score) for row in listed_runs(store)] == [
        (run_id, number / 10) for number, run_id in reversed(list(enumerate(made)))
    ]
    assert [row.id for row in listed_runs(store, last=2)] == made[:2:-1]
    assert {row.status.state for row in listed_runs(store, last=2)} == {"finished"}
    assert count_runs(store) == 5


def test_a_run_without_a_process_is_interrupted_and_one_with_is_running(open_store: OpenStore) -> None:
    store = open_store()
    dropped, held = (store.create_run(manifest(), {}) for _ in range(2))
    store.release(dropped)
    assert {row.id: row.status.state for row in listed_runs(open_store())} == {dropped: "interrupted", held: "running"}
    assert {row.id: row.status.state for row in store.runs()} == {dropped: "interrupted", held: "running"}


async def test_only_runs_that_say_they_run_are_looked_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Collection[str]] = []
    made = [store.create_run(manifest(), {}) for _ in range(4)]
    for run_id in made:
        await store.set_status(run_id, "finished" if run_id != made[2] else "running")
        store.release(run_id)
    monkeypatch.setattr(store.database, "held", lambda run_ids: asked.append(run_ids) or frozenset(run_ids))
    assert listed_runs(store)[1].status.state == "running"
    assert store.runs()[2].status.state == "running"
    assert asked == [{made[2]}] * 2


async def test_the_payloads_of_this_version_are_not_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = store.create_run(manifest(), {})
    for kind, payload in [("start", scored(0.5)), ("step", scored(1.0)), ("verdict", VERDICT)]:
        await store.append(run_id, kind, payload)  # type: ignore[arg-type]
    monkeypatch.setattr("promptdescent.store.listing.summary_of", None)  # it would be called with a payload
    assert listed_runs(store)[0].best_score == 1.0


@pytest.mark.parametrize(
    ("kind", "payload", "summary"),
    [
        ("start", scored(0.5), '{"best":0.5}'),
        ("step", scored(None), '{"best":null}'),
        ("verdict", VERDICT, '{"difference":0.25,"interval":[0.1,0.4],"gain_shown":true}'),
        ("evaluation", EVALUATION, '{"on":"test","score":0.5,"interval":[0.4,0.6]}'),
        ("evaluation", '{"on":"test"}', None),
        ("status", '{"state":"running"}', None),
        ("note", "no JSON at all", None),
        ("step", "{}", None),
        ("step", '{"state":{"best":null}}', None),
        ("start", "[]", None),
        ("verdict", '{"difference":0.25}', None),
    ],
)
def test_a_summary_says_what_a_list_says(kind: str, payload: str, summary: str | None) -> None:
    assert summary_of(kind, payload) == summary


# --- what it takes ---


def benchmark() -> Any:
    """benchmarks/store_load.py, which is no package."""
    return load_script("benchmarks/store_load.py")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 20 runs with 1,000 outcomes each: a tenth of the runs of the benchmark, a fiftieth of the outcomes."""
    load, folder = benchmark(), tmp_path_factory.mktemp("loaded")
    pattern = load.real_run(steps=4, dev_rows=12)
    load.fill_file(folder, load.generated(pattern, runs=20, outcomes=20_000, seed=1))
    return folder


def test_a_store_of_the_benchmark_is_a_store(loaded: Path) -> None:
    with closing(Store.open(loaded)) as store:
        assert {row.status.state for row in listed_runs(store)} == {"finished", "failed", "interrupted"}
        newest = listed_runs(store)[0]
        record = run_record(store, "latest")
        assert newest.best_score == record["best"]["dev_score"]
        assert newest.calls == sum(usage["paid"]["calls"] for usage in record["usage"].values()) == 1_000
        assert record["replies_from_earlier_runs"]["count"] == 100
        assert record["earlier_use_of_test_rows"] == 17


def test_listing_and_opening_are_quick(loaded: Path) -> None:
    """Both take less than the benchmark allows for ten times the runs; here they are measured at about a fifth."""
    times: dict[str, list[float]] = {"list": [], "open": []}
    for _ in range(5):
        with closing(Store.open(loaded)) as store:
            began = time.perf_counter()
            listed_runs(store)
            times["list"].append(time.perf_counter() - began)
            began = time.perf_counter()
            run_record(store, "latest")
            times["open"].append(time.perf_counter() - began)
    assert statistics.median(times["list"]) < 0.1
    assert statistics.median(times["open"]) < 0.3


def test_a_list_takes_as_many_queries_for_twenty_runs_as_for_two(loaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Store.open(loaded)) as store:
        queries: list[object] = []
        read = store.database.read

        def counted(statement: Any, **parameters: Any) -> Any:
            queries.append(statement)
            return read(statement, **parameters)

        monkeypatch.setattr(store.database, "read", counted)
        listed_runs(store, last=2)
        listed_runs(store)
        assert len(queries) == 6


def test_the_newest_event_of_a_kind_is_found_in_an_index(loaded: Path) -> None:
    from sqlalchemy import text

    assert "events_kind" in {index.name for index in tables().events.indexes}
    with closing(Store.open(loaded)) as store:
        plan = store.database.read(
            text("EXPLAIN QUERY PLAN SELECT max(seq) FROM events WHERE run_id = 'a' AND kind = 'step'")
        )
    assert "COVERING INDEX events_kind" in plan[0].detail
