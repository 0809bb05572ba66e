"""The command ``tag``: short words by which runs are found again."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from promptdescent.cli import output
from promptdescent.cli.flags import DEFAULT_STORE, StoreFlag
from promptdescent.cli.stores import opened_store
from promptdescent.report.text import one_line
from promptdescent.store.tags import change_tags, tags_of


def tag(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Beginning of a run's id, or latest.")],
    add: Annotated[
        list[str] | None, typer.Argument(metavar="[TAG]...", help="Tags to give it.", show_default=False)
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="TAG", help="A tag to take away; may be given several times."),
    ] = None,
    store: StoreFlag = DEFAULT_STORE,
) -> None:
    """Give a run tags, or take them away."""
    with opened_store(store, must_exist=True) as opened:
        run_id = opened.find_run(run).id
        if add or remove:
            tags = asyncio.run(change_tags(opened, run_id, add=add or (), remove=remove or ()))
        else:
            tags = tags_of(opened, run_id)
    output.result(f"{run_id}: {one_line(' '.join(tags)) or 'no tags'}")
