"""The command ``resume``: the rest of a run that ended early."""

from __future__ import annotations

from typing import Annotated

import typer

from promptdescent import runner
from promptdescent.cli.flags import DEFAULT_STORE, RUN, GainFlag, ProfileFlag, QuietFlag, RunArgument, StoreFlag
from promptdescent.cli.running import Place, carry_out
from promptdescent.cli.settings import given, takes_settings
from promptdescent.config import CHANGEABLE

RecordedFlag = Annotated[
    bool,
    typer.Option(
        "--recorded",
        help="Go on with the rows, prompt, rubric and recipe on record, whatever their files say by now.",
        rich_help_panel=RUN,
    ),
]


@takes_settings(CHANGEABLE, default="as recorded")
def resume(
    run: RunArgument,
    *,
    recorded: RecordedFlag = False,
    store: StoreFlag = DEFAULT_STORE,
    require_gain: GainFlag = False,
    quiet: QuietFlag = False,
    profile: ProfileFlag = False,
    **settings: object,
) -> None:
    """Go on with a run that was interrupted, failed or killed."""
    place = Place(store=store, quiet=quiet, require_gain=require_gain, profile=profile)
    code = carry_out(
        lambda opened, watcher, times: runner.resume(
            run, store=opened(), observers=[watcher], settings=given(settings), recorded=recorded, profile=times
        ),
        place,
        must_exist=True,
    )
    raise SystemExit(code)
