"""Flags that are no settings of a run, and the panels of the help in which all flags stand."""

from __future__ import annotations

from typing import Annotated

import typer

ROWS, TASK, MODELS, SEARCH, COST, PACE, RUN = "Rows", "Task", "Models", "Search", "Cost", "Pace", "Run"

StoreFlag = Annotated[
    str, typer.Option("--store", help="Folder of all runs, or a postgresql:// address.", rich_help_panel=RUN)
]
YesFlag = Annotated[
    bool, typer.Option("--yes", help="Agree to calls outside this machine without a cap.", rich_help_panel=RUN)
]
DryRunFlag = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Only say what a run would do and cost: nothing is sent or recorded.", rich_help_panel=RUN
    ),
]
ProfileFlag = Annotated[
    bool, typer.Option("--profile", help="Say at the end where the time went.", rich_help_panel=RUN)
]
QuietFlag = Annotated[bool, typer.Option("--quiet", help="No progress, only the result.", rich_help_panel=RUN)]
GainFlag = Annotated[
    bool, typer.Option("--require-gain", help="Exit with 4 if no gain was shown.", rich_help_panel=RUN)
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Beginning of a run's id, or latest.")]
DEFAULT_STORE = ".promptdescent"
