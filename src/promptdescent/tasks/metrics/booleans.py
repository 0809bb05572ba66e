"""Yes or no, in any of its wordings: true and false, yes and no, valid and invalid, 1 and 0."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from promptdescent.errors import DataError
from promptdescent.tasks.reading import (
    MARKS,
    ChoiceReader,
    Rule,
    affirms,
    announced,
    label_key,
)

_TRUE = ("true", "yes", "valid", "1")
_FALSE = ("false", "no", "invalid", "0")
_TRUTH = {word: word in _TRUE for word in (*_TRUE, *_FALSE)}
_WORDS = ("true", "yes", "valid", "false", "no", "invalid")
"""Those that count within a sentence; a digit there may count something."""

_WORD = r"(?:\w+ly\s+)?(true|valid|false|invalid)\b"
# "Not deductively valid", "cannot be valid", "neither valid nor sound", "fails to be valid".
_NOT = re.compile(
    r"(?:(?:\bnot|n['\u2019]t|\bcannot|\bnever|\bno\s+longer)\s+(?:be\s+)?(?:considered\s+)?"
    r"|\bneither\s+(?:[^.,:;!?\n]{1,40}?\s+nor\s+)?|\bfail(?:s|ed)?\s+to\s+be\s+"
    r"|\bimpossible\s+for\s+(?:it|this|that|(?:the|this|that)\s+(?:argument|statement|sentence|claim))\s+to\s+be\s+)"
    + _WORD,
    re.IGNORECASE,
)
_SUBJECT = r"(?:it|this|that|(?:the|this|that|an?)\s+(?:\w+\s+)?\w+)"
# "While it is true that", "if the argument were valid", "for it to be valid", "would be valid if": not said to be so.
_CONCEDED = re.compile(
    rf"\b(?:while|although|though|even if|if|whether)\s+(?:it['\u2019]s|{_SUBJECT}\s+(?:is|were|was))"
    rf"\s+{_WORD}(?:\s+or\s+{_WORD})?"
    rf"|(?<!impossible )\bfor\s+{_SUBJECT}\s+to\s+be\s+{_WORD}"
    rf"|(?:\A|(?<=[.!?]\s)|(?<=\n)|\bin\s+order\s+)to\s+be\s+{_WORD}(?=\s*,)"
    rf"|(?:\bwould\s+(?:only\s+)?be|\ban?\s+(?:\w+\s+)?\w+\s+is)\s+{_WORD}(?=\s+(?:only\s+)?(?:if|when)\b)",
    re.IGNORECASE,
)
# "So the argument is invalid." at the end.
_CONCLUDES = re.compile(
    rf"(?:\A|[.!?]\s|\n)[\s*_`]*(?:so|therefore|thus|hence|overall|in conclusion)\b"
    rf"[^.!?\n]{{1,200}}?\b(?:is|are)\s+[*_`\"']*{_WORD}[\s*_`\"').!]*\Z",
    re.IGNORECASE,
)
# "No, I am not able to help with that" answers no question.
_UNABLE = re.compile(
    r"\A\W*no[,.]?\s+I(?:['\u2019]m|\s+am)?\s+(?:sorry|(?:not\s+able|unable)\s+to|can(?:not|['\u2019]t))"
    r"(?=[^.\n]*\b(?:assist|help|complete|fulfil+|provide|answer|comply|continue|respond)\b)",
    re.IGNORECASE,
)
_EXPRESSION = re.compile(r"(?:\b(?:not|and|or|true|false)\b[\s()\"'`]*){2,}", re.IGNORECASE)
_OPPOSITE = {"true": "false", "false": "true", "valid": "invalid", "invalid": "valid"}

_ANY = "|".join(_WORDS)
# "No, it is not." and "no because", but neither "no doubt" nor "true and false".
_LEADS = re.compile(
    rf"{MARKS}(?i:(?P<word>{_ANY}))(?![^\W_])"
    r"(?=[\s*_`)\]}\"']*(?:$|[.,;:!\u2013\u2014-]|(?:because|since|as)\b))"
    rf"|{MARKS}(?P<digit>[01])[*_`.]*[ \t]*(?:$|\n)"
)
_ENDS = re.compile(rf"(?:\b(?:is|are)|[=:?!.])[:\s*_`\"'(]+({_ANY})[\s*_`\"').!]*\Z", re.IGNORECASE)
_REACH = 100
"""Characters at the end of a reply in which its last word is looked for."""
_SAID = re.compile(rf"\b(?:{_ANY})\b", re.IGNORECASE)
_LAST_WORD = re.compile(rf"\b({_ANY})[\s*_`\"').!]*\Z", re.IGNORECASE)


def boolean_labels(targets: Sequence[str]) -> tuple[str, str]:
    """How the targets write true and false, in this order. If all of them are one of the two, its counterpart is added.

    Raises :class:`DataError` for a target that is neither, and where one of the two is written in several words.
    """
    written: dict[bool, str] = {}
    for target in targets:
        truth = _TRUTH.get(label_key(target))
        if truth is None:
            raise DataError(
                f"--metric boolean: the target {target[:60]!r} is none of {', '.join(_TRUTH)}; correct the data, or "
                "set --metric to choice or exact"
            )
        known = written.setdefault(truth, target)
        if label_key(known) != label_key(target):
            raise DataError(
                f"--metric boolean: the targets {known!r} and {target!r} mean the same; write one of them only"
            )
    return written.get(True) or _counterpart(written[False]), written.get(False) or _counterpart(written[True])


def _counterpart(label: str) -> str:
    key = label_key(label)
    pairs = {**dict(zip(_TRUE, _FALSE, strict=True)), **dict(zip(_FALSE, _TRUE, strict=True))}
    other = pairs[key]
    return other.capitalize() if label.strip()[:1].isupper() else other


@dataclass(frozen=True, kw_only=True)
class BooleanReader:
    """Finds whether a reply says yes or no, in the words of the labels or any other of :data:`_TRUTH`.

    "Not valid", "cannot be valid" and "neither sound nor valid" are invalid; "while it is true that", "for it to be
    valid" and "would be valid if" say neither; what goes through the choices
    is left out, as by :meth:`ChoiceReader.without_choices`, and so is a part of the question's own expression, as in
    "not True is". With the rule ``default``, the first of these that finds a
    word counts:

    1. the whole reply, marks at its ends aside;
    2. after an answer cue, the last one first: the word that it starts with ("No, since it is true"), else the last of
       the labels' own words in the first line that has one, or any word at the end of the first sentence;
    3. the word that the reply starts with, if a mark or "because" follows;
    4. the word that the last sentence comes to behind "so", "therefore", "thus", "hence" or "overall";
    5. the label's own word if only one is named in the reply or in its first line; else any word, likewise;
    6. the word that the reply ends with after "is", "=" or the end of a sentence, or that is its last line.

    Digits count as a whole reply and as a line after a cue. Other rules read any of the words as
    :class:`ChoiceReader` does.
    """

    labels: tuple[str, str]
    """How true and false are written."""
    rule: Rule = "default"
    _whole: ChoiceReader = field(init=False, repr=False, compare=False)
    _by_rule: tuple[ChoiceReader, ...] = field(init=False, repr=False, compare=False)
    """By the labels' own words, then by any."""
    _last: ChoiceReader = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        own = tuple(label_key(label) for label in self.labels)
        every = tuple(dict.fromkeys((*own, *_WORDS)))
        sets = (own, every) if self.rule == "default" else (every,)
        object.__setattr__(self, "_whole", ChoiceReader(labels=tuple(_TRUTH), rule="line"))
        object.__setattr__(self, "_by_rule", tuple(ChoiceReader(labels=words, rule=self.rule) for words in sets))
        object.__setattr__(self, "_last", ChoiceReader(labels=own, rule="last"))

    def read(self, reply: str, question: str = "") -> str | None:
        """The label that ``reply`` to ``question`` means; None if it says neither or cannot be told."""
        text = _CONCEDED.sub(" ", reply)
        if self.rule == "default":
            text = _UNABLE.sub(" ", _without_expressions(text, question))
            text = self._by_rule[-1].without_choices(text)
        text = _NOT.sub(lambda match: f" {_OPPOSITE[match[1].lower()]}", text)
        said = announced(text, lambda rest: next(self._after_cue(rest), None)) if self.rule == "default" else []
        word = next(self._words(text, said), None) if len({_TRUTH[one] for one in said}) < 2 else None
        truth = None if word is None else _TRUTH[word]
        if truth is None and self.rule == "default" and not _SAID.search(reply):
            truth = affirms(reply, question)
        return None if truth is None else self.labels[0 if truth else 1]

    def _words(self, text: str, said: list[str]) -> Iterator[str]:
        """What each rule finds, the first one first; ``said`` is what answer cues announce."""
        if whole := self._whole.read(text):
            yield whole
        if self.rule == "line":
            return
        if self.rule == "default":
            yield from said
            if (match := _LEADS.match(text)) and match["word"]:
                yield match["word"].lower()
            if match := _CONCLUDES.search(text):
                yield match[1].lower()
        for reader in self._by_rule:
            if word := reader.read(text):
                yield word
        if self.rule == "default":
            if match := _ENDS.search(text[-_REACH:]):
                yield match[1].lower()
            if last := self._whole.read(text.rstrip().rpartition("\n")[2]):
                yield last

    def _after_cue(self, rest: str) -> Iterator[str]:
        if match := _LEADS.match(rest):
            yield (match["word"] or match["digit"]).lower()
        for line in rest.split("\n"):
            if word := self._last.read(line):
                yield word
        sentence = re.split(r"(?<=[.!?])\s|\n", rest.lstrip(), maxsplit=1)[0]
        if match := _LAST_WORD.search(sentence):
            yield match[1].lower()


def _without_expressions(reply: str, question: str) -> str:
    """``reply`` without what it repeats of the question's expressions: "not False" of "True and ( not False )"."""
    asked = [f" {_expression(match[0])} " for match in _EXPRESSION.finditer(question)]

    def without(match: re.Match[str]) -> str:
        said = _expression(match[0])
        repeats = re.search("not|and|or", said) and re.search("true|false", said)
        return " " if repeats and any(f" {said} " in one for one in asked) else match[0]

    return _EXPRESSION.sub(without, reply)


def _expression(text: str) -> str:
    return " ".join(re.findall(r"[a-z]+", text.lower()))
