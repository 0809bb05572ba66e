"""Prompts on rows: the only module that drives a target with a task's examples."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from promptdescent.errors import BudgetExhausted, RequestRefused, TransientError
from promptdescent.llm.base import Draw
from promptdescent.llm.streams import ordered_map
from promptdescent.records import Evaluation, Example, Outcome, OutcomeKind, Prompt, Reply
from promptdescent.tasks.metrics import Score
from promptdescent.tasks.objective import Objective, scored_rows
from promptdescent.tasks.scoring import Scorer
from promptdescent.tasks.target import Target
from promptdescent.text import word_count


class Evaluator:
    """Implements :class:`~promptdescent.records.Evaluate`: rows of all prompts are worked on side by side, results
    come in order.
    """

    def __init__(
        self,
        *,
        target: Target,
        scorer: Scorer,
        objective: Objective,
        seed: int,
        window: int,
        length_cost: float = 0.0,
        unaffordable_is_missing: bool = False,
        watch: Callable[[OutcomeKind], None] = lambda kind: None,
    ) -> None:
        """``window``: the most rows in work at once; ``seed``: the run's, for targets that sample.

        ``length_cost``: what is taken off the score of every row, and so off the objective, per word of the prompt.
        ``unaffordable_is_missing``: a row that a cap leaves no room for is missing, instead of ending the evaluation.
        ``watch`` is told of every outcome, in order; what it raises ends the evaluation.
        """
        self._missing = (
            (TransientError, RequestRefused, BudgetExhausted)
            if unaffordable_is_missing
            else (TransientError, RequestRefused)
        )
        self._target = target
        self._scorer = scorer
        self._objective = objective
        self._length_cost = length_cost
        self._seed = seed
        self._window = window
        self._watch = watch

    async def __call__(
        self, prompts: AsyncGenerator[Prompt, None], examples: Sequence[Example]
    ) -> AsyncGenerator[Evaluation, None]:
        """One evaluation per prompt, in order. Raises what ends a run: budget, permanent and too many failures."""

        asked: deque[Prompt] = deque()

        async def pairs() -> AsyncGenerator[tuple[Prompt, Example], None]:
            async with aclosing(prompts):
                async for prompt in prompts:
                    asked.append(prompt)
                    for example in examples:
                        yield prompt, example

        outcomes: list[Outcome] = []
        async with aclosing(ordered_map(self._outcome, pairs(), window=self._window)) as results:
            async for outcome in results:
                self._watch(outcome.kind)
                outcomes.append(outcome)
                if len(outcomes) == len(examples):
                    yield self.combine(asked.popleft(), outcomes, examples)
                    outcomes = []

    async def side_by_side(self, prompts: Sequence[Prompt], examples: Sequence[Example]) -> list[Evaluation]:
        """One evaluation per prompt, asked row by row: where a budget ends early, the rows so far are whole pairs."""

        async def pairs() -> AsyncGenerator[tuple[Prompt, Example], None]:
            for example in examples:
                for prompt in prompts:
                    yield prompt, example

        outcomes: list[Outcome] = []
        async with aclosing(ordered_map(self._outcome, pairs(), window=self._window)) as results:
            async for outcome in results:
                self._watch(outcome.kind)
                outcomes.append(outcome)
        return [self.combine(prompt, outcomes[place :: len(prompts)], examples) for place, prompt in enumerate(prompts)]

    def combine(self, prompt: Prompt, outcomes: Sequence[Outcome], examples: Sequence[Example]) -> Evaluation:
        """The evaluation of ``prompt`` that rests on these outcomes, which are those of ``examples``, in order."""
        rows = scored_rows(outcomes, examples)
        score = self._objective.combine(rows) if rows else None
        if score is not None and not self._objective.mean_over_rows:
            score -= self._cost(prompt)  # a mean has it in its rows already
        return Evaluation(outcomes=tuple(outcomes), score=score)

    def _cost(self, prompt: Prompt) -> float:
        return self._length_cost * word_count(prompt.text) if self._length_cost else 0.0

    async def _outcome(self, pair: tuple[Prompt, Example]) -> Outcome:
        prompt, example = pair
        draw = Draw(seed=self._seed, step=0, slot=f"task/{example.id}", index=0)
        cost = self._cost(prompt)
        try:
            reply = await self._target(prompt, example, draw)
            if not reply.text.strip():
                kind: OutcomeKind = "refused" if reply.finish == "refused" else "empty"
                return Outcome(example=example.id, kind=kind, score=0.0 - cost, earlier_reply=reply.earlier)
            score = await self._scorer(reply.text, example)
        except self._missing as error:
            return Outcome(example=example.id, kind="missing", score=None, error=str(error))
        kind = _kind(reply, score)
        return Outcome(
            example=example.id,
            kind=kind,
            score=(score.value if kind == "answered" else 0.0) - cost,
            answer=score.answer,
            reply=reply.text,
            earlier_reply=reply.earlier,
            feedback=score.feedback,
            grades=score.grades,
        )


def _kind(reply: Reply, score: Score) -> OutcomeKind:
    """What became of a reply that has text."""
    if score.answer is None and reply.finish == "refused":
        return "refused"
    if reply.finish == "length" and score.value == 0 and not score.settled:
        return "cut off"
    return "answered" if score.answer is not None else "unreadable"
