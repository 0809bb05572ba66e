"""Which recipes a study compares: the paper's tables, or a grid of one's own in YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptdescent.assembly import NO_EXTRAS, recipe_for
from promptdescent.config import RunSpec
from promptdescent.errors import ConfigError, nearest
from promptdescent.input_files import read_yaml
from promptdescent.parts.direction.gradient import DescentDirection, Reflect
from promptdescent.parts.direction.momentum import (
    ImportanceRetrieval,
    Momentum,
    NoMomentum,
    RecencyRetrieval,
    RelevanceRetrieval,
    RunningSummary,
)
from promptdescent.parts.method.refinement import Edit, Generate, Refinement
from promptdescent.parts.method.step_size import Constant, Cosine, Linear, StepSize, Unbounded, Warmup
from promptdescent.parts.recipe import Recipe
from promptdescent.recipes import RECIPES
from promptdescent.report.study.record import TokenClaim

CHAIN_OF_THOUGHT = "Let's think step by step."
"""The prompt of the paper's row CoT."""

TOKEN_CLAIMS: Mapping[str, TokenClaim] = {
    "ape": "near",
    "opro": "near",
    "apo": "well above",
    "pe2": "well above",
    "sgdm": "well above",
}
"""What the paper says of each method's tokens, compared with GPO's."""


HOLDS = "a grid names its recipes, such as `recipes: [gpo, opro]`"
"""What belongs in a grid file."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One row of a study: a recipe, or a prompt that no search changes."""

    label: str
    recipe: Recipe | None = None
    prompt: str | None = None
    token_claim: TokenClaim | None = None


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The cells of a study."""

    name: str
    cells: tuple[Cell, ...]
    reference: str
    """Label of the cell that sets the budget, and that the others are compared with; it has a recipe."""

    def __post_init__(self) -> None:
        labels = [cell.label for cell in self.cells]
        double = next((label for label in labels if labels.count(label) > 1), None)
        if double is not None:
            raise ConfigError(f"grid {self.name}: two cells are called {double!r}; give each a label of its own")
        searching = [cell.label for cell in self.cells if cell.recipe is not None]
        if self.reference not in searching:
            raise ConfigError(
                f"grid {self.name}: the reference {self.reference!r} is no recipe of the grid; "
                f"{nearest(self.reference, searching)}"
            )

    def cell(self, label: str) -> Cell:
        """The cell of this label."""
        return next(cell for cell in self.cells if cell.label == label)


WITHOUT_SEARCH = (Cell(label="Empty", prompt=""), Cell(label="CoT", prompt=CHAIN_OF_THOUGHT))
"""No instruction at all, and the one that the paper starts from."""


def grid_named(name: str) -> Grid:
    """A ready grid, or the one in a YAML file. Raises :class:`ConfigError`."""
    if name in GRIDS:
        return GRIDS[name]()
    path = Path(name)
    if path.suffix.lower() in (".yaml", ".yml"):
        return load_grid(path)
    raise ConfigError(f"there is no grid {name!r}; {nearest(name, GRIDS)}, or a .yaml file of your own")


def momentum_gradient() -> Grid:
    """The paper's Table 2: momentum x gradient, with editing and without a word budget, as the paper ran it.

    What a summary without reflections sums up is not stated there: prompts, as nothing else is at hand.
    """
    momenta: list[tuple[str, Momentum, Momentum]] = [
        ("none", NoMomentum(), NoMomentum()),
        ("summarization", RunningSummary(of="prompts"), RunningSummary(of="reflections")),
        ("recency", RecencyRetrieval(k=3), RecencyRetrieval(k=3)),
        ("relevance", RelevanceRetrieval(k=3), RelevanceRetrieval(k=3)),
        ("importance", ImportanceRetrieval(k=3), ImportanceRetrieval(k=3)),
    ]
    cells = []
    for name, without, with_reflection in momenta:
        plain, reflecting = f"{name}, P+M", f"{name}, P+M+R"
        cells.append(_cell(plain, momentum=without, step_size=Unbounded(), refinement=Edit()))
        cells.append(
            _cell(
                reflecting,
                gradient=DescentDirection(reflection=Reflect()),
                momentum=with_reflection,
                step_size=Unbounded(),
                refinement=Edit(),
            )
        )
    return Grid(name="momentum-gradient", cells=(*WITHOUT_SEARCH, *cells), reference="relevance, P+M")


def step_size_refinement() -> Grid:
    """The paper's Table 3: step size x refinement, with prompt + score and relevance.

    A warmup takes 5 steps, the default of the reference code: the paper's 5 % of 18 steps would be one, which changes
    nothing.
    """
    sizes: list[tuple[str, StepSize]] = [("none", Unbounded())]
    schedules: list[tuple[str, Constant | Linear | Cosine]] = [
        ("fixed", Constant(amount=50)),
        ("linear", Linear(start=50, final=10)),
        ("cosine", Cosine(start=50, final=10)),
    ]
    for name, schedule in schedules:
        sizes += [(name, schedule), (f"{name} + warmup", Warmup(schedule=schedule, steps=5))]
    refinements: list[tuple[str, Refinement]] = [("edit", Edit()), ("generate", Generate())]
    cells = [
        _cell(f"{size}, {refinement}", step_size=step_size, refinement=rewrite)
        for size, step_size in sizes
        for refinement, rewrite in refinements
    ]
    return Grid(name="step-size-refinement", cells=(*WITHOUT_SEARCH, *cells), reference="cosine, generate")


def methods() -> Grid:
    """The methods of the paper's Table 4, each as the paper ran it."""
    others = ("sgdm", "ape", "apo", "opro", "pe2")
    cells = [replace(_named(f"{name}:gpo-paper", label=name), token_claim=TOKEN_CLAIMS[name]) for name in others]
    return Grid(name="methods", cells=(*WITHOUT_SEARCH, *cells, _named("gpo", label="gpo")), reference="gpo")


