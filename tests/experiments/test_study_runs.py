"""Whole studies on the simulated models: equal means, resumption, failures."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from study_samples import canonical, write_grid, write_task

from promptdescent.errors import ConfigError, RunFailed
from promptdescent.experiments.executor import Processes
from promptdescent.experiments.grids import grid_named
from promptdescent.experiments.plan import StudyPlan, tasks_from
from promptdescent.experiments.study import run_study
from promptdescent.experiments.worker import Job
from promptdescent.report.study.files import FIGURE, RECORD, ROWS, TABLES
from promptdescent.report.study.record import Equal, StudyRecord, StudyRun
from promptdescent.store.lease import FileLease
from promptdescent.store.store import Store

MIDDLE = 500
"""Replies: more than the pilot's, fewer than the study's."""


class Watch:
    """Keeps what a study says; calls back after so many runs."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.done: list[tuple[int, int]] = []

    def on_message(self, text: str) -> None:
        self.said.append(text)

    def on_run(self, run: StudyRun, *, done: int, total: int) -> None:
        self.done.append((done, total))


def plan_of(
    folder: Path,
    *tasks: Path,
    equal: Equal = "tokens",
    cap: int | None = None,
    seeds: int = 2,
    grid: Path | None = None,
) -> StudyPlan:
    files = [str(file) for file in tasks or (write_task(folder),)]
    return StudyPlan(
        grid=grid_named(str(grid or write_grid(folder))),
        tasks=tasks_from(files, {}),
        seeds=tuple(range(seeds)),
        equal=equal,
        max_tokens=cap,
    )


def carry_out(plan: StudyPlan, store: Path, *, workers: int = 1, watch: Watch | None = None) -> StudyRecord:
    return run_study(plan, store, workers=workers, observer=watch or Watch())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StudyRecord, Watch]:
    """The folder of a task, and a study on it that nothing disturbed, in ``study`` beside the task."""
    folder = tmp_path_factory.mktemp("whole")
    watch = Watch()
    return folder, carry_out(plan_of(folder), folder / "study", watch=watch), watch


def test_every_cell_runs_with_every_seed(whole: tuple[Path, StudyRecord, Watch]) -> None:
    folder, record, watch = whole
    assert [(run.cell, run.seed) for run in record.runs] == [
        (cell, seed) for seed in (0, 1) for cell in ("Empty", "CoT", "gpo", "gpo without momentum")
    ]
    assert record.failed == ()
    assert watch.done == [(1, 2), (2, 2), *((done, 8) for done in range(1, 9))]
    for name in (RECORD, ROWS, TABLES, FIGURE):
        assert (folder / "study" / name).stat().st_size > 500


def test_no_run_uses_more_than_the_cap_and_searches_go_on_as_long_as_it_affords_a_step(
    whole: tuple[Path, StudyRecord, Watch],
) -> None:
    _, record, _ = whole
    cap = record.budgets[0].max_tokens
    assert cap is not None
    for run in record.runs:
        assert 0 < run.tokens <= cap
        if not run.cell.startswith("gpo"):
            continue
        assert run.curve[-1].tokens > run.curve[0].tokens
        ends = ("leaves no room for another whole step", "no candidate can still win", "all steps done")
        assert any(end in run.ended_because for end in ends)
        # only a word budget that runs its course over T steps ends a search that could go on
        planned = record.budgets[0].steps[run.cell]
        assert (run.ended_because == "all steps done") == (run.steps == planned)


def test_the_reference_can_afford_its_own_step_however_few_rows_there_are(tmp_path: Path) -> None:
    """What is set aside for a proposal is more than all answers on a few rows cost."""
    task = write_task(tmp_path, dev_rows=4, test_rows=20, candidates=1, steps=1, optimizer_max_tokens=3000)
    record = carry_out(plan_of(tmp_path, task, seeds=1), tmp_path / "study")
    assert record.failed == ()
    assert [run.steps >= 1 for run in record.runs if run.cell == "gpo"] == [True]


def test_the_rows_of_a_seed_are_the_same_in_every_cell(whole: tuple[Path, StudyRecord, Watch]) -> None:
    folder, record, _ = whole
    for seed in (0, 1):
        starts = {run.start_test_score for run in record.runs if run.seed == seed and run.cell.startswith("gpo")}
        assert len(starts) == 1
        store = Store.open(folder / "study" / "runs" / "messages" / f"seed-{seed}")
        fingerprints = {row.manifest.task_fingerprint for row in store.runs()}
        store.close()
        assert len(fingerprints) == 1


