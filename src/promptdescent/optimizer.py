"""The only loop: (recipe, state, evaluate, llm) -> StepRecord, StepRecord, …

It is sequential and never asks which part it holds. Proposals are read in the order of their index and handed on to
the evaluation as they come; nothing is decided by the order of arrival.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from promptdescent.errors import BudgetExhausted, TooManyFailures
from promptdescent.llm.base import LLM, Draw, Request
from promptdescent.llm.limits import samples
from promptdescent.parts.direction.momentum import Similarity
from promptdescent.parts.few_shot import read_few_shot_reply, render_few_shot
from promptdescent.parts.meta_prompt import MetaPrompt, read_chat_reply, task_sections
from promptdescent.parts.recipe import Recipe
from promptdescent.parts.search.selection import score_of
from promptdescent.records import (
    Candidate,
    Evaluate,
    Evaluation,
    Example,
    Message,
    ModelSettings,
    OptimizerState,
    Prompt,
    Reply,
    StepRecord,
    TaskBrief,
)
from promptdescent.text import word_edit_distance

MOST_MISSING = 0.05
"""A prompt whose evaluation lost a larger share of its rows cannot be selected."""

EMPTY_REPLY = "empty reply"
CUT_OFF_REPLY = "reply cut off"


@dataclass(frozen=True, kw_only=True)
class OptimizerModel:
    """The model that writes prompts, and how it is asked."""

    llm: LLM
    settings: ModelSettings

    def message(self, meta_prompt: MetaPrompt) -> Message:
        """The meta-prompt in the style of the model's settings."""
        if self.settings.style == "few-shot":
            return Message(role="user", content=(render_few_shot(meta_prompt),))
        return meta_prompt.chat()

    def request(self, message: Message, *, n: int, draw: Draw) -> Request:
        """The request for ``n`` proposals: a chat, or a raw completion in few-shot style."""
        raw = self.settings.style == "few-shot"
        return Request(
            role="optimizer",
            messages=() if raw else (message,),
            text=message.text if raw else None,
            temperature=self.settings.temperature,
            max_tokens=self.settings.max_tokens,
            stop=self.settings.stop,
            n=n,
            draw=draw,
        )

    def read(self, reply: Reply) -> str:
        """The proposed prompt in a reply."""
        return read_few_shot_reply(reply.text) if self.settings.style == "few-shot" else read_chat_reply(reply.text)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the loop works with beside recipe and state. All of it is the same for every step of a run."""

    brief: TaskBrief
    dev: tuple[Example, ...]
    evaluate: Evaluate
    model: OptimizerModel
    similarity: Similarity
    seed: int

    def shown_rows(self, count: int) -> tuple[Example, ...]:
        """The train rows that every meta-prompt of the run shows, drawn once."""
        rows = self.brief.train
        return tuple(random.Random(f"{self.seed}/shown rows").sample(rows, min(count, len(rows))))


def first_state(prompt: Prompt, evaluation: Evaluation, *, total_steps: int) -> OptimizerState:
    """The state after the starting prompt was scored. Raises :class:`TooManyFailures` if too many of its rows are
    missing.
    """
    if evaluation.score is None or evaluation.missing > MOST_MISSING * len(evaluation.outcomes):
        error = next(outcome.error for outcome in evaluation.outcomes if outcome.error)
        raise TooManyFailures(
            f"{evaluation.missing} of {len(evaluation.outcomes)} calls for the starting prompt failed for good; "
            f"the first one: {error}"
        )
    start = Candidate(
        id="0.0",
        prompt=prompt,
        parent=None,
        fate="scored",
        score=evaluation.score,
        rows=evaluation.rows,
        missing=evaluation.missing,
    )
    return OptimizerState(
        step=0, total_steps=total_steps, current=start, trajectory=(start,), best=start, tried=(prompt.text,)
    )


def stop_reason(recipe: Recipe, state: OptimizerState, brief: TaskBrief) -> str:
    """Why the search ends after ``state``; empty while it goes on."""
    reasons = (part.reason(state, brief) for part in recipe.stopping)
    return next((reason for reason in reasons if reason), "all steps done" if state.step >= state.total_steps else "")


async def descend(recipe: Recipe, state: OptimizerState, around: Surroundings) -> AsyncIterator[StepRecord]:
    """The steps from ``state`` on, each as soon as it is whole, until a stopping part or the last step ends the
    search.
    """
    while not stop_reason(recipe, state, around.brief):
        record = await take_step(recipe, state, around)
        yield record
        if record.stop:
            return
        state = record.state


async def take_step(recipe: Recipe, state: OptimizerState, around: Surroundings) -> StepRecord:
    """One step: compose the meta-prompt, screen and score the proposals, select the next prompt.

    A cap that is reached on the way ends the step with what was scored until then. Raises :class:`BudgetExhausted` if
    nothing was proposed yet.
    """
    step = state.step + 1
    words = recipe.step_size.words(step, state.total_steps)
    message = around.model.message(await _compose(recipe, state, around, words))
    draw = Draw(seed=around.seed, step=step, slot="proposal", index=0)
    request = around.model.request(message, n=recipe.search.candidates, draw=draw)

    proposals: list[Candidate] = []
    failed = 0

    async def worth_scoring() -> AsyncGenerator[Prompt, None]:
        nonlocal failed
        tried = set(state.tried)
        index = 0
        async with aclosing(samples(around.model.llm, request)) as replies:
            async for sample in replies:
                index += 1
                if sample.reply is None:
                    failed += 1
                    continue
                text = around.model.read(sample.reply)
                reason = _reply_problem(sample.reply, text) or recipe.screening.reject(
                    text, tried=tried, brief=around.brief
                )
                tried.add(text)
                prompt = Prompt.of(text)
                proposals.append(
                    Candidate(
                        id=f"{step}.{index}",
                        prompt=prompt,
                        parent=state.current.id,
                        fate="rejected" if reason else "scored",
                        reason=reason,
                        distance=word_edit_distance(state.current.prompt.text, text),
                        tokens=sample.tokens,
                    )
                )
                if not reason:
                    yield prompt

    evaluations: list[Evaluation] = []
    cap = ""
    try:
        async with aclosing(around.evaluate(worth_scoring(), recipe.estimation.rows(around.dev))) as results:
            async for evaluation in results:
                evaluations.append(evaluation)  # noqa: PERF401 - what came before an error is kept
    except BudgetExhausted as error:
        if not proposals:
            raise
        cap = str(error)
    candidates = _with_scores(proposals, evaluations, otherwise=cap)
    scored = [candidate for candidate in candidates if candidate.fate == "scored"]
    after = _next_state(state, recipe.selection.select(state.current, scored), scored, candidates)
    return StepRecord(
        step=step,
        word_budget=words,
        meta_prompt=(message,),
        candidates=candidates,
        selected=after.current.id,
        failed_proposals=failed,
        stop=cap or stop_reason(recipe, after, around.brief),
        state=after,
    )


async def _compose(recipe: Recipe, state: OptimizerState, around: Surroundings, words: int | None) -> MetaPrompt:
    brief = around.brief
    return MetaPrompt.of(
        *recipe.refinement.frame(brief),
        *await recipe.momentum.retrieve(state, around.similarity),
        *recipe.gradient.describe(state, brief),
        *task_sections(brief, rows=around.shown_rows(recipe.search.shown_rows), words=words),
    )


def _reply_problem(reply: Reply, text: str) -> str:
    """Why nothing can be made of a reply, whatever the screening; empty if something can."""
    if not reply.text.strip():
        return EMPTY_REPLY
    if reply.finish == "length" and "</" not in reply.text:
        return CUT_OFF_REPLY
    if reply.finish == "refused":
        return "refused"
    return "" if text else "no prompt in the reply"


def _with_scores(proposals: list[Candidate], evaluations: list[Evaluation], *, otherwise: str) -> tuple[Candidate, ...]:
    """Proposals with what their evaluations found: those that were not rejected, in order.

    ``otherwise`` says why the last of them have no evaluation.
    """
    results = iter(evaluations)
    return tuple(_scored(one, next(results, None), otherwise) if one.fate == "scored" else one for one in proposals)


def _scored(candidate: Candidate, evaluation: Evaluation | None, otherwise: str) -> Candidate:
    if evaluation is None:
        return replace(candidate, fate="failed", reason=otherwise)
    measured = replace(candidate, score=evaluation.score, rows=evaluation.rows, missing=evaluation.missing)
    if evaluation.score is None or evaluation.missing > MOST_MISSING * len(evaluation.outcomes):
        return replace(
            measured, fate="failed", reason=f"{evaluation.missing} of {len(evaluation.outcomes)} rows are missing"
        )
    return measured


def _next_state(
    state: OptimizerState, selected: Candidate, scored: list[Candidate], proposals: tuple[Candidate, ...]
) -> OptimizerState:
    moved = selected.id != state.current.id
    best = max([state.best, *scored], key=score_of)  # the earlier one on a tie
    return OptimizerState(
        step=state.step + 1,
        total_steps=state.total_steps,
        current=selected,
        trajectory=(*state.trajectory, selected) if moved else state.trajectory,
        best=best,
        # A proposal whose evaluation failed may be tried again; it is the endpoint's fault.
        tried=tuple(dict.fromkeys([*state.tried, *(one.prompt.text for one in proposals if one.fate != "failed")])),
        steps_without_gain=0 if best.id != state.best.id else state.steps_without_gain + 1,
    )
