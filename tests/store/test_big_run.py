"""A run of the benchmark on big runs, in small: it is a run as any other, and reading it does not read its calls."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from promptdescent.report.record import run_record
from promptdescent.store.store import Store
from promptdescent.store.totals import RunTotals, later_totals, run_totals
from scripts import load_script

STEPS, CANDIDATES = 3, 2
CALL_TABLES = ("attempts", "uses", "replies")


@pytest.fixture(scope="module")
def big() -> Any:
    """benchmarks/big_run.py, which is no package."""
    return load_script("benchmarks/big_run.py")


@pytest.fixture(scope="module")
def folders(big: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Stores with a run on so many rows."""
    made = {}
    for rows in (20, 60):
        made[rows] = tmp_path_factory.mktemp(f"rows{rows}")
        big.fill(str(made[rows]), steps=STEPS, candidates=CANDIDATES, rows=rows)
    return made


def test_the_run_is_a_whole_one(folders: dict[int, Path]) -> None:
    with closing(Store.open(folders[60])) as store:
        record = run_record(store, "latest")
        assert record["status"] == "finished"
        assert [len(step["candidates"]) for step in record["steps"]] == [CANDIDATES] * STEPS
        assert record["usage"]["task"]["used"]["calls"] == 60 * (1 + STEPS * CANDIDATES + 2)
        assert record["usage"]["optimizer"]["used"]["calls"] == STEPS * CANDIDATES
        assert record["failures"]["task"]["attempts"]["server error"] > 0
        assert record["verdict"]["rows"] == 60
        run = store.find_run("latest").id
        assert run_totals(store, run).by_role() == later_totals(store, run, RunTotals()).by_role()


def cost_of_calls(store: Store, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Steps of SQLite's virtual machine that opening the run takes, by the table of calls that a query reads."""
    steps, costs = [0], Counter[str]()

    def count() -> None:
        steps[0] += 1

    read = store.database.read

    def counted(statement: Any, **parameters: Any) -> Any:
        before = steps[0]
        found = read(statement, **parameters)
        for table in CALL_TABLES:
            if f"FROM {table}" in str(statement):
                costs[table] += steps[0] - before
        return found

    monkeypatch.setattr(store.database, "read", counted)
    driver: Any = store.database._reader.connection.driver_connection
    driver.set_progress_handler(count, 1)
    run_record(store, "latest")
    driver.set_progress_handler(None, 0)
    return costs


def test_opening_a_run_reads_none_of_the_calls_that_its_totals_count(
    folders: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = (Store.open(folders[rows]) for rows in (20, 60))
    with closing(few), closing(many):
        costs = [cost_of_calls(store, monkeypatch) for store in (few, many)]
        assert costs[0] == costs[1]
        assert costs[0]["attempts"] < 100
        assert costs[0]["uses"] < 100


def test_a_killed_run_is_opened_from_the_totals_of_its_last_step(big: Any, tmp_path: Path) -> None:
    """What came after them is read, and no more."""
    with closing(Store.open(tmp_path)) as store:
        run = asyncio.run(big.make(store, steps=2, candidates=2, rows=20))
        whole = run_totals(store, run)
        with store.database._engine.begin() as connection:
            connection.execute(
                text("DELETE FROM events WHERE seq > (SELECT max(seq) FROM events WHERE kind = 'state')")
            )
            kept = connection.execute(text("SELECT count(*) FROM events WHERE kind = 'totals'")).scalar()
        assert kept == 1, "that of the first step"
        assert run_totals(store, run) == whole
