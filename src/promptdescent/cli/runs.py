"""The command ``runs``: what a store holds."""

from __future__ import annotations

from typing import Annotated

import typer

from promptdescent.cli import output
from promptdescent.cli.drawing import terminal
from promptdescent.cli.flags import DEFAULT_STORE, StoreFlag
from promptdescent.cli.stores import opened_store
from promptdescent.report.listing import listing, listing_json
from promptdescent.store.listing import Sort, count_runs, listed_runs


def runs(
    *,
    last: Annotated[int, typer.Option("--last", metavar="N", min=1, help="How many at most.")] = 20,
    search: Annotated[
        str,
        typer.Option(
            "--search",
            metavar="TEXT",
            help="Only runs with all of these words: in recipe, models, tags, status or starting prompt, or as the "
            "beginning of the id.",
        ),
    ] = "",
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="TAG", help="Only runs with this tag; may be given several times."),
    ] = None,
    sort: Annotated[
        Sort, typer.Option("--sort", help="The order: the newest first, the highest first, or by the alphabet.")
    ] = "started",
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
    show_all: Annotated[
        bool, typer.Option("--all", help="Also the runs that hold the calls of promptdescent explain.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    store: StoreFlag = DEFAULT_STORE,
) -> None:
    """List the runs of a store, newest first."""
    with opened_store(store, must_exist=True) as opened:
        total = count_runs(opened, explanations=show_all)
        narrowed = bool(search.split() or tag)
        # What matches is known only when all were looked at.
        matching = listed_runs(
            opened,
            last=None if narrowed else last,
            search=search,
            sort=sort,
            reverse=reverse,
            tags=tag or (),
            explanations=show_all,
        )
    found, count = matching[:last], len(matching) if narrowed else total
    if as_json:
        output.result(listing_json(found))
    elif found:
        output.result(listing(found, terminal=terminal() is not None))
        if count > len(found):
            what, again = (
                ("runs that match", "the same") if narrowed else ("runs", f"promptdescent runs{' --all' * show_all}")
            )
            output.message(f"{len(found)} of {count:,} {what}; all of them: {again} --last {count}")
    elif total:
        output.message(f"none of the {total:,} runs in {store} matches")
    else:
        output.message(f"there is no run in {store} yet: promptdescent demo or optimize makes one")
