"""What is measured within a budget of calls: which rows, and which selections of the pieces."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from promptdescent.errors import ConfigError
from promptdescent.records import Example
from promptdescent.stats.designs import balanced_design

MOST_PROMPTS = 144
"""Distinct prompts, unless the budget says less. With 200 rows, a pair worth 5 points is then found in at least 95 of
100 explanations, even where the model is noisy (benchmarks/explanations.py).
"""

MOST_CALLS = 28_800
"""Task calls, unless the user sets a cap: as many prompts on 200 rows."""

LEAST_ROWS = 50
"""Where there are more dev rows than the budget allows for, no fewer are taken, but fewer prompts."""

FEWEST_ROWS = 20
"""Below so many rows nothing is measured."""

PRUNING = 8
"""Prompts kept for trying shorter ones."""

Selection = frozenset[int]
"""Places of the pieces that a prompt lacks."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Rows, and prompts by what they lack."""

    rows: tuple[Example, ...]
    alone: tuple[Selection, ...]
    """Each without one piece; fewer than there are pieces where the budget ends."""
    design: tuple[Selection, ...]
    """Balanced, random: each piece is absent in half of them."""
    tries: int
    """Shorter prompts that may be tried."""

    @property
    def first(self) -> tuple[Selection, ...]:
        """What is measured before any shorter prompt is tried, each once, the whole prompt first."""
        return tuple(dict.fromkeys((frozenset[int](), *self.alone, *self.design)))

    @property
    def prompts(self) -> int:
        """At most."""
        return len(self.first) + self.tries

    @property
    def scored(self) -> int:
        """Rows to score, over all prompts, at most."""
        return len(self.rows) * self.prompts


def make_plan(free: Sequence[int], dev: Sequence[Example], *, most_scored: int, prune: bool, seed: int) -> Plan:
    """Share out ``most_scored`` rows, counted once per prompt, over prompts that lack some of the pieces ``free``.

    The dev rows are taken whole if as many prompts as are useful can be scored on them; else a random part of them, in
    their order. Raises :class:`ConfigError`, naming what is needed, if too little can be measured.
    """
    count = len(free)
    distinct = 2 ** min(count, MOST_PROMPTS.bit_length())
    smallest_design = 2 * (count + 1)
    core = min(distinct, 1 + smallest_design)
    tries = PRUNING if prune else 0
    wanted, least = min(MOST_PROMPTS, distinct + tries), core + min(tries, 1)
    if len(dev) < FEWEST_ROWS:
        raise ConfigError(
            f"the run has {len(dev)} dev rows, too few to tell anything of a piece: {FEWEST_ROWS} are needed"
        )
    rows = min(len(dev), max(LEAST_ROWS, most_scored // wanted))
    if most_scored // rows < least:
        rows = min(rows, most_scored // least)
    if rows < FEWEST_ROWS:
        raise ConfigError(
            f"the budget is too small: {count} pieces need {least} prompts on {FEWEST_ROWS} rows, and so "
            f"{least * FEWEST_ROWS:,} scored rows; it leaves room for {most_scored:,}. Raise the cap"
        )
    prompts = min(wanted, most_scored // rows)
    tries = min(tries, prompts - core)
    if distinct <= prompts - tries:
        alone, design = tuple(free), balanced_design(count, distinct, seed=seed)
    else:
        alone = tuple(free[: max(0, prompts - tries - 1 - smallest_design)])
        # Cut, not drawn anew, so that an explanation with shorter prompts has the replies of one without.
        drawn = balanced_design(count, min(prompts - 1 - len(alone), distinct - 2), seed=seed)
        design = drawn[: (prompts - tries - 1 - len(alone)) // 2 * 2]
    return Plan(
        rows=_some(dev, rows, seed=seed),
        alone=tuple(frozenset({place}) for place in alone),
        design=tuple(frozenset(place for place, held in zip(free, one, strict=True) if not held) for one in design),
        tries=tries,
    )


def _some(rows: Sequence[Example], count: int, *, seed: int) -> tuple[Example, ...]:
    """So many of the rows, in their order."""
    if count >= len(rows):
        return tuple(rows)
    return tuple(rows[place] for place in sorted(random.Random(seed).sample(range(len(rows)), count)))