def test_prompts_without_a_search_are_scored_as_they_are(whole: tuple[Path, StudyRecord, Watch]) -> None:
    _, record, _ = whole
    for run in record.runs:
        if run.cell in ("Empty", "CoT"):
            assert run.prompt == ("" if run.cell == "Empty" else "Let's think step by step.")
            assert (run.steps, "optimizer" in run.used) == (0, False)
            assert run.test_score == run.start_test_score
    assert all(run.quality is not None and 0 < run.quality <= 1 for run in record.runs)


def test_two_workers_find_what_one_finds(whole: tuple[Path, StudyRecord, Watch], tmp_path: Path) -> None:
    folder, _, _ = whole
    carry_out(plan_of(folder, folder / "messages.yaml"), tmp_path, workers=2)
    assert canonical(tmp_path / RECORD) == canonical(folder / "study" / RECORD)


def replies(store: Path) -> int:
    """Replies in all stores of a study."""
    total = 0
    for file in store.glob("runs/*/*/store.db"):
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)
        try:
            total += int(connection.execute("select count(*) from replies").fetchone()[0])
        except sqlite3.OperationalError:  # the tables are not made yet
            pass
        finally:
            connection.close()
    return total


def study_command(folder: Path, store: Path) -> list[str]:
    grid, task = str(folder / "small.yaml"), str(folder / "messages.yaml")
    arguments = [grid, task, "--seeds", "2", "--workers", "1", "--store", str(store)]
    return [sys.executable, "-m", "promptdescent.cli.main", "study", *arguments]


