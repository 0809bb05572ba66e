"""What drives the models of a run: cache, budget, slots and record around each, and what is built on them."""

from __future__ import annotations

import contextlib
import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from promptdescent.assembly import Models, cache_mode
from promptdescent.config import RunSpec
from promptdescent.context_check import CHARACTERS_AT_MOST
from promptdescent.errors import ConfigError
from promptdescent.evaluator import Evaluator
from promptdescent.llm.base import LLM, Draw, Request, Totals
from promptdescent.llm.budget import Budget, Caps, most_tokens
from promptdescent.llm.cache import CachedLLM, CallsAtHand
from promptdescent.llm.failures import Breaker, read_limits
from promptdescent.llm.limits import Engine, RetryPolicy
from promptdescent.llm.profile import Profile
from promptdescent.llm.rates import RateLimits
from promptdescent.narrator import NarratedLedger, Narrator
from promptdescent.optimizer import Surroundings
from promptdescent.optimizer_model import OptimizerModel
from promptdescent.parts.recipe import Recipe
from promptdescent.planning import Forecast
from promptdescent.records import Example, OutcomeKind, Prompt, Role, RunManifest, Usage
from promptdescent.run_record import RunRecord
from promptdescent.tasks.judge import Judge, JudgeModel
from promptdescent.tasks.scoring import Scorer, by_metric
from promptdescent.tasks.target import PromptTarget
from promptdescent.tasks.task import Task

WINDOW = 2048
"""Rows in work at once at most, which bounds the memory they take."""


@contextlib.contextmanager
def few_collections() -> Iterator[None]:
    """Spare what is there by now from the collection of garbage, until the block ends. Hundreds of thousands of objects
    belong to loaded libraries; to walk through them again and again took a fifth of the CPU of a call.
    """
    if gc.get_freeze_count():  # somebody else decides about it
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@dataclass(frozen=True, kw_only=True)
class RunSetup:
    """All that a run is made of."""

    record: RunRecord
    manifest: RunManifest
    spec: RunSpec
    """The settings in force: as recorded, with what a resumed run has raised since."""
    task: Task
    recipe: Recipe
    models: Models
    narrator: Narrator
    plan: Forecast
    profile: Profile


