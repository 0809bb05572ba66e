"""The sections of a meta-prompt and their wording in chat style.

A section holds what it says as data, so that the other styles (``parts.few_shot``, ``parts.writer``) can say it
otherwise. The wording is pinned by golden tests: in this field it is the numerics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from promptdescent.records import Example, Placement

TOKEN = "[[PROMPT]]"  # noqa: S105 - a mark in the text, no secret
"""Stands for the prompt in the rows that are shown."""

Verb = Literal["write", "modify", "paraphrase", "induce", "reflect", "summarize"]
"""What the optimizer model is to do."""

Tag = Literal["prompt", "reason", "summary"]
"""What comes back; asked for between ``<prompt>`` and ``</prompt>``, and so on."""

TAG_OF: dict[Verb, Tag] = {
    "write": "prompt",
    "modify": "prompt",
    "paraphrase": "prompt",
    "induce": "prompt",
    "reflect": "reason",
    "summarize": "summary",
}

_JOBS: dict[Verb, str] = {
    "write": "A language model does a task under a prompt. "
    f"Write a better prompt: the text that will stand at {TOKEN}.",
    "modify": "A language model does a task under a prompt. "
    f"Improve that prompt: modify the text that stands at {TOKEN}.",
    "paraphrase": "A language model does a task under a prompt. Say the prompt in other words.",
    "induce": "Somebody was given an instruction and followed it on some inputs. Find out what the instruction was.",
    "reflect": "A language model does a task under a prompt and makes errors. "
    "Find out what in the prompt leads to them.",
    "summarize": "A prompt is improved step by step. Bring what is known so far and what is new together.",
}

_WHERE: dict[Placement, str] = {
    "before": "at the beginning of each input",
    "after": "at the end of each input",
    "system": "as the system message",
}


class Section(Protocol):
    """A named piece of a meta-prompt."""

    @property
    def name(self) -> str:
        """Its place, see ``meta_prompt.ORDER``."""

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
        return _JOBS[self.verb]


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """Past prompts with their scores, in the order in which they are shown."""

    entries: tuple[ScoredPrompt, ...]
    raw: bool = False
    """Scores as they are, unrounded, instead of 0 to 100."""
    name: str = "trajectory"

    def chat(self) -> str:
        if not self.entries:
            return ""
        shown = "\n\n".join(
            f"Prompt: {entry.text}\nScore: {shown_score(entry.score, raw=self.raw)}" for entry in self.entries
        )
        scale = "its score" if self.raw else "its score from 0 to 100"
        return f"Prompts that were tried before, each with {scale}, where higher is better:\n\n{shown}"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a summarizing momentum carries along."""

    text: str
    of: Literal["prompts", "reflections"]
    name: str = "summary"

    def chat(self) -> str:
        if not self.text:
            return ""
        about = "The prompts so far in one" if self.of == "prompts" else "Problems of the prompts so far"
        return f"{about}:\n{self.text}"


@dataclass(frozen=True, kw_only=True)
class CurrentPrompt:
    """The prompt to start from; its score where that is to be told."""

    text: str
    score: float | None = None
    raw: bool = False
    name: str = "current prompt"

    def chat(self) -> str:
        scored = "" if self.score is None else f"\nScore: {shown_score(self.score, raw=self.raw)}"
        return f"The current prompt:\n{self.text}{scored}"


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A row that was answered wrongly."""

    question: str
    answer: str
    target: str
    """Empty where the metric needs no right answer."""


@dataclass(frozen=True, kw_only=True)
class Mistakes:
    """Rows that the current prompt got wrong."""

    mistakes: tuple[Mistake, ...]
    name: str = "mistakes"

    def chat(self) -> str:
        blocks = [
            f"Input:\n{one.question}\nAnswer: {one.answer or '(none)'}"
            + (f"\nRight output: {one.target}" if one.target else "")
            for one in self.mistakes
        ]
        return "\n\n".join(["Inputs on which its answer was wrong:", *blocks])


@dataclass(frozen=True, kw_only=True)
class Reflection:
    """What is wrong with the current prompt."""

    text: str
    name: str = "reflection"

    def chat(self) -> str:
        return f"What is wrong with the current prompt, by a look at its errors:\n{self.text}" if self.text else ""


@dataclass(frozen=True, kw_only=True)
class Merge:
    """What a summary is made of: the former one and what is new."""

    of: Literal["prompts", "reflections"]
    former: tuple[ScoredPrompt, ...]
    """One entry; none at the first step."""
    new: ScoredPrompt
    name: str = "merge"

    def chat(self) -> str:
        said = "Prompt" if self.of == "prompts" else "Problems"
        former = [f"{said} so far:\n{_with_score(one)}" for one in self.former]
        return "\n\n".join([*former, f"{said} now:\n{_with_score(self.new)}"])


def _with_score(one: ScoredPrompt) -> str:
    return one.text if one.score is None else f"{one.text}\nScore: {shown_score(one.score)}"


@dataclass(frozen=True, kw_only=True)
class Use:
    """How prompt and rows come together, and what the score counts."""

    placement: Placement
    scoring: str
    token: bool = True
    """Whether the other sections speak of the token."""
    name: str = "use"

    def chat(self) -> str:
        prompt = f"The prompt takes the place of {TOKEN}" if self.token else "The prompt stands"
        how = {
            "before": f"{prompt} before each input.",
            "after": f"{prompt} after each input.",
            "system": f"{prompt} as the system message; the input follows as the user's message.",
            "template": f"{TOKEN if self.token else 'The prompt'} is a template: "
            "its placeholders are filled with the columns of each input.",
        }[self.placement]
        return f"{how} The model reads both and answers. {self.scoring}"


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Some train rows with their right answers, and the labels if the task is a choice."""

    rows: tuple[Example, ...]
    placement: Placement | None
    """Where the token stands in each row; None to show rows without it."""
    labels: tuple[str, ...]
    name: str = "rows"

    def chat(self) -> str:
        blocks = [
            f"Input:\n{_placed(row, self.placement)}" + (f"\nOutput: {row.target}" if row.target else "")
            for row in self.rows
        ]
        if blocks:
            with_outputs = " with their right outputs" if any(row.target for row in self.rows) else ""
            blocks.insert(0, f"Some inputs{with_outputs}:")
        if self.labels:
            blocks.append("The output is always one of: " + ", ".join(self.labels))
        return "\n\n".join(blocks)


