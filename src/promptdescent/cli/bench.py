"""The command ``bench``: recipes against each other on the tasks of a suite."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from promptdescent.cli import output
from promptdescent.cli.flags import RUN, DryRunFlag
from promptdescent.cli.output import ExitCode
from promptdescent.cli.running import agreed
from promptdescent.cli.settings import FLAGS, given, takes_settings
from promptdescent.cli.study import AT_MOST, NO_PATIENCE, Lines, RayFlag, RunsInFlag, executor_for
from promptdescent.cli.tables import show_tables
from promptdescent.errors import ConfigError
from promptdescent.experiments.bench import BenchForecast, forecast_bench, run_bench
from promptdescent.experiments.bench_plan import SIZES, BenchPlan
from promptdescent.experiments.grids import ALL, GRIDS, grid_of
from promptdescent.report.bench.analysis import analyse_bench
from promptdescent.report.bench.files import names_of_files
from promptdescent.report.bench.record import BenchRecord, SplitRule
from promptdescent.report.bench.tables import bench_headline, bench_tables
from promptdescent.report.study.record import Equal
from promptdescent.report.tables import Table, count
from promptdescent.tasks.benchmarks import SUITES, suite_named, task_names

BENCH = "Bench"

OF_THE_SUITE = (
    *("data", "train", "dev", "test", "split_column", "input", "target", "prompt", "placement", "metric", "read"),
    *("notes", "judge_rubric", "judge_scale", "judge_repeats", "judge_model", "judge_base_url", "judge_api_key_env"),
    *("judge_temperature", "judge_max_tokens", "judge_price", "second_round", "leave_out"),
)
OF_THE_BENCH = ("recipe", "seed", "max_calls", "max_total_tokens", "whole_steps", "task_model", "ray")
SHARED = [name for name in FLAGS if name not in (*OF_THE_SUITE, *OF_THE_BENCH)]
"""Flags of a run that every run of a bench gets."""

SUITES_OWN = dict.fromkeys(SIZES, "the suite's own")
"""Defaults that a bench does not share with a run."""


@takes_settings(SHARED, defaults={**SUITES_OWN, **NO_PATIENCE})
def bench(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help=f"{', '.join(SUITES)}.")],
    *,
    models: Annotated[
        str,
        typer.Option("--models", metavar="A,B", help="Task models, with commas between them.", rich_help_panel=BENCH),
    ],
    store: Annotated[
        str,
        typer.Option("--store", metavar="FOLDER", help="Folder of this bench, and of no other.", rich_help_panel=RUN),
    ],
    tasks: Annotated[
        str | None,
        typer.Option(
            "--tasks", metavar="A,B", help="Tasks of the suite.", show_default="all of them", rich_help_panel=BENCH
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir",
            metavar="FOLDER",
            help="Folder of the suite's files.",
            show_default="from the Hugging Face hub",
            rich_help_panel=BENCH,
        ),
    ] = None,
    recipes: Annotated[
        str,
        typer.Option(
            "--recipes",
            metavar="A,B",
            help=f"{ALL}, recipes with commas between them, {', '.join(GRIDS)}, or a grid file (.yaml).",
            rich_help_panel=BENCH,
        ),
    ] = ALL,
    start: Annotated[
        str,
        typer.Option(
            "--start",
            metavar="TEXT",
            help="Prompt that every search starts from.",
            show_default="the suite's own",
            rich_help_panel=BENCH,
        ),
    ] = "",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs per recipe and task.", rich_help_panel=BENCH)] = 3,
    first_seed: Annotated[
        int, typer.Option("--first-seed", help="Seed of the first of them.", rich_help_panel=BENCH)
    ] = 0,
    budget: Annotated[
        int | None,
        typer.Option(
            "--budget",
            min=1,
            metavar="TOKENS",
            show_default="no cap",
            help="Tokens that all runs may use together; each gets an equal share.",
            rich_help_panel=BENCH,
        ),
    ] = None,
    equal: Annotated[
        str, typer.Option("--equal", help="What every search has as much of: tokens or steps.", rich_help_panel=BENCH)
    ] = "steps",
    splits: Annotated[
        str,
        typer.Option(
            "--splits",
            help="fixed: all seeds see the same rows, as in the paper; per-seed: each draws its own.",
            rich_help_panel=BENCH,
        ),
    ] = "fixed",
    reference_scorer: Annotated[
        bool,
        typer.Option(
            "--reference-scorer",
            help="Read answers as the paper's code does, faults included, to compare with its figures.",
            rich_help_panel=BENCH,
        ),
    ] = False,
    second_round: Annotated[
        bool,
        typer.Option(
            "--second-round",
            help="Ask the task model once more for its bare answer, as the paper does with chat models.",
            rich_help_panel=BENCH,
        ),
    ] = False,
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
    """Compare recipes on a suite's tasks over models and seeds, with one budget. Given again, it goes on."""
    chosen = suite_named(suite)
    plan = BenchPlan(
        suite=chosen,
        tasks=task_names(chosen, tasks),
        data_dir=data_dir,
        grid=grid_of(recipes),
        models=tuple(name.strip() for name in models.split(",") if name.strip()),
        start=start,
        seeds=tuple(range(first_seed, first_seed + seeds)),
        settings=given(settings),
        equal=_equal(equal),
        budget=budget,
        splits=_splits(splits),
        reference_scorer=reference_scorer,
        second_round=second_round,
    )
    observer = Lines(quiet=quiet)
    if dry_run:
        _foretell(plan, forecast_bench(plan, observer=observer))
        return
    folder = _folder(store)
    _agree(plan, observer, yes=yes)
    at_once = workers or ((os.cpu_count() or 1) if plan.simulated else 1)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with executor_for(ray, workers=workers if ray else at_once) as executor:
            record = run_bench(plan, folder, workers=at_once, observer=observer, runs_in=runs_in, executor=executor)
    except KeyboardInterrupt:
        output.error("interrupted; the same command goes on")
        raise SystemExit(ExitCode.INTERRUPTED) from None
    show_bench(record)
    output.message(f"Written: {', '.join(str(folder / name) for name in names_of_files(record))}")
    raise SystemExit(ExitCode.DONE if record.whole else ExitCode.FAILED)