def started(folder: Path, store: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        study_command(folder, store),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # Where the tests themselves run in the background, SIGINT is ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_replies(process: subprocess.Popen[str], store: Path, least: int) -> None:
    deadline = time.monotonic() + 60
    while replies(store) < least:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Process ids of its children."""
    listing = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(child) for child in listing.read_text(encoding="ascii").split()] if listing.exists() else []


def test_killed_in_the_middle_and_resumed_it_is_the_same_study(
    whole: tuple[Path, StudyRecord, Watch], tmp_path: Path
) -> None:
    folder, _, _ = whole
    process = started(folder, tmp_path)
    wait_for_replies(process, tmp_path, MIDDLE)
    workers = workers_of(process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{worker}").exists() for worker in workers):  # none is left behind
        assert time.monotonic() < deadline
        time.sleep(0.01)
    before = replies(tmp_path)
    done = subprocess.run(study_command(folder, tmp_path), capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert canonical(tmp_path / RECORD) == canonical(folder / "study" / RECORD)
    # what was answered before the kill was not asked again
    assert MIDDLE <= before < replies(tmp_path) == replies(folder / "study")


@pytest.mark.slow
def test_an_interrupted_study_leaves_every_run_on_record(
    whole: tuple[Path, StudyRecord, Watch], tmp_path: Path
) -> None:
    folder, _, _ = whole
    process = started(folder, tmp_path)
    wait_for_replies(process, tmp_path, 15)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, "the same command goes on" in errors) == (130, True), errors
    store = Store.open(tmp_path / "runs" / "messages" / "seed-0")
    states = [store.status(row.id) for row in store.runs()]
    store.close()
    assert states[-1].state in ("interrupted", "finished")
    assert states[-1].reason in ("stopped by the user", "")
    carry_out(plan_of(folder, folder / "messages.yaml"), tmp_path)
    assert canonical(tmp_path / RECORD) == canonical(folder / "study" / RECORD)


def test_a_finished_study_is_only_read(whole: tuple[Path, StudyRecord, Watch]) -> None:
    folder, record, _ = whole
    watch = Watch()
    again = carry_out(plan_of(folder, folder / "messages.yaml"), folder / "study", watch=watch)
    assert (watch.done, watch.said) == ([], [])
    assert json.loads((folder / "study" / RECORD).read_text(encoding="utf-8"))["record"]["grid"] == again.grid
    assert [run.test_score for run in again.runs] == [run.test_score for run in record.runs]


def test_seeds_can_be_added(whole: tuple[Path, StudyRecord, Watch], tmp_path: Path) -> None:
    folder, two, _ = whole
    shutil.copytree(folder / "study", tmp_path / "study")
    three = carry_out(plan_of(folder, folder / "messages.yaml", seeds=3), tmp_path / "study")
    assert [run.run for run in three.runs[: len(two.runs)]] == [run.run for run in two.runs]
    assert (three.budgets, three.seeds, len(three.runs)) == (two.budgets, (0, 1, 2), 12)
    with pytest.raises(ConfigError, match="has 3 seeds already"):
        carry_out(plan_of(folder, folder / "messages.yaml", seeds=2), tmp_path / "study")


def test_equal_steps(tmp_path: Path) -> None:
    tasks = [write_task(tmp_path, "one"), write_task(tmp_path, "two", train_rows=12)]
    record = carry_out(plan_of(tmp_path, *tasks, equal="steps", seeds=1), tmp_path / "study")
    assert record.same_steps == {"one": 3, "two": 6}
    for run in record.runs:
        if run.cell.startswith("gpo") and "perfect" not in run.ended_because:
            assert run.steps == record.same_steps[run.task]
    assert [budget.max_tokens for budget in record.budgets] == [None, None]


def test_a_cap_of_ones_own_holds_in_the_pilot_too(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, cap=12_000, seeds=1)
    record = carry_out(plan, tmp_path / "study")
    store = Store.open(tmp_path / "study" / "runs" / "messages" / "seed-0")
    assert {row.manifest.max_total_tokens for row in store.runs() if row.manifest.total_steps} == {12_000}
    store.close()
    assert max(run.tokens for run in record.runs) <= 12_000


def test_a_cap_that_affords_no_step_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no recipe can afford a step on messages; gpo: 3,000 tokens .*--max-total-tokens \d+"
    ):
        carry_out(plan_of(tmp_path, cap=3_000), tmp_path / "study")


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyPlan, Path, StudyRecord]:
    """A study whose second recipe rejects every proposal as too long, so that its runs fail; its folder and result."""
    folder = tmp_path_factory.mktemp("failing")
    recipe = {"base": "gpo", "screening": {"part": "StandardScreening", "longest": 1}}
    grid = write_grid(folder, recipes=["gpo", {"label": "too strict", "recipe": recipe}], without_search=False)
    plan = plan_of(folder, write_task(folder, prompt="?"), grid=grid, seeds=1)
    return plan, folder / "study", carry_out(plan, folder / "study")


def test_a_run_that_fails_is_part_of_the_result(failing: tuple[StudyPlan, Path, StudyRecord]) -> None:
    _, folder, record = failing
    assert [(run.cell, run.status) for run in record.runs] == [("gpo", "finished"), ("too strict", "failed")]
    assert "could be scored" in record.failed[0].reason
    assert "Runs without a result" in (folder / TABLES).read_text(encoding="utf-8")


def test_a_failed_run_is_tried_again(failing: tuple[StudyPlan, Path, StudyRecord]) -> None:
    plan, folder, record = failing
    watch = Watch()
    again = carry_out(plan, folder, watch=watch)
    assert watch.done[-1] == (2, 2)
    assert [run.run for run in again.runs] == [run.run for run in record.runs]


def test_a_reference_that_fails_ends_the_study(failing: tuple[StudyPlan, Path, StudyRecord], tmp_path: Path) -> None:
    plan, _, _ = failing
    strict = replace(plan, grid=replace(plan.grid, reference="too strict"))
    with pytest.raises(RunFailed, match=r"pilot of too strict on messages failed.*could be scored"):
        carry_out(strict, tmp_path / "study")


def test_two_processes_cannot_work_on_one_study(tmp_path: Path) -> None:
    plan, folder = plan_of(tmp_path), tmp_path / "study"
    folder.mkdir()
    lease = FileLease.take(folder / "study.lock", wait=0.0)
    assert lease is not None
    with pytest.raises(ConfigError, match="another process is at work"):
        carry_out(plan, folder)
    lease.release()


def test_a_job_that_kills_its_worker_is_a_failed_run_and_the_next_one_gets_a_new_worker(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    task, cell = plan.tasks[0], plan.grid.cell("Empty")
    good = Job.of("Empty", task.name, 0, store=tmp_path / "s", spec=plan.spec(cell, task, seed=0, steps=0, cap=None))
    bad = Job(cell="bad", task=task.name, seed=0, store=str(tmp_path / "s"), spec={"no such": "setting"})
    with Processes(1) as pool:
        found = {run.cell: run for run in pool.results([bad, good])}
    assert (found["bad"].status, "ended unexpectedly" in found["bad"].reason) == ("interrupted", True)
    assert found["Empty"].status == "finished"
