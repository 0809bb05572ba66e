"""The meta-prompt: what the optimizer model is sent, as ordered, named sections that the parts contribute.

A section holds what it says as data, so that two styles can render it: *chat*, one user message for a model that
follows instructions, and *few-shot*, worked pairs for raw completion by a small model (``parts.few_shot``). The
wording is pinned by golden tests: in this field it is the numerics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from promptdescent.records import Example, Message, Placement, TaskBrief
from promptdescent.text import extract_tagged, tidy_prompt

TAG = "prompt"
"""The rewritten prompt is asked for between ``<prompt>`` and ``</prompt>``."""

TOKEN = "[[PROMPT]]"  # noqa: S105 - a mark in the text, no secret
"""Stands for the prompt in the rows that are shown."""

ORDER = ("job", "trajectory", "current prompt", "use", "rows", "notes", "ask", "word budget", "wrapper")
"""The order of the paper's meta-prompt. Sections of any other name stand before ``ask``."""

Verb = Literal["write", "modify"]


class Section(Protocol):
    """A named piece of a meta-prompt."""

    @property
    def name(self) -> str:
        """Its place, see ``ORDER``."""

    def chat(self) -> str:
        """Its text in chat style; empty to say nothing."""


@dataclass(frozen=True, kw_only=True)
class ScoredPrompt:
    """A past prompt with its dev score."""

    text: str
    score: float | None


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the optimizer model is to do."""

    verb: Verb
    name: str = "job"

    def chat(self) -> str:
        if self.verb == "modify":
            return (
                "A language model does a task under a prompt. "
                f"Improve that prompt: modify the text that stands at {TOKEN}."
            )
        return (
            f"A language model does a task under a prompt. Write a better prompt: the text that will stand at {TOKEN}."
        )


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """Past prompts with their scores, in the order in which they are shown."""

    entries: tuple[ScoredPrompt, ...]
    name: str = "trajectory"

    def chat(self) -> str:
        if not self.entries:
            return ""
        shown = "\n\n".join(f"Prompt: {entry.text}\nScore: {shown_score(entry.score)}" for entry in self.entries)
        return f"Prompts that were tried before, each with its score from 0 to 100, where higher is better:\n\n{shown}"


@dataclass(frozen=True, kw_only=True)
class CurrentPrompt:
    """The prompt to start from."""

    text: str
    score: float | None
    name: str = "current prompt"

    def chat(self) -> str:
        return f"The current prompt:\n{self.text}"


@dataclass(frozen=True, kw_only=True)
class Use:
    """How prompt and rows come together, and what the score counts."""

    placement: Placement
    name: str = "use"

    def chat(self) -> str:
        how = {
            "before": f"The prompt takes the place of {TOKEN} before each input.",
            "after": f"The prompt takes the place of {TOKEN} after each input.",
            "system": f"The prompt takes the place of {TOKEN} as the system message; "
            "the input follows as the user's message.",
            "template": f"{TOKEN} is a template: its placeholders are filled with the columns of each input.",
        }[self.placement]
        return (
            f"{how} The model reads both and answers. An answer is right if it is the given output. "
            "The score says how many are right."
        )


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Some train rows with their right answers, and the labels if the task is a choice."""

    rows: tuple[Example, ...]
    placement: Placement
    labels: tuple[str, ...]
    name: str = "rows"

    def chat(self) -> str:
        blocks = [f"Input:\n{_placed(row, self.placement)}\nOutput: {row.target}" for row in self.rows]
        if blocks:
            blocks.insert(0, "Some inputs with their right outputs:")
        if self.labels:
            blocks.append("The output is always one of: " + ", ".join(self.labels))
        return "\n\n".join(blocks)


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What the user says of the domain."""

    text: str
    name: str = "notes"

    def chat(self) -> str:
        return f"About the task: {self.text}" if self.text else ""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """The request itself."""

    verb: Verb
    placement: Placement
    placeholders: tuple[str, ...]
    name: str = "ask"

    def chat(self) -> str:
        where = {
            "before": "at the beginning of each input",
            "after": "at the end of each input",
            "system": "as the system message",
            "template": "around the columns of each input",
        }[self.placement]
        text = (
            f"Study the earlier prompts and their scores, and {self.verb} the prompt for {TOKEN} {where} "
            "so that its score is higher than all of theirs. "
            "It must work for every input of this kind, so do not copy from single inputs."
        )
        if self.placeholders:
            text += (
                " Keep these placeholders as they are: " + ", ".join(f"{{{name}}}" for name in self.placeholders) + "."
            )
        return text


@dataclass(frozen=True, kw_only=True)
class WordBudget:
    """How many words of the current prompt may change."""

    words: int | None
    name: str = "word budget"

    def chat(self) -> str:
        return "" if self.words is None else f"You may change up to {self.words} words of the current prompt."


@dataclass(frozen=True, kw_only=True)
class Wrapper:
    """The form of the reply."""

    name: str = "wrapper"

    def chat(self) -> str:
        return f"Return the prompt alone, between <{TAG}> and </{TAG}>."


AnySection = TypeVar("AnySection", bound=Section)


@dataclass(frozen=True, kw_only=True)
class MetaPrompt:
    """Sections in their order."""

    sections: tuple[Section, ...]

    @classmethod
    def of(cls, *sections: Section) -> MetaPrompt:
        """Puts the sections into the order of the paper; equal names keep the order given."""
        last_known = ORDER.index("ask") - 0.5
        place = {name: float(index) for index, name in enumerate(ORDER)}
        return cls(sections=tuple(sorted(sections, key=lambda section: place.get(section.name, last_known))))

    def section(self, kind: type[AnySection]) -> AnySection | None:
        """The first section of a kind."""
        return next((section for section in self.sections if isinstance(section, kind)), None)

    def chat(self) -> Message:
        """One user message, an empty line between sections."""
        texts = [text for section in self.sections if (text := section.chat())]
        return Message(role="user", content=("\n\n".join(texts),))


def read_chat_reply(reply: str) -> str:
    """The prompt in a chat reply: what stands between the tags, or all of it, tidied."""
    tagged = extract_tagged(reply, TAG)
    return tidy_prompt(reply if tagged is None else tagged)


def shown_score(score: float | None) -> str:
    """A score in [0, 1] as 0 to 100, rounded; any other scale as it is; ``unknown`` for none."""
    if score is None:
        return "unknown"
    return str(round(100 * score)) if 0 <= score <= 1 else f"{score:.4g}"


def task_sections(brief: TaskBrief, *, rows: Sequence[Example], words: int | None) -> tuple[Section, ...]:
    """The sections that come from the task and the schedule rather than from a part of the update direction."""
    return (
        Use(placement=brief.placement),
        Rows(rows=tuple(rows), placement=brief.placement, labels=brief.labels),
        Notes(text=brief.notes),
        WordBudget(words=words),
        Wrapper(),
    )


def _placed(row: Example, placement: Placement) -> str:
    """A row with the token where the prompt stands."""
    if placement == "before":
        return f"{TOKEN}\n{row.question}"
    if placement == "after":
        return f"{row.question}\n{TOKEN}"
    return "\n".join(f"{name}: {text}" for name, text in row.inputs) if placement == "template" else row.question
