"""The only loop: (recipe, state, evaluate, llm) -> step, step, …, each with the state after it

It is sequential and never asks which part it holds. Proposals are read in the order of their index and handed on to
the evaluation as they come; nothing is decided by the order of arrival.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import count
from typing import TypeAlias

from promptdescent.errors import BudgetExhausted, TooManyFailures
from promptdescent.optimizer_model import Correspondence, OptimizerModel, count_ends
from promptdescent.parts.context import StepContext
from promptdescent.parts.recipe import Recipe
from promptdescent.parts.score_board import Estimate
from promptdescent.parts.search.selection import score_of
from promptdescent.parts.similarity import Similarity
from promptdescent.proposals import Proposals
from promptdescent.records import (
    Candidate,
    Evaluate,
    Evaluation,
    Example,
    OptimizerState,
    Outcome,
    Prompt,
    RowHistory,
    StepRecord,
    TaskBrief,
)

MOST_MISSING = 0.05
"""A prompt whose evaluation lost a larger share of its rows cannot be selected."""

ROW_MEMORY = 0.8
"""How much of what is known of a dev row still counts one step later; a number of ours."""


Step: TypeAlias = tuple[StepRecord, OptimizerState]
"""What happened in a step, and the state after it."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the loop works with beside recipe and state. All of it is the same for every step of a run."""

    brief: TaskBrief
    dev: tuple[Example, ...]
    evaluate: Evaluate
    model: OptimizerModel
    similarity: Similarity
    seed: int
    later_seeds: Sequence[tuple[int, int]] = ()
    """``(step, seed)`` of a fork: from that step on it draws with that seed."""

    def seed_at(self, step: int) -> int:
        """The seed of a step's draws, mini-batch and random choices."""
        return next((seed for first, seed in reversed(self.later_seeds) if step >= first), self.seed)

    def context(self, recipe: Recipe, state: OptimizerState, step: int, ask: Correspondence) -> StepContext:
        """What the parts of a step are given."""
        return StepContext(
            brief=self.brief,
            state=state,
            step=step,
            words=recipe.step_size.words(step, state.total_steps) if step else None,
            minibatch=self._minibatch(recipe.search.minibatch, step),
            shown_rows=self._shown_rows(recipe.search.shown_rows),
            ask=ask,
            evaluate=self.evaluate,
            similarity=self.similarity,
            seed=self.seed_at(step),
        )

    def _shown_rows(self, count: int) -> tuple[Example, ...]:
        """The train rows that every meta-prompt of the run shows, drawn once."""
        rows = self.brief.train
        return tuple(random.Random(f"{self.seed}/shown rows").sample(rows, min(count, len(rows))))

    def _minibatch(self, size: int, step: int) -> tuple[Example, ...]:
        """The train rows of a step. An epoch goes once through them, in an order of its own; its last mini-batch is a
        smaller one if at least half of it is left, as in ``Search.steps``.
        """
        rows = list(self.brief.train)
        whole, rest = divmod(len(rows), size)
        epoch, place = divmod(max(0, step - 1), max(1, whole + (2 * rest >= size)))
        random.Random(f"{self.seed_at(step)}/epoch {epoch}").shuffle(rows)
        return tuple(rows[place * size : (place + 1) * size])


def first_state(recipe: Recipe, prompt: Prompt, evaluation: Evaluation, *, total_steps: int) -> OptimizerState:
    """The state after the starting prompt was scored. Raises :class:`TooManyFailures` if too many of its rows are
    missing.
    """
    if _too_many_missing(evaluation):
        error = next(outcome.error for outcome in evaluation.outcomes if outcome.error)
        raise TooManyFailures(
            f"{evaluation.missing} of {len(evaluation.outcomes)} calls for the starting prompt failed for good; "
            f"the first one: {error}"
        )
    start = _measured(Candidate(id="0.0", prompt=prompt, parent=None, fate="scored"), evaluation)
    return OptimizerState(
        step=0,
        total_steps=total_steps,
        survivors=(start,),
        past=recipe.momentum.remember((), [start], [start]),
        best=start,
        row_scores={start.id: _row_scores(evaluation)},
        row_history=tuple(RowHistory().then(_known(outcome), memory=ROW_MEMORY) for outcome in evaluation.outcomes),
        tried=(prompt.text,),
        initialized=recipe.initialization.proposals == 0,
    )


def stop_reason(recipe: Recipe, state: OptimizerState, brief: TaskBrief) -> str:
    """Why the search ends after ``state``; empty while it goes on."""
    reasons = (part.reason(state, brief) for part in recipe.stopping)
    done = "all steps done" if state.initialized and state.step >= state.total_steps else ""
    return next((reason for reason in reasons if reason), done)


async def descend(recipe: Recipe, state: OptimizerState, around: Surroundings) -> AsyncGenerator[Step, None]:
    """The steps from ``state`` on, each as soon as it is whole, until a stopping part or the last step ends the
    search. What an initialization proposes is step 0.
    """
    while not stop_reason(recipe, state, around.brief):
        record, state = await take_step(recipe, state, around)
        yield record, state
        if record.stop:
            return


