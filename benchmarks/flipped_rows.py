"""Are flipped labels found among hard rows? Precision and recall of ``explain/rows``, on the simulated task model.

Of 200 dev rows 5 % have a wrong target, and 10 % others are truly hard, in one of three ways: (a) answered at random by
each prompt, (b) never answered rightly, but differently by each prompt, (c) always given one wrong answer. 48 prompts
are asked, fewer than ``promptdescent explain`` takes by default: the found prompt, it without each of its pieces, and
random halves of the pieces. The model is handed the true rows, the review the flipped targets.

    python benchmarks/flipped_rows.py                     # 100 seeds of each of 27 cells, about 10 minutes
    python benchmarks/flipped_rows.py --pieces 14         # a found prompt with all that helps
    python benchmarks/flipped_rows.py --compare           # the rules that were tried instead
    python benchmarks/flipped_rows.py --first-seed 1000 --seeds 30     # seeds that the rule was not tuned on

``reach`` is the share of the flipped rows whose true answer the found prompt gives: what it does not know, no rule can
find. Intervals are 95 % bootstrap intervals over seeds.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from promptdescent.explain.rows.mislabelled import answer_key, suspicions, weights_of
from promptdescent.llm.simulated import SimulatedTask, TaskModelSettings
from promptdescent.llm.simulated.task import answer_in, wrong_answer
from promptdescent.llm.simulated.traits import IDLE_WORDINGS, TRAITS
from promptdescent.records import Evaluation, Example, Outcome, Reply

ROWS, PROMPTS, FLIPPED, HARD = 200, 48, 0.05, 0.1
LABELS = {
    2: ("positive", "negative"),
    3: ("sports", "politics", "science"),
    5: ("red", "green", "blue", "yellow", "black"),
}
NOISES = (0.05, 0.15, 0.3)
KINDS = {"a": "at random", "b": "wrong, scattered", "c": "wrong, one answer"}

Rule = Callable[[Sequence[Evaluation], Sequence[Example], Sequence[str]], set[int]]
"""The places of the rows that look mislabelled."""


class HardRows(SimulatedTask):
    """A task model to which some rows are truly hard."""

    def __init__(
        self, settings: TaskModelSettings, rows: Sequence[Example], labels: Sequence[str], *, hard: set[str], kind: str
    ) -> None:
        super().__init__(settings, rows, labels)
        self._answers, self._hard, self._kind, self._seed = tuple(labels), hard, kind, settings.seed

    def outcome(self, instruction: str, row: Example) -> Reply:
        """As the model's, but for the rows that are hard."""
        if row.id not in self._hard:
            return super().outcome(instruction, row)
        by_prompt = random.Random(f"{self._seed}/{instruction}/{row.id}").randrange(1 << 30)
        if self._kind == "a":
            return Reply(text=self._answers[by_prompt % len(self._answers)])
        luck = by_prompt if self._kind == "b" else random.Random(f"{self._seed}/{row.id}").randrange(1 << 30)
        return Reply(text=wrong_answer(row.target, self._answers, luck))


@dataclass(frozen=True, kw_only=True)
class World:
    """What a review sees, and what it does not."""

    rows: tuple[Example, ...]
    """With the targets of the task, some of them flipped."""
    evaluations: tuple[Evaluation, ...]
    labels: tuple[str, ...]
    flipped: frozenset[int]
    reached: int
    """Flipped rows whose true answer the found prompt gives."""
    accuracy: float
    """Of the found prompt, by what its instruction says."""


def make_world(seed: int, labels: int, noise: float, kind: str, pieces: int, prompts: int = PROMPTS) -> World:
    rng = random.Random(f"{seed}/{labels}/{noise}/{kind}")
    names = LABELS[labels]
    true = [
        Example(id=f"{seed}-{place}", inputs=(("text", f"Row {place} of {seed}."),), target=rng.choice(names))
        for place in range(ROWS)
    ]
    drawn = rng.sample(range(ROWS), ROWS)
    flipped = frozenset(drawn[: round(ROWS * FLIPPED)])
    hard = {true[place].id for place in drawn[len(flipped) : len(flipped) + round(ROWS * HARD)]}
    model = HardRows(TaskModelSettings(seed=seed, noise=noise), true, names, hard=hard, kind=kind)
    given = [
        Example(id=row.id, inputs=row.inputs, target=wrong_answer(row.target, names, rng.randrange(1 << 30)))
        if place in flipped
        else row
        for place, row in enumerate(true)
    ]
    texts = _selections(rng, names, pieces, prompts)
    evaluations = tuple(_evaluate(model, text, true, given, names) for text in texts)
    reached = sum(evaluations[0].outcomes[place].answer == true[place].target for place in flipped)
    return World(
        rows=tuple(given),
        evaluations=evaluations,
        labels=names,
        flipped=flipped,
        reached=reached,
        accuracy=model.accuracy(texts[0]),
    )


