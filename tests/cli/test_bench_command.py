"""The command ``bench``: flags, what it prints and writes, exit codes."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from cli_samples import Invoke
from typer.main import get_command

from promptdescent.cli import bench as command
from promptdescent.cli import main
from promptdescent.experiments.bench_plan import BenchPlan
from promptdescent.report.bench.record import BenchHole, BenchRecord
from promptdescent.report.study.record import StudyCell, StudyRecord, StudyRun

TASKS = ("sports_understanding", "object_counting")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Rows in the form of BIG-Bench Hard's files."""
    folder = tmp_path / "bbh"
    folder.mkdir()
    things = ("spoons", "lamps", "chairs", "drums", "pears")
    rows = {
        "sports_understanding": [
            {"input": f'Is it plausible? "Player {number} hit {number} balls."', "target": ("yes", "no")[number % 2]}
            for number in range(40)
        ],
        "object_counting": [
            {"input": f"I have {number} {things[number % 5]} and a stove. How many?", "target": str(number + 1)}
            for number in range(1, 41)
        ],
    }
    for name, examples in rows.items():
        (folder / f"{name}.json").write_text(json.dumps({"examples": examples}), encoding="utf-8")
    return folder


def small(*more: str, tasks: str = ",".join(TASKS), models: str = "simulated:") -> list[str]:
    """A bench of one recipe and one seed, with Empty and CoT, that takes two steps."""
    sizes = ["--train-rows=8", "--dev-rows=6", "--test-rows=20", "--candidates=4", "--steps=2"]
    what = [f"--tasks={tasks}", f"--models={models}", "--recipes=opro", "--seeds=1", "--equal=steps"]
    where = ["--data-dir=bbh", "--store=b", "--optimizer-model=simulated:", "--workers=2"]
    return ["bench", "bbh", *what, *where, *sizes, *more]


def record(*runs: StudyRun, **changes: object) -> BenchRecord:
    study = StudyRecord(
        grid="all",
        version="1",
        equal="tokens",
        reference="gpo",
        cells=(StudyCell(label="gpo", recipe={}),),
        tasks=("object_counting",),
        seeds=(0,),
        models={"task": "some-model"},
        same_steps={"object_counting": 3},
        runs=runs,
    )
    values: dict[str, object] = {
        "suite": "bbh",
        "title": "BIG-Bench Hard",
        "version": "1",
        "splits": "fixed",
        "sizes": {},
        "equal": "tokens",
        "budget": None,
        "studies": {"some-model": study},
    }
    return BenchRecord(**{**values, **changes})  # type: ignore[arg-type]


class Asked:
    """Stands in for the bench; keeps what it was asked for."""

    def __init__(self) -> None:
        self.outcome: BenchRecord | BaseException = record(self.finished())
        self.plan: BenchPlan | None = None
        self.workers = 0

    @staticmethod
    def finished() -> StudyRun:
        return StudyRun(cell="gpo", task="object_counting", seed=0, status="finished", test_score=0.75)

    def __call__(
        self, plan: BenchPlan, folder: Path, *, workers: int, observer: object, runs_in: object, executor: object
    ) -> BenchRecord:
        self.plan, self.workers = plan, workers
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    stand_in = Asked()
    monkeypatch.setattr(command, "run_bench", stand_in)
    return stand_in


