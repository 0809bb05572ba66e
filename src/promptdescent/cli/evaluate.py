"""The command ``evaluate``: what one prompt scores, without a search."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from promptdescent import runner
from promptdescent.assembly import Given
from promptdescent.cli.flags import DEFAULT_STORE, DryRunFlag, ProfileFlag, QuietFlag, StoreFlag, YesFlag
from promptdescent.cli.running import Place, agreed, carry_out, foretell
from promptdescent.cli.settings import FLAGS, Settings, given, takes_settings
from promptdescent.cli.stores import opened_store
from promptdescent.config import OF_A_SEARCH, TASK_FILE_SUFFIXES, RunSpec, load_task_file
from promptdescent.records import ScoredRows
from promptdescent.report.evaluation import WRONG_SHOWN
from promptdescent.report.record import as_text, run_record
from promptdescent.report.text import summary

RECORDED = re.compile(r"(latest|[0-9a-f]{4,12}):(start|best)")
"""A prompt of a run in the store."""

SETTINGS = [name for name in FLAGS if name not in ("data", "prompt", "steps", *OF_A_SEARCH)]
"""Settings of a run that mean something where one prompt is scored."""


@takes_settings(SETTINGS)
def evaluate(
    prompt: Annotated[
        str, typer.Argument(metavar="PROMPT", help="The prompt, @FILE, or RUN:best or RUN:start of a recorded run.")
    ],
    data: Annotated[
        str | None, typer.Argument(metavar="DATA_OR_TASK", help="File of rows, or a task file (.yaml).")
    ] = None,
    *,
    on: Annotated[
        ScoredRows,
        typer.Option(
            "--on", help="The rows: those of the verdict, those that prompts are compared on, or all of the data."
        ),
    ] = "test",
    wrong: Annotated[int, typer.Option("--wrong", min=0, help="How many wrong answers to show.")] = WRONG_SHOWN,
    as_json: Annotated[bool, typer.Option("--json", help="The whole record as JSON, with every row.")] = False,
    store: StoreFlag = DEFAULT_STORE,
    yes: YesFlag = False,
    dry_run: DryRunFlag = False,
    quiet: QuietFlag = False,
    profile: ProfileFlag = False,
    **settings: object,
) -> None:
    """Score one prompt on your rows, with a confidence interval, and search for nothing."""
    spec, recorded = _spec(prompt, data, given(settings), store=store)
    if dry_run:
        foretell(spec.scoring(on), Given(prompt=recorded))
        return
    code = carry_out(
        lambda opened, watcher, times: runner.evaluate(
            spec,
            on=on,
            store=opened,
            given=Given(prompt=recorded),
            observers=[watcher],
            confirm=lambda plan: agreed(plan.total, yes=yes),
            profile=times,
        ),
        Place(store=store, quiet=quiet, profile=profile),
        shown=as_text if as_json else partial(summary, wrong=wrong),
    )
    raise SystemExit(code)


def _spec(prompt: str, data: str | None, flags: Settings, *, store: str) -> tuple[RunSpec, str | None]:
    """Task file and flags as one, and the text of the prompt if it is a recorded one. That stands where it stood in its
    run, and is asked in as many rounds, unless a flag says otherwise.
    """
    settings: dict[str, Any] = {"prompt": prompt, **flags}
    text = None
    if recorded := RECORDED.fullmatch(prompt):
        with opened_store(store, must_exist=True) as opened:
            record = run_record(opened, recorded[1])
        text = record[recorded[2]]["prompt"]
        as_there = {key: record["task"][key] for key in ("placement", "second_round") if key in record["task"]}
        settings = {**as_there, **settings, "prompt": None}
    if data is not None and Path(data).suffix.lower() in TASK_FILE_SUFFIXES:
        return load_task_file(Path(data)).with_settings(settings), text
    return RunSpec().with_settings({**({} if data is None else {"data": data}), **settings}), text
