"""Options with letters whose text a reply names instead of the letter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from promptdescent.tasks.reading.choices import ChoiceReader
from promptdescent.tasks.reading.cues import OUTER, SENTENCE_END, what_follows_cues
from promptdescent.tasks.reading.label_forms import label_key, option_letter
from promptdescent.tasks.reading.statements import statements_on

_OPTION = re.compile(r"\(([A-Z])\)[ \t]+|^[ \t]*([A-Z])[.)][ \t]+", re.MULTILINE)
_ARTICLE = re.compile(r"^(?:a|an|the)\s+", re.IGNORECASE)

_HEADING = re.compile(r"\s*A:[ \t]*(?P<said>.*)")
_ANOTHER = re.compile(r"\W*[A-Z](?=[).:]|\s*\Z)")
_IS = re.compile(r"\b(?:is|are|was|were|be)[ \t]+", re.IGNORECASE)
_MARKS_AROUND = 40
"""Characters of marks and an article that may stand about the text of an option."""


def read_option_text(reply: str, question: str, labels: Sequence[str]) -> str | None:
    """The one of ``labels`` whose option in ``question`` the reply names by its text, as "Paris" for "(B) Paris".

    It must be the whole reply, or what follows an answer cue, or what the first or last sentence ends on, behind "is":
    "The capital is Paris", but neither "It is not Paris" nor "Paris is large". Else it must be the only text in the
    statements that repeat what the question asks, as in "Paris is the capital of France". None if no text is named so,
    or that of another letter.
    """
    texts = option_texts(question)
    by_text = {label_key(text): letter for letter, text in texts.items()}
    if len(by_text) < max(2, len(texts)):
        return None
    reader = _reader(tuple(texts.values()))
    longest = max(map(len, by_text)) + _MARKS_AROUND
    for said in _said(reply):
        if len(said) > longest:
            continue
        if found := reader.read(_ARTICLE.sub("", said.lstrip(OUTER))):
            return _label_of(by_text[label_key(found)], labels)
    stem = question[: next(_OPTION.finditer(question)).start()]
    stated = "\n".join(statements_on(reply, stem))
    named = [letter for letter, text in texts.items() if _named(text, stated)]
    return _label_of(named[0], labels) if len(named) == 1 else None


def without_heading(reply: str, question: str) -> str:
    """``reply`` without an "A:" at its start that announces the answer and is no letter of an option.

    It is a heading where nothing follows, or in its line a letter or the text of another option than A.
    """
    heading = _HEADING.match(reply)
    if heading is None:
        return reply
    said = _ARTICLE.sub("", heading["said"].lstrip(OUTER))
    begins = [letter for letter, text in option_texts(question).items() if re.match(_whole_words(text), said, re.I)]
    if reply.strip() == "A:" or _ANOTHER.match(said) or (begins and "A" not in begins):
        return reply[heading.start("said") :]
    return reply


def _label_of(letter: str, labels: Sequence[str]) -> str | None:
    return next((label for label in labels if option_letter(label) == letter), None)


def _named(text: str, statement: str) -> bool:
    """Whether ``statement`` has the text of an option, also in the plural."""
    return bool(re.search(_whole_words(text), statement, re.IGNORECASE))


def _whole_words(text: str) -> str:
    """A pattern for the text of an option, also in the plural."""
    return rf"(?<![^\W_]){re.escape(text)}(?:e?s)?(?![^\W_])"


def _said(reply: str) -> Iterator[str]:
    """What of ``reply`` may be nothing but the text of an option."""
    yield reply
    for rest in what_follows_cues(reply):
        yield SENTENCE_END.split(rest.lstrip(OUTER), maxsplit=1)[0]
    sentences = [sentence for sentence in SENTENCE_END.split(reply) if sentence.strip()]
    for sentence in (*sentences[-1:], *sentences[:1]):
        if not re.search(r"\bnot\b|n['\u2019]t\b", sentence):
            yield from (sentence[match.end() :] for match in _IS.finditer(sentence))


def option_texts(question: str) -> dict[str, str]:
    """The text of each option by its letter, without an article; empty if the letters do not count from A on."""
    found = list(_OPTION.finditer(question))
    texts: dict[str, str] = {}
    for place, match in enumerate(found):
        end = found[place + 1].start() if place + 1 < len(found) else len(question)
        text = _ARTICLE.sub("", question[match.end() : end].partition("\n")[0].strip(OUTER))
        if (match[1] or match[2]) != "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[place : place + 1] or len(text) < 2:
            return {}
        texts[match[1] or match[2]] = text
    return texts


@lru_cache(maxsize=256)
def _reader(texts: tuple[str, ...]) -> ChoiceReader:
    return ChoiceReader(labels=texts, rule="line")
