"""The phases of a run: its starting prompt is scored, it searches, and both prompts are compared on the test rows."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

from promptdescent.engine import RunEngine, RunSetup, few_collections
from promptdescent.errors import BudgetExhausted, PromptDescentError, RunFailed
from promptdescent.first_replies import FIRST_REPLIES, ProposalCheck, check_answers, doubt
from promptdescent.llm.budget import Amount
from promptdescent.optimizer import descend, first_state, stop_reason
from promptdescent.parts.search.selection import score_of
from promptdescent.records import (
    OptimizerState,
    Prompt,
    PromptScore,
    Role,
    RunManifest,
    StepRecord,
    Usage,
    Verdict,
    to_json,
)
from promptdescent.run_record import RunRecord
from promptdescent.tasks.scoring import close_metric
from promptdescent.verdict.comparison import compare, measure
from promptdescent.verdict.html import result_html, score_html
from promptdescent.verdict.words import score_sentence, sentence

Result = TypeVar("Result")

IN_FLIGHT_AT_INTERRUPT = 5.0
IN_FLIGHT_AT_ERROR = 30.0
"""Seconds that a run which ends early waits at most for the answers to what it has sent, since they are paid for."""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How a run ended."""

    run: str
    """Its id in the store."""
    start_prompt: str
    best_prompt: str
    """The best prompt on the dev rows; the starting prompt if none was better."""
    best_dev_score: float
    verdict: Verdict
    ended_because: str
    """Why the search ended."""
    used: Usage
    """Each distinct call once, as if nothing had been in the store before; all roles."""
    paid: Usage
    """Every attempt that was sent, with the tokens that are known; all roles."""
    earlier_runs: int = 0
    """Runs before this one whose verdict stands on some of the same test rows."""

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict, and the way from the starting prompt to the found one."""
        same = self.best_prompt == self.start_prompt
        said = sentence(self.verdict, same_prompt=same, earlier_runs=self.earlier_runs)
        return result_html(run=self.run, sentence=said, before=self.start_prompt, after=self.best_prompt)


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """What one prompt scores."""

    run: str
    """Its id in the store."""
    prompt: str
    score: PromptScore
    """With its interval, and what became of each row."""
    used: Usage
    paid: Usage
    """As in :class:`RunResult`."""

    def _repr_html_(self) -> str:
        """What a notebook shows: the score and the prompt."""
        return score_html(run=self.run, sentence=score_sentence(self.score), prompt=self.prompt)


def result_of(record: RunRecord, manifest: RunManifest, verdict: Verdict) -> RunResult:
    """The result of a run whose verdict is on record."""
    best = record.state().best
    used, paid = _sums(record)
    return RunResult(
        run=record.id,
        start_prompt=manifest.prompt,
        best_prompt=best.prompt.text,
        best_dev_score=score_of(best),
        verdict=verdict,
        ended_because=record.search_ended_because(),
        used=used,
        paid=paid,
        earlier_runs=record.earlier_verdicts_on(outcome.example for outcome in verdict.best_outcomes),
    )


def evaluation_of(record: RunRecord, manifest: RunManifest, score: PromptScore) -> EvaluationResult:
    """The result of an evaluation whose score is on record."""
    used, paid = _sums(record)
    return EvaluationResult(run=record.id, prompt=manifest.prompt, score=score, used=used, paid=paid)


def _sums(record: RunRecord) -> tuple[Usage, Usage]:
    totals = record.totals().values()
    return sum((one.used for one in totals), Usage()), sum((one.paid for one in totals), Usage())


class Run:
    """A run that this process holds."""

    def __init__(self, setup: RunSetup) -> None:
        self.setup = setup
        self.record = setup.record
        self.manifest = setup.manifest
        self.task = setup.task
        self.recipe = setup.recipe
        self.narrator = setup.narrator
        self.plan = setup.plan
        self._proposals = ProposalCheck(max_tokens=setup.manifest.optimizer_model.max_tokens)
        self._used: list[int] = []
        """Tokens in all, after the starting prompt was scored and after each step."""
        self._spare = 0
        """Tokens of the verdict's reserve that the search may use where a step turns out dearer than foreseen."""

    async def drive(self) -> RunResult:
        """Search, then compare on the test rows; the end is recorded, whatever it is."""
        return await self.to_the_end(self._search_and_compare)

    async def score(self) -> EvaluationResult:
        """Score the prompt; the end is recorded, whatever it is."""
        return await self.to_the_end(self._score)

    async def to_the_end(self, work: Callable[[RunEngine], Awaitable[Result]]) -> Result:
        """Do the work; the end is recorded, whatever it is."""
        await self.record.set_status("running")
        self.narrator.begin(self.record.totals())
        engine = RunEngine(self.setup)
        try:
            with few_collections():
                result = await work(engine)
        except asyncio.CancelledError:
            await engine.bring_home(IN_FLIGHT_AT_INTERRUPT)
            await self.record.set_status("interrupted", "stopped by the user")
            raise
        except PromptDescentError as error:
            await engine.bring_home(IN_FLIGHT_AT_ERROR)
            await self.record.set_status("failed", str(error))
            raise
        finally:
            self.setup.profile.enter("done")
            self.narrator.used(engine.totals)
            close_metric(self.task.metric)
        await self.record.finish()
        self.narrator.done()
        return result

    async def _search_and_compare(self, engine: RunEngine) -> RunResult:
        await self._search(engine)
        return result_of(self.record, self.manifest, await self._verdict(engine))

    async def _score(self, engine: RunEngine) -> EvaluationResult:
        on = self.manifest.evaluated_on or "test"
        evaluation, *_ = await engine.verdict_evaluator.side_by_side([self.task.start], self.task.rows_on(on))
        score = measure(evaluation, self.task, on, seed=self.manifest.seed)
        await self.record.append("evaluation", to_json(score))
        return evaluation_of(self.record, self.manifest, score)

    # --- search ---

    async def _search(self, engine: RunEngine) -> None:
        if self.record.search_ended():
            return
        around = engine.around
        state = self.record.state_or_none()
        try:
            if state is None:
                state = await self._score_start(engine)
            reason = ""
            self._used = [self.record.used_at_start()]
            for earlier in self.record.steps():
                self._proposals.add(earlier)
                self._used.append(earlier.used.tokens)
                reason = earlier.stop
            self._hold_back(engine, state)
            self._enter("search", engine)
            self.narrator.search(state, self._next_words(state))
            reason = reason or stop_reason(self.recipe, state, around.brief) or self._no_room(engine, state)
            if not reason:
                async with aclosing(descend(self.recipe, state, around)) as steps:
                    async for step, state in steps:
                        reason = await self._keep(step, state, engine)
                        if reason:
                            break
        except BudgetExhausted as error:
            if state is None:
                raise RunFailed(
                    f"{error} before the starting prompt was scored; raise it: promptdescent resume {self.record.id} "
                    "with the flag and a higher number"
                ) from error
            reason = str(error)
        self._proposals.end()
        await self.record.append("search ended", json.dumps({"reason": reason}))

    async def _keep(self, step: StepRecord, state: OptimizerState, engine: RunEngine) -> str:
        """Put a step on record, with the state after it; return why the search ends with it, if it does."""
        step = replace(step, used=engine.used)
        self._proposals.check_any_came(step, lambda: self.record.last_failure("optimizer"))
        await self.record.add_step(step, state)
        self._used.append(step.used.tokens)
        self.narrator.step(step)
        self.narrator.search(state, self._next_words(state))
        self._proposals.add(step)
        self._hold_back(engine, state)
        await self._tell_warnings(engine)
        return step.stop or self._no_room(engine, state)

    def _no_room(self, engine: RunEngine, state: OptimizerState) -> str:
        """Why no whole step may fit under a cap any more: in calls by the most that it can make, in tokens by the
        dearest so far. Empty if one does.
        """
        if not self.plan.whole_steps:
            return ""
        calls = self.plan.step.calls if state.initialized else self.plan.start.calls - engine.used.calls
        by_step = [after - before for before, after in pairwise(self._used)]
        dearest = max(by_step[1:] if self.recipe.initialization.proposals else by_step, default=0)
        cap = engine.budget.used.lacking(Amount(calls=calls, tokens=dearest + self._spare))
        return f"{cap} leaves no room for another whole step" if cap else ""

    def _hold_back(self, engine: RunEngine, state: OptimizerState) -> None:
        """Keep the verdict's share from the search: by the forecast, by what such calls cost so far, or by what the
        longest prompt that was tried would cost, whichever is most; it may become the best one.

        Room for one call at its upper bound comes on top, so that the last one can be set aside for.
        """
        # By what was used, and not paid: a run must end at the same place whether its replies are new or cached.
        verdict, totals = self.plan.verdict, engine.totals
        longest = Prompt.of(max(state.tried, key=len))
        roles: tuple[Role, ...] = ("task", "judge")
        used = sum((totals[role].used for role in roles), Usage())
        measured = round(verdict.calls * used.tokens / max(1, used.calls))
        by_length = engine.verdict_tokens(longest, self._used[0]) if verdict.calls else 0
        reserve = held = max(verdict.tokens, round(1.25 * measured), by_length)
        if self.plan.whole_steps and used.calls:
            # A step that is dearer than all before it may use the rest of the reserve, instead of being cut.
            held = max(measured, by_length)
        self._spare = reserve - held
        dearest = engine.dearest_verdict_call(longest)
        spent = sum(engine.budget.amount(role, totals[role].used).money for role in roles)
        price = spent / used.tokens if used.tokens else 0.0
        engine.budget.hold_back(
            calls=verdict.calls,
            tokens=held + dearest,
            money=max(
                price * (held + dearest), *(engine.budget.amount(role, self.plan.verdict).money for role in roles)
            ),
            seconds=1.25 * verdict.calls * engine.seconds_per_call,
            tried_again=math.ceil(2 * verdict.calls * engine.share_tried_again),
        )

    async def _tell_warnings(self, engine: RunEngine) -> None:
        """Say and record what is new to say of the caps."""
        for text in engine.budget.warnings():
            await self._say(text)

    async def _say(self, text: str) -> None:
        """Say something to the user, and keep it on record."""
        self.narrator.say(text)
        await self.record.append("note", json.dumps({"text": text}))

    async def _score_start(self, engine: RunEngine) -> OptimizerState:
        prompt = self.task.start
        evaluator = engine.evaluator
        dev = self.task.dev
        first, *_ = await evaluator.side_by_side([prompt], dev[:FIRST_REPLIES])
        if self.manifest.total_steps:  # without a search the score itself is what was asked for
            check_answers(
                first.outcomes,
                max_tokens=self.manifest.task_model.max_tokens,
                may_be_cut_off=engine.failure_limits["cut off"].share == 1,
            )
            if said := doubt(first.outcomes, self.manifest.labels):
                await self._say(said)
        rest, *_ = await evaluator.side_by_side([prompt], dev[FIRST_REPLIES:])
        evaluation = evaluator.combine(prompt, [*first.outcomes, *rest.outcomes], dev)
        state = first_state(self.recipe, prompt, evaluation, total_steps=self.manifest.total_steps)
        payload = {
            "evaluation": json.loads(to_json(evaluation)),
            "state": json.loads(to_json(state)),
            "used": engine.used.tokens,
        }
        await self.record.append("start", json.dumps(payload))
        await self._tell_warnings(engine)
        return state

    def _next_words(self, state: OptimizerState) -> int | None:
        if state.step >= state.total_steps or not state.initialized:
            return None
        return self.recipe.step_size.words(state.step + 1, state.total_steps)

    # --- verdict ---

    async def _verdict(self, engine: RunEngine) -> Verdict:
        engine.budget.hold_back(calls=0, tokens=0)
        self._enter("verdict", engine)
        self.narrator.verdict()
        start, best, rows = self.task.start, self.record.state().best.prompt, self.task.verdict_rows
        evaluator = engine.verdict_evaluator
        evaluations = await evaluator.side_by_side(list(dict.fromkeys([start, best])), rows)
        verdict = compare(evaluations[0], evaluations[-1], self.task, seed=self.manifest.seed)
        await self._tell_warnings(engine)
        await self.record.append("verdict", to_json(verdict))
        return verdict

    def _enter(self, phase: str, engine: RunEngine) -> None:
        self.setup.profile.enter(phase)
        self.narrator.used(engine.totals)
