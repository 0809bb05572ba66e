"""Whole answers that are right or wrong: a text, one of several labels, a number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from promptdescent.errors import DataError
from promptdescent.records import Example
from promptdescent.tasks.metrics.base import Score, plain, references
from promptdescent.tasks.metrics.booleans import BooleanReader, boolean_labels
from promptdescent.tasks.reading import (
    ChoiceReader,
    Rule,
    before_new_example,
    excerpt,
    label_key,
    option_letter,
    parse_number,
    read_number,
    read_option_text,
    without_heading,
)

RIGHT_OR_WRONG = "An answer is right if it is the given output. The score says how many are right."


@dataclass(frozen=True)
class ExactMatch:
    """1 if the reply is the target; case, outer white space and one final full stop do not count.

    Where the target is a JSON list of texts, any of them is right.
    """

    name: ClassVar[str] = "exact"
    needs_target: ClassVar[bool] = True
    perfect_score: ClassVar[float] = 1.0
    scoring: ClassVar[str] = RIGHT_OR_WRONG

    def score(self, reply: str, example: Example) -> Score:
        answer = reply.strip()
        right = {plain(reference) for reference in (example.target, *references(example.target))}
        return Score(float(plain(answer) in right), answer or None)


@dataclass(frozen=True)
class Choice:
    """1 if the label that the reply names is the target, whatever its case. :class:`ChoiceReader` reads it.

    Where the labels are option letters and the reply names none, the text of an option stands for its letter, see
    :func:`read_option_text`; not so with other rules than ``default``. Where ``boolean``, the labels are two that mean
    true and false, and :class:`BooleanReader` reads the reply: other words for the same count as well. Raises
    :class:`DataError` for other labels then.
    """

    labels: tuple[str, ...]
    read: Rule = "default"
    boolean: bool = False
    needs_target: ClassVar[bool] = True
    perfect_score: ClassVar[float] = 1.0
    scoring: ClassVar[str] = RIGHT_OR_WRONG
    _reader: ChoiceReader | BooleanReader = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        reader: ChoiceReader | BooleanReader = ChoiceReader(labels=self.labels, rule=self.read)
        if self.boolean:
            reader = BooleanReader(labels=boolean_labels(self.labels), rule=self.read)
            object.__setattr__(self, "labels", tuple(sorted(reader.labels)))
        object.__setattr__(self, "_reader", reader)

    @property
    def name(self) -> str:
        return "boolean" if self.boolean else "choice"

    def score(self, reply: str, example: Example) -> Score:
        answer = self._answer(excerpt(reply), example.question)
        right = answer is not None and label_key(answer) == label_key(example.target)
        return Score(float(right), answer, settled=answer is not None)

    def _answer(self, reply: str, question: str) -> str | None:
        """The label that the reply names, if it can before it makes up a new example."""
        if self.read != "default":
            return self._named(reply, question)
        return before_new_example(reply, question, lambda text: self._named(text, question))

    def _named(self, reply: str, question: str) -> str | None:
        if isinstance(self._reader, BooleanReader):
            return self._reader.read(reply, question)
        if self.read == "default" and "A" in map(option_letter, self.labels):
            reply = without_heading(reply, question)
        found = self._reader.read(reply)
        if found is None and self.read == "default" and not self._reader.names_any(reply):
            return read_option_text(reply, question, self.labels)
        return found


@dataclass(frozen=True)
class Number:
    """1 if the number in the reply, as :func:`read_number` reads it, equals the target's: 17.50 is 17.5, not 18."""

    name: ClassVar[str] = "number"
    needs_target: ClassVar[bool] = True
    perfect_score: ClassVar[float] = 1.0
    scoring: ClassVar[str] = RIGHT_OR_WRONG

    def score(self, reply: str, example: Example) -> Score:
        """Raises :class:`DataError` if the target is no number."""
        target = parse_number(example.target)
        if target is None:
            raise DataError(no_number(example.target))
        question = example.question
        answer = before_new_example(excerpt(reply), question, lambda text: read_number(text, question))
        return Score(float(answer == target), None if answer is None else str(answer))


def no_number(target: str) -> str:
    """Why a target cannot be scored as a number."""
    return f"the target {target[:60]!r} is no number; correct the data, or set --metric to exact or choice"
