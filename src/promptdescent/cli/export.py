"""The command ``export``: a prompt for use elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from promptdescent.cli import output
from promptdescent.cli.flags import DEFAULT_STORE, RunArgument, StoreFlag
from promptdescent.cli.stores import opened_store
from promptdescent.report.export import export_json, prompt_text
from promptdescent.report.record import run_record
from promptdescent.report.text import printable


def export(
    run: RunArgument = "latest",
    to: Annotated[
        Literal["text", "json"],
        typer.Option("--to", help="text: the best prompt and nothing else; json: with what is known of it."),
    ] = "text",
    file: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Write this file instead of to the terminal.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
    store: StoreFlag = DEFAULT_STORE,
) -> None:
    """Print or write the best prompt of a run."""
    with opened_store(store, must_exist=True) as opened:
        record = run_record(opened, run)
    text = prompt_text(record) if to == "text" else export_json(record) + "\n"
    if file is not None:
        output.write_file(Path(file), text.encode(), flag="--output", force=force)
    elif to == "text" and not sys.stdout.isatty():
        output.exactly(text)
    else:
        output.result(printable(text.rstrip("\n")))
