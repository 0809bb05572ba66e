"""The model that writes prompts: how it is asked, and what is made of its replies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from promptdescent.llm.base import LLM, Draw, Request
from promptdescent.llm.streams import Sample, samples
from promptdescent.parts.context import Answer, Query
from promptdescent.parts.few_shot import render_few_shot
from promptdescent.parts.meta_prompt import MetaPrompt, read_chat_reply
from promptdescent.parts.raw_job import read_raw_reply
from promptdescent.parts.writer import render_writer
from promptdescent.records import Candidate, Message, ModelSettings, Reply, SentRequest

EMPTY_REPLY = "empty reply"
CUT_OFF_REPLY = "reply cut off"

REFUSED = "refused"
NOTHING_ASKED_FOR = "nothing of what was asked for in the reply"

_ENDS = {EMPTY_REPLY: "empty", CUT_OFF_REPLY: "cut off", REFUSED: "refused", NOTHING_ASKED_FOR: "unreadable"}
"""Under which counters a run counts these problems."""


@dataclass(frozen=True, kw_only=True)
class OptimizerModel:
    """A model and how it is sampled."""

    llm: LLM
    settings: ModelSettings
    watch: Callable[[str], None] = lambda end: None
    """Told how every reply ended, in order: ``answered``, ``empty``, ``cut off``, ``refused`` or ``unreadable``."""

    @property
    def raw(self) -> bool:
        """Whether it continues text instead of answering messages."""
        return self.settings.style != "chat"

    def message(self, meta_prompt: MetaPrompt) -> Message:
        """The meta-prompt in the style of the model's settings."""
        if not self.raw:
            return meta_prompt.chat()
        render = render_writer if self.settings.style == "writer" else render_few_shot
        return Message(role="user", content=(render(meta_prompt),))

    def request(self, query: Query, message: Message, draw: Draw) -> Request:
        """The request for a query: a chat, or a raw completion in the other styles."""
        return Request(
            role="optimizer",
            messages=() if self.raw else (message,),
            text=message.text if self.raw else None,
            temperature=0.0 if query.greedy else self.settings.temperature,
            max_tokens=self.settings.max_tokens,
            stop=self.settings.stop,
            n=query.n,
            draw=draw,
        )

    def read(self, reply: Reply, query: Query) -> str:
        """What was asked for."""
        tag = query.meta_prompt.tag
        return read_raw_reply(reply.text) if self.raw else read_chat_reply(reply.text, tag)


class Correspondence:
    """The requests of one step. Implements :class:`~promptdescent.parts.context.AskOptimizer`."""

    def __init__(self, model: OptimizerModel, *, seed: int, step: int) -> None:
        self._model = model
        self._seed = seed
        self._step = step
        self.requests: list[SentRequest] = []

    async def __call__(self, queries: Sequence[Query]) -> AsyncGenerator[Answer, None]:
        """The answers, ordered by query and sample. Raises what ends a run: budget, permanent and too many failures."""
        first = len(self.requests)
        requests = []
        for place, query in enumerate(queries):
            message = self._model.message(query.meta_prompt)
            self.requests.append(SentRequest(purpose=query.purpose, message=message, parent=query.parent, n=query.n))
            # Numbered by their place in the step, so that two equal meta-prompts are two draws.
            draw = Draw(seed=self._seed, step=self._step, slot=f"{query.purpose}/{first + place}", index=0)
            requests.append(self._model.request(query, message, draw))
        async with aclosing(samples(self._model.llm, requests)) as replies:
            async for place, sample in replies:
                yield self._answer(queries[place], place, first + place, sample)

    def _answer(self, query: Query, place: int, number: int, sample: Sample) -> Answer:
        if sample.reply is None:
            self.requests[number] = replace(self.requests[number], failed=self.requests[number].failed + 1)
            return Answer(query=place, request=number, text="", problem=sample.error, came=False)
        text = self._model.read(sample.reply, query)
        problem = _problem(sample.reply, text, query.meta_prompt.tag)
        self._model.watch(_ENDS.get(problem, "answered"))
        if query.meta_prompt.tag != "prompt" and not problem:
            self.requests[number] = replace(self.requests[number], text=text)
        return Answer(query=place, request=number, text=text, problem=problem, tokens=sample.tokens)


def _problem(reply: Reply, text: str, tag: str) -> str:
    """Why nothing can be made of a reply, whatever the screening; empty if something can."""
    if not reply.text.strip():
        return EMPTY_REPLY
    if reply.finish == "length" and not re.search(rf"<\s*/\s*{tag}\s*>", reply.text, re.IGNORECASE):
        return CUT_OFF_REPLY
    if reply.finish == "refused":
        return REFUSED
    return "" if text else NOTHING_ASKED_FOR


def count_ends(candidates: Iterable[Candidate]) -> Counter[str]:
    """How the replies ended that proposed these candidates: ``answered``, ``empty``, ``cut off``, ``refused`` or
    ``unreadable``. Prompts that no model wrote are left out.
    """
    return Counter(_ENDS.get(one.reason, "answered") for one in candidates if one.request is not None)
