"""A study on a Ray cluster of two processes, one of which is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import descendants, wait_until_gone
from study_samples import canonical, plan_of, write_grid, write_task

from promptdescent.experiments.study import run_study
from promptdescent.report.study.files import RECORD
from promptdescent.report.study.record import StudyRun
from promptdescent.store.schema import tables
from promptdescent.store.store import Store

MIDDLE = 30
"""Replies of a run that is in the middle of its search."""

START = 150.0
"""Seconds until a cluster is at work, on a machine that has much else to do."""

IN_FLIGHT = 16
"""Calls of a run at once, of a model in this process."""


class Silent:
    """Says nothing."""

    def on_message(self, text: str) -> None: ...

    def on_run(self, run: StudyRun, *, done: int, total: int) -> None: ...


def in_the_middle(store: Store) -> int:
    """How many runs are at work and have the replies of the middle; 0 if one has fewer."""
    from sqlalchemy import func, select

    runs = [run for run, status in store.statuses().items() if status.state == "running"]
    counted = select(tables().replies.c.run_id, func.count()).group_by(tables().replies.c.run_id)
    replies = dict(map(tuple, store.database.read(counted)))
    return len(runs) if all(replies.get(run, 0) >= MIDDLE for run in runs) else 0


def paid_twice(store: Store) -> dict[str, int]:
    """By run: answers beyond the first of a call."""
    from sqlalchemy import func, select

    attempts, ends = tables().attempts, tables().attempt_ends
    joined = (ends.c.run_id == attempts.c.run_id) & (ends.c.attempt == attempts.c.attempt)
    number = func.count() - func.count(attempts.c.call.distinct())
    query = select(attempts.c.run_id, number).join(ends, joined).where(ends.c.error.is_(None))
    return dict(map(tuple, store.database.read(query.group_by(attempts.c.run_id))))


def unanswered(store: Store) -> dict[str, int]:
    """By run: requests whose end nobody recorded."""
    from sqlalchemy import func, select

    attempts, ends = tables().attempts, tables().attempt_ends
    joined = (ends.c.run_id == attempts.c.run_id) & (ends.c.attempt == attempts.c.attempt)
    number = func.count() - func.count(ends.c.attempt)
    query = select(attempts.c.run_id, number).join(ends, joined, isouter=True)
    return dict(map(tuple, store.database.read(query.group_by(attempts.c.run_id))))


def kill_one_at_work(process: subprocess.Popen[str], store: Store) -> set[int]:
    """Kill a worker in the middle of a run, and return the numbers of all processes that the study has."""
    deadline = time.monotonic() + START
    while True:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        found = descendants(process.pid)
        at_work = [number for number, title in found.items() if title.startswith("ray::carry_out_parcel")]
        if at_work and in_the_middle(store) == len(at_work):
            os.kill(at_work[0], signal.SIGKILL)
            return set(found)
        time.sleep(0.1)


@pytest.mark.alone
@pytest.mark.timeout(400)
def test_a_study_on_a_cluster_is_that_of_processes_though_a_worker_is_killed(tmp_path: Path, database: str) -> None:
    pytest.importorskip("ray", reason="no ray: install the extra ray")
    task, grid = write_task(tmp_path, model="simulated:slow"), write_grid(tmp_path)
    run_study(plan_of(task, grid=grid), tmp_path / "here", workers=2, observer=Silent())
    store = Store.open(database)
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("ray_study.py"), tmp_path, tmp_path / "there", database],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        numbers = kill_one_at_work(process, store)
        said, errors = process.communicate(timeout=START)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, errors
    wait_until_gone(numbers, within=20)
    assert canonical(tmp_path / "there" / RECORD) == canonical(tmp_path / "here" / RECORD)
    assert said.count("finished") == 2 + 8

    runs = store.runs()
    begun = {
        run.id: sum(json.loads(event.payload)["state"] == "running" for event in store.events(run.id, "status"))
        for run in runs
    }
    assert sorted(begun.values()) == [1] * (len(runs) - 1) + [2]  # the killed one went on where it was
    killed = next(run for run, times in begun.items() if times == 2)
    assert set(paid_twice(store).values()) == {0}
    in_flight = unanswered(store)
    assert in_flight.pop(killed) <= IN_FLIGHT
    assert set(in_flight.values()) == {0}
    store.close()
