"""What a found prompt is worth: its score on the test rows, in our layout and in the contestant's own.

Both go through the race's store, so that equal requests of all contestants and seeds are asked once.
"""

from __future__ import annotations

from dataclasses import asdict, replace

from promptdescent import runner
from promptdescent.assembly import NO_EXTRAS, Given, open_models
from promptdescent.config import RunSpec
from promptdescent.errors import RunFailed
from promptdescent.experiments.race.answers import AnswerReader
from promptdescent.experiments.race.job import Layout
from promptdescent.llm.base import LLM, Completion, Request
from promptdescent.optimizer import MOST_MISSING
from promptdescent.store.store import Store
from promptdescent.tasks.task import Task
from promptdescent.text import fingerprint


class InLayout:
    """A model that is asked in a contestant's layout: a request holds the row alone, a reply is the answer read."""

    def __init__(self, inner: LLM, layout: Layout) -> None:
        self._inner = inner
        self._layout = layout
        self._reader = AnswerReader(layout.answer_pattern)

    @property
    def identity(self) -> str:
        return f"{self._inner.identity} layout {fingerprint(asdict(self._layout))}"

    @property
    def serves_n(self) -> bool:
        return self._inner.serves_n

    @property
    def refuses_temperature(self) -> bool:
        return self._inner.refuses_temperature

    @property
    def context_tokens(self) -> int | None:
        return self._inner.context_tokens

    async def prepare(self) -> None:
        await self._inner.prepare()

    async def close(self) -> None:
        await self._reader.close()
        await self._inner.close()

    async def complete(self, request: Request) -> Completion:
        """The answers that the layout's pattern reads. Raises what the inner model and the reader raise."""
        (row,) = request.messages
        completion = await self._inner.complete(replace(request, messages=self._layout.filled(row.text)))
        replies = [replace(reply, text=await self._reader.read(reply.text)) for reply in completion.replies]
        return replace(completion, replies=tuple(replies))


async def our_score(spec: RunSpec, store: Store, *, prompt: str) -> float:
    """The score of a prompt in our layout. Raises :class:`PromptDescentError`."""
    return await _score(spec, store, Given(prompt=prompt))


async def own_score(spec: RunSpec, store: Store, *, task: Task, layout: Layout) -> float:
    """The score in the contestant's own layout. Raises :class:`PromptDescentError`."""
    model = InLayout(open_models(spec, task, NO_EXTRAS).task, layout)
    return await _score(spec, store, Given(prompt="", task_model=model))


async def _score(spec: RunSpec, store: Store, given: Given) -> float:
    result = await runner.evaluate(spec, on="test", store=store, given=given, confirm=lambda _: True)
    score = result.score
    if score.missing > MOST_MISSING * (score.rows + score.missing):
        reason = next((outcome.error for outcome in score.outcomes if outcome.error), "")
        raise RunFailed(f"{score.missing} test rows have no score; the first failure: {reason}")
    return score.score
