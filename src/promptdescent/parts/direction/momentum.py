"""Momentum: which past prompts the optimizer model is shown (paper section 3.1, "optimization trajectory")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from promptdescent.llm.base import Embedder
from promptdescent.parts.meta_prompt import ScoredPrompt, Section, Trajectory
from promptdescent.records import Candidate, OptimizerState
from promptdescent.text import LexicalSimilarity as TfIdf
from promptdescent.text import cosine


class Similarity(Protocol):
    """How alike texts are. Lexical by default; cosine of embeddings where an embedder is configured."""

    @property
    def name(self) -> str:
        """Recorded with the run."""

    async def to(self, text: str, others: Sequence[str]) -> Sequence[float]:
        """Similarity of ``text`` to each of ``others``, at most 1."""


class LexicalSimilarity:
    """TF-IDF cosine over words, with the texts at hand as corpus. Always available."""

    name = "lexical (TF-IDF cosine)"

    async def to(self, text: str, others: Sequence[str]) -> Sequence[float]:
        corpus = TfIdf([text, *others])
        return [corpus.similarity(text, other) for other in others]


class EmbeddingSimilarity:
    """Cosine of sentence embeddings, as the paper has it. Each text is embedded once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._vectors: dict[str, Sequence[float]] = {}

    @property
    def name(self) -> str:
        return f"embeddings ({self._embedder.identity})"

    async def to(self, text: str, others: Sequence[str]) -> Sequence[float]:
        unknown = [one for one in dict.fromkeys([text, *others]) if one not in self._vectors]
        if unknown:
            self._vectors.update(zip(unknown, await self._embedder.embed(unknown), strict=True))
        return [cosine(self._vectors[text], self._vectors[other]) for other in others]


class Momentum(Protocol):
    """Chooses from the trajectory."""

    async def retrieve(self, state: OptimizerState, similarity: Similarity) -> tuple[Section, ...]:
        """Sections that show past prompts."""


@dataclass(frozen=True, kw_only=True)
class RelevanceRetrieval:
    """The past prompts most like the current one, which itself comes last: ascending similarity, as the paper
    describes it.
    """

    k: int = 3
    """Prompts shown, counting the current one."""

    async def retrieve(self, state: OptimizerState, similarity: Similarity) -> tuple[Section, ...]:
        current = state.current
        past = _latest_of_each_text(state.trajectory, but=current)
        alike = await similarity.to(current.prompt.text, [candidate.prompt.text for candidate in past])
        # Of two equally similar prompts the later one ranks higher, so that the order never depends on chance.
        ranked = sorted(range(len(past)), key=lambda index: (alike[index], index))
        nearest = ranked[len(ranked) - min(self.k - 1, len(ranked)) :]
        shown = [*(past[index] for index in nearest), current]
        return (Trajectory(entries=tuple(ScoredPrompt(text=one.prompt.text, score=one.score) for one in shown)),)


def _latest_of_each_text(trajectory: Sequence[Candidate], *, but: Candidate) -> list[Candidate]:
    """The trajectory without ``but`` and without older entries of the same text."""
    latest = {candidate.prompt.text: candidate for candidate in trajectory}
    latest.pop(but.prompt.text, None)
    return [candidate for candidate in trajectory if latest.get(candidate.prompt.text) is candidate]