def _selections(rng: random.Random, labels: Sequence[str], count: int, prompts: int) -> list[str]:
    """The found prompt, it without each of its pieces, and random halves."""
    useful = [rng.choice(trait.wordings) for trait in rng.sample(TRAITS, count)]
    pieces = [*useful, f"Choose from: {', '.join(labels)}.", *rng.sample(IDLE_WORDINGS, 2)]
    rng.shuffle(pieces)
    texts = [" ".join(pieces)]
    texts += [" ".join(piece for place, piece in enumerate(pieces) if place != out) for out in range(len(pieces))]
    while len(texts) < prompts:
        half = " ".join(piece for piece in pieces if rng.random() < 0.5)
        if half and half not in texts:
            texts.append(half)
    return texts


def _evaluate(
    model: HardRows, text: str, true: Sequence[Example], given: Sequence[Example], labels: Sequence[str]
) -> Evaluation:
    outcomes = []
    for row, shown in zip(true, given, strict=True):
        reply = model.outcome(text, row).text
        answer = _read(reply, tuple(labels))
        outcomes.append(
            Outcome(
                example=shown.id,
                kind="unreadable" if answer is None else "answered",
                score=float(answer == shown.target),
                answer=answer,
                reply=reply,
            )
        )
    scores = [outcome.score or 0.0 for outcome in outcomes]
    return Evaluation(outcomes=tuple(outcomes), score=math.fsum(scores) / len(scores))


@lru_cache(maxsize=8192)
def _read(reply: str, labels: tuple[str, ...]) -> str | None:
    return answer_in(reply, "", labels)


# --- the rules -------------------------------------------------------------------------------------------------------


def kept_rule(evaluations: Sequence[Evaluation], rows: Sequence[Example], labels: Sequence[str]) -> set[int]:
    """What the package does."""
    return {one.place for one in suspicions(evaluations, [row.target for row in rows], labels)}


def plain_vote(evaluations: Sequence[Evaluation], rows: Sequence[Example], labels: Sequence[str]) -> set[int]:
    """At least 7 of 10 prompts agree on one other answer."""
    shares = _shares(evaluations, [1.0] * len(evaluations))
    return {
        place
        for place, (share, row) in enumerate(zip(shares, rows, strict=True))
        if max((value for answer, value in share.items() if answer != answer_key(row.target)), default=0.0) >= 0.7
    }


def confident_learning(evaluations: Sequence[Evaluation], rows: Sequence[Example], labels: Sequence[str]) -> set[int]:
    """Thresholds by class: the mean share of an answer among the rows that have it as target (Northcutt, Jiang and
    Chuang 2021); a row counts for the class with the highest share among those that reach their threshold.
    """
    shares = _shares(evaluations, weights_of(evaluations))
    keys = [answer_key(label) for label in labels]
    of_class: defaultdict[str, list[float]] = defaultdict(list)
    for share, row in zip(shares, rows, strict=True):
        of_class[answer_key(row.target)].append(share[answer_key(row.target)])
    least = {key: math.fsum(of_class[key]) / len(of_class[key]) if of_class[key] else 2.0 for key in keys}
    found = set()
    for place, (share, row) in enumerate(zip(shares, rows, strict=True)):
        reached = [key for key in keys if share[key] >= least[key]]
        if reached and max(reached, key=lambda key: share[key]) != answer_key(row.target):
            found.add(place)
    return found


