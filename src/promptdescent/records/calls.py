"""Calls of models: how they are made, what came back, what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What calls cost: how many there were, and their tokens as the endpoint counted them."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            calls=self.calls + other.calls,
            tokens_in=self.tokens_in + other.tokens_in,
            tokens_out=self.tokens_out + other.tokens_out,
        )

    @property
    def tokens(self) -> int:
        """Tokens in and out."""
        return self.tokens_in + self.tokens_out


Finish = Literal["stop", "length", "refused"]
"""Why a reply ended: by itself, at the token limit, or because the endpoint filtered it or the model refused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """One sample of a model, without its ``<think>`` part."""

    text: str
    finish: Finish = "stop"
    thought_chars: int = 0
    """Characters of reasoning that were stripped from the text."""
    earlier: str = ""
    """The model's turn before this one, where a row is asked in two rounds."""


Style = Literal["chat", "few-shot", "writer"]
"""How meta-prompts are put to an optimizer model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSettings:
    """A model and how it is sampled."""

    name: str
    temperature: float
    max_tokens: int
    style: Style = "chat"
    """How meta-prompts are put to an optimizer model: as a chat, as worked pairs for raw completion, or as the form
    that the prompt writer was trained on.
    """
    stop: tuple[str, ...] = ()
