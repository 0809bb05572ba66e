"""Prompts that lack some of their pieces, scored on the same rows, and compared with the whole prompt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from promptdescent.explain.effects import effect_of
from promptdescent.explain.pieces import Pieces
from promptdescent.explain.plan import Selection
from promptdescent.records import Evaluation, Example, Prompt
from promptdescent.records.explanation import Effect
from promptdescent.stats import compare_by, compare_paired
from promptdescent.tasks.objective import Objective, scored_rows

WHOLE: Selection = frozenset()

Score = Callable[[Sequence[Prompt], Sequence[Example]], Awaitable[list[Evaluation]]]
"""Scores prompts on rows side by side."""

FEWEST_SCORED = 2
"""Rows with a score on both sides, for a difference."""

FEWEST_BESIDE = 2
"""Prompts that lack one piece, to stand for the whole one."""


class Measurement:
    """What was measured so far."""

    def __init__(self, pieces: Pieces, rows: Sequence[Example], *, score: Score, objective: Objective, seed: int):
        self._pieces = pieces
        self._score = score
        self._objective = objective
        self._seed = seed
        self._evaluations: dict[str, Evaluation] = {}
        self.rows = tuple(rows)

    async def measure(self, selections: Iterable[Selection]) -> None:
        """Score the prompts that lack these pieces, each once.

        The whole prompt comes first: a row that brings no score under it is not asked under the others, where it would
        fail as often as there are prompts.
        """
        if not self._has(WHOLE):
            await self._measure([self._pieces.prompt])
        texts = dict.fromkeys(self._pieces.without(lacking) for lacking in selections)
        await self._measure([text for text in texts if text not in self._evaluations])

    async def _measure(self, texts: Sequence[str]) -> None:
        whole = self.of(WHOLE).outcomes if self._has(WHOLE) else ()
        failed = {place for place, outcome in enumerate(whole) if outcome.score is None}
        asked = [row for place, row in enumerate(self.rows) if place not in failed]
        for text, found in zip(texts, await self._score([Prompt.of(text) for text in texts], asked), strict=True):
            outcomes = iter(found.outcomes)
            every = (whole[place] if place in failed else next(outcomes) for place in range(len(self.rows)))
            self._evaluations[text] = Evaluation(outcomes=tuple(every), score=found.score)

    @property
    def evaluations(self) -> list[Evaluation]:
        """One per distinct prompt, in the order in which they were asked for."""
        return list(self._evaluations.values())

    def of(self, lacking: Selection) -> Evaluation:
        """The prompt without these pieces. Raises KeyError if it was not measured."""
        return self._evaluations[self._pieces.without(lacking)]

    def scores(self, lacking: Selection) -> list[float | None]:
        """Row by row; None where a row is missing."""
        return [outcome.score for outcome in self.of(lacking).outcomes]

    def removed(self, lacking: Selection) -> Effect | None:
        """Mean score of the whole prompt less that without these pieces; None if too few rows have both."""
        pairs = self._pairs(lacking)
        if len(pairs) < FEWEST_SCORED:
            return None
        without, whole = [part for part, _ in pairs], [all_of_it for _, all_of_it in pairs]
        if not {*without, *whole} <= {0.0, 1.0}:
            return effect_of([b - a for a, b in pairs])
        compared = compare_paired(without, whole, seed=self._seed)
        return Effect(
            difference=compared.difference, interval=(compared.interval.low, compared.interval.high), rows=compared.rows
        )

    def shortened(self, lacking: Selection) -> Effect | None:
        """Score of the prompt without these pieces less that of the whole one, by the objective; None if too few rows
        have both.
        """
        if self._objective.mean_over_rows:
            removed = self.removed(lacking)
            if removed is None:
                return None
            low, high = removed.interval
            return Effect(difference=0.0 - removed.difference, interval=(0.0 - high, 0.0 - low), rows=removed.rows)
        both = [
            (first, second, row)
            for first, second, row in zip(self.of(WHOLE).outcomes, self.of(lacking).outcomes, self.rows, strict=True)
            if first.score is not None and second.score is not None
        ]
        if len(both) < FEWEST_SCORED:
            return None
        rows = [row for _, _, row in both]
        compared = compare_by(
            scored_rows([first for first, _, _ in both], rows),
            scored_rows([second for _, second, _ in both], rows),
            self._objective.combine,
            seed=self._seed,
            resamples=999,
        )
        return Effect(
            difference=compared.difference, interval=(compared.interval.low, compared.interval.high), rows=compared.rows
        )

    def without_luck(self, lacking: Selection, averages: Mapping[int, Effect]) -> Effect | None:
        """As :meth:`shortened`, where the whole prompt was chosen by its score on the same rows, so that comparing with
        that score finds a loss where there is none. In its place stand prompts that nobody chose: those that lack one
        of the pieces each. Their mean lacks one such piece on average, so the difference is scaled up to all of them.
        Of one piece: its effect in ``averages``.

        None if the objective is no mean over rows, or too little of that was measured.
        """
        if not self._objective.mean_over_rows:
            return None
        if len(lacking) == 1:
            average = averages[min(lacking)]
            low, high = average.interval
            return Effect(difference=0.0 - average.difference, interval=(0.0 - high, 0.0 - low), rows=average.rows)
        beside = [one for place in sorted(lacking) if self._has(one := frozenset({place}))]
        if len(beside) < FEWEST_BESIDE:
            return None
        scale = len(lacking) / (len(lacking) - 1)
        differences = []
        for part, *others in zip(self.scores(lacking), *(self.scores(one) for one in beside), strict=True):
            scored = [score for score in others if score is not None]
            if part is not None and scored:
                differences.append(scale * (part - sum(scored) / len(scored)))
        return effect_of(differences) if len(differences) >= FEWEST_SCORED else None

    def turned(self, lacking: Selection) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Ids of the rows that score higher, and lower, in the whole prompt than without these pieces."""
        compared = [
            (row.id, part, whole)
            for row, part, whole in zip(self.rows, self.scores(lacking), self.scores(WHOLE), strict=True)
            if part is not None and whole is not None
        ]
        higher = tuple(row for row, part, whole in compared if whole > part)
        return higher, tuple(row for row, part, whole in compared if whole < part)

    @property
    def prompts(self) -> int:
        """Distinct prompts with a score on some row."""
        return sum(evaluation.score is not None for evaluation in self._evaluations.values())

    @property
    def first_failure(self) -> str:
        """Why the first row without a score has none; empty if all have one."""
        outcomes = (outcome for evaluation in self._evaluations.values() for outcome in evaluation.outcomes)
        return next((str(outcome.error) for outcome in outcomes if outcome.score is None), "")

    @property
    def missing(self) -> int:
        """Rows without a score, over all prompts."""
        return sum(evaluation.missing for evaluation in self._evaluations.values())

    def _has(self, lacking: Selection) -> bool:
        return self._pieces.without(lacking) in self._evaluations

    def _pairs(self, lacking: Selection) -> list[tuple[float, float]]:
        """Scores without the pieces and of the whole prompt, on the rows that have both."""
        return [
            (part, whole)
            for part, whole in zip(self.scores(lacking), self.scores(WHOLE), strict=True)
            if part is not None and whole is not None
        ]
