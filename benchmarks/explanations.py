"""Explanations of prompts whose truth is known: what is found within the default budget, and what is claimed wrongly.

    .venv/bin/python benchmarks/explanations.py                       # 100 seeds, all lengths and noise levels
    .venv/bin/python benchmarks/explanations.py --seeds 20 --noise 0.15 --sentences 12

The simulated task model is ``simulated:plain`` but for four settings, which make the truth exact: returns of 1, so that
effects add up; no loss for short prompts, of which a design has many; and an accuracy of 60 % without any trait and of
60 % + 5 points / 0.06 with all of them (never reached here), so that each of the five traits of weight 0.06 is worth 5
points. A prompt holds one sentence each of two of these traits, which matter; two wordings of a third, of which one is
enough and without which 5 points are lost; and sentences that do nothing: 75 % in all. In the prompts of the last lines
(*no pair*) two sentences that add up, worth 3.3 points each, stand in place of the two that say the same, so that every
pair that is claimed is a false one. Rows: 200. No machinery of runs is used: scores come from the model's own rule.

Columns: runs in which the two that matter are ranked on top; the pair is found; both; pairs claimed that are none;
idle sentences that are said to matter; how often the 95 % intervals of average effects hold the truth, of the two that
matter and of idle ones; and seconds per explanation, without calls.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from promptdescent.explain.effects import Average, Overlap, averages, fit, overlaps
from promptdescent.explain.pieces import cut
from promptdescent.explain.plan import MOST_CALLS, make_plan
from promptdescent.llm.simulated import SimulatedTask, TaskModelSettings
from promptdescent.llm.simulated.traits import TRAITS, Trait
from promptdescent.records import Example

LABELS = ("complaint", "praise", "question")
POINTS = 0.05
WEIGHT = 0.06
"""Of the five traits that are worth 5 points each."""
ADDED = ("whole", "keys")
"""Two traits of weight 0.04."""
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


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A prompt whose truth is known."""

    prompt: str
    matter: frozenset[int]
    """Places of the two that matter."""
    pair: frozenset[int]
    """Places of the two that say the same; or, without a pair, of two that add up."""
    model: SimulatedTask
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
        return frozenset(ranked[:2]) == self.planted.matter

    @property
    def pair_found(self) -> bool:
        return any({pair.first, pair.second} == self.planted.pair for pair in self.pairs)

    def false_pairs(self, *, with_pair: bool) -> int:
        return len(self.pairs) - (self.pair_found and with_pair)

    @property
    def false_claims(self) -> int:
        return sum(self.found[place].matters for place in self.idle)

    def covered(self, places: Sequence[int], truth: float) -> int:
        intervals = [self.found[place].effect.interval for place in places]
        return sum(low <= truth <= high for low, high in intervals)


def plant(seed: int, *, sentences: int, noise: float, with_pair: bool = True) -> Planted:
    """A prompt of so many sentences with its model and rows."""
    rng = random.Random(f"{seed}/{sentences}/{with_pair}")
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
    model = SimulatedTask(settings, rows, LABELS)
    first, second, third = rng.sample([trait for trait in TRAITS if trait.weight == WEIGHT], 3)
    added = [_one(trait, rng) for trait in TRAITS if trait.name in ADDED]
    both = rng.sample(third.wordings, 2) if with_pair else added
    written = [_one(first, rng), _one(second, rng), *both, *rng.sample(IDLE, sentences - 4)]
    order = rng.sample(range(sentences), sentences)
    planted = Planted(
        prompt=" ".join(written[place] for place in order),
        matter=frozenset(order.index(place) for place in (0, 1)),
        pair=frozenset(order.index(place) for place in (2, 3)),
        model=model,
        rows=rows,
    )
    idle = " ".join(written[4:])
    expected = (("", 0.0), (both[0], POINTS), (" ".join(both), POINTS)) if with_pair else (("", 0.0),)
    for more, worth in expected:
        truth = model.accuracy(f"{idle} {more}") - model.accuracy("")
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
    fitted = fit(design, scores)
    count = len(pieces.free)
    return Explained(
        found=averages(fitted, count),
        pairs=overlaps(fitted, count),
        idle=tuple(place for place in range(count) if place not in planted.matter | planted.pair),
        planted=planted,
    )


def line(seeds: range, *, sentences: int, noise: float, with_pair: bool) -> str:
    """One line of the table."""
    began = time.perf_counter()
    found = [explain(plant(seed, sentences=sentences, noise=noise, with_pair=with_pair), seed=seed) for seed in seeds]
    seconds = (time.perf_counter() - began) / len(seeds)
    idle = sum(len(one.idle) for one in found)
    cells = [
        f"{noise:g}" + ("" if with_pair else ", no pair"),
        str(sentences),
        f"{sum(one.on_top for one in found)}",
        f"{sum(one.pair_found for one in found)}" if with_pair else "-",
        f"{sum(one.on_top and one.pair_found for one in found)}" if with_pair else "-",
        f"{sum(one.false_pairs(with_pair=with_pair) for one in found)}",
        f"{sum(one.false_claims for one in found)} of {idle:,}",
        f"{sum(one.covered(sorted(one.planted.matter), POINTS) for one in found) / (2 * len(found)):.1%}",
        f"{sum(one.covered(one.idle, 0.0) for one in found) / idle:.1%}",
        f"{seconds:.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


HEAD = (
    "noise",
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
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.05, 0.15, 0.3])
    parser.add_argument("--sentences", type=int, nargs="+", default=[8, 12, 16])
    given = parser.parse_args()
    print(f"{given.seeds} seeds for each line.\n\n| " + " | ".join(HEAD) + " |\n" + "| --- " * len(HEAD) + "|")
    for with_pair in (True, False):
        for noise in given.noise:
            for sentences in given.sentences:
                print(line(range(given.seeds), sentences=sentences, noise=noise, with_pair=with_pair), flush=True)


if __name__ == "__main__":
    main()
