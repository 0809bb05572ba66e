"""The seeded order of rows: what a split by seed has to know of each row, as digests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from promptdescent.records import Example
from promptdescent.text import fingerprint

_RANK, _ID, _TARGET, _PLACE = 12, 6, 6, 5
"""Bytes of a row's parts. Two different inputs have one rank with a probability of 1e-17 among a million rows; id and
target only tell copies of one input apart.
"""
_WIDTH = _RANK + _ID + _TARGET + _PLACE
_UP_TO_TARGET = slice(_RANK + _ID, _RANK + _ID + _TARGET)
_BUCKETS = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A row with its copies."""

    rank: bytes
    """Its place in the seeded order: the first bytes of a digest."""
    stratum: str
    places: tuple[int, ...]
    """Where the rows stand, 0-based; ordered by their ids."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The groups that can be drawn, and what is counted of all."""

    groups: list[Group]
    """In seeded order."""
    strata: Counter[str]
    """Rows per stratum."""
    distinct: int
    """Groups in all."""
    torn: int
    """Groups whose rows differ in their targets."""


class Ranking:
    """Rows in the order of digests of seed and inputs, so that the order depends on the row and the seed alone, not on
    the rows around it.

    Of each row it holds 29 bytes, whatever the row's length; of the targets, up to one more than ``most_strata``.
    """

    def __init__(self, seed: int, *, most_strata: int) -> None:
        self._seed = seed
        self._most_strata = most_strata
        self._buckets = [bytearray() for _ in range(_BUCKETS)]
        """By the first byte of the rank."""
        self.rows = 0
        self.targets: dict[str, None] = {}
        """Distinct targets, up to one more than can be strata."""

    def add(self, example: Example) -> None:
        """Take the next row. Its id is hexadecimal, as digests are."""
        target = example.target
        if target not in self.targets and len(self.targets) <= self._most_strata:
            self.targets[target] = None
        rank = self.rank(example)
        own = bytes.fromhex(example.id[: 2 * _ID])
        self._buckets[rank[0]] += rank + own + _code(target) + self.rows.to_bytes(_PLACE, "big")
        self.rows += 1

    def rank(self, example: Example) -> bytes:
        """Equal for rows that ask a model the same."""
        return bytes.fromhex(fingerprint([self._seed, copy_key(example)])[: 2 * _RANK])

    def pool(self, most: int, *, stratify: bool) -> Pool:
        """The groups of which ``most`` rows at most can be drawn, by strata of equal targets if there are not too many.

        A draw takes groups of one stratum and one size in their order, so that of those none is needed beyond the
        first ones that are ``most`` rows together.
        """
        strata = {_code(target): target for target in self.targets}
        stratify = stratify and len(strata) <= self._most_strata
        groups: list[Group] = []
        rows: Counter[str] = Counter()
        kept: Counter[tuple[str, int]] = Counter()
        distinct = torn = 0
        for copies in self._copies():
            size = len(copies)
            distinct += 1
            torn += size > 1 and len({one[_UP_TO_TARGET] for one in copies}) > 1
            stratum = strata[copies[0][_UP_TO_TARGET]] if stratify else ""
            rows[stratum] += size
            if kept[stratum, size] < most // size:
                kept[stratum, size] += 1
                places = tuple(int.from_bytes(one[-_PLACE:], "big") for one in copies)
                groups.append(Group(rank=copies[0][:_RANK], stratum=stratum, places=places))
        return Pool(groups=groups, strata=rows, distinct=distinct, torn=torn)

    def _copies(self) -> Iterator[list[bytes]]:
        """What is held of each row and its copies, in seeded order, copies by their ids."""
        for bucket in self._buckets:
            held = bytes(bucket)
            rows = sorted(held[start : start + _WIDTH] for start in range(0, len(held), _WIDTH))
            for _, copies in groupby(rows, key=itemgetter(slice(_RANK))):
                yield list(copies)


def _code(target: str) -> bytes:
    """Tells targets apart within this process."""
    return (hash(target) & (1 << 8 * _TARGET) - 1).to_bytes(_TARGET, "big")


def copy_key(example: Example) -> tuple[tuple[str, str], ...]:
    """Equal for rows that ask a model the same."""
    return tuple([(name, " ".join(text.split())) for name, text in example.inputs])
