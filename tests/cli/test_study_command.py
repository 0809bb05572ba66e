"""The command ``study``: flags, what it prints, exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cli_samples import Invoke
from typer.main import get_command

from promptdescent.cli import main
from promptdescent.cli import study as command
from promptdescent.cli.study import Lines, show
from promptdescent.errors import RunFailed
from promptdescent.experiments.grids import GRIDS
from promptdescent.experiments.plan import StudyPlan
from promptdescent.records import Usage
from promptdescent.report.study.record import StudyCell, StudyRecord, StudyRun


def finished(cell: str = "gpo", seed: int = 0, **others: Any) -> StudyRun:
    used = {"task": Usage(calls=3, tokens_in=30), "optimizer": Usage(calls=1, tokens_in=9)}
    return StudyRun(cell=cell, task="messages", seed=seed, status="finished", test_score=0.75, used=used, **others)


def record(*runs: StudyRun) -> StudyRecord:
    return StudyRecord(
        grid="methods",
        version="1",
        equal="tokens",
        reference="gpo",
        cells=(StudyCell(label="gpo", recipe={}),),
        tasks=("messages",),
        seeds=(0,),
        models={"task": "some-model"},
        same_steps={"messages": 3},
        runs=runs,
    )


class Asked:
    """Stands in for the study; keeps what it was asked for."""

    def __init__(self, outcome: StudyRecord | BaseException) -> None:
        self.outcome = outcome
        self.plan: StudyPlan | None = None
        self.workers = 0

    def __call__(
        self, plan: StudyPlan, folder: Path, *, workers: int, observer: object, runs_in: object, executor: object
    ) -> StudyRecord:
        self.plan, self.workers = plan, workers
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.fixture
def task(rows: Path) -> str:
    settings = {"data": rows.name, "input": "text", "target": "label", "prompt": "Sort it.", "task_model": "simulated:"}
    (rows.parent / "messages.yaml").write_text(json.dumps(settings), encoding="utf-8")
    return "messages.yaml"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    stand_in = Asked(record(finished()))
    monkeypatch.setattr(command, "run_study", stand_in)
    return stand_in


def test_flags_reach_every_run_and_the_study(invoke: Invoke, task: str, asked: Asked) -> None:
    ended = invoke(
        "study", "methods", task, "--seeds=4", "--first-seed=7", "--dev-rows=9", "--equal=steps", "--store=s"
    )
    assert (ended.returncode, asked.plan is not None) == (0, True), ended.stderr
    assert asked.plan is not None
    assert (asked.plan.seeds, asked.plan.equal, asked.plan.max_tokens) == ((7, 8, 9, 10), "steps", None)
    assert (asked.plan.tasks[0].spec.dev_rows, asked.plan.tasks[0].spec.patience) == (9, 0)
    assert "75.0" in ended.stdout
    assert "Written: s/study.json" in ended.stderr


def test_simulated_models_get_a_worker_per_core_and_others_one(
    invoke: Invoke, task: str, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 5)
    invoke("study", "methods", task, "--store=s")
    assert asked.workers == 5
    invoke("study", "methods", task, "--store=s", "--workers=3")
    assert asked.workers == 3
    invoke("study", "methods", task, "--store=s", "--task-model=m", "--base-url=http://localhost:1/v1")
    assert asked.workers == 1


def test_a_failed_run_and_a_failed_study_exit_with_3(invoke: Invoke, task: str, asked: Asked) -> None:
    asked.outcome = record(finished(), StudyRun(cell="gpo", task="messages", seed=1, status="failed", reason="no luck"))
    ended = invoke("study", "methods", task, "--store=s")
    assert (ended.returncode, "no luck" in ended.stdout) == (3, True)
    asked.outcome = RunFailed("the pilot failed")
    ended = invoke("study", "methods", task, "--store=s")
    assert (ended.returncode, ended.stderr) == (3, "error: the pilot failed\n")


def test_an_interruption_says_how_to_go_on(invoke: Invoke, task: str, asked: Asked) -> None:
    asked.outcome = KeyboardInterrupt()
    ended = invoke("study", "methods", task, "--store=s")
    assert (ended.returncode, ended.stderr) == (130, "error: interrupted; the same command goes on\n")


@pytest.mark.parametrize(("equal", "runs"), [("tokens", "22"), ("steps", "16")])
def test_a_dry_run_says_what_a_study_would_use_and_leaves_nothing(
    invoke: Invoke, task: str, equal: str, runs: str, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    more = ["--seeds=2", f"--equal={equal}", "--steps=2", "--max-total-tokens=9000", "--dry-run"]
    ended = invoke("study", "methods", task, "--store=s", "--task-model=local:no/such/file.gguf", *more)
    assert ended.returncode == 0, ended.stderr
    assert sorted(tmp_path.rglob("*")) == before
    (line,) = [line.split() for line in ended.stdout.splitlines() if line.startswith("messages ")]
    assert line[1] == runs  # 8 cells with 2 seeds, and a pilot of each of 6 recipes
    calls, tokens = (int(cell.replace(",", "")) for cell in line[2:])
    assert tokens > calls > 100
    most = 9000 * int(runs)
    assert f"--max-total-tokens 9,000 caps each of them, so that they use {most:,} tokens at most." in ended.stdout
    assert "nothing was sent and nothing was recorded" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["methodss", "messages.yaml", "--store=s"], "did you mean 'methods'"),
        (["methods", "messages.yaml", "--dry-run", "--store=s", "--task-model=simulated:claer"], "simulated:claer"),
        (["methods", "none.yaml", "--store=s"], "none.yaml: there is no such task file"),
        (["methods", "messages.yaml", "--store=postgresql://host/db"], "--store of a study is a folder"),
        (["methods", "messages.yaml", "--store=s", "--equal=money"], "--equal cannot be 'money'"),
        (["methods", "messages.yaml", "--store=s", "--task-model=simulated:none"], "simulated:none"),
    ],
)
def test_what_cannot_be_used_exits_with_2(invoke: Invoke, task: str, arguments: list[str], says: str) -> None:
    ended = invoke("study", *arguments)
    assert (ended.returncode, says in ended.stderr) == (2, True), ended.stderr


def test_a_study_without_a_cap_asks_before_it_calls_another_machine(
    invoke: Invoke, task: str, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "x")
    remote = ["study", "methods", task, "--store=s", "--task-model=m", "--base-url=https://models.example/v1"]
    remote += ["--task-api-key-env=KEY"]
    ended = invoke(*remote)
    assert (ended.returncode, asked.plan) == (2, None)
    assert "outside this machine" in ended.stderr
    assert invoke(*remote, "--yes").returncode == 0
    assert invoke(*remote, "--max-total-tokens=100000").returncode == 0


def test_progress_says_what_is_done_and_left(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = Lines(quiet=False, clock=lambda: now)
    lines.on_message("Pilot.")
    for done in range(1, 5):
        now += 2.0
        lines.on_run(finished(), done=done, total=40)
    lines.on_run(StudyRun(cell="opro", task="t", seed=3, status="failed", reason="why"), done=40, total=40)
    assert capsys.readouterr().err.splitlines() == [
        "Pilot.",
        "1 of 40 runs done, about 1:18 left",
        "4 of 40 runs done, about 1:12 left",
        "opro on t, seed 3: failed, why",
        "40 of 40 runs done",
    ]


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(quiet=True)
    lines.on_message("Pilot.")
    lines.on_run(finished(), done=1, total=1)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_tables_whose_words_are_no_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    show(record(finished(), StudyRun(cell="gpo", task="t", seed=1, status="failed", reason="[red]why[/red]")))
    shown = capsys.readouterr().out
    assert "[red]why[/red]" in shown
    assert "Scores" in shown


def test_the_page_on_studies_names_every_grid_and_no_flag_that_is_unknown() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "studies.md").read_text(encoding="utf-8")
    known = {flag for one in get_command(main.app).commands["study"].params for flag in one.opts}  # type: ignore[attr-defined]
    # of runs, where the study sets it by itself
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page)) - known == {"--whole-steps"}
    assert all(f"| `{grid}` |" in page for grid in GRIDS)
