"""Brackets that close an open sequence, as in BIG-Bench Hard's dyck_languages."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from promptdescent.errors import DataError
from promptdescent.records import Example
from promptdescent.tasks.metrics.answers import RIGHT_OR_WRONG
from promptdescent.tasks.metrics.base import Score
from promptdescent.tasks.reading import CUE, MOST_CUES, OUTER, before_new_example, excerpt, lines_of, what_follows_cues

_OPENING = "([{<"
_CLOSING = ")]}>"
_BRACKET = r"[()\[\]{}<>]"
_RUN = re.compile(rf"{_BRACKET}(?:[ \t,;'\"`*\\]*{_BRACKET})*")
_AND = re.compile(rf"(?<={_BRACKET})([*'\"`]*)\s+and\s+([*'\"`]*)(?={_BRACKET})")
_CUE = re.compile(
    r"\b(?:(?:missing|closing)\s+brackets?\s+(?:is|are)\b|brackets\s+are\s+(?=[*`'\"]*[()\[\]{}<>])"
    r"|brackets\b[^.:\n]{0,40}?\bare\s*:)",
    re.IGNORECASE,
)
_CLOSING_RUN = re.compile(r"[)\]}>]+\Z")
# "(two of them)", "[see above]", "<b>": brackets about words are no answer, but those of "( is closed by )" are.
_TEXT = r"(?=\S)(?=[^()\[\]{}<>\n]*\w)[^()\[\]{}<>\n]*(?<=\S)"
_ABOUT_WORDS = re.compile(rf"\({_TEXT}\)|\[{_TEXT}\]|</?{_TEXT}>|\(\*\)|\b[^\W_]+\)")
_ENDS_ON = re.compile(rf"(?:\b(?:is|are|be)|:)[\s*_`'\"]*(?:{_BRACKET}[\s*_`'\",]*)+\.?\W*\Z")
# "The last open bracket is < and before it >": says what stands in the sequence, not what closes it.
_DESCRIBES = re.compile(
    r"\b(?:first|last|next|outer(?:most)?|inner(?:most)?)\s+(?:open(?:ed|ing)?|clos(?:ed|ing))\s+brackets?\b[^:]*[.!?]\W*\Z"
)
_ARROW = re.compile(r"<?[-=]+>|<[-=]+(?=\s)")
_MARKS = " \t\r-*`'\".,0123456789"
_ONE_CLOSING = re.compile(r"\s*(?:(?:[-*]|\d{1,2}\.)\s+)?[*`'\"]*[)\]}>][*`'\",.]*\s*")
_BOXED = re.compile(r"\\boxed\{(.*)\}")


@dataclass(frozen=True)
class Brackets:
    """1 if the brackets that the reply closes a sequence with are the target's; :func:`read_brackets` reads them."""

    name: ClassVar[str] = "brackets"
    needs_target: ClassVar[bool] = True
    perfect_score: ClassVar[float] = 1.0
    scoring: ClassVar[str] = RIGHT_OR_WRONG

    def score(self, reply: str, example: Example) -> Score:
        """Raises :class:`DataError` if the target is no run of closing brackets."""
        wanted = "".join(example.target.split())
        check_brackets(example.target)
        found = read_brackets(excerpt(reply), question=example.question)
        return Score(float(found == wanted), None if found is None else " ".join(found))


def check_brackets(target: str) -> None:
    """Raise :class:`DataError` if a target is anything but closing brackets and white space."""
    if not _CLOSING_RUN.fullmatch("".join(target.split())):
        raise DataError(
            f"--metric brackets: the target {target[:60]!r} is no run of closing brackets; correct the data, or set "
            "--metric to exact"
        )


