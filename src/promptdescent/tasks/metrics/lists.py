"""Answers that are lists: of items in any order, or in a set one."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from promptdescent.records import Example
from promptdescent.tasks.metrics.base import Score
from promptdescent.tasks.metrics.words import (
    FUNCTION_WORDS,
    find_announced,
    find_enumeration,
    find_first_line,
    find_words,
    without_given,
    words_of,
)
from promptdescent.tasks.reading import after_cue, before_new_example, excerpt

Comparison = Literal["share", "same", "ordered"]
"""How lists are compared: see :class:`ListMatch`."""

_FENCE = re.compile(r"```[\w-]*\n(.*?)```", re.DOTALL)
_ITEM_MARK = re.compile(r"\s*(?:[-*\u2022\u2013]|\(?\d{1,3}[.)])\s+")
_OUTER = " \t\r\n*_`\"'\u2018\u2019\u201c\u201d,;."
MOST_WORDS = 3
"""In an item of a list of single words; what has more is a part of a sentence."""
_AND = re.compile(r"(?<!\s)\s+(?:and|or|&)\s+|^(?:and|or|&)\s+", re.IGNORECASE)
_OR = re.compile(r"(?:,|\s)\s*or\s+(?:(?:an?|the)\s+)?\S+\s*\Z", re.IGNORECASE)
_LEADING_AND = re.compile(r"^(?:and|or|&)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class ListMatch:
    """The items of a reply against those of the target; case, marks and quotes around items do not count.

    * ``share``: in any order, 2 * common / (items of the reply + items of the target), so that both missing and
      surplus items cost; an item counts as often as it stands there;
    * ``same``: 1 if they are the same items in any order, else 0;
    * ``ordered``: 1 if they are the same items in the same order, else 0.

    How a list is written does not matter, see :func:`read_items`.
    """

    comparison: Comparison = "share"
    words: bool = False
    """Whether items are single words with spaces between them, as in ``pear apple fig``. Then a list of words that the
    question has, if the reply holds one, is its answer: see :func:`find_words`."""
    needs_target: ClassVar[bool] = True
    perfect_score: ClassVar[float] = 1.0

    @property
    def name(self) -> str:
        return "list" if self.comparison == "share" else f"list:{self.comparison}"

    @property
    def scoring(self) -> str:
        if self.comparison == "share":
            return (
                "An answer is a list. It scores by the share of items that it has in common with the given output, "
                "in any order; missing and surplus items lower the score."
            )
        order = "in the same order" if self.comparison == "ordered" else "in any order"
        return f"An answer is right if it lists exactly the items of the given output, {order}."

    def score(self, reply: str, example: Example) -> Score:
        target = example.target
        wanted = read_items(target, words=self.words, joined="," not in target, may_be_prose=False) or []
        joined = any(_AND.search(item) for item in wanted)
        read = partial(self._read, example=example, joined=joined)
        # A list of anything may be long, and its items may be questions.
        found = before_new_example(excerpt(reply), example.question, read) if self.words else read(reply)
        if found is None:
            return Score(0.0, None)
        return Score(self._value(_keys(found), _keys(wanted)), "; ".join(found) or "[]")

    def _read(self, reply: str, example: Example, *, joined: bool) -> list[str] | None:
        if self.words:
            reply = without_given(reply)
        found = self._words_of_question(reply, example)
        return read_items(reply, words=self.words, joined=joined) if found is None else found

    def _words_of_question(self, reply: str, example: Example) -> list[str] | None:
        if not self.words or _json_list(reply) is not None:
            return None
        known = words_of(example.question)
        return (
            find_words(after_cue(reply), known)
            or find_announced(reply, known)
            or find_words(reply, known)
            or find_enumeration(reply, known)
            or find_first_line(reply, known)
        )

    def _value(self, found: list[str], wanted: list[str]) -> float:
        if self.comparison == "ordered":
            return float(found == wanted)
        if self.comparison == "same":
            return float(sorted(found) == sorted(wanted))
        if not found and not wanted:
            return 1.0
        return 2 * (Counter(found) & Counter(wanted)).total() / (len(found) + len(wanted))


def _keys(items: list[str]) -> list[str]:
    return [" ".join(item.casefold().split()).strip(_OUTER) for item in items]


def read_items(text: str, *, words: bool = False, joined: bool = False, may_be_prose: bool = True) -> list[str] | None:
    """The items that a text lists, or None if it lists none. After an answer cue only what follows counts. In order:

    1. a JSON list, in a code fence or within other text;
    2. lines with a bullet or number;
    3. several lines, but for a first one that ends in a colon;
    4. what stands between semicolons, or else commas; an ``and`` before the last item is such a comma;
    5. with ``words``, the words; else the whole text as one item.

    What ends in a colon is a heading and no item. With ``words``, "pear or fig" lists none.

    With ``words``, a line of single words with commas between them goes before 3, and a text of which an item has more
    than :data:`MOST_WORDS` words lists none; nor does a line with spaces between its words that is a sentence.

    ``joined`` says that an ``and`` may stand inside an item, as in ``salt and pepper``; ``may_be_prose`` that the text
    may hold sentences, and no list.
    """
    if (listed := _json_list(text)) is not None:
        return listed
    text = after_cue(text)
    lines = [line for line in text.split("\n") if line.strip(_OUTER + "#")]
    marked = [line for line in lines if _ITEM_MARK.match(line)]
    if words and not marked and (line := _line_of_words(lines)):
        lines = [line]
    items = _items(lines, marked, words=words, joined=joined)
    if not (words and may_be_prose and items):
        return items
    prose = any(map(_is_prose, items)) or (not marked and (_is_sentence(lines[-1]) or _OR.search(lines[-1])))
    return None if prose else items


def _items(lines: list[str], marked: list[str], *, words: bool, joined: bool) -> list[str] | None:
    if marked:
        return _bare([_ITEM_MARK.sub("", line, count=1) for line in marked])
    if len(lines) > 1 and lines[0].rstrip(" *_").endswith(":"):
        lines = lines[1:]
    if len(lines) > 1:
        return _bare(lines)
    if not lines:
        return None
    return _bare(_between_marks(_without_lead(lines[0], words=words), words=words, joined=joined))


def _line_of_words(lines: list[str]) -> str | None:
    """The first line that has only single words with commas between them, such as "pear, fig" before a remark."""
    for line in lines:
        items = _bare(_between_marks(_without_lead(line, words=True), words=True, joined=False))
        if "," in line and items and len(items) > 1 and not any(" " in item for item in items):
            return line
    return None


def _is_prose(item: str) -> bool:
    words = item.casefold().split()
    return len(words) > MOST_WORDS or (len(words) > 1 and not FUNCTION_WORDS.isdisjoint(words))


def _is_sentence(line: str) -> bool:
    """Whether what spaces part are words of a sentence: one is an article or a verb that would stand in any."""
    line = _without_lead(line, words=True)
    words = [word.strip(_OUTER) for word in line.casefold().split()]
    return (
        len(words) > 2
        and max(map(len, words)) > 1
        and not re.search("[,;]", line)
        and not FUNCTION_WORDS.isdisjoint(words)
    )


def has_marks(text: str) -> bool:
    """Whether a target is written with other marks between its items than spaces."""
    return _json_list(text) is not None or bool(re.search(r"[\n,;]", text.strip()))


def _without_lead(line: str, *, words: bool) -> str:
    """ "pear, fig" of "The fruits are: pear, fig" and of "[pear, fig]"."""
    lead, colon, rest = line.partition(": ")
    if colon and not re.search("[,;]", lead) and (words or re.search(r"[,;]|\sand\s", rest)):
        line = rest
    line = line.strip()
    return line[1:-1] if line.startswith("[") and line.endswith("]") else line


def _between_marks(line: str, *, words: bool, joined: bool) -> list[str]:
    if ";" in line:
        return line.split(";")
    if words and "," not in line:
        return line.split()
    *items, last = line.split(",")
    last = last.strip()
    return [*items, *([_LEADING_AND.sub("", last)] if joined else _AND.split(last))]


def _bare(items: list[str]) -> list[str] | None:
    found = [bare for item in items if (bare := item.strip(_OUTER)) and not bare.endswith(":")]
    return found or None


def _json_list(text: str) -> list[str] | None:
    """The first list in ``text`` that is JSON; its items as text. A number in brackets may be a note and is no list."""
    fence = _FENCE.search(text)
    inside = fence[1] if fence else text
    for start in (match.start() for match in re.finditer(r"\[", inside)):
        try:
            parsed, _ = json.JSONDecoder().raw_decode(inside, start)
        except ValueError:
            continue
        except RecursionError:  # nested a thousand deep: no list follows, and each bracket would be tried
            break
        if len(parsed) == 1 and not isinstance(parsed[0], str) and inside.strip() != f"[{parsed[0]}]":
            continue
        return [item.strip() if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in parsed]
    return None
