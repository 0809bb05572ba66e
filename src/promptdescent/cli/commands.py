"""The commands, by the modules in which they are found: a command is loaded when it is called, and no other with it.

The rule that our own modules are imported at the top of a file has its second exception here, after
``promptdescent/__init__.py``: by the names in one table, so that ``promptdescent show`` does not wait for the modules
of a study. ``tests/cli/test_command_table.py`` keeps the table true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import copy
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from promptdescent.cli import output
from promptdescent.cli.output import ExitCode
from promptdescent.errors import nearest

_HOME = "promptdescent.cli"

_NO_CHOICE = re.compile(r"(Value error, )?'(?P<value>.*)' is not one of (?P<choices>'.*')\.", re.DOTALL)
"""What the parser says of a value that is none of the choices."""
_QUOTED = re.compile(r"'([^']*)'")


class Listed(NamedTuple):
    """A command that is not loaded yet."""

    module: str
    """In ``promptdescent.cli``."""
    function: str
    help: str
    """The first line of the function's docstring."""


COMMANDS = {
    "demo": Listed("demo", "demo", "A whole run on data of our own with the embedded model: no key, no network."),
    "optimize": Listed(
        "optimize",
        "optimize",
        "Find a better prompt for your own rows, and say whether the gain is real.",
    ),
    "resume": Listed("resume", "resume", "Go on with a run that was interrupted, failed or killed."),
    "evaluate": Listed(
        "evaluate",
        "evaluate",
        "Score one prompt on your rows, with a confidence interval, and search for nothing.",
    ),
    "rerun": Listed(
        "rerun",
        "rerun",
        "Run a recorded run once more, as a new one; what the first was answered is not paid for again.",
    ),
    "show": Listed("show", "show", "Print what is recorded of a run."),
    "report": Listed("report", "report", "Write the report of a run as one HTML file."),
    "explain": Listed("explain", "explain", "Measure which parts of a run's best prompt matter."),
    "rows": Listed("rows", "rows", "Say which rows of a run deserve a second look."),
    "serve": Listed("serve", "serve", "Show the runs of a store in a browser, live."),
    "runs": Listed("runs", "runs", "List the runs of a store, newest first."),
    "compare": Listed("compare", "compare", "Compare runs side by side."),
    "diff": Listed("diff", "diff", "Print how two prompts differ, word by word."),
    "tag": Listed("tag", "tag", "Give a run tags, or take them away."),
    "export": Listed("export", "export", "Print or write the best prompt of a run."),
    "recipes": Listed("recipes", "recipes", "List the optimizers, print one in full, or tell two apart."),
    "study": Listed(
        "study",
        "study",
        "Compare recipes over seeds with equal means, and say which differences are real. Given again, it goes on.",
    ),
    "bench": Listed(
        "bench",
        "bench",
        "Compare recipes on a suite's tasks over models and seeds, with one budget. Given again, it goes on.",
    ),
    "race": Listed(
        "race",
        "race",
        "Race our recipes against other systems: the same rows, models and metric, and as many tokens for each.",
    ),
    "install-peers": Listed(
        "race",
        "install_peers",
        "Make an environment for each of the other systems of a race, with the versions its script is written for.",
    ),
}
"""All commands by name, in the order of the help."""


class _Loaded(Mapping[str, Any]):
    """Commands by name, each made from its function when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class CommandGroup(TyperGroup):
    """The program's commands. Its help is written from the table and loads none of them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**{**attributes, "commands": _Loaded()})

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        told = copy(self)
        told.commands = {name: TyperCommand(name, help=listed.help) for name, listed in COMMANDS.items()}
        super(CommandGroup, told).format_help(ctx, formatter)


class _OneLine(TyperCommand):
    """A command that says in one line which choice an unknown one is near to."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            refused = _NO_CHOICE.fullmatch(error.message)
            if refused is None or error.param is None:
                raise
            value, choices = refused["value"], _QUOTED.findall(refused["choices"])
            output.error(f"{error.param.opts[0]} {value}: no such choice; {nearest(value, choices)}")
            raise typer.Exit(ExitCode.INPUT) from None


@cache
def _command(name: str) -> Any:
    listed = COMMANDS[name]
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name, cls=_OneLine)(getattr(import_module(f"{_HOME}.{listed.module}"), listed.function))
    return get_command(alone)
