"""Leaks: rows that splits share, and prompts that quote rows. A score on rows that leaked says less than it seems to.

Near copies are told by the runs of words that two rows share, in order, and not by the words alone: many rows that are
made from a template, such as logical expressions, have the same words in another order and another answer.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from promptdescent.records import Example, Split
from promptdescent.tasks.ranking import copy_key
from promptdescent.text import normalized, word_runs

NEAR_RUN = 4
"""Words in a row that near copies are told by: few enough that one changed word spoils little, and so many that a
template with other names or numbers is no copy.
"""
NEAR_SHARE = 0.9
"""How many of the runs of the longer one near copies share at least."""
SHORTEST_QUOTE = 4
"""A whole input of so many words is a quote, though it is shorter than the run that is looked for."""
EXCERPT = 80
"""Characters of a row that are shown."""

_ROUNDING = 1e-9
"""What the product of a share and a whole number may be off by."""
_ORDER: tuple[Split, ...] = ("train", "dev", "test")
_Folded = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedRow:
    """A row that stands in more than one split, or that has a near copy in another one."""

    kind: Literal["copy", "near copy"]
    """A copy has the same inputs but for case and white space, whatever its target."""
    ids: tuple[str, ...]
    """Ids of the rows, each once: of copies all that there are, of near copies the two."""
    splits: tuple[Split, ...]
    """The splits that they stand in, each once, in the order train, dev, test."""
    overlap: float
    """The share of runs of words that the two have in common, of those of the longer one; 1 for a copy."""
    excerpt: str
    """Beginning of the row, of near copies that of the one in the later split; on one line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quote:
    """Words that a prompt shares with rows."""

    rows: tuple[str, ...]
    """Ids of the rows that hold them, in the rows' order, each once; never empty."""
    excerpt: str
    """The words, as long a run as one of the rows holds; lower-cased and without punctuation."""


# --- rows that splits share -------------------------------------------------------------------------------------------


def find_leaks(train: Sequence[Example], dev: Sequence[Example], test: Sequence[Example]) -> tuple[SharedRow, ...]:
    """Rows that splits share: copies first, then near copies, each in the order of the rows.

    Copies have equal inputs when case and white space are folded. Near copies have at least 90 % of their runs of 4
    words in common, where marks do not count, and a run in at least half of all rows (and in at least 3) is boilerplate
    and counts for neither. Each row is reported once, with the first of its near copies. Copies within one split are no
    leak.

    The time grows with the words of all rows: two rows are compared only if they share one of their rarest runs (the
    prefix filter of Chaudhuri, Ganti and Kaushik, 2006, which misses no pair).
    """
    groups = _grouped(train, dev, test)
    copies = [_copies(group) for group in groups.values() if len({split for split, _ in group}) > 1]
    return (*copies, *_near_copies(groups))


def find_repeats(train: Sequence[Example], dev: Sequence[Example], test: Sequence[Example]) -> tuple[SharedRow, ...]:
    """Rows that repeat another one, in the same split or in another: copies first, then near copies, as in
    :func:`find_leaks`.
    """
    groups = _grouped(train, dev, test)
    copies = [_copies(group) for group in groups.values() if len(group) > 1]
    return (*copies, *_near_copies(groups, within=True))


def _grouped(*splits: Sequence[Example]) -> dict[_Folded, list[tuple[Split, Example]]]:
    """The rows of train, dev and test by what makes them copies, in their order."""
    groups: dict[_Folded, list[tuple[Split, Example]]] = defaultdict(list)
    for split, rows in zip(_ORDER, splits, strict=True):
        for row in rows:
            groups[_folded(row)].append((split, row))
    return groups


def _folded(row: Example) -> _Folded:
    return tuple(text.casefold() for _, text in copy_key(row))


def _copies(group: Sequence[tuple[Split, Example]]) -> SharedRow:
    return SharedRow(
        kind="copy",
        ids=tuple(dict.fromkeys(row.id for _, row in group)),
        splits=tuple(dict.fromkeys(split for split, _ in group)),
        overlap=1.0,
        excerpt=_excerpt(group[0][1]),
    )


def _near_copies(
    groups: Mapping[_Folded, Sequence[tuple[Split, Example]]], *, within: bool = False
) -> Iterator[SharedRow]:
    """Near copies among the different rows, in different splits unless ``within``. One that has copies in other splits
    is not reported twice.
    """
    found = list(groups.values())
    runs = _telling([_runs(group[0][1]) for group in found])
    counts = Counter(run for of_row in runs for run in of_row)
    earlier: dict[str, list[int]] = defaultdict(list)
    for place, (group, own) in enumerate(zip(found, runs, strict=True)):
        prefix = [run for run in _rarest(own, counts) if counts[run] > 1]
        split = group[0][0]
        if within or all(one == split for one, _ in group):
            for other in sorted({other for run in prefix for other in earlier[run]}):
                elsewhere = next((one for one in found[other] if within or one[0] != split), None)
                overlap = len(own & runs[other]) / max(len(own), len(runs[other]))
                if elsewhere and overlap >= NEAR_SHARE:
                    yield _near_copy(elsewhere, group[0], overlap)
                    break
        for run in prefix:
            earlier[run].append(place)