def read_brackets(reply: str, *, question: str = "") -> str | None:
    """The closing brackets that ``reply`` answers with, without white space, or None if it has none.

    A run is what stands in one line with only spaces, commas, quotes and "and" between its brackets. After an answer
    cue, or else after "missing brackets are", "closing brackets are" or "brackets are:", the first run that closes
    something counts, else the last one of the reply. A run that repeats the question's last run and goes on counts by
    what it adds; of any other run with opening brackets, what follows the last of them counts. Brackets about words, as
    in "(two of them)" and "[The answer is]", are passed over, and so are examples that the reply makes up behind its
    answer.

    Without a cue, a first line that is nothing but a run is the answer, if the next line is not such a line as well:
    what comes below is explanation. Else these do not count: a run that is a part of the question's; a line that starts
    as the question does, such as "Brackets: [ ]", if it does not go on behind the question's run; and within other text
    a run that closes no more than it opens, such as "the brackets () are round", unless the line ends on it behind
    "is", "are", "be" or a colon; and what a sentence says of the first or last bracket. A reply that breaks off right
    behind its answer cue has no other answer, and one of nothing but different runs has none. Lines of one closing
    bracket each are one run.
    """
    return before_new_example(reply, question, lambda text: _read(text, question))


def _read(reply: str, question: str) -> str | None:
    asked = next(reversed(_runs(question)), "")
    reply = _ABOUT_WORDS.sub(lambda match: " " if CUE.search(match[0]) else match[0], reply)
    announced = [*what_follows_cues(reply)]
    if not (announced and not announced[0].strip(OUTER)):  # else it breaks off where its answer would stand
        announced += (reply[cue.end() :] for cue in reversed(deque(_CUE.finditer(reply), MOST_CUES)))
    for rest in announced:
        for run, found in _answers(rest, asked):
            if not (asked.startswith(run) and 2 * len(re.findall(r"[([{<]", run)) > len(run)):  # "{ ( )" of "{ ( ) ["
                return found
    lines = _joined(lines_of(reply))
    if _is_bare(lines[:1]) and not _is_bare(lines[1:2]):
        for run, found in _answers(lines[0], asked):
            if not _repeats(run, found, asked):
                return found
    if announced and not announced[0].strip(OUTER):
        return None
    leads = tuple(match[0] for line in question.split("\n") if (match := re.match(r"\w+:", line)))
    found_in: dict[str, None] = {}
    for line in lines:
        for run, closing in _answers(_without_descriptions(line), asked):
            goes_on = run == asked + closing
            in_passing = _is_closed(run) and not (_is_bare([line]) or _ENDS_ON.search(line))
            if goes_on or not (_repeats(run, closing, asked) or in_passing or line.startswith(leads)):
                found_in[closing] = found_in.pop(closing, None)
    several = len(found_in) > 1 and all(_is_bare([line]) for line in lines)
    return None if several else next(reversed(found_in), None)


def _joined(lines: list[str]) -> list[str]:
    """``lines`` with those in one that have one closing bracket each, as in a list of them."""
    joined: list[str] = []
    below = False
    for line in lines:
        alone = bool(_ONE_CLOSING.fullmatch(line))
        if alone and below:
            joined[-1] += " " + line.strip(_MARKS)
        else:
            joined.append(line.strip(_MARKS) if alone else line)
        below = alone
    return joined


def _without_descriptions(line: str) -> str:
    return " ".join(one for one in re.split(r"(?<=[.!?])\s+", line) if not _DESCRIBES.search(one))


def _is_bare(lines: list[str]) -> bool:
    """Whether there is a line, and nothing but brackets in it."""
    return bool(lines) and bool(_RUN.fullmatch(lines[0].strip(" \t*_`'\".,")))


def _repeats(run: str, closing: str, asked: str) -> bool:
    """Whether a run is a part of the one that is asked about."""
    return run[0] in _OPENING and run in asked and run != asked + closing


def _is_closed(run: str) -> bool:
    """Whether a run closes no more brackets than it opens."""
    return 2 * sum(bracket in _CLOSING for bracket in run) <= len(run)


def _answers(text: str, asked: str) -> Iterator[tuple[str, str]]:
    """Each run of ``text`` that closes something, with what it closes a sequence with."""
    text = _AND.sub(r"\1 \2", _BOXED.sub(r"\1", _ARROW.sub(" : ", text)))
    for run in _runs(_ABOUT_WORDS.sub(" ", text)):
        if asked and run.startswith(asked) and asked[0] in _OPENING:
            if run != asked:
                yield run, run[len(asked) :]
        elif closing := _CLOSING_RUN.search(run):
            yield run, closing[0]


def _runs(text: str) -> list[str]:
    return ["".join(re.findall(_BRACKET, match[0])) for match in _RUN.finditer(text)]
