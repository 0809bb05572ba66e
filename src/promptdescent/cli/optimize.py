"""The command ``optimize``: a run on rows of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptdescent.cli.flags import (
    DEFAULT_STORE,
    RUN,
    DryRunFlag,
    GainFlag,
    ProfileFlag,
    QuietFlag,
    StoreFlag,
    YesFlag,
)
from promptdescent.cli.running import Place, foretell, start_run
from promptdescent.cli.settings import FLAGS, Settings, given, takes_settings
from promptdescent.config import TASK_FILE_SUFFIXES, RunSpec, load_task_file
from promptdescent.store.tags import checked_tags


@takes_settings(name for name in FLAGS if name != "data")
def optimize(
    data: Annotated[
        str | None, typer.Argument(metavar="DATA_OR_TASK", help="File of rows, or a task file (.yaml).")
    ] = None,
    *,
    store: StoreFlag = DEFAULT_STORE,
    yes: YesFlag = False,
    dry_run: DryRunFlag = False,
    require_gain: GainFlag = False,
    quiet: QuietFlag = False,
    profile: ProfileFlag = False,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            metavar="TAG",
            help="A word by which to find the run again; may be given several times.",
            rich_help_panel=RUN,
        ),
    ] = None,
    **settings: object,
) -> None:
    """Find a better prompt for your own rows, and say whether the gain is real."""
    spec, tags = _spec(data, given(settings)), checked_tags(tag or ())
    if dry_run:
        foretell(spec)
        return
    place = Place(store=store, quiet=quiet, require_gain=require_gain, profile=profile)
    raise SystemExit(start_run(spec, place, yes=yes, tags=tags))


def _spec(data: str | None, flags: Settings) -> RunSpec:
    """Task file and flags as one; a flag wins over the file."""
    if data is None:
        return RunSpec().with_settings(flags)
    if Path(data).suffix.lower() in TASK_FILE_SUFFIXES:
        return load_task_file(Path(data)).with_settings(flags)
    return RunSpec().with_settings({"data": data, **flags})
