"""The protocol that every model implements, what is sent through it, and the two ledgers that a store keeps of it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from promptdescent.records import Message, Reply, Role, Usage
from promptdescent.text import fingerprint

NOTHING = Usage()


@dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """Which sample of a run a reply is. Two requests that differ only in their draw are two samples."""

    seed: int
    """The run's seed."""
    step: int
    slot: str
    """What the sample is for, such as ``proposal``."""
    index: int
    """Which of the samples of this slot."""

    def model_seed(self) -> int:
        """A seed in [0, 2**31) for models that take one, derived from all four fields."""
        text = f"{self.seed}/{self.step}/{self.slot}/{self.index}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """``n`` samples of one message list, or of one raw text. Sent once it is one call, whatever its ``n``."""

    role: Role
    messages: tuple[Message, ...] = ()
    text: str | None = None
    """For raw completion instead of chat; then ``messages`` is empty."""
    temperature: float
    max_tokens: int
    stop: tuple[str, ...] = ()
    n: int = 1
    draw: Draw
    """The draw of the first sample; the others follow by ``index``."""

    def at(self, offset: int, n: int = 1) -> Request:
        """The request for ``n`` samples from the sample ``offset`` on."""
        return replace(self, n=n, draw=replace(self.draw, index=self.draw.index + offset))

    def key(self, identity: str, *, sampled: bool | None = None) -> str:
        """Cache key of the first sample at the endpoint ``identity``: 64 hex digits.

        ``sampled`` says whether replies vary, so that the draw counts; by default they do when the temperature is
        above 0.
        """
        varies = self.temperature > 0 if sampled is None else sampled
        return fingerprint(
            {
                "endpoint": identity,
                "messages": [[message.role, list(message.content)] for message in self.messages],
                "text": self.text,
                "temperature": self.temperature,
                "max_tokens": self.max_tokens,
                "stop": list(self.stop),
                "draw": [self.draw.seed, self.draw.step, self.draw.slot, self.draw.index] if varies else None,
            }
        )

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that is sent, as it is divided."""
        return (self.text or "", *(message.text for message in self.messages))

    @property
    def whole(self) -> str:
        """Everything that is sent, in one text."""
        return "\n".join(self.texts)

    @property
    def characters(self) -> int:
        """Length of everything that is sent, for estimates of tokens."""
        return sum(map(len, self.texts))


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """What one call brought: between 1 and ``n`` replies, and its usage (with ``calls`` = 1)."""

    replies: tuple[Reply, ...]
    usage: Usage
    inexact: str = ""
    """Why a cap on tokens or money cannot be exact with this endpoint, such as ``tells no usage``; empty if it can."""
    repeatable: bool = False
    """Whether the same request would get the same replies again, so that an empty one is not asked for once more."""


class LLM(Protocol):
    """A language model. Implementations are safe to call concurrently from one event loop."""

    @property
    def identity(self) -> str:
        """Endpoint identity: equal for two models only if they would give the same greedy replies. Never holds a
        secret.
        """

    @property
    def serves_n(self) -> bool:
        """Whether one call may bring more than one reply; an endpoint that was seen to give fewer says no from then
        on.
        """

    @property
    def refuses_temperature(self) -> bool:
        """Whether the endpoint was seen to refuse the temperature asked for; its replies then count as sampled."""

    @property
    def context_tokens(self) -> int | None:
        """The most tokens, read and written, that one call may have; None if that is not known. Known after
        :meth:`prepare`.
        """

    async def prepare(self) -> None:
        """Check key and model without paying for a call, and learn the identity. Called once, before the first request.

        Raises :class:`~promptdescent.errors.PermanentError` or :class:`~promptdescent.errors.TransientError`.
        """

    async def complete(self, request: Request) -> Completion:
        """Make one call. May return fewer than ``request.n`` replies, never none.

        Raises :class:`~promptdescent.errors.ModelError`. Never retries: retries belong to ``llm.limits``.
        """

    async def close(self) -> None:
        """Give connections and memory back. The model is not used afterwards."""


class Embedder(Protocol):
    """Turns texts into vectors whose cosine tells how alike they are."""

    @property
    def identity(self) -> str:
        """Recorded with the run."""

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector per text, all of one length."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredReply:
    """A reply in the store with the call that brought it."""

    key: str
    call: str
    """Identifies the call; replies of one call share it."""
    reply: Reply
    usage: Usage
    """Of the whole call."""
    created_at: float
    """Unix time, seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the store knows of a request."""

    replies: Mapping[str, StoredReply]
    """By cache key: those that may be reused."""
    used: Collection[str]
    """Which of the calls that brought them, or of the call asked about, the run has used before."""


class ReplyStore(Protocol):
    """Replies by cache key."""

    async def find(self, call: str, keys: Sequence[str]) -> Known:
        """What is known of the call that would bring the replies to ``keys``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """The counters of one role."""

    used: Usage = NOTHING
    """Each distinct call of the run once, as if the cache had been empty at its start."""
    paid: Usage = NOTHING
    """Every attempt sent, with the tokens that are known."""
    lost: Usage = NOTHING
    """The attempts among them whose answer never came, though the endpoint may have charged for it; with the most
    tokens that they can have had, which are not in ``paid``.
    """


class Ledger(Protocol):
    """One run's account of its calls. Each method returns when its entry is committed."""

    async def begin(self, call: str, role: Role, *, bound: Usage) -> int:
        """Record that an attempt at ``call`` is about to be sent, which has at most the tokens of ``bound``; return the
        attempt's number.
        """

    async def succeed(self, attempt: int, replies: Sequence[StoredReply], *, first_use: bool) -> None:
        """Record the replies that the attempt brought, and that the run uses them. ``replies`` is never empty.

        ``first_use``: the run has not used this call before.
        """

    async def fail(self, attempt: int, error: str, *, counter: str, lost: bool, usage: Usage = NOTHING) -> None:
        """Record that the attempt failed. ``error`` holds no secret; ``counter`` is the kind of failure.

        ``lost``: it may have been charged all the same. ``usage``: the tokens of an answer that came and is of no use.
        """

    async def use(self, call: str, role: Role, usage: Usage) -> None:
        """Record that the run used replies of ``call`` that were in the store, for the first time."""

    def totals(self) -> Mapping[Role, Totals]:
        """What is committed so far, from the run's first start on."""
