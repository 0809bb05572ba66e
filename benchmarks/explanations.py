"""Explanations of prompts whose truth is known: what is found within the default budget, and what is claimed wrongly.

    .venv/bin/python benchmarks/explanations.py                       # 100 seeds, all lengths and noise levels
    .venv/bin/python benchmarks/explanations.py --kind pair none --shift 0.03 0.05 --noise 0.15 --sentences 8 16
    .venv/bin/python benchmarks/explanations.py --first-seed 2000 --seeds 20 --kind pair --noise 0.15 --sentences 12

The simulated task model is ``simulated:plain`` but for four settings, which make the truth exact: returns of 1, so that
effects add up; no loss for short prompts, of which a design has many; and an accuracy of 60 % without any trait and of
60 % + 5 points / 0.06 with all of them (never reached here), so that each of the five traits of weight 0.06 is worth 5
points. Rows: 200. No machinery of runs is used: scores come from the model's own rule.

Kinds of prompts: *pair* holds one sentence each of two of these traits, which matter; two wordings of a third, of which
one is enough and without which 5 points are lost; and sentences that do nothing: 75 % in all. In *none* two sentences
that add up, worth 3.3 points each, stand in place of the two that say the same. *equal* holds 8 sentences worth 2
points each, which add up. In the last two every pair that is claimed is a false one.

Noise is the share of rows whose luck is new for every wording. Shift is the standard deviation of what a wording does
to the accuracy on all rows at once, whatever it says; effects are means over such shifts.

Columns: runs in which the two that matter are ranked on top; the pair is found; both; pairs claimed that are none, and
runs with any of them; idle sentences that are said to matter, and runs with any of them; how often the 95 % intervals
of average effects hold the truth, of those that matter and of idle ones; and seconds per explanation, without calls.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from promptdescent.explain.effects import Average, Overlap, averages, overlaps
from promptdescent.explain.pieces import cut
from promptdescent.explain.plan import MOST_CALLS, make_plan
from promptdescent.llm.simulated import SimulatedTask, TaskModelSettings
from promptdescent.llm.simulated.traits import TRAITS, Trait
from promptdescent.records import Example
from promptdescent.stats.designs import RowwiseEffects

Kind = Literal["pair", "none", "equal"]
KINDS: tuple[Kind, ...] = ("pair", "none", "equal")
LABELS = ("complaint", "praise", "question")
POINTS = 0.05
WEIGHT = 0.06
"""Of the five traits that are worth 5 points each."""
ADDED = ("whole", "keys")
"""Two traits of weight 0.04."""
EQUAL = 8
"""Sentences of a prompt in which all are worth the same,"""
EQUAL_POINTS = 0.02
"""namely this."""
ROWS = 200
IDLE = (
    "Each message stands alone.",
    "It was sent by a customer.",
    "Some are short and some are long.",
    "They come from a shop.",
    "The text may hold names.",
    "It is written in English.",
    "Dates do not matter here.",
    "More will follow later.",
    "The list goes on for a while.",
    "There may be more like it.",
    "Have a good look at it.",
    "The input is given above.",
)
"""Sentences that show no trait."""


class PlantedModel(SimulatedTask):
    """The simulated model, with sentences of a worth of their own and wordings that shift all rows at once."""

    def __init__(
        self, settings: TaskModelSettings, rows: Sequence[Example], *, equal: Sequence[str], shift: float
    ) -> None:
        super().__init__(settings, rows, LABELS)
        self._seed = settings.seed
        self._equal = tuple(equal)
        self._spread = shift

    def truth(self, instruction: str) -> float:
        """Accuracy before the shift of the wording."""
        return super().accuracy(instruction) + EQUAL_POINTS * sum(sentence in instruction for sentence in self._equal)

    def accuracy(self, instruction: str) -> float:
        return self.truth(instruction) + self._spread * random.Random(f"{self._seed}/{instruction}").gauss(0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A prompt whose truth is known."""

    prompt: str
    matter: frozenset[int]
    """Places of those that matter, worth ``worth`` each."""
    worth: float
    pair: frozenset[int]
    """Places of the two that say the same; or, without a pair, of two that add up, or of none."""
    redundant: bool
    """Whether ``pair`` is one."""
    model: PlantedModel
    rows: tuple[Example, ...]

    def scores(self, prompt: str) -> list[float]:
        """Row by row."""
        return [float(self.model.is_right(prompt, row)) for row in self.rows]


@dataclass(frozen=True, kw_only=True)
class Explained:
    """What is said of a planted prompt."""

    found: tuple[Average, ...]
    pairs: tuple[Overlap, ...]
    idle: tuple[int, ...]
    planted: Planted

    @property
    def on_top(self) -> bool:
        ranked = sorted(range(len(self.found)), key=lambda place: -self.found[place].effect.difference)
        return frozenset(ranked[: len(self.planted.matter)]) == self.planted.matter

    @property
    def pair_found(self) -> bool:
        return self.planted.redundant and any({pair.first, pair.second} == self.planted.pair for pair in self.pairs)

    @property
    def false_pairs(self) -> int:
        return len(self.pairs) - self.pair_found

    @property
    def false_claims(self) -> int:
        return sum(self.found[place].matters for place in self.idle)

    def covered(self, places: Sequence[int], truth: float) -> int:
        intervals = [self.found[place].effect.interval for place in places]
        return sum(low <= truth <= high for low, high in intervals)


