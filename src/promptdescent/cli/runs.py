"""The command ``runs``: what a store holds."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from promptdescent.cli import output
from promptdescent.cli.flags import RUN
from promptdescent.cli.stores import opened_store
from promptdescent.report.listing import listing, listing_json
from promptdescent.store.listing import count_runs, listed_runs


def runs(
    *,
    last: Annotated[int, typer.Option("--last", metavar="N", min=1, help="How many of the newest.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    store: Annotated[
        str, typer.Option("--store", help="Folder of all runs, or a postgresql:// address.", rich_help_panel=RUN)
    ] = ".promptdescent",
) -> None:
    """List the runs of a store, newest first."""
    with opened_store(store, must_exist=True) as opened:
        found, count = listed_runs(opened, last=last), count_runs(opened)
    if as_json:
        output.result(listing_json(found))
    elif found:
        output.result(listing(found, terminal=sys.stdout.isatty()))
        if count > len(found):
            output.message(f"{len(found)} of {count:,} runs; all of them: promptdescent runs --last {count}")
    else:
        output.message(f"there is no run in {store} yet: promptdescent demo or optimize makes one")