async def take_step(recipe: Recipe, state: OptimizerState, around: Surroundings) -> Step:
    """One step: find directions, ask for rewrites, screen and score them, select the prompts to go on from.

    A cap that is reached on the way ends the step with what was scored until then. Raises :class:`BudgetExhausted` if
    nothing was proposed yet.
    """
    step = state.step + 1 if state.initialized else 0
    correspondence = Correspondence(around.model, seed=around.seed_at(step), step=step)
    context = around.context(recipe, state, step, correspondence)
    proposals = Proposals(recipe, context)
    estimates: dict[int, Estimate] = {}
    cap = ""
    try:
        written = proposals.rewrites() if state.initialized else proposals.first_prompts()
        worth_scoring = proposals.worth_scoring(written)
        rivals = [state.row_scores[rival.id] for rival in recipe.selection.rivals(state.survivors)]
        async with aclosing(
            recipe.estimation.estimate(
                worth_scoring, around.dev, keep=recipe.selection.keep, rivals=rivals, context=context
            )
        ) as stream:
            async for estimate in stream:
                estimates[estimate.index] = estimate
    except BudgetExhausted as error:
        if not proposals.candidates:
            raise
        cap = str(error)
    estimated = _paired(proposals.candidates, estimates)
    candidates = tuple(
        one if one.fate == "rejected" else _scored(one, estimate, len(around.dev), otherwise=cap)
        for one, estimate in (_until_the_cap(estimated) if cap else estimated)
    )
    evaluations = {one.id: estimate.evaluation for one, estimate in estimated if estimate}
    after = _next_state(recipe, state, candidates, evaluations, dev=around.dev, summary=proposals.summary)
    record = StepRecord(
        step=step,
        word_budget=context.words,
        requests=tuple(correspondence.requests),
        candidates=candidates,
        survivors=tuple(survivor.id for survivor in after.survivors),
        stop=cap or stop_reason(recipe, after, around.brief),
        best=after.best,
        total_steps=after.total_steps,
        replies={
            "task": Counter(
                outcome.kind for one in candidates if one.id in evaluations for outcome in evaluations[one.id].outcomes
            ),
            "optimizer": count_ends(candidates),
        },
    )
    return record, after


def _paired(
    proposals: Sequence[Candidate], estimates: Mapping[int, Estimate]
) -> list[tuple[Candidate, Estimate | None]]:
    """Proposals with what is known of them. Estimates are numbered by the proposals that were not rejected."""
    numbers = count()
    return [(one, None if one.fate == "rejected" else estimates.get(next(numbers))) for one in proposals]


def _until_the_cap(estimated: list[tuple[Candidate, Estimate | None]]) -> list[tuple[Candidate, Estimate | None]]:
    """The proposals up to the first that a cap left without any score.

    How many were read after that one depends on what was fast, and the record must not.
    """
    unscored = (place for place, (one, estimate) in enumerate(estimated) if one.fate != "rejected" and not estimate)
    return estimated[: next(unscored, len(estimated)) + 1]


def _scored(candidate: Candidate, estimate: Estimate | None, rows: int, *, otherwise: str) -> Candidate:
    """A proposal that was not rejected, with its score; ``otherwise`` says why rows of it are not there."""
    if estimate is None:
        return replace(candidate, fate="failed", reason=otherwise)
    evaluation = estimate.evaluation
    measured = _measured(candidate, evaluation)
    if _too_many_missing(evaluation):
        return replace(
            measured, fate="failed", reason=f"{evaluation.missing} of {len(evaluation.outcomes)} rows are missing"
        )
    if len(evaluation.outcomes) < rows:
        return replace(measured, fate="dropped", reason=estimate.dropped or otherwise)
    return measured


def _measured(candidate: Candidate, evaluation: Evaluation) -> Candidate:
    return replace(candidate, score=evaluation.score, rows=evaluation.rows, missing=evaluation.missing)


def _too_many_missing(evaluation: Evaluation) -> bool:
    return evaluation.score is None or evaluation.missing > MOST_MISSING * len(evaluation.outcomes)


def _row_scores(evaluation: Evaluation) -> tuple[float | None, ...]:
    return tuple(outcome.score for outcome in evaluation.outcomes)


def _next_state(
    recipe: Recipe,
    state: OptimizerState,
    candidates: Sequence[Candidate],
    evaluations: Mapping[str, Evaluation],
    *,
    dev: Sequence[Example],
    summary: str,
) -> OptimizerState:
    scored = [candidate for candidate in candidates if candidate.fate == "scored"]
    survivors = recipe.selection.select(state.survivors, scored)
    best = max([state.best, *scored], key=score_of)  # the earlier one on a tie
    better = best.id != state.best.id
    kept = [candidate for candidate in candidates if candidate.fate in ("scored", "dropped")]
    row_scores = {**state.row_scores, **{one.id: _row_scores(evaluations[one.id]) for one in scored}}
    # A proposal whose evaluation failed may be tried again; it is the endpoint's fault.
    tried = [candidate.prompt.text for candidate in candidates if candidate.fate != "failed"]
    return OptimizerState(
        step=state.step + state.initialized,
        total_steps=state.total_steps,
        survivors=survivors,
        past=recipe.momentum.remember(state.past, kept, survivors),
        best=best,
        row_scores={survivor.id: row_scores[survivor.id] for survivor in survivors},
        row_history=_row_history(state, evaluations.values(), dev),
        tried=tuple(dict.fromkeys([*state.tried, *tried])),
        summary=summary,
        steps_without_gain=0 if better or not state.initialized else state.steps_without_gain + 1,
    )


def _row_history(
    state: OptimizerState, evaluations: Iterable[Evaluation], dev: Sequence[Example]
) -> tuple[RowHistory, ...]:
    """The history of the dev rows with the step's outcomes, which may lack some of the rows."""
    scores: dict[str, list[float]] = {}
    for evaluation in evaluations:
        for outcome in evaluation.outcomes:
            scores.setdefault(outcome.example, []).extend(_known(outcome))
    return tuple(
        history.then(scores.get(row.id, ()), memory=ROW_MEMORY)
        for history, row in zip(state.row_history, dev, strict=True)
    )


def _known(outcome: Outcome) -> list[float]:
    return [] if outcome.score is None else [outcome.score]
