"""The record that ``show --json`` and ``show --canonical`` print."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from report_samples import BEST, START, VERDICT, Ticking, manifest, open_store, start_event, step, write_run

from promptdescent.errors import StoreError
from promptdescent.records import to_json
from promptdescent.report.record import as_text, canonical, run_record
from promptdescent.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "store")
    yield opened
    opened.close()


def test_a_finished_run(store: Store) -> None:
    run = write_run(store, failures=2)
    record = run_record(store, "latest")
    assert record["id"] == run
    assert (record["status"], record["seed"], record["recipe"]) == ("finished", 7, "gpo")
    assert record["start"] == {"prompt": START, "dev_score": 0.5, "rows": 2, "words": 3}
    assert record["best"] == {"id": "1.1", "prompt": BEST, "dev_score": 1.0, "rows": 2, "distance": 5, "words": 7}
    assert record["search"] == {"steps_done": 1, "total_steps": 4, "ended_because": "perfect dev score"}
    assert record["usage"]["task"]["used"] == {"calls": 1, "tokens_in": 10, "tokens_out": 3}
    assert record["usage"]["task"]["paid"] == {"calls": 3, "tokens_in": 10, "tokens_out": 3}
    assert record["usage"]["optimizer"]["paid"]["calls"] == 1
    assert record["models"]["task"]["identity"] == "one"
    assert record["models"]["optimizer"]["temperature"] == 1.0
    assert record["task"]["split_sizes"] == {"train": 1, "dev": 2, "test": 3}
    assert record["notes"] == ["48 rows of /data/rows.csv"]
    assert record["created"] == "1970-01-01T00:16:41+00:00"


def test_the_newest_explanation_is_part_of_the_record_and_of_no_canonical_one(store: Store) -> None:
    run = write_run(store)
    assert run_record(store, run)["explanation"] is None
    store.claim(run)
    for score in (0.5, 0.75):
        asyncio.run(store.append(run, "explanation", json.dumps({"score": score, "later": "unknown"})))
    store.release(run)
    record = run_record(store, run)
    assert record["explanation"] == {"score": 0.75, "later": "unknown"}
    assert "explanation" not in canonical(record)


def test_the_verdict_has_the_fields_that_scripts_read(store: Store) -> None:
    write_run(store)
    verdict = run_record(store, "latest")["verdict"]
    for name in ("start_score", "best_score", "difference", "p_value", "rows", "missing", "leaked", "gain_shown"):
        assert verdict[name] == getattr(VERDICT, name)
    assert verdict["interval"] == [0.1, 0.4]
    assert verdict["sentence"].startswith("The found prompt is better")


def test_a_step_tells_the_fate_of_every_proposal(store: Store) -> None:
    write_run(store)
    (first,) = run_record(store, "latest")["steps"]
    assert (first["word_budget"], first["survivors"], first["failed_proposals"]) == (48, ["1.1"], 1)
    (request,) = first["requests"]
    assert request["message"] == {"role": "user", "text": "Improve this."}
    assert (request["purpose"], request["parent"], request["n"]) == ("proposal", "0.0", 3)
    found, rejected = first["candidates"]
    assert (found["prompt"], found["parent"], found["distance"], found["score"]) == (BEST, "0.0", 4, 1.0)
    assert (rejected["fate"], rejected["reason"]) == ("rejected", "tried before")


def test_replies_are_counted_by_kind(store: Store) -> None:
    write_run(store)
    assert run_record(store, "latest")["replies"] == {
        "start_on_dev": {"answered": 1, "unreadable": 1},
        "start_on_test": {"answered": 1, "empty": 1},
        "best_on_test": {"answered": 1, "cut off": 1},
    }


def test_a_run_without_a_verdict(store: Store) -> None:
    write_run(store, verdict=None)
    record = run_record(store, "latest")
    assert record["verdict"] is None
    assert record["status"] == "failed"
    assert record["best"]["prompt"] == BEST


def test_a_run_that_scored_nothing_still_has_a_best_prompt(store: Store) -> None:
    store.release(store.create_run(manifest(), {}))
    record = run_record(store, "latest")
    assert record["best"] == {"id": None, "prompt": START, "dev_score": None, "rows": 0, "distance": 0, "words": 3}
    assert (record["status"], record["seconds"], record["steps"]) == ("interrupted", 0.0, [])
    json.loads(as_text(canonical(record)))


def test_time_does_not_count_while_nobody_works(tmp_path: Path) -> None:
    clock = Ticking()
    store = Store.open(tmp_path / "store", clock=clock)
    run = store.create_run(manifest(), {})

    async def write() -> None:
        await store.set_status(run, "running")  # at t
        await store.append(run, "start", start_event())  # t + 1, then killed
        clock.now += 5_000
        await store.set_status(run, "running")  # u
        await store.set_status(run, "interrupted")  # u + 1
        clock.now += 5_000
        await store.set_status(run, "running")  # v
        await store.append(run, "step", to_json(step()))  # v + 1
        await store.set_status(run, "finished")  # v + 2

    asyncio.run(write())
    assert run_record(store, run)["seconds"] == 1 + 1 + 2
    store.close()


def test_earlier_use_of_the_test_rows_is_told_and_is_not_canonical(store: Store) -> None:
    first = write_run(store)
    second = write_run(store)
    before, after = run_record(store, first), run_record(store, second)
    assert (before["earlier_use_of_test_rows"], after["earlier_use_of_test_rows"]) == (0, 1)
    assert "1 earlier run" in after["verdict"]["sentence"]
    assert canonical(after) == canonical(before)


def test_rows_that_are_left_out_of_the_verdict_are_not_used_again(store: Store) -> None:
    write_run(store)
    leaked = replace(manifest(), leaked=("t1", "t2", "t3"))
    second = write_run(store, run_manifest=leaked)
    assert run_record(store, second)["earlier_use_of_test_rows"] == 0


def test_canonical_is_the_same_however_a_run_went(tmp_path: Path) -> None:
    one, other = open_store(tmp_path / "one"), Store.open(tmp_path / "other", clock=Ticking(9_999.5))
    write_run(one, run_manifest=manifest(task_model="local:/data/models/model.gguf"))
    write_run(
        other,
        run_manifest=manifest(task_model="local:model.gguf", cache="off"),
        note="resumed",
        killed_once=True,
        failures=3,
    )
    records = [run_record(store, "latest") for store in (one, other)]
    one.close()
    other.close()
    texts = [as_text(canonical(record)) for record in records]
    assert records[0] != records[1]
    assert texts[0] == texts[1]
    assert "/data/" not in texts[0]
    assert records[0]["id"] not in texts[0]


def test_json_is_inert_in_a_terminal(store: Store) -> None:
    hostile = "red \x1b[31m \x9b31m \u202e [bold]"
    write_run(store, best=hostile)
    record = run_record(store, "latest")
    text = as_text(record)
    assert text.isascii()
    assert {char for char in text if not char.isprintable()} == {"\n"}
    assert json.loads(text)["best"]["prompt"] == hostile
    assert list(json.loads(text)) == sorted(record)


def test_an_unknown_run(store: Store) -> None:
    with pytest.raises(StoreError, match="no run"):
        run_record(store, "latest")
