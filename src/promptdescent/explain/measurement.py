"""Prompts that lack some of their pieces, scored on the same rows, and compared with the whole prompt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

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
        """Score the prompts that lack these pieces, each once."""
        texts = dict.fromkeys(self._pieces.without(lacking) for lacking in selections)
        new = [text for text in texts if text not in self._evaluations]
        evaluations = await self._score([Prompt.of(text) for text in new], self.rows)
        self._evaluations.update(zip(new, evaluations, strict=True))

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
    def missing(self) -> int:
        """Rows without a score, over all prompts."""
        return sum(evaluation.missing for evaluation in self._evaluations.values())

    def _pairs(self, lacking: Selection) -> list[tuple[float, float]]:
        """Scores without the pieces and of the whole prompt, on the rows that have both."""
        return [
            (part, whole)
            for part, whole in zip(self.scores(lacking), self.scores(WHOLE), strict=True)
            if part is not None and whole is not None
        ]
