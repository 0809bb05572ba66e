"""Models that answer from the record of a run: all of it for a replay, its first steps for a fork.

::

    CachedLLM ── the store has a reply that the run used ─▶ that reply
        └─ it has none ─▶ FromRecord: the call failed ─▶ the same error
                              ├─ the run's cap cut it off ─▶ the same cap
                              └─ never asked ─▶ UnseenRequest (replay), or the model itself (fork)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from promptdescent.assembly import Given, Models
from promptdescent.config import RAISABLE, RunSpec, flag
from promptdescent.errors import (
    BudgetExhausted,
    ConfigError,
    ModelError,
    ParameterRefused,
    StoreError,
    TransientError,
    UnseenRequest,
)
from promptdescent.llm.base import LLM, Completion, Request
from promptdescent.llm.failures import LIMITS
from promptdescent.llm.limits import EMPTY_REPLY, Call, Engine, LimitedLLM
from promptdescent.parts.similarity import EmbeddingSimilarity, LexicalSimilarity
from promptdescent.records import Role, RunManifest
from promptdescent.run_record import RunRecord
from promptdescent.store.lineage import FailedCall, ancestors, calls_sent, failed_calls
from promptdescent.store.store import Store


class Past:
    """What a run was answered, beside the replies in the store."""

    def __init__(self, store: Store, run: str) -> None:
        self.run = run
        self.manifest = store.manifest(run)
        self.store = store
        self.settings = RunRecord(store, run).settings()
        """Those that were in force at last."""
        self._attempts = RunSpec().with_settings(self.settings).attempts

    @cached_property
    def sent(self) -> Mapping[str, Role]:
        """The calls that the run sent or was answered from the store, with the role that asked."""
        return calls_sent(self.store, self.run)

    @cached_property
    def _failed(self) -> Mapping[str, FailedCall]:
        """Those of its ancestors too: what a fork shares with its origin it never sent itself."""
        line = (self.run, *ancestors(self.store, self.run))
        return {call: failed for run in reversed(line) for call, failed in failed_calls(self.store, run).items()}

    @cached_property
    def cut(self) -> Cut:
        """Where a cap ended the run's search, and its verdict."""
        record = RunRecord(self.store, self.run)
        verdict = record.verdict()
        outcomes = (*verdict.start_outcomes, *verdict.best_outcomes) if verdict else ()
        score = record.score()
        lost = [one.error or "" for one in (*outcomes, *(score.outcomes if score else ()))]
        return Cut(search=_if_cap(record.end_of_search() or ""), verdict=next(filter(_if_cap, lost), ""))

    def sampled_later(self, call: Call, model: LLM) -> bool:
        """Whether the endpoint refused the temperature of this greedy call, so that it was sent again as a sample."""
        request = call.request
        sampled = f"{request.key(model.identity, sampled=True)}x{request.n}"
        return sampled != call.id and sampled in self.sent

    def failure(self, call: Call) -> ModelError | None:
        """The error with which the call failed for good; None if it did not, or if a cap cut off its retries."""
        failed = self._failed.get(call.id)
        if failed is None:
            return None
        refused = failed.counter == ModelError.counter
        unfinished = failed.counter == EMPTY_REPLY or (failed.attempts < self._attempts and not refused)
        if unfinished and self.cut.anywhere:
            return None
        return TransientError(failed.error)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """The words of the caps that ended the search and the verdict of a run; empty where none did."""

    search: str
    verdict: str

    @property
    def anywhere(self) -> bool:
        """Whether a cap ended anything."""
        return bool(self.search or self.verdict)


def _if_cap(reason: str) -> str:
    """The reason if it is a cap, else nothing: whatever says that a cap is reached names its flag."""
    return reason if any(f"({flag(name)})" in reason for name in RAISABLE) else ""


# --- replay ----------------------------------------------------------------------------------------------------------


class RecordedModel:
    """Stands in for a model of a run that is replayed: it has its identity and its traits, and answers nothing."""

    def __init__(self, role: Role, past: Past) -> None:
        manifest = past.manifest
        self.identity = manifest.models[role][1] if role in manifest.models else ""
        self.context_tokens = manifest.context_tokens.get(role)
        # A call that asked for several samples at once shows that the endpoint was taken to serve that.
        self.serves_n = any(asker == role and not call.endswith("x1") for call, asker in past.sent.items())
        self.refuses_temperature = False

    async def prepare(self) -> None:
        """Nothing is to be prepared."""

    async def complete(self, request: Request) -> Completion:
        """Never asked: :class:`FromRecord` stands before it."""
        raise UnseenRequest(f"the {request.role} model of a replay cannot be asked")

    async def close(self) -> None:
        """Nothing is to be given back."""