class RunEngine:
    """The models of a run behind its cache, budget and ledger, and what is built on them."""

    def __init__(self, run: RunSetup) -> None:
        manifest, task, models, spec = run.manifest, run.task, run.models, run.spec
        self._ledger = ledger = NarratedLedger(run.record.ledger(), run.narrator)
        self._verdict_rows = task.verdict_rows
        self._start = task.start
        self.budget = Budget(
            caps_of(spec),
            ledger.totals(),
            clock=time.monotonic,
            prices=run.plan.prices,
            worked=run.record.seconds_at_work(),
        )
        # Where time may end a step in the middle, prompts that are done as a whole are worth more than speed.
        slots = models.slots(run.profile.slots_change, in_order=spec.max_minutes is not None)
        run.profile.watch(slots)
        to_go_on = f"explain {manifest.explains}" if manifest.explains else "resume"
        self.failure_limits = read_limits(spec.failure_limit)
        breaker = Breaker(self.failure_limits, to_go_on=f"promptdescent {to_go_on}")
        self._engine = engine = Engine(
            slots=slots,
            rates=RateLimits(requests=spec.requests_per_minute, tokens=spec.tokens_per_minute),
            budget=self.budget,
            ledger=ledger,
            breaker=breaker,
            profile=run.profile,
            clock=run.record.clock,
            retry=RetryPolicy(attempts=spec.attempts),
        )
        at_hand = CallsAtHand()

        def wrapped(llm: LLM) -> LLM:
            replies = run.record.replies(cache_mode(llm, manifest.cache))
            return CachedLLM(models.sender(llm, engine), replies=replies, engine=engine, at_hand=at_hand)

        self._target = target = PromptTarget(
            wrapped(models.task), manifest.task_model, task.placement, task.second_round
        )
        scorer = _scorer(run, wrapped)

        def watch(kind: OutcomeKind, *, unaffordable_is_missing: bool) -> None:
            # Rows that the caps leave no room for are missing through nobody's fault, and what a prompt without some of
            # its pieces is replied is what an explanation measures.
            if not (unaffordable_is_missing if kind == "missing" else manifest.explains):
                breaker.reply_read("task", kind)

        def evaluator(*, length_cost: float, unaffordable_is_missing: bool) -> Evaluator:
            return Evaluator(
                target=target,
                scorer=scorer,
                objective=task.objective,
                seed=manifest.seed,
                # Far more than run at once, so that one row that waits for its retry holds up no other, and so that a
                # model on this machine finds the prompts of a step side by side on each row.
                window=WINDOW,
                length_cost=length_cost,
                unaffordable_is_missing=unaffordable_is_missing,
                watch=partial(watch, unaffordable_is_missing=unaffordable_is_missing),
            )

        self.evaluator = evaluator(length_cost=task.length_cost, unaffordable_is_missing=False)
        self.verdict_evaluator = evaluator(length_cost=0.0, unaffordable_is_missing=True)
        self.around = Surroundings(
            brief=task.brief,
            dev=task.dev,
            evaluate=self.evaluator,
            model=OptimizerModel(
                llm=wrapped(models.optimizer),
                settings=manifest.optimizer_model,
                watch=lambda end: breaker.reply_read("optimizer", end),
            ),
            similarity=models.similarity,
            seed=manifest.seed,
            later_seeds=spec.later_seeds,
        )

    async def bring_home(self, seconds: float) -> None:
        """Wait until what is in flight is on record, but not longer than so many seconds."""
        await self._engine.bring_home(seconds)

    @property
    def totals(self) -> Mapping[Role, Totals]:
        """What the run has used and paid so far."""
        return self._ledger.totals()

    @property
    def used(self) -> Usage:
        """All that it has used, of every role."""
        return sum((both.used for both in self.totals.values()), Usage())

    def dearest_verdict_call(self, best: Prompt) -> int:
        """Tokens that one call of the verdict can have at most; in a second round, after a first reply of its full
        length in ordinary text.
        """
        longest = "x" * (CHARACTERS_AT_MOST * self._target.settings.max_tokens)
        calls = (call for row in self._verdict_rows for call in self._calls(best, row, reply=longest))
        return max((most_tokens(call).tokens for call in calls), default=0)

    @property
    def share_tried_again(self) -> float:
        """How many more attempts were paid than calls used, as a share of these."""
        paid = sum(sums.paid.calls for sums in self.totals.values())
        return max(0.0, paid / max(1, self.used.calls) - 1)

    @property
    def seconds_per_call(self) -> float:
        """How long the run takes per call that it sends; 0 before there was one."""
        return self._engine.profile.busy_seconds / max(1, self._engine.profile.calls)

    def verdict_tokens(self, best: Prompt, tokens_at_start: int) -> int:
        """Tokens that the verdict will have, about: those of the starting prompt on the dev rows, ``tokens_at_start``,
        by the lengths of what is sent.
        """
        start = self._start
        sent = self._bytes_of(start, self.around.dev)
        to_send = self._bytes_of(start, self._verdict_rows) + self._bytes_of(best, self._verdict_rows)
        return math.ceil(tokens_at_start * to_send / max(1, sent))

    def _bytes_of(self, prompt: Prompt, rows: Sequence[Example]) -> int:
        return sum(most_tokens(call).tokens_in for row in rows for call in self._calls(prompt, row, reply=""))

    def _calls(self, prompt: Prompt, row: Example, *, reply: str) -> list[Request]:
        """The calls that a row takes, if the first of two brings ``reply``."""
        first = self._target.request(prompt, row, draw=Draw(seed=0, step=0, slot="", index=0))
        return [first, self._target.second_request(first, reply)] if self._target.second_round else [first]


def caps_of(spec: RunSpec) -> Caps:
    """The caps in the settings of a run."""
    return Caps(
        calls=spec.max_calls,
        tokens=spec.max_total_tokens,
        money=spec.max_money,
        seconds=None if spec.max_minutes is None else 60 * spec.max_minutes,
    )


def _scorer(run: RunSetup, wrapped: Callable[[LLM], LLM]) -> Scorer:
    """How the run's replies are scored; a judge's calls go through the run's cache and budget as all others do."""
    metric, llm, settings = run.task.metric, run.models.judge, run.manifest.judge_model
    if not isinstance(metric, Judge):
        return by_metric(metric)
    if llm is None or settings is None:
        raise ConfigError("the record of this run names no judge, though its metric is judge; start a new run")
    return JudgeModel(judge=metric, llm=wrapped(llm), settings=settings, seed=run.manifest.seed)
