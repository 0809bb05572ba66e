"""Prompts on rows: the only module that drives a target with a task's examples."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from promptdescent.errors import BudgetExhausted, RequestRefused, TransientError
from promptdescent.llm.base import Draw
from promptdescent.llm.limits import ordered_map
from promptdescent.records import Evaluation, Example, Outcome, OutcomeKind, Prompt, Reply
from promptdescent.tasks.metrics import Choice, Metric, Score
from promptdescent.tasks.objective import Objective
from promptdescent.tasks.target import Target


class Evaluator:
    """Implements :class:`~promptdescent.records.Evaluate`: rows of all prompts are worked on side by side, results
    come in order.
    """

    def __init__(
        self,
        *,
        target: Target,
        metric: Metric,
        objective: Objective,
        seed: int,
        window: int,
        unaffordable_is_missing: bool = False,
    ) -> None:
        """``window``: the most rows in work at once; ``seed``: the run's, for targets that sample.

        ``unaffordable_is_missing``: a row that a cap leaves no room for is missing, instead of ending the evaluation.
        """
        self._missing = (
            (TransientError, RequestRefused, BudgetExhausted)
            if unaffordable_is_missing
            else (TransientError, RequestRefused)
        )
        self._target = target
        self._metric = metric
        self._objective = objective
        self._seed = seed
        self._window = window

    async def __call__(
        self, prompts: AsyncGenerator[Prompt, None], examples: Sequence[Example]
    ) -> AsyncGenerator[Evaluation, None]:
        """One evaluation per prompt, in order. Raises what ends a run: budget, permanent and too many failures."""

        async def pairs() -> AsyncGenerator[tuple[Prompt, Example], None]:
            async with aclosing(prompts):
                async for prompt in prompts:
                    for example in examples:
                        yield prompt, example

        outcomes: list[Outcome] = []
        async with aclosing(ordered_map(self._outcome, pairs(), window=self._window)) as results:
            async for outcome in results:
                outcomes.append(outcome)
                if len(outcomes) == len(examples):
                    yield self.combine(outcomes)
                    outcomes = []

    async def side_by_side(self, prompts: Sequence[Prompt], examples: Sequence[Example]) -> list[Evaluation]:
        """One evaluation per prompt, asked row by row: where a budget ends early, the rows so far are whole pairs."""

        async def pairs() -> AsyncGenerator[tuple[Prompt, Example], None]:
            for example in examples:
                for prompt in prompts:
                    yield prompt, example

        outcomes = [one async for one in ordered_map(self._outcome, pairs(), window=self._window)]
        return [self.combine(outcomes[place :: len(prompts)]) for place in range(len(prompts))]

    def combine(self, outcomes: Sequence[Outcome]) -> Evaluation:
        """The evaluation that rests on these outcomes."""
        scores = [outcome.score for outcome in outcomes if outcome.score is not None]
        return Evaluation(outcomes=tuple(outcomes), score=self._objective.combine(scores) if scores else None)

    async def _outcome(self, pair: tuple[Prompt, Example]) -> Outcome:
        prompt, example = pair
        draw = Draw(seed=self._seed, step=0, slot=f"task/{example.id}", index=0)
        try:
            reply = await self._target(prompt, example, draw)
        except self._missing as error:
            return Outcome(example=example.id, kind="missing", score=None, error=str(error))
        if not reply.text.strip():
            kind: OutcomeKind = "refused" if reply.finish == "refused" else "empty"
            return Outcome(example=example.id, kind=kind, score=0.0)
        score = self._metric.score(reply.text, example)
        kind = self._kind(reply, score)
        return Outcome(
            example=example.id,
            kind=kind,
            score=score.value if kind == "answered" else 0.0,
            answer=score.answer,
            reply=reply.text,
            feedback=score.feedback,
        )

    def _kind(self, reply: Reply, score: Score) -> OutcomeKind:
        """What became of a reply that has text. A label that was read is an answer; other answers may end where the
        reply was cut.
        """
        if score.answer is None and reply.finish == "refused":
            return "refused"
        whole_label = isinstance(self._metric, Choice) and score.answer is not None
        if reply.finish == "length" and score.value == 0 and not whole_label:
            return "cut off"
        return "answered" if score.answer is not None else "unreadable"