def _near_copy(one: tuple[Split, Example], other: tuple[Split, Example], overlap: float) -> SharedRow:
    (split, row), (later_split, later) = sorted((one, other), key=lambda found: _ORDER.index(found[0]))
    return SharedRow(
        kind="near copy",
        ids=(row.id, later.id),
        splits=(split, later_split),
        overlap=overlap,
        excerpt=_excerpt(later),
    )


def _runs(row: Example) -> frozenset[str]:
    """The runs of words in the row's inputs, without marks; of a shorter input all of its words."""
    runs: set[str] = set()
    for _, text in row.inputs:
        words = normalized(text).split()
        runs.update(" ".join(words[start : start + NEAR_RUN]) for start in range(max(1, len(words) - NEAR_RUN + 1)))
    return frozenset(runs - {""})


def _telling(rows: Sequence[frozenset[str]]) -> list[frozenset[str]]:
    """The runs of each row without boilerplate."""
    counts = Counter(run for runs in rows for run in runs)
    return [frozenset(run for run in runs if not _is_boilerplate(counts[run], len(rows))) for runs in rows]


def _is_boilerplate(rows_with_it: int, rows: int) -> bool:
    """Whether what stands in so many of the rows tells of none: a task statement, or a list of labels."""
    return rows_with_it >= max(3, rows / 2)


def _rarest(runs: frozenset[str], counts: Mapping[str, int]) -> list[str]:
    """As many of the rarest runs that a row which shares ``NEAR_SHARE`` of all must share one of them."""
    if not runs:
        return []
    ordered = sorted(runs, key=lambda run: (counts[run], run))
    return ordered[: len(runs) - math.ceil(NEAR_SHARE * len(runs) - _ROUNDING) + 1]


# --- rows that a prompt quotes ----------------------------------------------------------------------------------------


def quoted_rows(prompt: str, rows: Sequence[Example], *, words: int = 8) -> tuple[Quote, ...]:
    """What ``prompt`` shares with the inputs of ``rows``, in the order of the prompt: runs of at least ``words`` words,
    and whole inputs of at least 4 words that are shorter than that.

    Case and punctuation do not count. What stands in at least half of the rows, and in at least 3, is boilerplate and
    no quote. At least one of the prompts that the GPO paper published quotes a row so; all numbers are ours.

    Raises:
        ValueError: ``words`` is below 1.
    """
    if words < 1:
        raise ValueError(f"words is {words}: pass the number of words of a run, at least 1")
    distinct = list(dict.fromkeys(rows))
    inputs = [(place, word_runs(text, 1)) for place, row in enumerate(distinct) for _, text in row.inputs]
    found = list(_quotes(prompt, distinct, inputs, words))
    for length in range(SHORTEST_QUOTE, words):
        whole = [(place, bare) for place, bare in inputs if len(bare) == length]
        found += _quotes(prompt, distinct, whole, length)
    return tuple(found)


_Inputs = Sequence[tuple[int, Sequence[str]]]
"""Places of rows, each with the words of an input in the form that is compared."""


def _quotes(prompt: str, rows: Sequence[Example], inputs: _Inputs, length: int) -> Iterator[Quote]:
    """The longest stretches of the prompt whose runs of ``length`` words stand in one and the same row."""
    asked = word_runs(prompt, length)
    wanted = set(asked)
    holders: dict[str, set[int]] = defaultdict(set)
    for place, bare in inputs:
        runs = (" ".join(bare[start : start + length]) for start in range(len(bare) - length + 1))
        for run in wanted.intersection(runs):
            holders[run].add(place)
    start = 0
    while start < len(asked):
        common = _told_by(holders.get(asked[start], set()), rows)
        end = start
        while common:
            end += 1
            more = common & _told_by(holders.get(asked[end], set()), rows) if end < len(asked) else set()
            if not more:
                words = [asked[start], *(run.rpartition(" ")[2] for run in asked[start + 1 : end])]
                ids = dict.fromkeys(rows[place].id for place in sorted(common))
                yield Quote(rows=tuple(ids), excerpt=" ".join(words))
                break
            common = more
        start = max(end, start + 1)


def _told_by(holders: set[int], rows: Sequence[Example]) -> set[int]:
    """The rows that hold a run; none where it is boilerplate."""
    return set() if _is_boilerplate(len(holders), len(rows)) else holders


def _excerpt(row: Example) -> str:
    line = " ".join(row.question.split())
    return line if len(line) <= EXCERPT else f"{line[: EXCERPT - 1]}…"
