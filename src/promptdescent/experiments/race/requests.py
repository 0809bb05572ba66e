"""OpenAI's protocol from the server's side: what a client asks for, and the answer that it gets."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptdescent.llm.base import Draw, Request
from promptdescent.records import Finish, Message, ModelSettings, Reply, Role, Usage

MOST_SAMPLES = 128
"""Replies that one request may ask for, as at OpenAI."""

HOTTEST = 2.0
"""Highest temperature."""

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

_FINISHES: Mapping[Finish, str] = {"stop": "stop", "length": "length", "refused": "content_filter"}


class Unreadable(Exception):
    """A request that is not of the protocol, or asks for what is not served. ``parameter`` is what is wrong with it."""

    def __init__(self, message: str, *, parameter: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Served:
    """How a role is served: by the alias that clients know it by."""

    role: Role
    settings: ModelSettings
    """Its temperature is taken where a client names none; its limit of tokens holds whatever a client asks for."""


def read_request(content: bytes, served: Mapping[str, Served], *, chat: bool) -> Request:
    """The request in a body, with a draw that says nothing yet. Fields that are not known are passed over.

    Raises :class:`Unreadable`.
    """
    body = _object(content)
    alias = body.get("model")
    if not isinstance(alias, str) or alias not in served:
        raise Unreadable(
            f"there is no model {str(alias)[:100]!r}; the models are {' and '.join(served)}",
            parameter="model",
            code="model_not_found",
        )
    if body.get("stream"):
        raise Unreadable("replies are not streamed; leave stream out", parameter="stream", code="unsupported_value")
    role, settings = served[alias].role, served[alias].settings
    request = Request(
        role=role,
        temperature=_temperature(body, settings.temperature),
        max_tokens=min(_limit(body, settings.max_tokens), settings.max_tokens),
        stop=_stop(body.get("stop")),
        n=_samples(body.get("n")),
        draw=Draw(seed=0, step=0, slot="", index=0),
    )
    if chat:
        return replace(request, messages=_messages(body.get("messages")))
    return replace(request, text=_text(body.get("prompt")))


def answer(replies: Sequence[Reply], usage: Usage, *, alias: str, number: int, chat: bool) -> dict[str, Any]:
    """What a client gets for its request, the ``number``-th of the race."""
    choices: list[dict[str, Any]] = []
    for index, reply in enumerate(replies):
        said: dict[str, Any] = (
            {"message": {"role": "assistant", "content": reply.text}} if chat else {"text": reply.text}
        )
        choices.append({"index": index, **said, "logprobs": None, "finish_reason": _FINISHES[reply.finish]})
    return {
        "id": f"race-{number}",
        "object": "chat.completion" if chat else "text_completion",
        "created": int(time.time()),
        "model": alias,
        "choices": choices,
        "usage": {
            "prompt_tokens": usage.tokens_in,
            "completion_tokens": usage.tokens_out,
            "total_tokens": usage.tokens,
        },
    }


def read_score_request(content: bytes) -> tuple[str, str, str]:
    """Reply, input and target of a request for a score. Raises :class:`Unreadable`."""
    body = _object(content)
    found = []
    for name in ("reply", "input", "target"):
        value = body.get(name)
        if not isinstance(value, str):
            raise Unreadable(f"{name} must be a text", parameter=name)
        found.append(value)
    return found[0], found[1], found[2]


def _object(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Unreadable("the body is no JSON object")
    return body


def _messages(given: object) -> tuple[Message, ...]:
    if not isinstance(given, list) or not given:
        raise Unreadable("messages must be a list of messages", parameter="messages")
    messages = []
    for one in given:
        role = _ROLES.get(str(one.get("role"))) if isinstance(one, dict) else None
        if role is None:
            raise Unreadable(f"a message has one of the roles {', '.join(_ROLES)}", parameter="messages")
        messages.append(Message(role=role, content=(_content(one.get("content")),)))  # type: ignore[arg-type]
    return tuple(messages)


def _content(given: object) -> str:
    """The text of a message: a text, nothing, or parts that are all text."""
    if given is None:
        return ""
    if isinstance(given, str):
        return given
    texts = []
    for part in given if isinstance(given, list) else (None,):
        text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
        if not isinstance(text, str):
            raise Unreadable("a message holds text alone", parameter="messages")
        texts.append(text)
    return "".join(texts)


def _text(given: object) -> str:
    if isinstance(given, list) and len(given) == 1:
        given = given[0]
    if not isinstance(given, str):
        raise Unreadable("prompt must be one text", parameter="prompt")
    return given


def _limit(body: Mapping[str, Any], otherwise: int) -> int:
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is None:
            continue
        if type(value) is not int or value < 1:
            raise Unreadable(f"{name} must be a whole number from 1 on", parameter=name)
        return value
    return otherwise


def _temperature(body: Mapping[str, Any], otherwise: float) -> float:
    value = body.get("temperature")
    if value is None:
        return otherwise
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value <= HOTTEST:
        raise Unreadable(f"temperature must be a number from 0 to {HOTTEST:g}", parameter="temperature")
    return float(value)


def _samples(value: object) -> int:
    if value is None:
        return 1
    if type(value) is not int or not 1 <= value <= MOST_SAMPLES:
        raise Unreadable(f"n must be a whole number from 1 to {MOST_SAMPLES}", parameter="n")
    return value


def _stop(value: object) -> tuple[str, ...]:
    texts = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise Unreadable("stop must be a text or a list of texts", parameter="stop")
    return tuple(texts)
