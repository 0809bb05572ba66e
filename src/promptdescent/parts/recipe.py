"""Recipe: one of each part. Its ``repr`` is the experiment, and two recipes differ where their fields do.

A prompt optimizer is a gradient optimizer part by part (arXiv 2402.17564):

=====================  ==========================================  ====================
gradient optimizer     prompt optimizer                            slot
=====================  ==========================================  ====================
gradient               what is said of the current prompt          ``gradient``
momentum               which past prompts are shown                ``momentum``
learning rate          how many words a rewrite may change         ``step_size``
descent step           what kind of rewrite is asked for           ``refinement``
=====================  ==========================================  ====================
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from promptdescent.errors import ConfigError
from promptdescent.parts.direction.gradient import Gradient
from promptdescent.parts.direction.momentum import Momentum
from promptdescent.parts.method.refinement import Refinement
from promptdescent.parts.method.step_size import StepSize
from promptdescent.parts.search.estimation import Estimation
from promptdescent.parts.search.initialization import Initialization
from promptdescent.parts.search.screening import Screening
from promptdescent.parts.search.selection import Selection
from promptdescent.parts.search.stopping import Stopping


@dataclass(frozen=True, kw_only=True)
class Search:
    """How much is tried (paper and reference code: 8 candidates, 3 epochs, mini-batches of 8, 3 rows shown)."""

    candidates: int = 8
    """Proposals per step."""
    epochs: int = 3
    minibatch: int = 8
    """Train rows per step; together with ``epochs`` it only sets the number of steps."""
    shown_rows: int = 3
    """Train rows in the meta-prompt, drawn once per run."""

    def __post_init__(self) -> None:
        for name in ("candidates", "epochs", "minibatch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.shown_rows < 0:
            raise ConfigError(f"shown_rows must be at least 0, not {self.shown_rows}")

    def steps(self, train_rows: int) -> int:
        """Steps of all epochs: a rest of at least half a mini-batch counts as one; never less than 1."""
        whole, rest = divmod(train_rows, self.minibatch)
        return max(1, self.epochs * (whole + (2 * rest >= self.minibatch)))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """An optimizer."""

    name: str
    initialization: Initialization
    gradient: Gradient
    momentum: Momentum
    step_size: StepSize
    refinement: Refinement
    screening: Screening
    estimation: Estimation
    selection: Selection
    stopping: tuple[Stopping, ...]
    search: Search

    def as_data(self) -> dict[str, Any]:
        """One entry per slot: the part's type and fields, as JSON can hold it."""
        return {slot.name: _part_as_data(getattr(self, slot.name)) for slot in fields(self) if slot.name != "name"}


def _part_as_data(part: Any) -> Any:
    if isinstance(part, tuple):
        return [_part_as_data(one) for one in part]
    return {"part": type(part).__name__, **asdict(part)}
