"""Refinement: what kind of rewrite the optimizer model is asked for (paper section 3.2, "refinement strategy")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from promptdescent.parts.meta_prompt import Ask, Job, Section
from promptdescent.records import TaskBrief


class Refinement(Protocol):
    """Frames the meta-prompt."""

    def frame(self, brief: TaskBrief) -> tuple[Section, ...]:
        """The sections that open and close it: what the job is, and what to return."""


@dataclass(frozen=True, kw_only=True)
class Generate:
    """A new prompt, written after reading the scored ones as demonstrations. Explores."""

    def frame(self, brief: TaskBrief) -> tuple[Section, ...]:
        return (Job(verb="write"), Ask(verb="write", placement=brief.placement, placeholders=brief.placeholders))