GRIDS: Mapping[str, Callable[[], Grid]] = {
    "momentum-gradient": momentum_gradient,
    "step-size-refinement": step_size_refinement,
    "methods": methods,
}


ALL = "all"
"""Names every recipe that is built in."""


def grid_of(recipes: str) -> Grid:
    """The grid of ``all`` recipes, of some with commas between their names, or the one that :func:`grid_named` knows.

    The reference is gpo where it is among them, else the first. Raises :class:`ConfigError`.
    """
    if recipes in GRIDS or recipes.endswith((".yaml", ".yml")):
        return grid_named(recipes)
    names = list(RECIPES) if recipes == ALL else [name.strip() for name in recipes.split(",") if name.strip()]
    if not names:
        raise ConfigError(f"--recipes names no recipe; give {ALL}, or names such as gpo,opro")
    cells = [_named(name, label=name) for name in names]
    return Grid(
        name=ALL if recipes == ALL else "chosen",
        cells=(*WITHOUT_SEARCH, *cells),
        reference="gpo" if "gpo" in names else names[0],
    )


def load_grid(path: Path) -> Grid:
    """The grid in a YAML file::

        recipes:                 # names, or mixtures with a label
          - gpo
          - label: gpo without momentum
            recipe: {base: gpo, momentum: NoMomentum}
        reference: gpo           # the first recipe by default
        without_search: true     # the rows Empty and CoT; true by default

    Raises :class:`ConfigError`, naming the file, for anything else.
    """
    content = read_yaml(path, kind="grid", holds=HOLDS)
    unknown = [key for key in content if key not in ("recipes", "reference", "without_search")]
    if unknown:
        known = ("recipes", "reference", "without_search")
        raise ConfigError(f"{path}: unknown key {unknown[0]!r}; {nearest(str(unknown[0]), known)}")
    recipes = content.get("recipes")
    if not isinstance(recipes, list) or not recipes:
        raise ConfigError(f"{path}: {HOLDS}")
    try:
        cells = [_entry(one) for one in recipes]
        rows = WITHOUT_SEARCH if content.get("without_search", True) else ()
        reference = str(content.get("reference", cells[0].label))
        return Grid(name=path.stem, cells=(*rows, *cells), reference=reference)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _entry(entry: object) -> Cell:
    if isinstance(entry, str):
        return _named(entry, label=entry)
    if isinstance(entry, dict) and set(entry) == {"label", "recipe"}:
        return _named(entry["recipe"], label=str(entry["label"]))
    raise ConfigError(f"a recipe of a grid is a name, or has a label and a recipe, not {entry!r}")


def _named(recipe: Any, *, label: str) -> Cell:
    return Cell(
        label=label, recipe=replace(recipe_for(RunSpec().with_settings({"recipe": recipe}), NO_EXTRAS), name=label)
    )


def _cell(label: str, **parts: Any) -> Cell:
    """GPO with other parts."""
    return Cell(label=label, recipe=replace(recipe_for(RunSpec(), NO_EXTRAS), name=label, **parts))
