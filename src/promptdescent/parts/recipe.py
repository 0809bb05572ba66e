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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from promptdescent.errors import ConfigError
from promptdescent.parts.context import Calls
from promptdescent.parts.direction.gradient import Gradient
from promptdescent.parts.direction.momentum import Momentum, NoMomentum
from promptdescent.parts.method.refinement import Refinement
from promptdescent.parts.method.step_size import StepSize
from promptdescent.parts.search.estimation import Estimation
from promptdescent.parts.search.initialization import Initialization
from promptdescent.parts.search.screening import Screening
from promptdescent.parts.search.selection import Selection
from promptdescent.parts.search.stopping import Stopping, TargetScore
from promptdescent.records import TaskBrief


@dataclass(frozen=True, kw_only=True)
class Search:
    """How much is tried (paper and reference code: 8 candidates, 3 epochs, mini-batches of 8, 3 rows shown)."""

    candidates: int = 8
    """Proposals per step; in a beam, per prompt of the beam."""
    epochs: int = 3
    minibatch: int = 8
    """Train rows per step: a reflection sees them, and with ``epochs`` they set the number of steps."""
    rounds: int | None = None
    """The number of steps, where it does not follow from the epochs."""
    shown_rows: int = 3
    """Train rows in the meta-prompt, drawn once per run."""

    def __post_init__(self) -> None:
        for name in ("candidates", "epochs", "minibatch", "rounds"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, not {value}")
        if self.shown_rows < 0:
            raise ConfigError(f"shown_rows must be at least 0, not {self.shown_rows}")

    def steps(self, train_rows: int) -> int:
        """Steps of all epochs: a rest of at least half a mini-batch counts as one; never less than 1."""
        if self.rounds is not None:
            return self.rounds
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
        return {slot.name: part_as_data(getattr(self, slot.name)) for slot in fields(self) if slot.name != "name"}

    def check(self, brief: TaskBrief, *, total_steps: int) -> None:
        """Raise :class:`ConfigError`, naming both sides, if parts do not fit together, or not the task or the number
        of steps.
        """
        for problem in self._misfits(brief, total_steps):
            raise ConfigError(f"recipe {self.name}: {problem}")

    def notes(self, *, dev: int) -> tuple[str, ...]:
        """What is worth knowing before a run on so many dev rows, in sentences."""
        proposals = self.proposals_per_step
        most = self.estimation.most_calls(candidates=proposals, dev=dev, keep=self.selection.keep)
        if not self.estimation.spares_rows or most < proposals * dev:
            return ()
        return (
            f"Estimation {part_name(self.estimation)} may spare no calls here: of {proposals} candidates and {dev} dev "
            "rows, all may be scored on all, as by FullDev.",
        )

    def _misfits(self, brief: TaskBrief, total_steps: int) -> Iterator[str]:
        yield from self._idle_parts()
        yield from self._too_few_proposals()
        yield from self._misfits_of_the_task(brief)
        if total_steps and self.step_size.warmup_steps >= total_steps:
            yield (
                f"step size {part_name(self.step_size)} warms up for {self.step_size.warmup_steps} steps, but the "
                f"search has only {total_steps}; raise --steps or shorten the warmup"
            )

    def _idle_parts(self) -> Iterator[str]:
        """Parts that have nothing to work on, or whose work nobody sees."""
        gradient, momentum = part_name(self.gradient), part_name(self.momentum)
        refinement = part_name(self.refinement)
        if self.momentum.needs_reflection and not self.gradient.reflects:
            yield (
                f"momentum {momentum} works on reflections, but gradient {gradient} makes none; use DescentDirection "
                "with a reflection, or RunningSummary of prompts"
            )
        if self.refinement.uses_direction:
            return
        if self.gradient.reflects:
            yield (
                f"refinement {refinement} shows no reflection, so the calls of gradient {gradient} would be wasted; "
                "use Generate or Edit, or leave the reflection out"
            )
        if not isinstance(self.momentum, NoMomentum):
            yield f"refinement {refinement} shows no past prompts, so momentum {momentum} has no use; use NoMomentum"

    def _too_few_proposals(self) -> Iterator[str]:
        """Parts that a step's proposals do not suffice for, once there are as many survivors as can be."""
        candidates, keep, directions = self.search.candidates, self.selection.keep, self.gradient.directions_each
        if not self.selection.each_in_full and candidates < keep:
            yield (
                f"selection {part_name(self.selection)} keeps {keep} prompts, but search has only {candidates} "
                f"candidates per step to share among them; raise --candidates to {keep} or keep fewer"
            )
            return
        each = candidates if self.selection.each_in_full else -(-candidates // keep)
        if self.gradient.reflects and directions > each:
            yield (
                f"gradient {part_name(self.gradient)} looks for {directions} reasons per prompt, but search has only "
                f"{candidates} candidates, {each} per prompt, so calls would be wasted; raise --candidates or ask for "
                "fewer reasons"
            )
        elif self.refinement.copies and each <= directions:
            yield (
                f"refinement {part_name(self.refinement)} makes variants of first proposals, but search has only "
                f"{candidates} candidates, one for each direction, which leaves no room for them; raise --candidates"
            )

    def _misfits_of_the_task(self, brief: TaskBrief) -> Iterator[str]:
        if self.gradient.reflects and not brief.train:
            yield (
                f"gradient {part_name(self.gradient)} looks at errors on train rows, but the task has none; give train "
                "rows, or leave the reflection out"
            )
        if self.estimation.spares_rows and not brief.mean_over_rows:
            yield (
                f"estimation {part_name(self.estimation)} decides on a part of the rows, but the objective is no mean "
                "over rows; use FullDev"
            )
        if self.initialization.least_train_rows > len(brief.train):
            yield (
                f"initialization {part_name(self.initialization)} shows {self.initialization.least_train_rows} train "
                f"rows at a time, but the task has only {len(brief.train)}; raise --train-rows or show fewer"
            )
        for part in self.stopping:
            highest = brief.reachable_score
            if isinstance(part, TargetScore) and highest is not None and part.score > highest:
                yield (
                    f"stopping TargetScore waits for a dev score of {part.score:g}, but the task's highest is "
                    f"{highest:g}; lower it"
                )

    # --- how much a step asks for ---

    @property
    def parents(self) -> int:
        """Prompts that a step starts from, at most."""
        return self.selection.keep

    @property
    def proposals_per_step(self) -> int:
        """Candidates of a step at most."""
        if self.selection.each_in_full:
            return self.parents * self.search.candidates
        return self.search.candidates

    def step_calls(self, dev: int) -> Calls:
        """Calls of a step at most, on so many dev rows."""
        directions = self.parents * self.gradient.directions_each
        proposals = self.proposals_per_step
        return (
            self.gradient.calls(parents=self.parents, minibatch=self.search.minibatch)
            + self.momentum.calls(directions=directions)
            + Calls(
                optimizer=proposals,
                task=self.estimation.most_calls(candidates=proposals, dev=dev, keep=self.selection.keep),
            )
        )

    def start_calls(self, dev: int) -> Calls:
        """Calls of the initialization at most, on so many dev rows."""
        proposals = self.initialization.proposals
        if not proposals:
            return Calls()
        task = self.estimation.most_calls(candidates=proposals, dev=dev, keep=self.selection.keep)
        return Calls(task=task, optimizer=self.initialization.calls)


def part_name(part: object) -> str:
    """What a part is called."""
    return type(part).__name__


def part_as_data(part: Any) -> Any:
    """A part, or what one consists of, as JSON can hold it: ``{"part": name, field: value, ...}``. So are the parts
    in a list or a mapping.
    """
    if isinstance(part, Mapping):
        return {key: part_as_data(one) for key, one in part.items()}
    if isinstance(part, (tuple, list)):
        return [part_as_data(one) for one in part]
    if is_dataclass(part):
        values = {slot.name: part_as_data(getattr(part, slot.name)) for slot in fields(part)}
        return {"part": part_name(part), **values}
    return part
