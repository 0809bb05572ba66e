"""The command ``explain``: what each piece of a run's found prompt does to the score."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from promptdescent.cli import output
from promptdescent.cli.explain_text import explanation_text, stopped_text
from promptdescent.cli.flags import (
    DEFAULT_STORE,
    DryRunFlag,
    ProfileFlag,
    QuietFlag,
    RunArgument,
    StoreFlag,
    YesFlag,
)
from promptdescent.cli.progress import Reporter
from promptdescent.cli.running import Ended, Place, agreed, carry_out
from promptdescent.cli.settings import Settings, given, takes_settings
from promptdescent.cli.stores import opened_store
from promptdescent.config import CHANGEABLE
from promptdescent.errors import ConfigError
from promptdescent.explain import explaining
from promptdescent.llm.profile import Profile
from promptdescent.records import to_json
from promptdescent.records.explanation import Explanation
from promptdescent.report.forecast import forecast_text
from promptdescent.report.text import printable
from promptdescent.store.late import LateStore

OWN = {"max_calls": "28,800 of the task model"}
"""Defaults that are not those of the run."""


@takes_settings(
    [name for name in CHANGEABLE if not name.startswith("optimizer_")], default="none, or as recorded", defaults=OWN
)
def explain(
    run: RunArgument = "latest",
    *,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Try shorter prompts, and write the one that loses nothing to standard output."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="All that was measured, as JSON.")] = False,
    store: StoreFlag = DEFAULT_STORE,
    yes: YesFlag = False,
    dry_run: DryRunFlag = False,
    quiet: QuietFlag = False,
    profile: ProfileFlag = False,
    **settings: object,
) -> None:
    """Measure which parts of a run's best prompt matter."""
    if prune and as_json:
        raise ConfigError("--prune writes a prompt and --json an object to standard output: give one of them")
    if dry_run:
        _foretell(run, given(settings), store=store, prune=prune)
        return
    explained = ""

    async def work(opened: LateStore, watcher: Reporter, times: Profile) -> Ended:
        nonlocal explained
        explained = opened().find_run(run).id
        return await explaining.explain(
            explained,
            store=opened(),
            prune=prune,
            settings=given(settings),
            observers=[watcher],
            confirm=lambda plan: agreed(plan.total, yes=yes, what="explanation"),
            profile=times,
        )

    code = carry_out(
        work,
        Place(store=store, quiet=quiet, profile=profile),
        must_exist=True,
        stopped=lambda record: stopped_text(record, explained),
        written=lambda result: _write(result, explained, prune=prune, as_json=as_json),
    )
    raise SystemExit(code)


def _foretell(run: str, settings: Settings, *, store: str, prune: bool) -> None:
    with opened_store(store, must_exist=True) as opened:
        would = explaining.prepare(run, store=opened, prune=prune, settings=settings)
    for note in would.notes:
        output.message(note)
    output.result(printable(forecast_text(would.forecast.as_data())))
    output.dry_run_over()


def _write(result: Ended, explained: str, *, prune: bool, as_json: bool) -> None:
    """The result to standard output: the explanation, or with ``prune`` a prompt and nothing else."""
    if not isinstance(result, Explanation):
        raise TypeError(f"not an explanation: {type(result).__name__}")
    if as_json:
        output.result(json.dumps(json.loads(to_json(result)), sort_keys=True, indent=2))
        return
    if not prune:
        output.result(explanation_text(result, explained=explained, terminal=sys.stdout.isatty()))
        return
    output.message(explanation_text(result, explained=explained, terminal=False))
    shorter = result.prompt if result.pruned is None else result.pruned.prompt
    if sys.stdout.isatty():
        output.result(printable(shorter))
    else:
        output.exactly(shorter)
