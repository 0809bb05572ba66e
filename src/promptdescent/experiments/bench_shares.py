"""How the budget of a bench is shared out: equally over the runs of the models that can be asked.

The shares are kept in the bench's folder, since what a run may use is part of what the run is. A model that can be
asked only at a later start gets what the others have left by then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptdescent.errors import ConfigError
from promptdescent.experiments.bench_plan import BenchPlan
from promptdescent.experiments.pilots import AS_REFERENCE
from promptdescent.experiments.plan import CapFlag, read_whole
from promptdescent.report.files import write_whole
from promptdescent.report.study.files import load

SHARES = "shares.json"


@dataclass(frozen=True, kw_only=True)
class Shares:
    """What each run may use."""

    budget: int | None
    """Tokens of all runs together; None without a cap."""
    runs: int
    """Of one model, if every task takes part, the pilots among them."""
    tokens: Mapping[str, int]
    """By task model that is asked: tokens of each of its runs; 0 without a cap."""

    def cap(self, model: str) -> int | None:
        """Tokens of each run with a model; None without a cap."""
        return None if self.budget is None else self.tokens[model]

    def left_nothing(self, model: str) -> str:
        """Why a model has no share; empty if it has one, or needs none."""
        if self.budget is None or model in self.tokens:
            return ""
        return (
            f"nothing of --budget {self.budget} is left for it, since it could not be asked when the budget was shared "
            "out; give the command again when the other models are done, or name another folder with --store"
        )

    @property
    def flag(self) -> CapFlag:
        """The flag behind the caps, for texts that say what to give."""
        words = AS_REFERENCE if self.budget is None else "its share of --budget"
        return CapFlag(name="--budget", words=words, shares=self.runs * max(1, len(self.tokens)))

    def keep(self, folder: Path) -> None:
        """Write them into the folder of the bench; nothing without a cap."""
        if self.budget is not None:
            content = {"budget": self.budget, "runs": self.runs, "tokens": dict(self.tokens)}
            write_whole(folder / SHARES, json.dumps(content, indent=2, sort_keys=True) + "\n")


def shared_out(plan: BenchPlan, folder: Path, models: Sequence[str], places: Mapping[str, Path]) -> Shares:
    """The shares of a bench in which ``models`` can be asked; ``places``: the folder of each model's study.

    A model that has a share keeps it. Raises :class:`ConfigError` if the bench in the folder shares out something else,
    or if the budget is less than a token for each run.
    """
    runs = plan.runs // len(plan.models)
    if plan.budget is None:
        return Shares(budget=None, runs=runs, tokens=dict.fromkeys(models, 0))
    known = _kept(folder)
    if known is None:
        return Shares(budget=plan.budget, runs=runs, tokens=dict.fromkeys(models, plan.share(len(models))))
    if (known["budget"], known["runs"]) != (plan.budget, runs):
        raise ConfigError(
            f"{folder} holds a bench that shares --budget {known['budget']} out over {known['runs']} runs with each "
            f"model, now it would be --budget {plan.budget} over {runs}. "
            "Name another folder with --store, or give the command that began the bench."
        )
    tokens: dict[str, int] = known["tokens"]
    new = [model for model in models if model not in tokens]
    if new:
        spoken_for = sum(_spoken_for(plan, runs, cap, places.get(model)) for model, cap in tokens.items())
        share = max(0, plan.budget - spoken_for) // (len(new) * runs)
        tokens |= {model: share for model in new if share}
    return Shares(budget=plan.budget, runs=runs, tokens=tokens)


def _spoken_for(plan: BenchPlan, runs: int, cap: int, place: Path | None) -> int:
    """Tokens that a model with a share has used or may still use."""
    study = None if place is None else load(place)
    if study is None:
        return cap * runs
    done = [run.tokens for run in study.runs if run.status == "finished"]
    return sum(done) + cap * (runs - len(done))


def _kept(folder: Path) -> dict[str, Any] | None:
    path = folder / SHARES
    return read_whole(path, keys=("budget", "runs", "tokens")) if path.exists() else None
