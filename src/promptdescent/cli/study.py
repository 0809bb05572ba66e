"""The command ``study``: recipes against each other on one task or several."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from promptdescent.cli import output
from promptdescent.cli.flags import RUN, SEARCH, DryRunFlag
from promptdescent.cli.output import ExitCode
from promptdescent.cli.running import agreed
from promptdescent.cli.settings import FLAGS, Settings, given, takes_settings
from promptdescent.cli.tables import show_tables
from promptdescent.errors import ConfigError, RunFailed
from promptdescent.experiments.executor import Executor, Processes
from promptdescent.experiments.grids import GRIDS, grid_named
from promptdescent.experiments.plan import StudyPlan, tasks_from
from promptdescent.experiments.ray_executor import RayExecutor
from promptdescent.experiments.study import run_study
from promptdescent.llm.choose import check_simulated
from promptdescent.records import Usage
from promptdescent.report.study.analysis import analyse
from promptdescent.report.study.files import FIGURE, RECORD, ROWS, TABLES
from promptdescent.report.study.record import Equal, StudyRecord, StudyRun
from promptdescent.report.study.tables import headline, tables
from promptdescent.report.tables import Table, count
from promptdescent.report.text import duration

OF_A_TASK_FILE = (
    *("data", "train", "dev", "test", "split_column", "leave_out", "input", "target", "prompt", "judge_rubric"),
)
OF_THE_STUDY = ("recipe", "seed", "max_calls", "max_total_tokens", "whole_steps", "ray")
SHARED = [name for name in FLAGS if name not in (*OF_A_TASK_FILE, *OF_THE_STUDY)]
"""Flags of a run that every run of a study gets."""

NO_PATIENCE = {"patience": "0"}
"""Default of a flag that a study has of its own: with equal means, no search ends early unless that is asked for."""

SECONDS_BETWEEN_LINES = 5.0

AT_MOST = "Calls at most, if every search takes the steps of the reference; tokens by estimate. Retries come on top."
"""What the numbers of a forecast are."""

RayFlag = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Spread the runs over a Ray cluster: local for one of this machine, auto for the one that it is part of, "
        "or HOST:PORT.",
        show_default="processes of this machine",
        rich_help_panel=RUN,
    ),
]
RunsInFlag = Annotated[
    str | None,
    typer.Option(
        "--runs-in",
        metavar="URL",
        help="PostgreSQL store of all runs, postgresql://USER@HOST/DATABASE.",
        show_default="stores below FOLDER",
        rich_help_panel=RUN,
    ),
]


@takes_settings(SHARED, defaults=NO_PATIENCE)
def study(
    grid: Annotated[str, typer.Argument(metavar="GRID", help=f"{', '.join(GRIDS)}, or a grid file (.yaml).")],
    tasks: Annotated[list[str], typer.Argument(metavar="TASK...", help="Task files (.yaml).")],
    *,
    store: Annotated[
        str,
        typer.Option("--store", metavar="FOLDER", help="Folder of this study, and of no other.", rich_help_panel=RUN),
    ],
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs per recipe and task.", rich_help_panel=SEARCH)] = 3,
    first_seed: Annotated[
        int, typer.Option("--first-seed", help="Seed of the first of them.", rich_help_panel=SEARCH)
    ] = 0,
    equal: Annotated[
        str, typer.Option("--equal", help="What every search has as much of: tokens or steps.", rich_help_panel=SEARCH)
    ] = "tokens",
    max_total_tokens: Annotated[
        int | None,
        typer.Option(
            "--max-total-tokens",
            min=1,
            help="Tokens that each run may use; by default what the grid's reference uses.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Runs at once.",
            show_default="the cores for simulated models, else 1",
            rich_help_panel=RUN,
        ),
    ] = None,
    ray: RayFlag = None,
    runs_in: RunsInFlag = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Agree to calls outside this machine without a cap.", rich_help_panel=RUN)
    ] = False,
    dry_run: DryRunFlag = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only the result.", rich_help_panel=RUN)] = False,
    **settings: object,
) -> None:
    """Compare recipes over seeds with equal means, and say which differences are real. Given again, it goes on."""
    plan = _plan(grid, tasks, given(settings), range(first_seed, first_seed + seeds), equal, max_total_tokens)
    folder = _folder(store)
    if dry_run:
        _foretell(plan)
        return
    _agree(plan, yes=yes)
    at_once = workers or ((os.cpu_count() or 1) if plan.simulated else 1)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with executor_for(ray, workers=workers if ray else at_once) as executor:
            record = run_study(
                plan, folder, workers=at_once, observer=Lines(quiet=quiet), runs_in=runs_in, executor=executor
            )
    except KeyboardInterrupt:
        output.error("interrupted; the same command goes on")
        raise SystemExit(ExitCode.INTERRUPTED) from None
    except RunFailed as error:
        output.error(str(error))
        raise SystemExit(ExitCode.FAILED) from None
    show(record)
    files = ", ".join(str(folder / name) for name in (RECORD, ROWS, TABLES, FIGURE))
    output.message(f"Written: {files}")
    raise SystemExit(ExitCode.FAILED if record.failed else ExitCode.DONE)


def executor_for(ray: str | None, *, workers: int | None) -> Executor:
    """What carries the runs out: processes of this machine, one by default, or a Ray cluster."""
    return Processes(workers or 1) if ray is None else RayExecutor(ray, workers=workers)


def show(record: StudyRecord) -> None:
    """Print a study."""
    show_tables(headline(record), tables(record, analyse(record)))


class Lines:
    """How a study goes, on stderr: now and then a line with what is done and the time left."""

    def __init__(self, *, quiet: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._quiet = quiet
        self._clock = clock
        self._began = clock()
        self._said = clock() - SECONDS_BETWEEN_LINES

    def on_message(self, text: str) -> None:
        self._began = self._clock()
        if not self._quiet:
            output.message(text)

    def on_run(self, run: StudyRun, *, done: int, total: int) -> None:
        if self._quiet:
            return
        if run.status != "finished":
            output.message(f"{run.cell} on {run.task}, seed {run.seed}: {run.status}, {run.reason}")
        now = self._clock()
        if done < total and now - self._said < SECONDS_BETWEEN_LINES:
            return
        self._said = now
        left = "" if done == total else f", about {duration((total - done) * (now - self._began) / done)} left"
        output.message(f"{done} of {total} runs done{left}")


def _plan(grid: str, tasks: list[str], flags: Settings, seeds: range, equal: str, max_tokens: int | None) -> StudyPlan:
    kinds: dict[str, Equal] = {"tokens": "tokens", "steps": "steps"}
    if equal not in kinds:
        raise ConfigError(f"--equal cannot be {equal!r}; give tokens or steps")
    return StudyPlan(
        grid=grid_named(grid),
        tasks=tasks_from(tasks, flags),
        seeds=tuple(seeds),
        equal=kinds[equal],
        max_tokens=max_tokens,
    )


def _foretell(plan: StudyPlan) -> None:
    """Print what a study would use. Opens no model. Raises the :class:`InputError` family for what does not fit."""
    plan.check_recipes()
    check_simulated(name for task in plan.tasks for name in plan.model_names(task))
    parts = {task.name: replace(plan, tasks=(task,)).most() for task in plan.tasks}
    if len(parts) > 1:
        parts["in all"] = sum(parts.values(), Usage())
    runs = {name: plan.runs if name == "in all" else plan.runs // len(plan.tasks) for name in parts}
    rows = tuple((name, f"{runs[name]:,}", f"{one.calls:,}", f"{one.tokens:,}") for name, one in parts.items())
    notes = [AT_MOST]
    if plan.equal == "tokens":
        notes.append("The pilots are among the runs.")
    if plan.max_tokens is not None:
        most = count(plan.max_tokens * plan.runs, "token")
        notes.append(f"--max-total-tokens {plan.max_tokens:,} caps each of them, so that they use {most} at most.")
    show_tables(
        f"Study {plan.grid.name}: {count(len(plan.grid.cells), 'cell')}, {count(len(plan.tasks), 'task')}, "
        f"{count(len(plan.seeds), 'seed')}.",
        [Table(title="Forecast", header=("task", "runs", "calls", "tokens"), rows=rows, notes=tuple(notes))],
    )
    output.dry_run_over()


def _folder(store: str) -> Path:
    if "://" in store:
        raise ConfigError("--store of a study is a folder: each task and seed has a store of its own in it")
    return Path(store)


def _agree(plan: StudyPlan, *, yes: bool) -> None:
    """Raise :class:`ConfigError` if a study without a cap would call models outside this machine, and nobody agreed."""
    if plan.max_tokens is not None or not plan.remote:
        return
    total = plan.forecast()
    if not agreed(total, yes=yes, what="study"):
        raise ConfigError(
            f"this study would make up to {total.calls} calls outside this machine and has no cap: "
            "set --max-total-tokens for each run, or agree with --yes"
        )
