"""Recipes as text: all of them, one in full, the difference of two."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promptdescent.input_files import read_mixture
from promptdescent.parts.recipe import Recipe
from promptdescent.parts.registry import SLOTS, in_short
from promptdescent.plugins import plugin_names
from promptdescent.recipes import ALIASES, RECIPES, mixture, recipe_function, recipe_named
from promptdescent.report.columns import columns
from promptdescent.report.text import printable

LISTED = {
    "update direction": ("gradient", "momentum"),
    "update method": ("step_size", "refinement"),
    "search": ("initialization", "estimation", "selection"),
}
"""Columns of the list of all recipes: the slots in which optimizers differ by nature, in the paper's own order."""


def recipe_called(name: str) -> tuple[Recipe, str]:
    """A recipe by its name, or from ``@FILE``, and what it says of itself. Raises
    :class:`~promptdescent.errors.ConfigError`.
    """
    if name.startswith("@"):
        return mixture(read_mixture(Path(name[1:]))), ""
    return recipe_named(name), inspect.getdoc(recipe_function(name)) or ""


def all_recipes(*, as_json: bool) -> str:
    """A row for each recipe. Those of other packages are named, and not loaded."""
    known = [recipe_named(name) for name in RECIPES]
    if as_json:
        return _json({recipe.name: recipe.as_data() for recipe in known})
    between = "\n" if sys.stdout.isatty() else ", "
    rows = [[recipe.name, *cells(recipe, between=between)] for recipe in known]
    lines = [_table(["recipe", *LISTED], rows)]
    lines += [f"{alias} is {name}." for alias, name in ALIASES.items()]
    if others := plugin_names("promptdescent.recipes"):
        lines.append(printable(f"From other packages: {', '.join(others)}"))
    return "\n".join(lines)


def cells(recipe: Recipe, *, between: str) -> list[str]:
    """A recipe's parts by column of the list."""
    data = recipe.as_data()
    return [between.join(in_short(data[slot]) for slot in slots) for slots in LISTED.values()]


def one_recipe(wanted: tuple[Recipe, str], *, as_json: bool) -> str:
    """Everything about a recipe."""
    recipe, about = wanted
    if as_json:
        return _json({"name": recipe.name, "about": about, "recipe": recipe.as_data()})
    rows = [[_words(slot), _in_full(recipe.as_data()[slot])] for slot in SLOTS]
    return "\n\n".join(filter(None, [printable(recipe.name), printable(about), _table(["slot", "part"], rows)]))


def difference(one: tuple[Recipe, str], other: tuple[Recipe, str], *, as_json: bool) -> str:
    """The slots in which two recipes differ."""
    first, second = one[0], other[0]
    before, after = first.as_data(), second.as_data()
    slots = [slot for slot in SLOTS if before[slot] != after[slot]]
    if as_json:
        return _json({slot: {first.name: before[slot], second.name: after[slot]} for slot in slots})
    if not slots:
        return printable(f"{first.name} and {second.name} are the same in every slot.")
    rows = [[_words(slot), _in_full(before[slot]), _in_full(after[slot])] for slot in slots]
    return _table(["slot", first.name, second.name], rows)


def _in_full(data: Any) -> str:
    """A part with all of its fields."""
    if isinstance(data, Mapping):
        said = [f"{key}={_in_full(value)}" for key, value in data.items() if key != "part"]
        return f"{data['part']}({', '.join(said)})"
    return ", ".join(map(_in_full, data)) or "none" if isinstance(data, list) else str(data)


def _words(slot: str) -> str:
    return slot.replace("_", " ")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=True)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return columns(head, rows, terminal=sys.stdout.isatty())