def test_a_bench_runs_prints_its_tables_and_goes_on(invoke: Invoke, data_dir: Path) -> None:
    ended = invoke(*small(tasks="object_counting"))
    assert ended.returncode == 0, ended.stderr
    for title in ("League with simulated: (simulated)", "Differences from opro", "Scores by task"):
        assert title in ended.stdout
    assert "SIMULATED" in ended.stdout
    assert "Leaks: " in ended.stdout
    written = re.findall(r"b/[\w.-]+", ended.stderr.splitlines()[-1])
    assert {"b/bench.json", "b/bench.csv", "b/bench.md", "b/bench.tex", "b/gain-by-task-simulated.svg"} <= set(written)
    assert all(Path(file).exists() for file in written)
    lines = list(csv.DictReader(Path("b/bench.csv").read_text(encoding="utf-8").splitlines()))
    assert {(line["cell"], line["status"]) for line in lines} == {
        (cell, "finished") for cell in ("Empty", "CoT", "opro")
    }
    listed = invoke("runs", "--store=b/simulated/runs/object_counting", "--json")
    assert {one["recipe"] for one in json.loads(listed.stdout)} == {"opro", "CoT", "Empty"}
    again = invoke(*small(tasks="object_counting"))
    assert (again.returncode, again.stdout.splitlines()) == (0, ended.stdout.splitlines())
    assert "runs done" not in again.stderr


def test_a_task_without_rows_is_one_line_and_exits_with_3(invoke: Invoke, data_dir: Path) -> None:
    (data_dir / "sports_understanding.json").unlink()
    ended = invoke(*small())
    assert ended.returncode == 3
    assert len([line for line in ended.stderr.splitlines() if line.startswith("sports_understanding is left out")]) == 1
    assert "Tasks left out" in ended.stdout
    assert "object_counting" in ended.stdout
    assert "- [1]" in ended.stdout


def test_a_failed_run_and_a_hole_exit_with_3(invoke: Invoke, data_dir: Path, asked: Asked) -> None:
    failed = StudyRun(cell="gpo", task="object_counting", seed=1, status="failed", reason="no [red]luck[/red]")
    asked.outcome = record(asked.finished(), failed)
    ended = invoke(*small())
    assert (ended.returncode, "no [red]luck[/red]" in ended.stdout) == (3, True)
    asked.outcome = record(asked.finished(), holes=(BenchHole(task="snarks", reason="no file"),))
    assert invoke(*small()).returncode == 3
    asked.outcome = record(asked.finished())
    assert invoke(*small()).returncode == 0


def test_an_interruption_says_how_to_go_on(invoke: Invoke, data_dir: Path, asked: Asked) -> None:
    asked.outcome = KeyboardInterrupt()
    ended = invoke(*small())
    assert (ended.returncode, ended.stderr) == (130, "error: interrupted; the same command goes on\n")


def test_flags_reach_the_bench(invoke: Invoke, data_dir: Path, asked: Asked) -> None:
    more = [
        "--first-seed=5",
        "--budget=90000",
        "--splits=per-seed",
        "--reference-scorer",
        "--second-round",
        "--start=Go.",
    ]
    ended = invoke(*small(*more, models="simulated:, simulated:clear"))
    assert ended.returncode == 0, ended.stderr
    plan = asked.plan
    assert plan is not None
    assert (plan.models, plan.seeds, plan.budget, plan.splits) == (
        ("simulated:", "simulated:clear"),
        (5,),
        90000,
        "per-seed",
    )
    assert (plan.tasks, plan.reference_scorer, plan.second_round, plan.start) == (TASKS, True, True, "Go.")
    assert [cell.label for cell in plan.grid.cells] == ["Empty", "CoT", "opro"]
    assert plan.settings["dev_rows"] == 6
    assert asked.workers == 2


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--splits=half"], "--splits cannot be 'half'"),
        (["--equal=money"], "--equal cannot be 'money'"),
        (["--tasks=object_countin"], "object_counting"),
        (["--recipes=gpoo"], "gpo"),
        (["--models=simulated:,simulated:"], "--models names simulated: twice"),
        (["--store=postgresql://host/db"], "--store of a bench is a folder"),
        (["--budget=1"], "--budget 1 is less than a token for each of"),
        (["--data-dir=nowhere"], "no task of bbh can take part"),
        (["--data-dir=nowhere", "--budget=90000"], "no task of bbh can take part"),
        (["--models=simulated:,simulated:nosy"], "no simulated model is called simulated:nosy: did you mean 'noisy'"),
        (["--models=simulated:,local:no/such/file.gguf"], "no/such/file.gguf"),
        (["--optimizer-model=simulated:nosy"], "no simulated model is called simulated:nosy"),
        (["--models=,"], "--models names no model"),
        (["--dry-run", "--models=simulated:,simulated:nosy"], "no simulated model is called simulated:nosy"),
    ],
)
def test_what_cannot_be_used_exits_with_2(invoke: Invoke, data_dir: Path, flags: list[str], says: str) -> None:
    ended = invoke(*small(*flags))
    assert (ended.returncode, says in ended.stderr.splitlines()[-1]) == (2, True), ended.stderr


