"""Lists of single words, found in a reply by the words that the question has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile

from promptdescent.tasks.reading import what_follows_cues

_ITEM_MARK = re.compile(r"\s*(?:[-*\u2022\u2013]|\(?\d{1,3}[.):])\s+")
_NUMBER_WITHIN = re.compile(r"(?:(?<=\s)|^)\(?\d{1,3}[.)]\s+")
_BETWEEN = re.compile(r"\s*(?:[,;|<>/\u2192\u21d2]|->|=>)\s*|\s+")
_LEAD = re.compile(r"\A[^,;]*?:\s+")
_AND = re.compile(r"^\s*(?:and|&)\s+(?=\S+\s*\Z)", re.IGNORECASE)
_REMARK = re.compile(r"\s+[-\u2013\u2014]\s.*|\s+\(.*|:\s.*")
# "The words to be sorted are: pear, fig", "the given list: pear, fig", with the list in that line, the next one, or the
# lines with marks below.
_GIVEN = re.compile(
    r"^[^\n:]*\b(?:to\s+be\s+(?:sorted|ordered|arranged|put)|unsorted|(?:given|original)\s+(?:words|list|sentence))\b"
    r"[^\n:]*:"
    r"(?:[ \t]*\S[^\n]*|\s*(?:(?:[-*\u2022\u2013]|\(?\d{1,3}[.):])[ \t]+[^\n]*(?:\n|\Z))+|\s*\S[^\n]*)",
    re.MULTILINE | re.IGNORECASE,
)
_SUBJECT = re.compile(r"\W*(?:the\s+)?[^\s,]+,", re.IGNORECASE)
_IN_ORDER = re.compile(r"\b(?:order|sorted|ordered|arranged|alphabetical(?:ly)?)\b", re.IGNORECASE)
FUNCTION_WORDS = frozenset(
    ("a", "an", "the", "is", "are", "was", "were", "be", "to", "of", "in", "i", "i'm", "you", "it", "this", "that")
)
"""Words of which any sentence has some."""
_COMMA_WITHIN = re.compile(r",(?P<quote>[\"'\u2019\u201d])(?=\s)")
_AND_LAST = re.compile(r"\s*(?:and|&)\s+(?:\S+\Z|[\"'\u2018\u201c])", re.IGNORECASE)
"""What ends a list whatever its word is: it is the end of the sentence, or in quotes like the others."""
_OUTER = " \t\r*_`\"'\u2018\u2019\u201c\u201d,;.()[]{}"


def words_of(text: str) -> frozenset[str]:
    """The words of a question that its answer may list, as :func:`find_words` compares them."""
    return frozenset(word.strip(_OUTER + ":?!") for word in text.casefold().split())


def find_words(text: str, known: frozenset[str]) -> list[str] | None:
    """The last list in ``text``, or None if there is none; but none that has only a part of an earlier one's words.

    A list is a line of two words and more, with spaces, commas, arrows or numbers between them and perhaps a lead that
    ends in a colon; or several lines of one word each, with bullets or numbers or without. Its words must all be
    ``known``; but where several lines of one word have a mark each, half of them will do, for the rest is a part of
    that answer, too. An ``and`` before the last word does not count.
    """
    best: list[str] | None = None
    for found in _lists(text.split("\n"), known):
        if best is None or not _known(found, known) < _known(best, known):
            best = found
    return best


def _known(words: list[str], known: frozenset[str]) -> frozenset[str]:
    return known & {word.casefold() for word in words}


def _lists(lines: list[str], known: frozenset[str]) -> Iterator[list[str]]:
    """The lists of ``lines``, in order."""
    column: list[str] = []  # words of the lines just above that have one each
    marked: list[str] = []  # those of lines with marks, known or not
    for line in [*lines, "."]:
        if line != "." and not line.strip(_OUTER + "#"):
            continue
        words = _line_of_words(line, known)
        if len(words) != 1:
            if len(column) > 1 and len(column) >= len(marked):
                yield column
            column = []
        else:
            column = [*column, *words]
        item = _split(_ITEM_MARK.sub("", line, count=1), known) if _ITEM_MARK.match(line) else []
        if len(item) != 1:
            if len(marked) > 1 and 2 * sum(word.casefold() in known for word in marked) >= len(marked):
                yield marked
            marked = []
        else:
            marked = [*marked, *item]
        if len(words) > 1:
            yield words


def find_announced(reply: str, known: frozenset[str]) -> list[str] | None:
    """The single words that an answer cue is followed by, up to a remark: "fig" of "the answer is fig, which is first".

    At least half of them must be ``known``, else what follows the cue before it counts.
    """
    for rest in what_follows_cues(reply):
        said = re.split(r"\n|(?<=[.!?])\s", rest.lstrip(_OUTER + ":=-"), maxsplit=1)[0]
        if found := _leading_words(said, known):
            return found
    return None


def find_first_line(reply: str, known: frozenset[str]) -> list[str] | None:
    """The words of the first line, if they are no sentence and at least half of them are ``known``."""
    line = reply.lstrip().partition("\n")[0]
    return _leading_words(line, known) if len(line.split()) > 1 and not line.rstrip().endswith(".") else None


def _leading_words(text: str, known: frozenset[str]) -> list[str] | None:
    if re.search(r"\bor\b", text) and "or" not in known:
        return None  # "fig or nut" names two and lists none
    text = _LEAD.sub("", text, count=1)
    parts = [_AND.sub("", part).split() for part in text.split(",")] if "," in text else [[one] for one in text.split()]
    run = list(takewhile(lambda part: len(part) == 1, parts))
    words = [bare for part in run if (bare := part[0].strip(_OUTER))]
    if (
        "," not in text
        and max(map(len, words), default=0) > 1
        and not FUNCTION_WORDS.isdisjoint(word.casefold() for word in words)
    ):
        return None
    return words if words and 2 * sum(word.casefold() in known for word in words) >= len(words) else None


def find_enumeration(text: str, known: frozenset[str]) -> list[str] | None:
    """The last three words or more with commas between them within a sentence, at least half of them ``known``.

    "The pear, fig, and plum are sorted" has three; what begins with an ``and`` but is neither a known word nor the
    end of the sentence ends the list. A
    list that a sentence only speaks of is none: "Pear, fig, and plum are fruits".
    """
    found: list[str] | None = None
    for sentence in re.split(r"\n|(?<=[.!?:])\s", text):
        run: list[str] = []
        sentence = _COMMA_WITHIN.sub(r"\g<quote>,", sentence)
        for place, part in enumerate(sentence.split(",")):
            words = [bare for word in part.split() if (bare := word.strip(_OUTER))]
            ends = not words or (len(words) > 1 and place > 0)
            follows = len(words) > 1 and words[0] in ("and", "&")
            if ends and follows and (words[1].casefold() in known or _AND_LAST.match(part.rstrip())):
                run.append(words[1])
                if len(words) > 2 and _SUBJECT.match(sentence) and not _IN_ORDER.search(sentence):
                    run = []
            elif not ends:
                run.append(words[-1])
            if ends or place == sentence.count(","):
                if len(run) > 2 and 2 * sum(word.casefold() in known for word in run) >= len(run):
                    found = run
                run = words[-1:]
    return found


def without_given(text: str) -> str:
    """``text`` without lists that it only gives as the words to be sorted."""
    return _GIVEN.sub("\n", text)


def _line_of_words(line: str, known: frozenset[str]) -> list[str]:
    """The words of a line that is nothing but known words; else none."""
    bare = _ITEM_MARK.sub("", line, count=1)
    for text in (bare, _LEAD.sub("", bare, count=1), bare.rpartition(": ")[2], _REMARK.sub("", bare, count=1)):
        words = _split(text, known)
        if words and all(word.casefold() in known for word in words):
            return words
    return []


def _split(text: str, known: frozenset[str]) -> list[str]:
    parts = [part.strip(_OUTER) for part in _BETWEEN.split(_NUMBER_WITHIN.sub(" ", text))]
    words = [part for part in parts if part]
    before_last = words[-2].casefold() if len(words) > 2 else ""
    if before_last in ("and", "&") and [word.casefold() for word in words].count(before_last) > (before_last in known):
        del words[-2]  # one more than the question has
    return words