def plant(seed: int, *, sentences: int, noise: float, kind: Kind = "pair", shift: float = 0.0) -> Planted:
    """A prompt of so many sentences with its model and rows; of kind ``equal`` it has 8."""
    rng = random.Random(f"{seed}/{sentences}/{kind == 'pair'}")
    rows = tuple(
        Example(id=f"{seed}-{n}", inputs=(("text", f"message {n}"),), target=LABELS[n % 3]) for n in range(ROWS)
    )
    settings = TaskModelSettings(
        name="planted",
        seed=seed,
        noise=noise,
        base=0.6,
        ceiling=0.6 + POINTS / WEIGHT,
        returns=1.0,
        short_loss=0.0,
    )
    if kind == "equal":
        written = rng.sample(IDLE, EQUAL)
        return Planted(
            prompt=" ".join(written),
            matter=frozenset(range(EQUAL)),
            worth=EQUAL_POINTS,
            pair=frozenset(),
            redundant=False,
            model=PlantedModel(settings, rows, equal=written, shift=shift),
            rows=rows,
        )
    model = PlantedModel(settings, rows, equal=(), shift=shift)
    first, second, third = rng.sample([trait for trait in TRAITS if trait.weight == WEIGHT], 3)
    added = [_one(trait, rng) for trait in TRAITS if trait.name in ADDED]
    both = rng.sample(third.wordings, 2) if kind == "pair" else added
    written = [_one(first, rng), _one(second, rng), *both, *rng.sample(IDLE, sentences - 4)]
    order = rng.sample(range(sentences), sentences)
    planted = Planted(
        prompt=" ".join(written[place] for place in order),
        matter=frozenset(order.index(place) for place in (0, 1)),
        worth=POINTS,
        pair=frozenset(order.index(place) for place in (2, 3)),
        redundant=kind == "pair",
        model=model,
        rows=rows,
    )
    idle = " ".join(written[4:])
    expected = (("", 0.0), (both[0], POINTS), (" ".join(both), POINTS)) if kind == "pair" else (("", 0.0),)
    for more, worth in expected:
        truth = model.truth(f"{idle} {more}") - model.truth("")
        if abs(truth - worth) > 1e-9:
            raise AssertionError(f"{more!r} is worth {truth}, not {worth}")
    return planted


def _one(trait: Trait, rng: random.Random) -> str:
    return rng.choice(trait.wordings)


def explain(planted: Planted, *, seed: int, most_calls: int = MOST_CALLS) -> Explained:
    """What the estimators say of the planted prompt, within the budget."""
    pieces = cut(planted.prompt, template=False)
    plan = make_plan(pieces.free, planted.rows, most_scored=most_calls, prune=False, seed=seed)
    scores = [planted.scores(pieces.without(lacking)) for lacking in plan.design]
    design = [tuple(place not in lacking for place in pieces.free) for lacking in plan.design]
    fitted = RowwiseEffects(design, scores)
    count = len(pieces.free)
    return Explained(
        found=averages(fitted, count),
        pairs=overlaps(fitted, count),
        idle=tuple(place for place in range(count) if place not in planted.matter | planted.pair),
        planted=planted,
    )


def line(seeds: range, *, sentences: int, noise: float, kind: Kind, shift: float) -> str:
    """One line of the table."""
    began = time.perf_counter()
    found = [
        explain(plant(seed, sentences=sentences, noise=noise, kind=kind, shift=shift), seed=seed) for seed in seeds
    ]
    seconds = (time.perf_counter() - began) / len(seeds)
    idle = sum(len(one.idle) for one in found)
    matter = sum(len(one.planted.matter) for one in found)
    with_claims = (
        f"{sum(one.false_claims for one in found)} of {idle:,} in {sum(one.false_claims > 0 for one in found)}"
    )
    cells = [
        kind,
        f"{noise:g}",
        f"{shift:g}",
        str(sentences),
        f"{sum(one.on_top for one in found)}" if idle else "-",
        f"{sum(one.pair_found for one in found)}" if kind == "pair" else "-",
        f"{sum(one.on_top and one.pair_found for one in found)}" if kind == "pair" else "-",
        f"{sum(one.false_pairs for one in found)} in {sum(one.false_pairs > 0 for one in found)}",
        with_claims if idle else "-",
        f"{sum(one.covered(sorted(one.planted.matter), one.planted.worth) for one in found) / matter:.1%}",
        f"{sum(one.covered(one.idle, 0.0) for one in found) / idle:.1%}" if idle else "-",
        f"{seconds:.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


HEAD = (
    "kind",
    "noise",
    "shift",
    "sentences",
    "on top",
    "pair found",
    "both",
    "false pairs",
    "idle said to matter",
    "coverage, matter",
    "coverage, idle",
    "seconds",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--kind", choices=KINDS, nargs="+", default=KINDS)
    parser.add_argument("--shift", type=float, nargs="+", default=[0.0])
    parser.add_argument("--noise", type=float, nargs="+", default=[0.05, 0.15, 0.3])
    parser.add_argument("--sentences", type=int, nargs="+", default=[8, 12, 16], help="of kind equal it is always 8")
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    print(f"{given.seeds} seeds for each line, from {given.first_seed} on.\n")
    print(f"| {' | '.join(HEAD)} |\n" + "| --- " * len(HEAD) + "|")
    for kind in given.kind:
        for shift in given.shift:
            for noise in given.noise:
                for sentences in (EQUAL,) if kind == "equal" else given.sentences:
                    print(line(seeds, sentences=sentences, noise=noise, kind=kind, shift=shift), flush=True)


if __name__ == "__main__":
    main()
