"""Which number a reply answers with."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from decimal import Decimal

from promptdescent.tasks.reading.calculations import (
    STEP_NUMBER,
    breaks_off,
    is_method,
    is_plan,
    leads_to,
    operands,
    operation_at,
)
from promptdescent.tasks.reading.cues import CUE, MOST_CUES, OUTER, SENTENCE_END
from promptdescent.tasks.reading.numbers import CURRENCY, MINUSES, numbers_in, parse_number, value_of

_CUE = re.compile(rf"{CUE.pattern}|\\boxed(?=\{{)", CUE.flags)
# A calculation whose first number is not the answer: "the answer is 16 - 7 = 9".
_UP_TO_EQUALS = re.compile(rf"(?:[\d .,+*/x()%=\u00d7\u00f7\u00b7{MINUSES}]|{CURRENCY})*=")
_UNKNOWN = re.compile(
    r"\b(?:can(?:not|['\u2019]t|\s+not)|unable\s+to|(?:not|im)possible\s+to)\s+(?:be\s+)?(?:\w+ly\s+)?"
    r"(?:determin|calculat|answer|know|tell|solv|comput)|\b(?:not\s+enough|insufficient)\s+(?:information|data)\b",
    re.IGNORECASE,
)
_CONCLUDES = re.compile(
    r"=|\u2248|\b(?:so|therefore|thus|hence|total|altogether|left|remain\w*|which\s+(?:is|gives|leaves|makes|means)"
    r"|to\s+get|(?:we|you)\s+get|result\w*|equals?|gives|leaves)\b",
    re.IGNORECASE,
)
# Where the last number of a sentence is what it comes to: "= 5", "to get 5"; or the end of a range, "3-5".
_RESULT = re.compile(r"(?:[=\u2248]|\b(?:get|gives?|leaves?|equals?)\b|\d[-\u2013])[\s*_`\\({$]*\Z")
_COMES_TO = re.compile(r"[=\u2248]|\bwhich\s+(?:is|gives|leaves|makes)\b|\bto\s+get\b", re.IGNORECASE)
_HEADING = re.compile(r"\W*(?:A|Answer)\s*:", re.IGNORECASE)
_PROSE = re.compile(r"\W*(?:[^\W\d_]+\W+[^\W\d_]|[^\W\d_][^\n\d]*:)")
_TAKES_BACK = re.compile(r"\b(?:wait|actually|sorry|correction|mistake)\b", re.IGNORECASE)
_CHECKS = re.compile(
    r"\W*(?:(?:(?:double-)?check(?:ing)?|verification|verify(?:ing)?)\W*:|to\s+(?:double-)?(?:check|verify)\b)",
    re.IGNORECASE,
)
_REMARK = re.compile(r"(?<=[\d%])\s+\([^()\n]*\)[\s.*_]*\Z")
_FULL_STOP = re.compile(r"[.!?][\"'\u201d)*_$\]]*\s")
_FINISHED = re.compile(r"[.!?][\s*_`\"'\u201d)\]}$]*\Z")


def read_number(reply: str, question: str = "") -> Decimal | None:
    """The number that ``reply`` answers with, or None: after an answer cue the first number, else the last one.

    Digits may have a sign, commas, a currency or percent sign, brackets and units about them; the words zero to twelve
    count too, but "one" only where there is no other number. Of a calculation after a cue, what it comes to counts; and
    where a cue with a colon stands above the reasoning, what that comes to. "####" is a cue only if a number follows
    before any letter, for else it is a heading.

    Without a cue, a first line that is nothing but a number, or "A:" and a number, is the answer, and prose below it
    explanation, and so is what stands behind it in brackets. Sentences that check what is said before them, "Check: 8 +
    16 = 24", are left out.

    Else what is found counts and not what is given. So these do not: the numbers of steps and items that are counted
    from 1 on; those that a calculation takes; those of a sentence that asks, or that only says again what a
    sentence of ``question`` says; and the question's own numbers, unless a sentence concludes on them, or is the last
    one and names no other, or is all there is. A reply that says that the answer cannot be known has none, nor has one
    that breaks off while it plans its next step. One that breaks off elsewhere within a sentence has that of the last
    one with a number before, if that one draws a conclusion: what a calculation comes to, or what follows "so".
    """
    for cue in reversed(deque(_CUE.finditer(reply), MOST_CUES)):
        rest = reply[cue.end() :]
        if cue.group() == "####" and not re.match(r"[^A-Za-z\n]*\d", rest):
            continue
        if numbers := numbers_in(rest):
            if cue.group().endswith(":") and _reasons(rest, numbers[0], question):
                return _last_number(rest, question)
            first = numbers[0]
            calculation = _UP_TO_EQUALS.match(rest, first.start())
            results = numbers_in(rest[calculation.end() :].partition("\n")[0]) if calculation else []
            if not results and (operation := operation_at(rest, first.end())):
                result = leads_to(rest, operation)
                results = numbers_in(rest[result:].partition("\n")[0]) if result else []
                if not results:
                    break
            return value_of(results[0] if results else first)
    first_line = _first_line(reply)
    return _last_number(reply, question) if first_line is None else first_line


def _first_line(reply: str) -> Decimal | None:
    """The number that is all of the first line but for "A:", if what follows explains it and takes nothing back."""
    line, _, rest = reply.strip().partition("\n")
    heading = _HEADING.match(line)
    bare, remarks = _REMARK.subn("", line)
    value = parse_number(bare[heading.end() if heading else 0 :].strip(" \t*_`$\\"))
    explained = (
        heading or (remarks and not rest.strip()) or (_PROSE.match(rest) and line.strip("*_` ") != "1.")
    )  # "1." is a step
    return value if explained and not _TAKES_BACK.search(rest) else None


def _reasons(rest: str, first: re.Match[str], question: str) -> bool:
    """Whether what follows a cue starts with words, and the first number in it is one of those that are given."""
    before = rest[: first.start()].strip(OUTER + "$=\\")
    return bool(before) and (value_of(first) in _values(question) or operation_at(rest, first.end()) is not None)


def _last_number(reply: str, question: str) -> Decimal | None:
    """The last number of ``reply`` that may be an answer."""
    sentences = _without_checks(_sentences(_without_line_numbers(reply)))
    if not sentences or is_plan(sentences[-1]) or _UNKNOWN.search(sentences[-1]):
        return None
    if breaks_off("\n".join(sentences)):
        if operands(sentences.pop()):
            return None  # within a calculation
        last = next((sentence for sentence in reversed(sentences) if numbers_in(sentence)), "")
        sentences = [_conclusion(last)]
    given = [(_words(sentence), _values(sentence)) for sentence in _sentences(question)]
    kept = [one for one in sentences if not _asks(one) and not _repeats(one, given)]
    return next(_found(kept, set(_values(question)), alone=len(sentences) == 1), None)


def _without_checks(sentences: list[str]) -> list[str]:
    """``sentences`` without those that check what is said before: "Check: 8 + 16 = 24"."""
    first = next((place for place, one in enumerate(sentences) if numbers_in(one)), 0)
    return [one for place, one in enumerate(sentences) if place <= first or not _CHECKS.match(one)]


def _found(sentences: list[str], given: set[Decimal], *, alone: bool) -> Iterator[Decimal]:
    """The number that each sentence comes to, the last sentence first; ``given`` are the numbers of the question."""
    # A last sentence without an end, behind others that have theirs, is cut off.
    cut_off = bool(sentences) and not _FINISHED.search(sentences[-1]) and bool(_FULL_STOP.search("\n".join(sentences)))
    last = not cut_off
    for place, sentence in reversed(list(enumerate(sentences))):
        taken = {place for start, end in operands(sentence) for place in range(start, end)}
        numbers = [one for one in numbers_in(sentence) if one.end() - 1 not in taken]
        values = [value_of(number) for number in numbers]
        cut = cut_off and place == len(sentences) - 1
        if not values:
            if taken and cut:
                return
            continue
        if not given.issuperset(values):
            is_result = _RESULT.search(sentence[: numbers[-1].start()])
            yield values[-1] if is_result else [value for value in values if value not in given][-1]
        if "=" in sentence if cut else _counts(sentence, values, alone=alone, last=last):
            yield values[-1]
        last = False


def _counts(sentence: str, values: list[Decimal], *, alone: bool, last: bool) -> bool:
    """Whether a sentence that has only numbers of the question may answer with one of them."""
    if is_method(sentence):
        return False
    return alone or bool(_CONCLUDES.search(sentence)) or (last and len(set(values)) == 1)


def _sentences(text: str) -> list[str]:
    return [part for part in SENTENCE_END.split(text) if part.strip()]


def _conclusion(sentence: str) -> str:
    """What follows the last "=" or "which is" of a sentence, or "so" at its start; nothing without a conclusion."""
    if places := [match.end() for match in _COMES_TO.finditer(sentence)]:
        return sentence[places[-1] :]
    return sentence if re.match(r"\W*(?:so|therefore|thus|hence)\b", sentence, re.IGNORECASE) else ""


def _asks(sentence: str) -> bool:
    """Whether a sentence is a question, and not a number with a question mark."""
    return sentence.rstrip("\"'*_) ").endswith("?") and len(sentence.split()) >= 4


def _repeats(sentence: str, given: list[tuple[set[str], list[Decimal]]]) -> bool:
    """Whether a sentence has the very numbers of a ``given`` one in the same order, and hardly other words."""
    values, words = _values(sentence), _words(sentence)
    return any(
        values == numbers and len(words & known) >= len(words) * (1 if len(values) < 2 else 0.6) and len(words) > 3
        for known, numbers in given
        if numbers
    )


def _words(sentence: str) -> set[str]:
    return {word for word in re.findall(r"[^\W_]+", sentence.casefold()) if word not in ("a", "an", "the")}


def _values(sentence: str) -> list[Decimal]:
    return [value_of(number) for number in numbers_in(sentence)]


def _without_line_numbers(text: str) -> str:
    """``text`` without the numbers of lines that count from 1 on, if there are two or more; they may start again."""
    counted: list[re.Match[str]] = []
    last = 0
    for match in STEP_NUMBER.finditer(text):
        number = int(match[1] or match[2])
        if number == last + 1 or (number == 1 and last):
            counted.append(match)
            last = number
    if len(counted) < 2:
        return text
    ends = [0, *(match.end() for match in counted)]
    starts = [*(match.start() for match in counted), len(text)]
    return "".join(text[end:start] for end, start in zip(ends, starts, strict=True))
