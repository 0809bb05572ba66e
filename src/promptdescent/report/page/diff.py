"""The difference of two prompts, word by word."""

from __future__ import annotations

from dataclasses import dataclass

from promptdescent.text import DiffPart, word_count, word_diff, word_edit_distance


@dataclass(frozen=True, kw_only=True, slots=True)
class Diff:
    """From one prompt to another."""

    before: str
    after: str
    parts: tuple[DiffPart, ...]
    """Each with its kind, ``equal``, ``insert`` or ``delete``, and its text."""
    distance: int
    """Words to insert, delete or replace: word-level Levenshtein distance."""

    @property
    def same(self) -> bool:
        """Whether there is no difference but white space."""
        return self.distance == 0

    @property
    def summary(self) -> str:
        """How far apart the two are, in words."""
        if self.same:
            return "the same words"
        changed, before = _words(self.distance), _words(word_count(self.before))
        return f"{changed} apart; {before} before, {word_count(self.after):,} after"


def _words(count: int) -> str:
    return f"{count:,} word{'' if count == 1 else 's'}"


def diff_of(before: str, after: str) -> Diff:
    """The difference between two texts. Time grows with the product of their lengths in words."""
    distance = word_edit_distance(before, after)
    return Diff(before=before, after=after, parts=word_diff(before, after), distance=distance)
