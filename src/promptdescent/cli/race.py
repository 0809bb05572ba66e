"""The commands ``race`` and ``install-peers``: our recipes against other systems, with as many tokens for each."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from promptdescent.cli import output
from promptdescent.cli.flags import COST, ROWS, RUN, SEARCH, TASK, DryRunFlag
from promptdescent.cli.output import ExitCode
from promptdescent.cli.running import agreed
from promptdescent.cli.settings import given, takes_settings
from promptdescent.cli.tables import show_tables
from promptdescent.errors import ConfigError
from promptdescent.experiments.race.contestants import FAMILIES, contestants_named
from promptdescent.experiments.race.forecast import RaceForecast, forecast_race
from promptdescent.experiments.race.install import DEFAULT_PEERS, INSTALLABLE, install
from promptdescent.experiments.race.plan import RACED, RacePlan, tasks_of
from promptdescent.experiments.race.race import run_race
from promptdescent.llm.choose import check_simulated
from promptdescent.report.race.analysis import analyse_race
from promptdescent.report.race.files import RECORD, TABLES
from promptdescent.report.race.files import ROWS as LINES
from promptdescent.report.race.record import RaceRecord, RaceRun
from promptdescent.report.race.tables import race_headline, race_tables
from promptdescent.report.tables import Table, as_plain, count
from promptdescent.report.text import duration, printable
from promptdescent.tasks.benchmarks import SUITES
from promptdescent.tasks.splits import SPLITS, SplitSizes

SETTINGS = (
    *("task_model", "optimizer_model", "base_url", "task_base_url", "optimizer_base_url"),
    *("task_api_key_env", "optimizer_api_key_env", "optimizer_temperature"),
    *("task_max_tokens", "optimizer_max_tokens", "optimizer_style"),
    *("concurrency", "attempts", "timeout"),
)
"""Flags of a run that a race has too."""

DEFAULT_CONTESTANTS = ",".join(("gpo", "opro", *FAMILIES))

PeersFlag = Annotated[
    Path, typer.Option("--peers", metavar="FOLDER", help="Environments of other systems.", rich_help_panel=RUN)
]

RowsFlag = Annotated[
    int | None, typer.Option(min=1, help="Rows to take.", show_default="the suite's", rich_help_panel=ROWS)
]


@takes_settings(SETTINGS)
def race(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help=f"A benchmark: {', '.join(SUITES)}.")],
    *,
    store: Annotated[
        Path,
        typer.Option("--store", metavar="FOLDER", help="Folder of this race, and of no other.", rich_help_panel=RUN),
    ],
    task_tokens: Annotated[
        int,
        typer.Option(
            "--task-tokens", min=1, help="Tokens of the task model that a search may use.", rich_help_panel=COST
        ),
    ],
    optimizer_tokens: Annotated[
        int,
        typer.Option(
            "--optimizer-tokens",
            min=1,
            help="Tokens of the optimizer model that a search may use.",
            rich_help_panel=COST,
        ),
    ],
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir",
            metavar="DIR",
            help="Folder of the benchmark's files.",
            show_default="the Hugging Face hub",
            rich_help_panel=ROWS,
        ),
    ] = None,
    train_rows: RowsFlag = None,
    dev_rows: RowsFlag = None,
    test_rows: RowsFlag = None,
    tasks: Annotated[
        str,
        typer.Option(
            "--tasks", metavar="NAME,...", help="Tasks of the suite.", show_default="all", rich_help_panel=TASK
        ),
    ] = "",
    start: Annotated[
        str,
        typer.Option(
            "--start",
            metavar="TEXT",
            help="Prompt that every search starts from.",
            show_default="the suite's own",
            rich_help_panel=TASK,
        ),
    ] = "",
    contestants: Annotated[
        str,
        typer.Option(
            "--contestants",
            metavar="NAME,...",
            help=f"Recipes, other systems ({', '.join(FAMILIES)}), or scripts of your own (.py).",
            rich_help_panel=SEARCH,
        ),
    ] = DEFAULT_CONTESTANTS,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="Searches per contestant and task.", rich_help_panel=SEARCH)
    ] = 5,
    first_seed: Annotated[
        int, typer.Option("--first-seed", help="Seed of the first of them.", rich_help_panel=SEARCH)
    ] = 0,
    max_minutes: Annotated[
        float, typer.Option("--max-minutes", min=0.001, help="Minutes that a search may take.", rich_help_panel=COST)
    ] = 15.0,
    peers: PeersFlag = DEFAULT_PEERS,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Searches at once.", rich_help_panel=RUN)] = 1,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Agree to score test rows, which no cap covers, outside this machine.", rich_help_panel=RUN
        ),
    ] = False,
    dry_run: DryRunFlag = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only the result.", rich_help_panel=RUN)] = False,
    **settings: object,
) -> None:
    """Race our recipes against other systems: the same rows, models and metric, and as many tokens for each.

    Given again, it goes on, and tries what has no result once more.
    """
    sizes = SplitSizes(train=train_rows, dev=dev_rows, test=test_rows)
    raced = tasks_of(suite, _names(tasks), data_dir=data_dir, sizes=sizes, settings=given(settings), start=start)
    plan = RacePlan(
        suite=suite,
        tasks=raced,
        contestants=contestants_named(_names(contestants), starts=[task.start for task in raced]),
        seeds=tuple(range(first_seed, first_seed + seeds)),
        caps={"task": task_tokens, "optimizer": optimizer_tokens},
        minutes=max_minutes,
        peers=peers.resolve(),
    )
    forecast = forecast_race(plan)
    if dry_run:
        plan.check_rows()
        check_simulated(plan.model_names.values())
        _foretell(plan, forecast)
        raise SystemExit(ExitCode.FAILED if forecast.missing else ExitCode.DONE)
    _agree(forecast, yes=yes)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        record = asyncio.run(run_race(plan, store.resolve(), workers=workers, observer=RaceLines(quiet=quiet)))
    except KeyboardInterrupt:
        output.error("interrupted; the same command goes on")
        raise SystemExit(ExitCode.INTERRUPTED) from None
    show_race(record)
    output.message(f"Written: {', '.join(str(store / name) for name in (RECORD, LINES, TABLES))}")
    raise SystemExit(ExitCode.FAILED if record.holes else ExitCode.DONE)


def install_peers(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help=f"{', '.join(INSTALLABLE)}; all by default.", show_default=False),
    ] = None,
    into: Annotated[Path, typer.Option("--into", metavar="FOLDER", help="Where the environments go.")] = DEFAULT_PEERS,
) -> None:
    """Make an environment for each of the other systems of a race, with the versions its script is written for."""
    install(tuple(names or ()), into.resolve(), say=output.message)


def _agree(forecast: RaceForecast, *, yes: bool) -> None:
    """Raise :class:`ConfigError` if test rows would be scored outside this machine, and nobody agreed: searches have
    their caps, these scores have none.
    """
    scoring = forecast.scoring
    if "task" in forecast.remote and not agreed(scoring, yes=yes, what="race's scoring of test rows"):
        raise ConfigError(
            f"beside its searches, which have caps, this race would make up to {scoring.calls:,} calls outside this "
            f"machine, about {scoring.tokens:,} tokens, to score test rows: agree with --yes, or give fewer "
            "--test-rows; --dry-run says more"
        )


def _foretell(plan: RacePlan, forecast: RaceForecast) -> None:
    """Print what a race would do and use."""
    rows = [
        (f"searches, {role} model", f"{used.calls:,}", f"{used.tokens:,}") for role, used in forecast.searching.items()
    ]
    for what, used in (("test rows, task model", forecast.scoring), ("in all", forecast.total)):
        rows.append((what, f"{used.calls:,}", f"{used.tokens:,}"))
    notes = [
        "At most, as if nothing had a result yet; retries come on top. Tokens of searches are their caps, and their "
        "calls an estimate, as if each were as short as can be. Tokens of test rows are an estimate, as if each prompt "
        "and reply were as long as its limit; what other systems put around them may be longer, and no cap covers it.",
        *(f"{label} cannot run: {why}." for label, why in forecast.missing.items()),
    ]
    outside = [role for role in RACED if role in forecast.remote]
    if outside:
        notes.append(f"Calls outside this machine: those of the {' and the '.join(outside)} model.")
    sizes = tuple((task.name, *(str(len(task.rows[split])) for split in SPLITS)) for task in plan.tasks)
    show_tables(
        race_plan_headline(plan, forecast),
        [
            Table(title="Forecast", header=("part", "calls", "tokens"), rows=tuple(rows), notes=tuple(notes)),
            Table(title="Rows", header=("task", *SPLITS), rows=sizes),
        ],
    )
    output.dry_run_over()


def race_plan_headline(plan: RacePlan, forecast: RaceForecast) -> str:
    """Who would race on what, and within which caps."""
    searching = [one.label for one in plan.contestants if one.kind != "prompt"]
    prompts = [one.label for one in plan.contestants if one.kind == "prompt"]
    models = ", ".join(f"{role} model {name}" for role, name in plan.model_names.items())
    caps = " and ".join(f"{plan.caps[role]:,} tokens of the {role} model" for role in RACED)
    return (
        f"Race on {plan.suite}: {', '.join(searching)}, and without a search {', '.join(prompts)}; "
        f"{count(len(plan.tasks), 'task')}, {count(len(plan.seeds), 'seed')}; {models}. "
        f"Searches: {forecast.searches:,}, each of at most {caps}, and {plan.minutes:g} minutes."
    )


def show_race(record: RaceRecord) -> None:
    """Print a race."""
    made = race_tables(record, analyse_race(record))
    output.result(printable("\n\n".join([race_headline(record), *(as_plain(table) for table in made)])))


class RaceLines:
    """How a race goes, on stderr: a line per search."""

    def __init__(self, *, quiet: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._quiet = quiet
        self._clock = clock
        self._began = clock()

    def on_message(self, text: str) -> None:
        if not self._quiet:
            output.message(text)

    def on_run(self, run: RaceRun, *, done: int, total: int) -> None:
        where = f"{run.contestant} on {run.task}, seed {run.seed}"
        if run.status != "finished":
            output.message(
                f"{where}: no result, {run.reason}"
            )  # also where it is to be quiet: the exit code tells of it
        elif not self._quiet:
            score = "" if run.test_score is None else f"{100 * run.test_score:.1f} %"
            spent = duration(self._clock() - self._began)
            output.message(f"{where}: {score} (ended by {run.ended}); {done} of {total} searches, {spent} so far")
            if run.unscored:
                output.message(f"{where}: {count(run.unscored, 'line')} without a dev score, which cannot be chosen")


def _names(given: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in given.split(",") if name.strip())
