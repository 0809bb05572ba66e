"""The command ``recipes``: the optimizers there are."""

from __future__ import annotations

from typing import Annotated

import typer

from promptdescent.cli import output
from promptdescent.cli.recipe_text import all_recipes, difference, one_recipe, recipe_called
from promptdescent.errors import ConfigError


def recipes(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME|@FILE]...", help="One to print in full; two with --diff.", show_default=False),
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Only the slots in which two recipes differ.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the optimizers, print one in full, or tell two apart."""
    wanted = [recipe_called(name) for name in names or ()]
    if len(wanted) != 2 if diff else len(wanted) > 1:
        raise ConfigError("recipes takes no name, one, or two with --diff: promptdescent recipes --diff opro gpo")
    if diff:
        output.result(difference(*wanted, as_json=as_json))
    else:
        output.result(one_recipe(*wanted, as_json=as_json) if wanted else all_recipes(as_json=as_json))
