"""Initialization: where prompts start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from promptdescent.records import Prompt


class Initialization(Protocol):
    """Makes the first prompt."""

    def first(self, given: Prompt) -> Prompt:
        """The prompt that the search starts from; ``given`` is the user's."""


@dataclass(frozen=True, kw_only=True)
class SeedPrompt:
    """The user's own prompt."""

    def first(self, given: Prompt) -> Prompt:
        return given
