"""What there is to say of a job, whichever sections of the meta-prompt said it: for the styles that are completed as
raw text (``parts.few_shot``, ``parts.writer``).
"""

from __future__ import annotations

from dataclasses import dataclass

from promptdescent.parts.meta_prompt import MetaPrompt
from promptdescent.parts.sections import (
    CurrentPrompt,
    Merge,
    Mistakes,
    Reflection,
    Rows,
    ScoredPrompt,
    Summary,
    Trajectory,
    Verb,
    WordBudget,
    shown_score,
)
from promptdescent.text import tidy_prompt


@dataclass(frozen=True, kw_only=True)
class RawJob:
    """What there is to say of a job, whichever sections said it."""

    verb: Verb
    labels: tuple[str, ...] = ()
    rows: tuple[tuple[str, str], ...] = ()
    mistakes: tuple[tuple[str, str, str], ...] = ()
    """Input, answer given, right answer."""
    scored: tuple[tuple[str, str], ...] = ()
    """Prompts with their scores as they are shown, the one to start from last."""
    problem: str = ""
    joins: str = ""
    """What a summary joins: prompts or reflections; empty for any other job."""
    words: int | None = None

    @classmethod
    def of(cls, meta_prompt: MetaPrompt) -> RawJob:
        rows, budget = meta_prompt.section(Rows), meta_prompt.section(WordBudget)
        mistakes, merge = meta_prompt.section(Mistakes), meta_prompt.section(Merge)
        return cls(
            verb=meta_prompt.verb,
            labels=rows.labels if rows else (),
            rows=tuple((row.question, row.target) for row in rows.rows) if rows else (),
            mistakes=tuple((one.question, one.answer, one.target) for one in mistakes.mistakes) if mistakes else (),
            scored=_scored(meta_prompt),
            problem=_named_problem(meta_prompt),
            joins=merge.of if merge else "",
            words=budget.words if budget else None,
        )


def _scored(meta_prompt: MetaPrompt) -> tuple[tuple[str, str], ...]:
    """Prompts with their scores: those of the trajectory, a summary, then the current one."""
    trajectory, current = meta_prompt.section(Trajectory), meta_prompt.section(CurrentPrompt)
    summary, merge = meta_prompt.section(Summary), meta_prompt.section(Merge)
    shown = list(trajectory.entries) if trajectory else []
    if merge:
        shown = [*merge.former, merge.new]
    if summary and summary.of == "prompts" and summary.text:
        shown.append(ScoredPrompt(text=summary.text, score=None))
    if current:
        # The current prompt stands last, right before its rewrite; with the score that the trajectory knows.
        known = {entry.text: entry.score for entry in shown}
        score = current.score if current.score is not None else known.get(current.text)
        shown = [entry for entry in shown if entry.text != current.text]
        shown.append(ScoredPrompt(text=current.text, score=score))
    return tuple((one.text, "" if one.score is None else shown_score(one.score)) for one in shown)


def _named_problem(meta_prompt: MetaPrompt) -> str:
    reflection, summary = meta_prompt.section(Reflection), meta_prompt.section(Summary)
    if summary and summary.of == "reflections":
        return summary.text
    return reflection.text if reflection else ""


def row_lines(job: RawJob, *, most_words: int | None = None) -> list[str]:
    """Rows as they are shown: the input in quotation marks, no longer than ``most_words``, and its answer."""
    return [
        f'"{_beginning(question, most_words)}"' + (f" = {one_line(answer)}" if answer else "")
        for question, answer in job.rows
    ]


def mistake_lines(job: RawJob, *, most_words: int | None = None) -> list[str]:
    """Rows with the right answer and the one that was given."""
    return [
        f'"{_beginning(question, most_words)}" = {one_line(target) or "?"}, {_not(answer)}'
        for question, answer, target in job.mistakes
    ]


def _beginning(text: str, most_words: int | None) -> str:
    words = text.split()
    return " ".join(words) if most_words is None or len(words) <= most_words else f"{' '.join(words[:most_words])} ..."


def _not(answer: str) -> str:
    return f'not "{one_line(answer)}"' if answer.strip() else "not an empty answer"


def one_line(text: str) -> str:
    """The text without line breaks."""
    return " ".join(text.split())


def joined_lines(*lines: str) -> str:
    """The lines that say something, one below the other."""
    return "\n".join(line for line in lines if line)


def read_raw_reply(reply: str) -> str:
    """The answer: the first line of the continuation, tidied."""
    lines = reply.strip().splitlines()
    return tidy_prompt(lines[0]) if lines else ""
