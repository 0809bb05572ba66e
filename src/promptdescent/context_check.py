"""Before the first call: whether the longest request of each role fits into the context of its model, where that is
known.

How many tokens a text has is not known without the model's own tokenizer. A token of ordinary text has at most about
8 characters, so that a request which is too long even by that count is refused; and about 4 on average, so that one
which is too long by this count alone is worth a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from promptdescent.config import RunSpec
from promptdescent.errors import ConfigError
from promptdescent.llm.base import LLM
from promptdescent.records import Example, Role
from promptdescent.tasks.judge import Judge
from promptdescent.tasks.target import compose
from promptdescent.tasks.task import Task

CHARACTERS_AT_MOST = 8
"""Of a token of ordinary text, about."""
CHARACTERS_USUALLY = 4


@dataclass(frozen=True, kw_only=True)
class Longest:
    """The longest request that a role is known to be sent before the search changes anything."""

    role: Role
    characters: int
    reply: int
    """The token limit of its reply."""
    reply_before: int = 0
    """The token limit of the reply that the request holds; it may be a short one."""
    what: str
    """What the request is of, in words, such as the row."""
    shorten: str
    """What to do if it does not fit."""

    def tokens(self, characters_per_token: int) -> int:
        """With the reply."""
        return -(-self.characters // characters_per_token) + self.reply

    @property
    def replies(self) -> str:
        """How long its replies may be, in words."""
        if self.reply_before:
            return f"two replies of up to {self.reply:,} tokens each"
        return f"a reply of up to {self.reply:,} tokens"


def check_context(spec: RunSpec, task: Task, models: Mapping[Role, LLM]) -> tuple[str, ...]:
    """Notes about requests that may not fit into a model's context; ``models`` are prepared.

    Raises :class:`ConfigError`, naming the row and what to shorten, for one that certainly does not.
    """
    notes = []
    for longest in _longest(spec, task):
        context = models[longest.role].context_tokens if longest.role in models else None
        if context is None:
            continue
        least = longest.tokens(CHARACTERS_AT_MOST)
        usual = longest.tokens(CHARACTERS_USUALLY) + longest.reply_before
        has = f"the context of the {longest.role} model has {context:,} tokens"
        if least > context:
            raise ConfigError(
                f"{longest.what} does not fit: {has}, and it needs {least:,} at the very least "
                f"({longest.characters:,} characters, {CHARACTERS_AT_MOST} to a token, and a reply of up to "
                f"{longest.reply:,} tokens). {longest.shorten}"
            )
        if usual > context:
            notes.append(
                f"{longest.what[0].upper()}{longest.what[1:]} may not fit: {has}, and it needs about {usual:,} with "
                f"{longest.replies}. {longest.shorten}"
            )
    return tuple(notes)


def _longest(spec: RunSpec, task: Task) -> Iterator[Longest]:
    row, split, place = max(_rows(spec, task), key=lambda found: _asked(task, found[0]))
    second = " and the second round" if task.second_round else ""
    yield Longest(
        role="task",
        characters=_asked(task, row) + len(task.second_round),
        reply=spec.task_max_tokens,
        reply_before=spec.task_max_tokens if task.second_round else 0,
        what=f"{split} row {place} (id {row.id}) with the starting prompt{second}",
        shorten="Shorten or leave out the row, shorten --prompt, lower --task-max-tokens or use a model with more "
        "context.",
    )
    if spec.steps:
        yield Longest(
            role="optimizer",
            characters=len(task.start.text),
            reply=spec.optimizer_max_tokens,
            what="a request for a better prompt, which shows the starting prompt,",
            shorten="Shorten --prompt, lower --optimizer-max-tokens or use a model with more context.",
        )
    if isinstance(task.metric, Judge):
        judge = task.metric
        row, split, place = max(_rows(spec, task), key=lambda found: len(judge.message("", found[0]).text))
        yield Longest(
            role="judge",
            characters=len(judge.message("", row).text),
            reply=spec.judge_max_tokens,
            what=f"the grading of {split} row {place} (id {row.id}), even with an empty answer,",
            shorten="Shorten or leave out the row, shorten --judge-rubric, lower --judge-max-tokens or use a judge "
            "with more context.",
        )


def _rows(spec: RunSpec, task: Task) -> Iterator[tuple[Example, str, int]]:
    """Every row that is scored, with its split and its place there, from 1."""
    on = {id(row) for row in task.rows_on(spec.evaluate_on)} if spec.evaluate_on else None
    for split, rows in (("dev", task.dev), ("test", task.test)):
        for place, row in enumerate(rows, start=1):
            if on is None or id(row) in on:
                yield row, split, place


def _asked(task: Task, row: Example) -> int:
    """Characters of what the task model is sent for a row, at first."""
    return sum(len(message.text) for message in compose(task.start, row, task.placement))