def recorded_models(past: Past, given: Given) -> Models:
    """Stand-ins for all models of a run. Raises :class:`ConfigError` if the embedder that it began with is missing."""
    similarity = EmbeddingSimilarity(given.embedder) if given.embedder else LexicalSimilarity()
    if similarity.name != past.manifest.similarity:
        raise ConfigError(
            f"the run compared past prompts by {past.manifest.similarity}, whose vectors are not on record; "
            "hand in the same embedder, from Python"
        )
    return Models(
        task=RecordedModel("task", past),
        optimizer=RecordedModel("optimizer", past),
        judge=RecordedModel("judge", past) if "judge" in past.manifest.models else None,
        similarity=similarity,
        concurrency=REPLAYED_AT_ONCE,
        remote=False,
        notes=(),
    )


REPLAYED_AT_ONCE = 64
"""Look-ups side by side."""


def without_limits(spec: RunSpec) -> RunSpec:
    """The settings of a replay: nothing is paid, so no cap, pace or breaker may end it before the record does."""
    open_ended = {**dict.fromkeys(RAISABLE), "requests_per_minute": None, "tokens_per_minute": None}
    return spec.with_settings({**open_ended, "failure_limit": tuple(f"{name}=1" for name in LIMITS)})


class FromRecord(LimitedLLM):
    """What a replay sends its requests to once the store has no reply: it ends as the run's own call ended."""

    def __init__(self, inner: LLM, engine: Engine, *, past: Past, search_is_over: Callable[[], bool]) -> None:
        super().__init__(inner, engine)
        self._past = past
        self._model = inner
        self._search_is_over = search_is_over

    async def send(self, call: Call, *, first_use: bool) -> Completion:
        """Raise what the run's call met with, or :class:`UnseenRequest`. Nothing is recorded as sent."""
        self._check_length(call.request)
        self._check_temperature(call)
        failure = self._past.failure(call)
        if failure is not None:
            raise failure
        cut = self._past.cut.verdict if self._search_is_over() else self._past.cut.search
        if cut:
            raise BudgetExhausted(cut)
        raise _unseen(call.request, self._past)

    def _check_temperature(self, call: Call) -> None:
        """Learn that the endpoint refused the temperature, as its model did: the draw was then part of the key."""
        if self._past.sampled_later(call, self._model):
            if isinstance(self._model, RecordedModel):
                self._model.refuses_temperature = True
            raise ParameterRefused("the endpoint refused the temperature", parameter="temperature")


def _unseen(request: Request, past: Past) -> UnseenRequest:
    draw = request.draw
    where = f"step {draw.step}, {draw.slot}" if request.role == "optimizer" else draw.slot.replace("/", ", row ", 1)
    return UnseenRequest(
        f"the replay of run {past.run} came to a request of the {request.role} model that this run never sent "
        f"({where}), so there is no reply to it. The record, the metric or this version of promptdescent "
        f"(the run's is {past.manifest.version}) is not the same, or replies are missing from the store: replay it "
        f"with the version and the store that it was made with, or let the models answer with "
        f"`promptdescent rerun {past.run}`"
    )


# --- fork ------------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class CommonPast:
    """Whether a fork is still where its origin was before the step at which they part."""

    past: Past
    until: int
    """The first step of the fork's own."""
    over: bool = False

    def sender(self, llm: LLM, engine: Engine) -> LimitedLLM:
        """What the model's requests are sent to once the store has no reply."""
        return ForkedLLM(llm, engine, common=self)


class ForkedLLM(LimitedLLM):
    """A model of a fork. Calls of the common past that had failed for good fail again, so that both share it."""

    def __init__(self, inner: LLM, engine: Engine, *, common: CommonPast) -> None:
        super().__init__(inner, engine)
        self._common = common
        self._model = inner

    async def send(self, call: Call, *, first_use: bool) -> Completion:
        common, request = self._common, call.request
        if request.role == "optimizer" and request.draw.step >= common.until:
            common.over = True
        if not common.over and not common.past.sampled_later(call, self._model):
            failure = common.past.failure(call)
            if failure is not None:
                raise failure
        return await super().send(call, first_use=first_use)


def with_common_past(models: Models, store: Store, manifest: RunManifest) -> Models:
    """The models of a fork, so that it shares what came before with its origin, as far as the store has that; those of
    any other run as they are.
    """
    if manifest.forked_at is None:
        return models
    try:
        past = Past(store, manifest.origin)
    except StoreError:
        return models
    return replace(models, sender=CommonPast(past=past, until=manifest.forked_at).sender)


def fork_seeds(manifest: RunManifest, *, from_step: int, seed: int) -> tuple[tuple[int, int], ...]:
    """The seeds of a fork: those that its origin has before the step, and ``seed`` from it on."""
    before = RunSpec().with_settings(manifest.spec).later_seeds
    return (*(one for one in before if one[0] < from_step), (from_step, seed))
