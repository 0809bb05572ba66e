"""The meta-prompt: what the optimizer model is sent, as ordered, named sections that the parts contribute.

Three styles render it: *chat*, one user message for a model that follows instructions; *few-shot*, worked pairs for
raw completion by a small model (``parts.few_shot``); and *writer*, the form that the prompt writer was trained on
(``parts.writer``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from promptdescent.parts.sections import (
    TAG_OF,
    Job,
    Notes,
    Rows,
    Section,
    Tag,
    Use,
    Verb,
    WordBudget,
    Wrapper,
)
from promptdescent.records import Example, Message, TaskBrief
from promptdescent.text import extract_tagged, tidy_prompt

ORDER = (
    "job",
    "trajectory",
    "summary",
    "merge",
    "current prompt",
    "mistakes",
    "reflection",
    "use",
    "rows",
    "notes",
    "ask",
    "word budget",
    "wrapper",
)
"""The order of the paper's meta-prompt. Sections of any other name stand before ``ask``."""

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

    @property
    def verb(self) -> Verb:
        """What it asks for. Raises ValueError if no section says so."""
        job = self.section(Job)
        if job is None:
            raise ValueError("a meta-prompt has a section Job")
        return job.verb

    @property
    def tag(self) -> Tag:
        """What comes back: a prompt, a reason or a summary."""
        return TAG_OF[self.verb]

    def chat(self) -> Message:
        """One user message, an empty line between sections."""
        texts = [text for section in self.sections if (text := section.chat())]
        return Message(role="user", content=("\n\n".join(texts),))


def job_sections(verb: Verb) -> tuple[Section, ...]:
    """What opens and closes a meta-prompt of this kind."""
    return (Job(verb=verb), Wrapper(verb=verb))


def task_sections(brief: TaskBrief, *, rows: Sequence[Example], words: int | None) -> tuple[Section, ...]:
    """The sections that come from the task and the schedule rather than from a part of the update direction."""
    return (
        Use(placement=brief.placement, scoring=brief.scoring),
        Rows(rows=tuple(rows), placement=brief.placement, labels=brief.labels),
        Notes(text=brief.notes),
        WordBudget(words=words),
    )


def read_chat_reply(reply: str, tag: Tag = "prompt") -> str:
    """What stands between the tags of a chat reply, or all of it; a prompt is tidied."""
    tagged = extract_tagged(reply, tag)
    text = reply if tagged is None else tagged
    return tidy_prompt(text) if tag == "prompt" else text.strip()