def show_bench(record: BenchRecord) -> None:
    """Print a bench."""
    analysis = analyse_bench(record)
    show_tables(bench_headline(record, analysis), bench_tables(record, analysis))


def _foretell(plan: BenchPlan, forecast: BenchForecast) -> None:
    """Print what a bench would use."""
    parts = dict(forecast.models)
    if len(parts) > 1:
        parts["in all"] = forecast.total
    rows = tuple(
        (name, str(one.tasks), f"{one.runs:,}", f"{one.used.calls:,}", f"{one.used.tokens:,}")
        for name, one in parts.items()
    )
    notes = [AT_MOST]
    if plan.equal == "tokens":
        notes.append("The pilots are among the runs.")
    if plan.budget is not None:
        each = count(plan.share(len(plan.models)), "token")
        notes.append(f"--budget {plan.budget:,} caps all runs together: {each} each, if every model can be asked.")
    header = ("task model", "tasks", "runs", "calls", "tokens")
    show_tables(
        f"Bench on {plan.suite.title}: {count(len(plan.tasks), 'task')}, {count(len(plan.grid.cells), 'cell')}, "
        f"{count(len(plan.seeds), 'seed')}.",
        [Table(title="Forecast", header=header, rows=rows, notes=tuple(notes))],
    )
    output.dry_run_over()
    raise SystemExit(ExitCode.FAILED if forecast.holes else ExitCode.DONE)


def _folder(store: str) -> Path:
    if "://" in store:
        raise ConfigError("--store of a bench is a folder: each task has a store of its own in it")
    return Path(store)


def _agree(plan: BenchPlan, observer: Lines, *, yes: bool) -> None:
    """Raise :class:`ConfigError` if a bench without a cap would call models outside this machine, and nobody agreed."""
    if plan.budget is not None or yes or not plan.remote:
        return
    total = forecast_bench(plan, observer=observer).total
    if not agreed(total.used, yes=yes, what="bench"):
        raise ConfigError(
            f"this bench would make up to {total.used.calls:,} calls outside this machine and has no cap: "
            "set --budget, or agree with --yes"
        )


def _equal(given: str) -> Equal:
    kinds: dict[str, Equal] = {"tokens": "tokens", "steps": "steps"}
    if given not in kinds:
        raise ConfigError(f"--equal cannot be {given!r}; give tokens or steps")
    return kinds[given]


def _splits(given: str) -> SplitRule:
    rules: dict[str, SplitRule] = {"fixed": "fixed", "per-seed": "per-seed"}
    if given not in rules:
        raise ConfigError(f"--splits cannot be {given!r}; give fixed or per-seed")
    return rules[given]