def dawid_skene(evaluations: Sequence[Evaluation], rows: Sequence[Example], labels: Sequence[str]) -> set[int]:
    """Prompts, and the targets, as annotators with a confusion matrix each, by expectation maximization (Dawid and
    Skene 1979); a row is listed where another answer than its target is more probable than it.
    """
    place_of = {answer_key(label): number for number, label in enumerate(labels)}
    size = len(labels)
    said = [
        [place_of.get(answer_key(one.answer)) if one.answer else None for one in evaluation.outcomes]
        for evaluation in evaluations
    ]
    said.append([place_of[answer_key(row.target)] for row in rows])
    posterior = []
    for place in range(len(rows)):
        votes = Counter(one[place] for one in said)
        posterior.append([(votes[label] + 0.1) / (len(said) + 0.1 * size) for label in range(size)])
    for _ in range(20):
        prior = [math.log(math.fsum(row[label] for row in posterior) / len(rows) + 1e-9) for label in range(size)]
        logs = [list(prior) for _ in rows]
        for annotator in said:
            matrix = [[0.5] * size for _ in range(size)]
            for place, answer in enumerate(annotator):
                if answer is not None:
                    for label in range(size):
                        matrix[label][answer] += posterior[place][label]
            weights = [[math.log(cell / math.fsum(line)) for cell in line] for line in matrix]
            for place, answer in enumerate(annotator):
                if answer is not None:
                    for label in range(size):
                        logs[place][label] += weights[label][answer]
        for place, row in enumerate(logs):
            most = max(row)
            shares = [math.exp(value - most) for value in row]
            posterior[place] = [share / math.fsum(shares) for share in shares]
    return {place for place, row in enumerate(posterior) if row[said[-1][place] or 0] < 0.5}


def _shares(evaluations: Sequence[Evaluation], weights: Sequence[float]) -> list[Counter[str]]:
    """Of each row the share of every answer among the weights."""
    found: list[Counter[str]] = []
    for outcomes in zip(*(one.outcomes for one in evaluations), strict=True):
        share: Counter[str] = Counter()
        for outcome, weight in zip(outcomes, weights, strict=True):
            if outcome.answer:
                share[answer_key(outcome.answer)] += weight / math.fsum(weights)  # type: ignore[assignment]
        found.append(share)
    return found


RULES: Mapping[str, Rule] = {
    "kept": kept_rule,
    "plain vote": plain_vote,
    "confident learning": confident_learning,
    "Dawid-Skene": dawid_skene,
}


# --- the figures -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Of one seed."""

    right: int
    listed: int
    flipped: int
    reached: int


def ratio(counts: Sequence[Counts], above: str, below: str) -> float:
    """A ratio of two sums; NaN where nothing is below."""
    total = sum(getattr(one, below) for one in counts)
    return sum(getattr(one, above) for one in counts) / total if total else math.nan


def with_interval(counts: Sequence[Counts], above: str, below: str) -> str:
    rng = random.Random(0)
    draws = sorted(ratio(rng.choices(counts, k=len(counts)), above, below) for _ in range(1000))
    return f"{ratio(counts, above, below):.2f} [{draws[25]:.2f}, {draws[974]:.2f}]"


def measure(rule: Rule, world: World) -> Counts:
    found = rule(world.evaluations, world.rows, world.labels)
    return Counts(
        right=len(found & world.flipped), listed=len(found), flipped=len(world.flipped), reached=world.reached
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Are flipped labels found among hard rows?")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=0, help="the rule was tuned on seeds below 1000")
    parser.add_argument("--pieces", type=int, default=10, help="useful sentences of the found prompt, of 14")
    parser.add_argument("--prompts", type=int, default=PROMPTS, help="prompts that are asked")
    parser.add_argument("--compare", action="store_true", help="other rules too")
    parser.add_argument("--labels", type=int, choices=LABELS, nargs="+", default=list(LABELS))
    arguments = parser.parse_args()
    rules = RULES if arguments.compare else {"kept": kept_rule}
    print("| labels | noise | hard rows | rule | precision | recall | reach |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    accuracies = []
    for labels in arguments.labels:
        for noise in NOISES:
            for kind, words in KINDS.items():
                counts: dict[str, list[Counts]] = {name: [] for name in rules}
                for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
                    world = make_world(seed, labels, noise, kind, arguments.pieces, arguments.prompts)
                    accuracies.append(world.accuracy)
                    for name, rule in rules.items():
                        counts[name].append(measure(rule, world))
                for name, some in counts.items():
                    print(
                        f"| {labels} | {noise} | ({kind}) {words} | {name} | {with_interval(some, 'right', 'listed')} "
                        f"| {with_interval(some, 'right', 'flipped')} | {ratio(some, 'reached', 'flipped'):.2f} |",
                        flush=True,
                    )
    print(f"\nAccuracy of the found prompt on rows that are not hard: {math.fsum(accuracies) / len(accuracies):.3f}")


if __name__ == "__main__":
    main()
