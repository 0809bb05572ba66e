"""Where in a reply its answer stands: after an answer cue, and before an example that the model makes up."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Found = TypeVar("Found")

QUOTES = "\"'\u2018\u2019\u201c\u201d"
DASHES = "\u2013\u2014"

_BEST = r"(?:correct|right|best|final)"
_NAMED = r"(?:answer|option|choice|solution|label|category|class|result|output)"
CUE = re.compile(
    rf"(?<![^\W_])(?:(?:answer|{_BEST}\s+{_NAMED})(?:\s+to\s+(?:the|this|that|your)\s[^.:?!\n]{{1,80}}?)?"
    rf"(?:[*_`]*\s+is\b|[*_`{QUOTES}]*\s*:)|I(?:\s+would|['\u2019]d)?\s+choose\b)"
    rf"|####|^[ \t*_`#>]*result[*_`]*:",
    re.IGNORECASE | re.MULTILINE,
)
"""An answer cue: what follows it is announced as the answer."""

_AT_ONCE = 12
"""Words between two cues, the second one's own among them."""
_GOES_ON = re.compile(
    r"\b(?:no|not|wrong|wait|actually|sorry|instead|rather|mean|correction|but|however|so|thus|hence|therefore|final"
    r"|finally|now|then|overall|if)\b",
    re.IGNORECASE,
)

MOST_CUES = 50
"""Cues that are looked at, from the end on: a reply with more of them goes round in circles."""

SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
"""Between two sentences, or lines."""

MARKS = rf"[\s*_`>{QUOTES}:={DASHES}-]*"
"""Pattern of the marks of Markdown and the quotes that may stand before an answer."""

MARKS_IN_LINE = rf"[ \t\r*_`>{QUOTES}:={DASHES}-]*"
"""The same within a line: behind a "^", :data:`MARKS` would go through all blank lines from each of them on."""

OUTER = f" \t\r\n*_`>{QUOTES}()[]{{}}.,:;!"
"""Marks that may stand about an answer and are no part of it."""

_ASKS = frozenset(("Q", "Question"))
"""Leads of the question in an example, whatever the row's own question looks like: they stand in the prompt."""

_LEAD = re.compile(r"[ \t]*([A-Z]\w*(?: \w+)?):[ \t]+(\S.*)")


def after_cue(text: str) -> str:
    """What follows the last answer cue that anything follows, or the whole text."""
    for rest in what_follows_cues(text):
        rest = rest.lstrip(" \t:=")
        if rest.strip(OUTER):
            return rest
    return text


def what_follows_cues(text: str) -> Iterator[str]:
    """What follows each answer cue up to the end of ``text``, the last cue first, of :data:`MOST_CUES` at most."""
    return (text[cue.end() :] for cue in reversed(deque(CUE.finditer(text), MOST_CUES)))


def announced(text: str, read: Callable[[str], Found | None]) -> list[Found]:
    """What ``read`` finds behind the last answer cue where it finds anything, up to the next cue; and behind it what it
    finds at the one before, if both are said at once, so that one contradicts the other if they differ.
    """
    found: list[Found] = []
    later = ""
    for rest in what_follows_cues(text):
        one = read(CUE.split(rest, maxsplit=1)[0])
        if one is not None and found:
            return [*found, one] if _at_once(rest, later) else found
        if one is not None:
            found, later = [one], rest
    return found


def _at_once(earlier: str, later: str) -> bool:
    """Whether what follows one cue goes on to the next, ``later``, at once and with no word that takes the first answer
    back or comes to a conclusion.
    """
    between = earlier.removesuffix(later).split()[1:]  # without the first answer, which may be "no"
    return len(between) <= _AT_ONCE and not _GOES_ON.search(" ".join(between))


def blanked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """``text`` with spaces in place of each of ``spans``, start and end, which come in order and do not overlap."""
    parts: list[str] = []
    at = 0
    for start, end in spans:
        parts += (text[at:start], " " * (end - start))
        at = end
    return "".join((*parts, text[at:]))


def lines_of(text: str) -> list[str]:
    """The lines that are not blank."""
    return [line for line in text.split("\n") if line.strip()]


def without_new_example(reply: str, question: str) -> str:
    """``reply`` up to where it makes up a new example, as base models do that have seen a few.

    A new example is a line after the first one that has the lead of a line of the question, such as "Review:", or one
    of :data:`_ASKS`, and goes on in another way. A line that repeats the question, or its line with that lead, or a
    part of it starts none. A reply that begins with a question of its own goes on from question to question.
    """
    asked = {lead: _plain(rest) for lead, rest in map(_lead, question.split("\n")) if lead}
    whole = _plain(question)
    first, rest = _lead(reply.lstrip())
    if first not in _ASKS or _same(_plain(rest), whole):
        asked = dict.fromkeys(_ASKS, whole) | asked
    start = 0
    for line in reply.split("\n"):
        lead, rest = _lead(line)
        known = asked.get(lead)
        if known is not None and reply[:start].strip() and not _same(_plain(rest), known):
            return reply[:start]
        start += len(line) + 1
    return reply


def before_new_example(reply: str, question: str, read: Callable[[str], Found | None]) -> Found | None:
    """What ``read`` finds in ``reply`` before it makes up a new example, or else in all of it."""
    before = without_new_example(reply, question)
    found = read(before)
    return read(reply) if found is None and before != reply else found


def _same(one: str, other: str) -> bool:
    """Whether one of two texts is a part of the other, and neither is empty."""
    return bool(one and other) and (one in other or other in one)


def _lead(line: str) -> tuple[str, str]:
    """ "Review" and what follows of "Review: The soup is good."; two empty texts of a line without a lead."""
    match = _LEAD.match(line)
    return (match[1], match[2]) if match else ("", "")


def _plain(text: str) -> str:
    return "".join(text.casefold().split()).strip("*_`.,:;!" + QUOTES)