def test_the_help_says_the_defaults_of_a_bench_and_not_those_of_a_run(invoke: Invoke) -> None:
    commands = get_command(main.app).commands  # type: ignore[attr-defined]
    shown = {param.opts[0]: param.show_default for param in commands["bench"].params}
    assert {shown[f"--{split}-rows"] for split in ("train", "dev", "test")} == {"the suite's own"}
    assert shown["--budget"] == "no cap"
    assert shown["--patience"] == "0"
    assert shown["--optimizer-max-tokens"] == "512"
    assert {param.opts[0]: param.show_default for param in commands["study"].params}["--patience"] == "0"


def test_a_suite_that_is_unknown_exits_with_2(invoke: Invoke) -> None:
    ended = invoke("bench", "bhb", "--models=simulated:", "--store=b")
    assert (ended.returncode, "bbh" in ended.stderr) == (2, True)


def test_a_dry_run_says_what_a_bench_would_use_and_leaves_nothing(
    invoke: Invoke, data_dir: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    ended = invoke(*small("--dry-run", "--budget=60000", models="simulated:,local:no/such/file.gguf"))
    assert ended.returncode == 0, ended.stderr
    assert sorted(tmp_path.rglob("*")) == before
    lines = {line.split()[0]: line.split()[1:] for line in ended.stdout.splitlines() if "  " in line}
    assert lines["simulated:"] == lines["local:no/such/file.gguf"]
    tasks, runs, calls, tokens = (int(cell.replace(",", "")) for cell in lines["simulated:"])
    assert (tasks, runs) == (2, 6)
    # Per task: Empty and CoT score 6 dev and 2 x 20 test rows at most; opro searches two steps more.
    assert calls > 2 * 3 * 20
    assert tokens > calls
    assert lines["in"] == ["all", "2", "12", f"{2 * calls:,}", f"{2 * tokens:,}"]
    assert "--budget 60,000 caps all runs together: 5,000 tokens each, if every model can be asked." in ended.stdout
    assert "nothing was sent and nothing was recorded" in ended.stderr


def test_a_dry_run_counts_the_pilots_and_says_holes(invoke: Invoke, data_dir: Path) -> None:
    (data_dir / "sports_understanding.json").unlink()
    ended = invoke(*small("--dry-run", "--equal=tokens"))
    assert ended.returncode == 3
    (line,) = [line.split() for line in ended.stdout.splitlines() if line.startswith("simulated:")]
    assert line[1:3] == ["1", "4"]
    assert "The pilots are among the runs." in ended.stdout
    assert "sports_understanding is left out" in ended.stderr


def test_a_bench_without_a_budget_asks_before_it_calls_another_machine(
    invoke: Invoke, data_dir: Path, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "x")
    remote = small("--base-url=https://models.example/v1", "--task-api-key-env=KEY", models="m")
    ended = invoke(*remote)
    assert (ended.returncode, asked.plan) == (2, None)
    assert "calls outside this machine and has no cap: set --budget" in ended.stderr
    assert invoke(*remote, "--yes").returncode == 0
    assert invoke(*remote, "--budget=100000").returncode == 0


def test_the_page_on_benchmarks_names_no_flag_that_is_unknown() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    commands = get_command(main.app).commands  # type: ignore[attr-defined]
    known = {flag for one in ("bench", "optimize") for param in commands[one].params for flag in param.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page)) - known == set()
