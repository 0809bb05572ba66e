"""Screening: which proposals are worth an evaluation."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from promptdescent.parts.meta_prompt import TOKEN
from promptdescent.records import TaskBrief

_TAG = re.compile(r"</?\s*(?:prompt|instruction|text|answer|start|end)\s*>", re.IGNORECASE)


class Screening(Protocol):
    """Rejects proposals before they cost anything."""

    def reject(self, text: str, *, tried: Collection[str], brief: TaskBrief) -> str:
        """Why the proposal is not scored; empty if it is worth it."""


@dataclass(frozen=True, kw_only=True)
class BasicScreening:
    """Rejects what is empty, too long, tried before, left with tags of the meta-prompt, or without a placeholder it
    must keep.
    """

    longest: int = 8000
    """Characters."""

    def reject(self, text: str, *, tried: Collection[str], brief: TaskBrief) -> str:
        if not text:
            return "empty"
        if len(text) > self.longest:
            return f"longer than {self.longest} characters"
        if text in tried:
            return "tried before"
        if tag := _TAG.search(text):
            return f"left-over tag {tag.group()}"
        if TOKEN in text:
            return f"left-over token {TOKEN}"
        missing = [name for name in brief.placeholders if f"{{{name}}}" not in text]
        if missing:
            return "dropped placeholder " + ", ".join(f"{{{name}}}" for name in missing)
        return ""
