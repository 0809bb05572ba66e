"""Statements that answer a question in its own words: "Lead is not heavier than gold", "Paris is the capital"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_SENTENCE_END = re.compile(r"(?<=[.!?:])[\"'\u201d)*_]*\s+|\n+")
_CLAUSE_END = re.compile(
    r"[,;]\s+(?=(?:but|which|because|since|as|for|although|though|while|so|or|not)\b)|\s(?=because\b)"
)
_AND = re.compile(r"[,;]\s+(?=and\b)")
_NOT = re.compile(r"\bnon-|\b(?:not|never|no|none|cannot|neither|nor|hardly)\b|n['\u2019]t\b", re.IGNORECASE)
_UNSURE = re.compile(
    r"\b(?:if|whether|may|might|could|would|should|perhaps|maybe|possibly|say|says|said|think|thinks|believe|claims?|assum\w+"
    r"|or|either|unless|suppose|seems?|question|let['\u2019]?s|need\s+to|determine)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"(?:is|are|was|were|do|does|did|can|could|will|would|has|have|had|should|must|may)\s", re.IGNORECASE
)
_COMMON_WORDS = """
    a an the of in on at to for by from with and or not one ones it its they them their this that these those
    there here who whom whose what which when where why how is are was were be been am do does did has have had
    can could will would shall should must may might
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_MOST_EXTRA = 3
"""Words of its own that a statement may have and still only repeat a question as so or not so."""
_SHARE = 2 / 3
"""Of a question's words, those that an answer to it must repeat."""


def affirms(reply: str, question: str) -> bool | None:
    """Whether ``reply`` says of what a yes or no ``question`` asks that it is so; None if it says neither, or both.

    A statement says so if it has all words of the question in their order, hardly others, and nothing that makes it
    unsure; it denies it with one "not". Forms of a word are told apart by their first letters only.
    """
    asked = _last_question(question)
    if not _ASKS.match(asked) or _NOT.search(asked):
        return None
    wanted = _stems(asked)
    said = {
        not _NOT.search(clause)
        for clause in (_AND.split(one, maxsplit=1)[0] for one in _clauses(reply))
        if len(wanted) > 1
        and _in_order(wanted, stems := _stems(_NOT.sub(" ", clause)))
        and len(stems) <= len(wanted) + _MOST_EXTRA
    }
    return said.pop() if len(said) == 1 else None


def statements_on(reply: str, question: str) -> Iterator[str]:
    """The statements of ``reply``, without denials, that repeat most words of what ``question`` asks."""
    wanted = set(_stems(_last_question(question)))
    for clause in _clauses(reply):
        if wanted and not _NOT.search(clause) and len(wanted & set(_stems(clause))) >= _SHARE * len(wanted):
            yield clause


def _clauses(reply: str) -> Iterator[str]:
    for sentence in _SENTENCE_END.split(reply):
        if not sentence.rstrip("\"'*_) ").endswith("?") and not _UNSURE.search(
            clause := _CLAUSE_END.split(sentence, maxsplit=1)[0]
        ):
            yield clause


def _last_question(text: str) -> str:
    """The last sentence that ends in a question mark."""
    asked = [one for one in re.split(r"(?<=[.!?:])[\"'\u2019\u201d)]*\s+|\n+", text) if one.rstrip().endswith("?")]
    return asked[-1].strip() if asked else ""


def _stems(text: str) -> list[str]:
    words: Iterable[str] = re.findall(r"[^\W_]+(?:['\u2019][^\W_]+)?", text.casefold())
    return [_stem(word) for word in words if word not in _COMMON]


def _stem(word: str) -> str:
    for ending in ("'s", "\u2019s", "ies", "es", "ed", "ing", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) > 2:
            return word.removesuffix(ending)
    return word


def _in_order(wanted: list[str], found: list[str]) -> bool:
    rest = iter(found)
    return all(word in rest for word in wanted)
