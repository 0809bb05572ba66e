"""What a prompt drives: by default a model that is sent the prompt beside, or around, a row's question."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from promptdescent.errors import ConfigError, nearest
from promptdescent.llm.base import LLM, Draw, Request
from promptdescent.records import Example, Message, ModelSettings, Placement, Prompt, Reply
from promptdescent.text import fill, placeholders


class Target(Protocol):
    """Whatever a prompt drives. Safe to call concurrently from one event loop."""

    async def __call__(self, prompt: Prompt, example: Example, draw: Draw, /) -> Reply:
        """What comes back for one row. Raises :class:`~promptdescent.errors.ModelError`."""


@dataclass(frozen=True)
class PromptTarget:
    """A model that is sent one request per row, or two where there is a second round."""

    llm: LLM
    settings: ModelSettings
    placement: Placement
    second_round: str = ""
    """The user's turn after the first reply, such as one that asks for the bare answer; empty for one round."""

    def request(self, prompt: Prompt, example: Example, *, draw: Draw) -> Request:
        """What is sent for one row, at first."""
        return Request(
            role="task",
            messages=compose(prompt, example, self.placement),
            temperature=self.settings.temperature,
            max_tokens=self.settings.max_tokens,
            stop=self.settings.stop,
            draw=draw,
        )

    async def __call__(self, prompt: Prompt, example: Example, draw: Draw, /) -> Reply:
        """The reply to :meth:`request`, or to :meth:`second_request`, with the one before it.

        A reply that was cut off at the token limit, or refused in words, is asked about as any other. An empty one is
        the row's reply: there is nothing to go on from, and many endpoints refuse a turn without text.
        """
        request = self.request(prompt, example, draw=draw)
        reply = await self._ask(request)
        if not self.second_round or not reply.text.strip():
            return reply
        second = await self._ask(self.second_request(request, reply.text))
        return replace(second, earlier=reply.text)

    def second_request(self, first: Request, reply: str) -> Request:
        """What is sent after ``reply`` to the request ``first``. Its draw has a slot of its own."""
        turns = (Message(role="assistant", content=(reply,)), _message("user", self.second_round))
        return replace(
            first,
            messages=(*first.messages, *turns),
            draw=replace(first.draw, slot=f"{first.draw.slot}/second round"),
        )

    async def _ask(self, request: Request) -> Reply:
        completion = await self.llm.complete(request)
        return completion.replies[0]


def compose(prompt: Prompt, example: Example, placement: Placement) -> tuple[Message, ...]:
    """The messages for one row. An empty prompt gives the question alone, wherever it would stand."""
    text, question = prompt.text, example.question
    if not text:
        return (_message("user", question),)
    if placement == "system":
        return (_message("system", text), _message("user", question))
    if placement == "template":
        return (_message("user", fill(text, dict(example.inputs))),)
    return (_message("user", f"{text}\n{question}" if placement == "before" else f"{question}\n{text}"),)


def _message(role: Literal["system", "user"], text: str) -> Message:
    return Message(role=role, content=(text,))


# --- templates -------------------------------------------------------------------------------------------------------


def choose_placement(prompt: str, columns: Collection[str], given: Placement | None) -> Placement:
    """``given``, or by default template if the prompt names a column, else after the question."""
    if given is not None:
        return given
    return "template" if set(placeholders(prompt)) & set(columns) else "after"


def check_template(prompt: str, columns: Sequence[str]) -> None:
    """Raise :class:`ConfigError` if a placeholder of ``prompt`` is no column, or if it names no column at all."""
    named = placeholders(prompt)
    for name in named:
        if name not in columns:
            raise ConfigError(
                f"--prompt: placeholder {{{name}}} is no input column. Write {{{{{name}}}}} for the text {{{name}}} "
                f"in a template, or set --placement after to send it as it is; {nearest(name, columns)}"
            )
    if not named:
        raise ConfigError(
            f"--placement template, but the prompt names no column, so the model would see no question; "
            f"put in one of {', '.join(f'{{{column}}}' for column in columns)}"
        )
