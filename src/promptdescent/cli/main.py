"""The program's entry point. Its commands are loaded when they are called (``commands.py``)."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from promptdescent import __version__
from promptdescent.cli import output
from promptdescent.cli.commands import CommandGroup
from promptdescent.cli.output import ExitCode
from promptdescent.errors import PromptDescentError

app = typer.Typer(
    cls=CommandGroup,
    help="Improve the prompt of a language model task, with evidence for every gain that is claimed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def options(
    show_version: Annotated[bool, typer.Option("--version", is_eager=True, help="Say the version and exit.")] = False,
) -> None:
    if show_version:
        output.result(f"promptdescent {__version__}")
        raise SystemExit(ExitCode.DONE)


def main() -> None:
    """Run the command line. Exits with an :class:`ExitCode`."""
    output.tolerate_any_encoding()
    try:
        app()
    except PromptDescentError as error:  # from before a run was at work: nothing was paid for
        output.error(str(error))
        sys.exit(ExitCode.INPUT)


if __name__ == "__main__":
    main()
