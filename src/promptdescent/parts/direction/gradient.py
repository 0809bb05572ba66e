"""Gradient: what the optimizer model is told of the current prompt (paper section 3.1, "descent direction")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from promptdescent.parts.meta_prompt import CurrentPrompt, Section
from promptdescent.records import OptimizerState, TaskBrief


class Gradient(Protocol):
    """Describes the current prompt."""

    def describe(self, state: OptimizerState, brief: TaskBrief) -> tuple[Section, ...]:
        """Sections that say where the search stands now."""


@dataclass(frozen=True, kw_only=True)
class PromptAndScore:
    """P+M of the paper: the current prompt and its dev score."""

    def describe(self, state: OptimizerState, brief: TaskBrief) -> tuple[Section, ...]:
        return (CurrentPrompt(text=state.current.prompt.text, score=state.current.score),)
