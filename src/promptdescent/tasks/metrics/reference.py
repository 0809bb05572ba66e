"""How the code of the GPO paper reads and scores answers, its faults included: to set our figures beside the paper's,
and for nothing else.

Source: what is known of that code's behaviour; docs/metrics.md says which part is a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from promptdescent.records import Example
from promptdescent.tasks.metrics.base import Score, references

Kind = Literal["choice", "boolean", "number", "brackets", "words", "rouge-l"]
"""Kinds of answers that the paper's code tells apart."""

KINDS: tuple[Kind, ...] = get_args(Kind)

_STRONG_CUE = re.compile(r"####|answer is:?|answer:")
_WEAK_CUE = re.compile(r"\b(?:is|are):")
_BEFORE = re.compile(r"(.*?)\bis the (?:(?:correct|right|final) )?answer", re.DOTALL)
_LETTER = re.compile(r"\(([a-z])\)")
_CLOSING = re.compile(r"[)\]}>](?:\s*[)\]}>])*")
_SYMBOLS = re.compile(r"[$€£¥₹,]")
# A fraction counts only where white space follows, so that "18.00." is 18 and 00; a minus only after white space.
_NUMBER = re.compile(r"(?:(?<!\S)-)?(?:\d+\.\d+(?!\S)|\d+)")
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b", re.IGNORECASE)
_TRUTH = {"true": "1", "yes": "1", "valid": "1", "1": "1", "false": "0", "no": "0", "invalid": "0", "0": "0"}
_EPSILON = 1e-8


@dataclass(frozen=True)
class Reference:
    """1 if the paper's code would count the answer as right; for ``rouge-l``, the score that it would give, in [0, 1].

    A reply that its readers find nothing in, or that its library would end the run on, scores 0.
    """

    kind: Kind
    needs_target: ClassVar[bool] = True
    perfect_score: ClassVar[float] = 1.0

    @property
    def name(self) -> str:
        return f"reference:{self.kind}"

    @property
    def scoring(self) -> str:
        if self.kind == "rouge-l":
            return "An answer scores the more, the more words it shares with the given output in the same order."
        return "An answer is right if it is the given output. The score says how many are right."

    def score(self, reply: str, example: Example) -> Score:
        if not reply.strip():
            return Score(0.0, None)
        if self.kind == "rouge-l":
            measures = [rouge_l(reply, reference) for reference in references(example.target)]
            return Score(sum(measures) / len(measures), reply.strip())
        if self.kind == "words":
            return Score(float(_same_words(reply, example.target)), reply.strip())
        read = _READERS[self.kind]
        answer, target = read(reply), read(example.target)
        return Score(float(answer is not None and answer == target), answer)


def _after_cue(text: str) -> str | None:
    """The text after the first strong cue, else after the first weak one, else before "is the answer"; or None."""
    for cue in (_STRONG_CUE, _WEAK_CUE):
        if match := cue.search(text):
            return text[match.end() :]
    before = _BEFORE.search(text)
    return before[1] if before else None


def _letter(text: str) -> str | None:
    text = text.lower()
    cut = _after_cue(text)
    found = _LETTER.search(text if cut is None else cut)
    return f"({found[1].upper()})" if found else None


def _boolean(text: str) -> str | None:
    cut = _after_cue(text)  # before the case is changed: "Answer: No" has no cue
    word = re.sub(r"[^\w\s]", "", text if cut is None else cut).strip().lower()
    return _TRUTH.get(word)


def _number(text: str) -> str | None:
    text = text.lower()
    cut = _after_cue(text)
    text = (text if cut is None else cut).rpartition("=")[2]
    text = _WORD.sub(lambda match: str(_WORDS.index(match[0].lower())), _SYMBOLS.sub("", text))
    found = _NUMBER.findall(text)
    if not found:
        return None
    value = found[-1] if cut is None else found[0]
    return str(round(float(value))) if len(value) < 300 else None  # Python rounds halves to the even number


def _brackets(text: str) -> str | None:
    runs = _CLOSING.findall(text)
    return "".join(runs[-1].split()) if runs else None


def _same_words(reply: str, target: str) -> bool:
    wanted = target.split()
    lines = [line.strip() for line in reply.strip().split("\n")]
    return lines == wanted or reply.split() == wanted or target.strip() in lines


_READERS: dict[str, Callable[[str], str | None]] = {
    "choice": _letter,
    "boolean": _boolean,
    "number": _number,
    "brackets": _brackets,
}


def rouge_l(reply: str, reference: str) -> float:
    """ROUGE-L as the package ``rouge`` 1.0 has it, in [0, 1]; 0 where that package raises, which is for no words.

    Full stops end sentences, white space ends words, case counts and so does punctuation. What both have in common are
    the distinct words in the longest common subsequences of each sentence with each; precision and recall divide their
    number by those of the distinct words of either side.
    """
    ours, theirs = _sentences(reply), _sentences(reference)
    common: set[str] = set()
    for sentence in theirs:
        for other in ours:
            common |= _common_words(sentence, other)
    if not common:
        return 0.0
    precision = len(common) / len({word for sentence in ours for word in sentence})
    recall = len(common) / len({word for sentence in theirs for word in sentence})
    return 2 * precision * recall / (precision + recall + _EPSILON)


def _sentences(text: str) -> list[list[str]]:
    # White space between two full stops is a sentence of one empty word there.
    return [part.split() or [""] for part in text.split(".") if part]


def _common_words(a: Sequence[str], b: Sequence[str]) -> set[str]:
    """The words of a longest common subsequence; of several, the one that drops words of ``b`` first, from the end."""
    lengths = [[0] * (len(b) + 1)]
    for word in a:
        above, row = lengths[-1], [0]
        for place, other in enumerate(b):
            row.append(above[place] + 1 if word == other else max(above[place + 1], row[-1]))
        lengths.append(row)
    words = set()
    i, j = len(a), len(b)
    while i and j:
        if a[i - 1] == b[j - 1]:
            words.add(a[i - 1])
            i, j = i - 1, j - 1
        elif lengths[i - 1][j] > lengths[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return words