def _placed(row: Example, placement: Placement | None) -> str:
    """A row with the token where the prompt stands."""
    if placement == "before":
        return f"{TOKEN}\n{row.question}"
    if placement == "after":
        return f"{row.question}\n{TOKEN}"
    return "\n".join(f"{name}: {text}" for name, text in row.inputs) if placement == "template" else row.question


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What the user says of the domain."""

    text: str
    name: str = "notes"

    def chat(self) -> str:
        return f"About the task: {self.text}" if self.text else ""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """The request for a better prompt."""

    verb: Literal["write", "modify"]
    placement: Placement
    placeholders: tuple[str, ...]
    past: bool
    """Whether past prompts with scores are shown."""
    problems: bool
    """Whether problems of the prompt are named."""
    name: str = "ask"

    def chat(self) -> str:
        steps = [
            *(["study the earlier prompts and their scores"] if self.past else []),
            *(["mind the problems that are named"] if self.problems else []),
            f"{self.verb} the {_what_stands(self.placement)}",
        ]
        aim = "its score is higher than all of theirs" if self.past else "more of the answers are right"
        request = ", ".join(steps[:-1]) + (", and " if len(steps) > 1 else "") + steps[-1]
        return (
            f"{request[0].upper()}{request[1:]} so that {aim}. "
            "It must work for every input of this kind, so do not copy from single inputs." + _keep(self.placeholders)
        )


@dataclass(frozen=True, kw_only=True)
class AskParaphrase:
    """The request for other words of the same meaning."""

    placeholders: tuple[str, ...]
    name: str = "ask"

    def chat(self) -> str:
        return "Write a variant that means the same and asks for the same output." + _keep(self.placeholders)


@dataclass(frozen=True, kw_only=True)
class AskInstruction:
    """The request for the instruction behind rows (APE's forward mode)."""

    placement: Placement
    placeholders: tuple[str, ...]
    name: str = "ask"

    def chat(self) -> str:
        where = (
            f"Write it as a template, with {_listed(self.placeholders)} for the columns of an input"
            if self.placement == "template"
            else f"It will stand {_WHERE[self.placement]}"
        )
        return (
            "Write the instruction that leads from every such input to its output. "
            f"{where}; the inputs that it is for are not shown here."
        )


@dataclass(frozen=True, kw_only=True)
class AskReason:
    """The request for a reflection."""

    per_example: bool
    """Whether each row is to be gone through by a list of questions, as PE2 does."""
    name: str = "ask"

    def chat(self) -> str:
        if self.per_example:
            return (
                "First go through the inputs one by one and answer in writing for each: "
                "Why is the answer not the right output? "
                "Does the prompt say fully and clearly what the output should be? "
                "Must the prompt be changed for this input, and how? "
                "Then give one reason for all of them together: what the prompt should say otherwise."
            )
        return "Give one reason in the prompt itself that would explain these errors. Do not write a new prompt yet."


@dataclass(frozen=True, kw_only=True)
class AskSummary:
    """The request for a summary."""

    of: Literal["prompts", "reflections"]
    name: str = "ask"

    def chat(self) -> str:
        if self.of == "prompts":
            return "Write one prompt that joins what is good in both."
        return "Write one short list of the problems: keep what still holds, add what is new, say nothing twice."


def _what_stands(placement: Placement) -> str:
    return f"template for {TOKEN}" if placement == "template" else f"prompt for {TOKEN} {_WHERE[placement]}"


def _keep(placeholders: tuple[str, ...]) -> str:
    return f" Keep these placeholders as they are: {_listed(placeholders)}." if placeholders else ""


def _listed(placeholders: tuple[str, ...]) -> str:
    return ", ".join(f"{{{name}}}" for name in placeholders)


@dataclass(frozen=True, kw_only=True)
class WordBudget:
    """How many words of the current prompt may change."""

    words: int | None
    name: str = "word budget"

    def chat(self) -> str:
        return "" if self.words is None else f"You may change up to {self.words} words of the current prompt."


@dataclass(frozen=True, kw_only=True)
class Wrapper:
    """The form of the reply. What a model thinks aloud may stand outside of the tags."""

    verb: Verb
    name: str = "wrapper"

    def chat(self) -> str:
        tag = TAG_OF[self.verb]
        what = "instruction" if self.verb == "induce" else tag
        return f"Return the {what} between <{tag}> and </{tag}>, with nothing else there."


def shown_score(score: float | None, *, raw: bool = False) -> str:
    """A score in [0, 1] as 0 to 100, rounded; any other scale, or with ``raw``, as it is; ``unknown`` for none."""
    if score is None:
        return "unknown"
    if raw:
        return repr(score)
    return str(round(100 * score)) if 0 <= score <= 1 else f"{score:.4g}"
