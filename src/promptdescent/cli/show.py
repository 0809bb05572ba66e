"""The command ``show``: what is recorded of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from promptdescent.cli import output
from promptdescent.cli.drawing import terminal
from promptdescent.cli.flags import DEFAULT_STORE, RunArgument, StoreFlag
from promptdescent.cli.rich_show import draw_run
from promptdescent.cli.stores import opened_store
from promptdescent.errors import ConfigError
from promptdescent.report.page.facts import read_facts
from promptdescent.report.record import as_text, canonical, run_record
from promptdescent.report.text import summary


def show(
    run: RunArgument = "latest",
    as_json: Annotated[bool, typer.Option("--json", help="The whole record as JSON.")] = False,
    as_canonical: Annotated[
        bool, typer.Option("--canonical", help="The part of the record that equal runs share, as JSON.")
    ] = False,
    store: StoreFlag = DEFAULT_STORE,
) -> None:
    """Print what is recorded of a run."""
    if as_json and as_canonical:
        raise ConfigError("--json and --canonical: give one of them")
    console = None if as_json or as_canonical else terminal()
    with opened_store(store, must_exist=True) as opened:
        if console is not None:
            draw_run(console, read_facts(opened, run))
            return
        record = run_record(opened, run)
    if as_canonical:
        output.result(as_text(canonical(record)))
    else:
        output.result(as_text(record) if as_json else summary(record))
