"""Who takes part in a race: recipes of ours, other systems, scripts of one's own, and prompts without a search."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from promptdescent.errors import ConfigError, nearest
from promptdescent.experiments.grids import WITHOUT_SEARCH
from promptdescent.experiments.race.install import environment_python, install_command, version_of
from promptdescent.recipes import RECIPES, recipe_named
from promptdescent.report.race.record import Kind, RaceContestant

SCRIPTS = Path(__file__).parent / "peers"
"""Where the scripts that drive other systems are, one per family; each imports the system and nothing of ours."""

FAMILIES = {
    "dspy-gepa": "dspy",
    "dspy-mipro": "dspy",
    "gepa": "gepa",
    "promptolution-capo": "promptolution",
    "promptolution-opro": "promptolution",
    "promptolution-evoprompt": "promptolution",
}
"""Other systems by name, with the environment that each needs."""

START = "Start"
"""Label of the starting prompt, which no search changes."""


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One that takes part: with a recipe, a script or a prompt, or with none of them for the starting prompt."""

    label: str
    kind: Kind
    recipe: str = ""
    """Name of a recipe of ours."""
    script: Path | None = None
    """What drives another system."""
    family: str = ""
    """The environment that the script needs; empty: this Python."""
    prompt: str | None = None
    """A prompt that no search changes; None: the starting prompt."""

    @property
    def folder(self) -> str:
        """The label as the name of a folder."""
        return re.sub(r"[^\w.-]", "-", self.label)

    def missing(self, peers: Path) -> str:
        """What is not there to run it, in words; empty if all is."""
        if self.script is not None and not self.script.exists():
            return f"there is no script {self.script.name}"
        if self.family and not environment_python(peers, self.family).exists():
            return f"{self.family} is not installed in {peers}: run `{install_command(self.family, peers)}`"
        return ""

    def as_record(self, peers: Path) -> RaceContestant:
        """As a record holds it."""
        version = version_of(peers, self.family) if self.family else ""
        return RaceContestant(label=self.label, kind=self.kind, version=version)


PROMPTS = (
    Contestant(label=START, kind="prompt"),
    *(Contestant(label=cell.label, kind="prompt", prompt=cell.prompt) for cell in WITHOUT_SEARCH),
)
"""The rows of every race that search for nothing."""


def contestants_named(names: Sequence[str], *, starts: Sequence[str] = ()) -> tuple[Contestant, ...]:
    """Those of these names, with the prompts without a search before them. A name is that of a recipe or of another
    system, or the path of a script of one's own (``.py``), which this Python runs. ``starts``: the starting prompts of
    all tasks; a prompt that is no other than these is left out.

    Raises :class:`ConfigError` for an unknown name and for one that is given twice.
    """
    found = [_named(name.strip()) for name in names if name.strip()]
    if not found:
        raise ConfigError("--contestants names nobody: give recipes such as gpo, or other systems such as gepa")
    prompts = [one for one in PROMPTS if one.prompt is None or {one.prompt} != set(starts)]
    labels = [contestant.folder for contestant in (*prompts, *found)]
    double = next((label for label in labels if labels.count(label) > 1), None)
    if double is not None:
        raise ConfigError(f"--contestants: {double!r} stands there twice; each takes part once")
    return (*prompts, *found)


def _named(name: str) -> Contestant:
    if name in FAMILIES:
        script = SCRIPTS / f"run_{FAMILIES[name]}.py"
        return Contestant(label=name, kind="peer", script=script, family=FAMILIES[name])
    if name.endswith(".py"):
        path = Path(name).resolve()
        if not path.is_file():
            raise ConfigError(f"--contestants: there is no script {name}")
        return Contestant(label=path.stem, kind="peer", script=path)
    try:
        recipe_named(name)
    except ConfigError:
        raise ConfigError(
            f"--contestants: {name!r} is no recipe and no other system; {nearest(name, (*RECIPES, *FAMILIES))}"
        ) from None
    return Contestant(label=name, kind="ours", recipe=name)
