"""Rows whose target is probably wrong: prompts that answer most rows rightly agree on one other answer there.

The rule, in three steps:

1. A prompt's vote weighs ``(p / (1 - p)) ** SHARPNESS``, where ``p`` is its share of right rows: a row that only good
   prompts can do is decided by these. (The log-odds are those of an annotator of that accuracy; Dawid and Skene 1979.)
2. The *support* of an answer is its share of the weights of all prompts that gave a readable one.
3. The row is listed where an answer that scores as wrong has more support than guesses would give it. Wrong guesses
   that fall on each of ``k`` other answers alike give one of them ``1 / k`` with the standard error
   ``sqrt((1 / k) (1 - 1 / k) / n)``, ``n`` the effective number of votes (Kish 1965); the support must lie ``DEVIATES``
   such errors above, and reach half. So a row that is truly hard is not listed as long as it is answered differently.

Only a row with a target can have a wrong one, and an answer that is the target itself suggests no other, whatever it
scores (a judge, a function of the user's or a cost may score it low).

With two labels every wrong guess is the same one: no support can tell a mislabelled row from one that is too hard, and
the rule lists whatever is answered otherwise with at least ``MOST``. ``docs/rows.md`` says what was measured, also of
the thresholds by class of confident learning (Northcutt, Jiang and Chuang 2021) and of confusion matrices by
expectation maximization, which were tried instead.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from promptdescent.records import Evaluation, Outcome
from promptdescent.tasks.metrics.base import references, same_answer
from promptdescent.tasks.reading import label_key
from promptdescent.text import normalized

SHARPNESS = 3.0
"""Power of the odds in a prompt's weight; chosen by ``benchmarks/flipped_rows.py`` among 0 to 8, on worlds like those
that it reports.
"""
DEVIATES = 2.5
"""Standard errors above what guesses give; chosen in the same way."""
LEAST = 0.5
"""Support below which nothing is listed."""
MOST = 0.9
"""Support that always suffices."""
FEWEST_PROMPTS = 5
"""Prompts with a readable answer to the row, below which agreement says little."""
RIGHT = 0.5
"""Score from which an answer counts as right; below, as wrong. Right and wrong are 1 and 0 in most metrics, and a cost
of the prompt's length may have been taken off.
"""
_OPEN_CHOICES = 2
"""Other answers that wrong guesses are taken to fall on where any text or number may be answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspicion:
    """A row that probably has another target."""

    place: int
    """Of the row, counted from 0."""
    suggested: str
    support: float
    """Of the suggested answer among the weighted votes, in [0, 1]."""
    share: float
    """Share of the prompts that gave it, in [0, 1]."""


@lru_cache(maxsize=8192)
def answer_key(answer: str) -> str:
    """What makes two answers the same."""
    return label_key(normalized(answer)) or label_key(answer)


def is_right(outcome: Outcome) -> bool:
    """Whether the answer counts as right."""
    return outcome.score is not None and outcome.score >= RIGHT


def is_target(answer: str, target: str) -> bool:
    """Whether an answer says what the target says, or one of the right answers that it holds."""
    said = answer_key(answer)
    return same_answer(answer, target) or any(said == answer_key(one) for one in (target, *references(target)))


def suspicions(
    evaluations: Sequence[Evaluation], targets: Sequence[str], labels: Sequence[str]
) -> tuple[Suspicion, ...]:
    """Rows that look mislabelled, those with the most support first.

    Args:
        evaluations: one per prompt, at least ``FEWEST_PROMPTS``, all of the same rows in the same order; with fewer
            nothing is found.
        targets: of these rows; an empty one cannot be wrong.
        labels: the answers to choose from; empty for a task that is no choice.
    """
    if len(evaluations) < FEWEST_PROMPTS:
        return ()
    weights = weights_of(evaluations)
    least = _least_support(weights, len(labels) - 1 if labels else _OPEN_CHOICES)
    found = []
    by_row = zip(*(one.outcomes for one in evaluations), strict=True)
    for place, (outcomes, target) in enumerate(zip(by_row, targets, strict=True)):
        suspicion = _suspicion(place, outcomes, weights, target) if target.strip() else None
        if suspicion is not None and suspicion.support >= least:
            found.append(suspicion)
    return tuple(sorted(found, key=lambda one: (-one.support, -one.share, one.place)))


def weights_of(evaluations: Sequence[Evaluation]) -> list[float]:
    """What the vote of each prompt weighs; the best weighs 1."""
    odds = []
    for evaluation in evaluations:
        right = sum(map(is_right, evaluation.outcomes))
        odds.append((right + 1) / (evaluation.rows - right + 1))  # one row more of either kind, so that none is 0
    best = max(odds)
    return [(one / best) ** SHARPNESS for one in odds]


def _least_support(weights: Sequence[float], others: int) -> float:
    """The support that guesses hardly reach which fall on ``others`` wrong answers alike."""
    guessed = 1 / max(1, others)
    votes = math.fsum(weights) ** 2 / math.fsum(weight * weight for weight in weights)
    return min(MOST, max(LEAST, guessed + DEVIATES * math.sqrt(guessed * (1 - guessed) / votes)))


def _suspicion(place: int, outcomes: Sequence[Outcome], weights: Sequence[float], target: str) -> Suspicion | None:
    """The wrong answer with the most support; None if too few readable ones were given, or nothing wrong."""
    support: defaultdict[str, float] = defaultdict(float)
    wordings: dict[str, Counter[str]] = {}
    right: set[str] = set()
    for outcome, weight in zip(outcomes, weights, strict=True):
        if outcome.score is None or outcome.kind != "answered" or not outcome.answer:
            continue
        key = answer_key(outcome.answer)
        support[key] += weight
        wordings.setdefault(key, Counter())[outcome.answer] += 1
        if is_right(outcome):
            right.add(key)
    if sum(said.total() for said in wordings.values()) < FEWEST_PROMPTS:
        return None
    others = [key for key in support if key not in right and not any(is_target(said, target) for said in wordings[key])]
    if not others:
        return None
    best = max(others, key=lambda key: support[key])
    wording = wordings[best].most_common(1)[0][0]
    return Suspicion(
        place=place,
        suggested=wording,
        support=support[best] / math.fsum(support.values()),
        share=wordings[best].total() / len(outcomes),
    )


def agreed_otherwise(first: Outcome, second: Outcome, target: str) -> bool:
    """Whether two prompts gave one and the same wrong answer: weak evidence that the target is wrong."""
    if is_right(first) or is_right(second) or first.score is None or second.score is None:
        return False
    if first.kind != "answered" or second.kind != "answered" or not first.answer or not second.answer:
        return False
    if not target.strip() or is_target(first.answer, target) or is_target(second.answer, target):
        return False
    return answer_key(first.answer) == answer_key(second.answer)
