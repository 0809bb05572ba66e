"""Cuts a prompt into pieces that can be left out: sentences, list items and lines, or phrases where there are few.

Joined, the pieces are the prompt. No cut falls into a placeholder, a quotation, brackets, code, or a worked example. A
piece that holds a placeholder is *locked*: a template without it would not show the row.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from promptdescent.explain.protected import inside, protected
from promptdescent.text import placeholders

FEW_SENTENCES = 4
"""Below so many sentences a prompt is cut into phrases, if that gives more."""

MOST_PIECES = 24
"""Neighbours are joined, the shortest first, until there are no more: each further piece costs a prompt to measure."""

LEAST_WORDS = 3
"""Of a phrase."""

WRAPPED = 60
"""Characters from which on a line without an end mark may go on in the next one."""

_WIDE = "\u3002\uff01\uff1f\uff61\u061f\u06d4\u0964\u0965\u0589\u1362\u104b\u17d4"
"""Marks that end a sentence in Chinese, Japanese, Arabic, Urdu, Hindi, Armenian, Amharic, Burmese and Khmer, with or
without white space after them."""

_LINE_END = re.compile(r"[^\S\n]*\n\s*")
_LIST_MARK = re.compile(r"(?:[-*\u2022+>]|#+|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s")
_SENTENCE_END = re.compile(
    r"(?P<mark>[.!?\u2026]+)[\"'\u201d\u2019\u00bb)\]*_]*(?P<space>\s+)(?=\S)"
    rf"|(?P<wide>[{_WIDE}]+)[\"'\u201d\u2019\uff09)]*\s*(?=[^\s\u300d\u300f])"
)
_ABBREVIATIONS = frozenset(
    "e.g i.e etc vs cf approx dr mr mrs ms prof st no nr fig eq ca al resp incl excl max min jan feb mar apr jun jul "  # noqa: SIM905
    "aug sep sept oct nov dec".split()
)
_PHRASE_END = re.compile(
    r"[;:\u2013\u2014]\s+(?=\S)|\s+-\s+(?=\S)"
    r"|,\s+(?=\S)(?!\w+(?:\s\w+)?(?:,|\s(?:and|or)\s\w+))"  # not between the items of a list
    r"|\s+(?=(?:and|but|so|because|then|while|if|when|unless|without|before|after|based on)\s)",
    re.IGNORECASE,
)
_SHORT_ITEM = 3
"""Words up to which what stands between two commas may be an item of a list."""
_CONJUNCTION = re.compile(r"and\s", re.IGNORECASE)
_GOES_ON = re.compile(r"(?:and\s+then|then|but|so|because|while|if|when|unless|without|before|after)\s", re.IGNORECASE)
_OPEN_END = re.compile(r"\s*[,;:\u2013\u2014-]\s*\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """``prompt[start:end]``, with the white space after it."""

    start: int
    end: int
    locked: bool
    """Whether it holds a placeholder."""


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """A prompt and what it consists of."""

    prompt: str
    pieces: tuple[Piece, ...]
    phrases: bool
    """Whether sentences were cut further."""
    joined: bool
    """Whether neighbours were joined, because there were too many."""

    @property
    def free(self) -> tuple[int, ...]:
        """Places of the pieces that can be left out."""
        return tuple(place for place, piece in enumerate(self.pieces) if not piece.locked)

    def text(self, place: int) -> str:
        """A piece without white space at its ends."""
        piece = self.pieces[place]
        return self.prompt[piece.start : piece.end].strip()

    def without(self, left_out: Collection[int]) -> str:
        """The prompt without these pieces, its white space tidied. Raises ValueError for a locked one."""
        if any(self.pieces[place].locked for place in left_out):
            raise ValueError("a piece that holds a placeholder cannot be left out")
        if not left_out:
            return self.prompt
        kept = [piece for place, piece in enumerate(self.pieces) if place not in left_out]
        parts: list[str] = []
        for piece in kept:
            text = self.prompt[piece.start : piece.end]
            # A list item or paragraph that ended on a line break ends there still, whoever comes next.
            if (
                parts
                and self.prompt[: piece.start].rstrip(" \t").endswith("\n")
                and "\n" not in _space_after(parts[-1])
            ):
                parts[-1] = parts[-1].rstrip() + "\n"
            parts.append(text)
        if self.phrases and kept and kept[-1] != self.pieces[-1]:
            parts[-1] = _OPEN_END.sub(".", parts[-1])
        return re.sub(r"\n{3,}", "\n\n", "".join(parts)).strip()


def cut(prompt: str, *, template: bool) -> Pieces:
    """The pieces of a prompt; ``template``: whether ``{name}`` in it stands for a column."""
    whole = protected(prompt)
    ends = _sentence_ends(prompt, whole)
    phrases = False
    if len(ends) + 1 < FEW_SENTENCES:
        finer = _with_phrases(prompt, ends, whole)
        phrases = len(finer) > len(ends)
        ends = finer
    bounds = [0, *ends, len(prompt)]
    joined = len(bounds) - 1 > MOST_PIECES
    while len(bounds) - 1 > MOST_PIECES:
        del bounds[min(range(1, len(bounds) - 1), key=lambda place: bounds[place + 1] - bounds[place - 1])]
    pieces = tuple(
        Piece(start=start, end=end, locked=template and bool(placeholders(prompt[start:end])))
        for start, end in pairwise(bounds)
        if start < end
    )
    return Pieces(prompt=prompt, pieces=pieces, phrases=phrases, joined=joined)


# --- where to cut ----------------------------------------------------------------------------------------------------


def _sentence_ends(prompt: str, whole: Sequence[tuple[int, int]]) -> list[int]:
    """Where a new sentence, list item or line begins, in order."""
    found = {match.end() for match in _LINE_END.finditer(prompt) if _ends_line(prompt, match)}
    for match in _SENTENCE_END.finditer(prompt):
        if match["wide"] or _ends_sentence(prompt, match):
            found.add(match.end())
    first = len(prompt) - len(prompt.lstrip())
    return sorted(place for place in found if first < place < len(prompt.rstrip()) and not inside(place, whole))


def _ends_line(prompt: str, match: re.Match[str]) -> bool:
    """Whether a line break is more than that of a wrapped paragraph."""
    line = prompt[prompt.rfind("\n", 0, match.start()) + 1 : match.start()]
    after = prompt[match.end() : match.end() + 4]
    if match.group().count("\n") > 1 or _LIST_MARK.match(after) or _only_mark(line):
        return not _only_mark(line)
    return not (len(line) >= WRAPPED and line[-1] not in f".!?:;{_WIDE}" and after[:1].islower())


def _only_mark(line: str) -> bool:
    """Whether a line holds nothing but the mark of a list item."""
    return _LIST_MARK.fullmatch(line.strip() + " ") is not None


def _ends_sentence(prompt: str, match: re.Match[str]) -> bool:
    """Whether an end mark with white space after it ends a sentence."""
    before = prompt[max(0, match.start() - 16) : match.start()]
    line_start = prompt.rfind("\n", 0, match.start()) + 1
    if _only_mark(prompt[line_start : match.end("mark")]):
        return False  # the number of a list item
    if match["mark"] == ".":
        word = re.split(r"[\s(\[\"']", before)[-1]
        if word.casefold() in _ABBREVIATIONS or (len(word) == 1 and word.isupper()):
            return False
        return not prompt[match.end()].islower()
    return match["mark"] not in ("...", "\u2026") or not prompt[match.end()].islower()


def _with_phrases(prompt: str, ends: Sequence[int], whole: Sequence[tuple[int, int]]) -> list[int]:
    """The ends of sentences with those of phrases that have enough words."""
    found: list[int] = []
    bounds = [0, *ends, len(prompt)]
    for start, end in pairwise(bounds):
        last = start
        for match in _PHRASE_END.finditer(prompt, start, end):
            place = match.end()
            words_before, words_after = len(prompt[last:place].split()), len(prompt[place:end].split())
            long_enough = min(words_before, words_after) >= LEAST_WORDS
            if long_enough and not inside(place, whole) and not _within_a_list(prompt[start:end], match, start):
                found.append(place)
                last = place
        if end < len(prompt):
            found.append(end)
    return found


def _within_a_list(sentence: str, match: re.Match[str], start: int) -> bool:
    """Whether a cut would fall between the items of a list such as "news, sports, weather": what stands between two
    commas there is short. ``start``: where the sentence begins in the text of the match.
    """
    before, after = sentence[: match.start() - start], sentence[match.end() - start :]
    if "," not in match.group() and not _CONJUNCTION.match(after):
        return False
    item, next_item = before.rpartition(",")[2], after.partition(",")[0]
    if "," in after and len(next_item.split()) <= _SHORT_ITEM:
        return not _GOES_ON.match(after)
    last_of_list = re.search(r"\s(?:and|or)\s", item) is not None
    listed = "," in before and len(item.split()) <= _SHORT_ITEM and not last_of_list
    return listed and not _GOES_ON.match(after)


def _space_after(text: str) -> str:
    return text[len(text.rstrip()) :]
