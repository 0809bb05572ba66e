"""The optimizers by name. Each file only fills the slots of a recipe."""

from __future__ import annotations

from collections.abc import Callable

from promptdescent.errors import ConfigError, nearest
from promptdescent.parts.recipe import Recipe
from promptdescent.recipes.gpo import gpo

RECIPES: dict[str, Callable[[], Recipe]] = {"gpo": gpo}


def recipe_named(name: str) -> Recipe:
    """The recipe ``name``. Raises :class:`ConfigError` for an unknown one, with the nearest known name."""
    if name not in RECIPES:
        raise ConfigError(f"--recipe: there is no recipe {name!r}; {nearest(name, RECIPES)}")
    return RECIPES[name]()
