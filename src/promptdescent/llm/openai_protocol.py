"""The OpenAI protocol as text: what is sent for a request, and what an answer says. Nothing here touches a network."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from promptdescent.llm.base import Completion, Request
from promptdescent.llm.budget import estimate_tokens
from promptdescent.llm.openai_errors import Caller, error_for, malformed, read_json, read_refusal
from promptdescent.llm.thoughts import read_reply
from promptdescent.records import Finish, Usage

CHAT = "/chat/completions"
RAW = "/completions"
MODELS = "/models"

_FINISHES: Mapping[str, Finish] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "refused",
    "refusal": "refused",
    "safety": "refused",
}

_IDENTIFYING = (
    *("id", "owned_by", "root", "parent", "version"),
    *("fingerprint", "system_fingerprint", "digest", "modified", "modified_at"),
)
"""What a model list says of a model that tells it from another one; clocks, permissions and prices do not."""

_SCALAR = (str, int, float)

_CONTEXT = (
    "loaded_context_length",  # LM Studio, of a loaded model
    "max_model_len",  # vLLM
    "context_length",  # OpenRouter
    "context_window",
    "max_context_length",
)
"""What model lists call the most tokens that a call may have, read and written."""

MOST_COUNTED = 2**31 - 1
"""Tokens; an endpoint that counts more for one call does not count."""

NO_USAGE = "tells no usage"
NO_LIMIT = "takes no token limit"

_THOUGHTS = ("thinking", "reasoning", "text")
"""Where a part of a message that is reasoning holds its text."""

# --- what is sent ----------------------------------------------------------------------------------------------------


def path_of(request: Request) -> str:
    """Where the request goes: to the chat, or to raw completion."""
    return CHAT if request.text is None else RAW


def body_of(request: Request, *, model: str, limit: str | None, without: Collection[str]) -> dict[str, Any]:
    """The body of the request. ``limit`` is the name of the token limit, None for no limit; the parameters ``without``
    are left out."""
    body: dict[str, Any] = {"model": model}
    if request.text is None:
        body["messages"] = [{"role": message.role, "content": message.text} for message in request.messages]
    else:
        body["prompt"] = request.text
    if limit is not None:
        body[limit] = request.max_tokens
    if "temperature" not in without:
        body["temperature"] = request.temperature
    # An endpoint that refuses the temperature samples at one of its own, so that the seed counts there too.
    if "seed" not in without and (request.temperature > 0 or "temperature" in without):
        body["seed"] = request.draw.model_seed()
    if request.stop and "stop" not in without:
        body["stop"] = list(request.stop)
    if request.n > 1 and "n" not in without:
        body["n"] = request.n
    return body


# --- what comes back -------------------------------------------------------------------------------------------------


_ENCODER = json.JSONEncoder(separators=(",", ":"))


def encoded(body: Mapping[str, Any]) -> bytes:
    """A body as it is sent. Half of a surrogate pair, which some data holds, is sent as an escape."""
    return _ENCODER.encode(body).encode("ascii")


def read_completion(
    content: bytes, request: Request, caller: Caller, *, asked: int = 1, limited: bool = True
) -> Completion:
    """The completion that the answer ``content`` holds, with at most ``request.n`` replies; secrets in them are hidden.

    ``asked`` is the number of samples that the endpoint was asked for, and ``limited`` says whether it was sent a token
    limit. Raises :class:`MalformedReply` if it does not follow the protocol, and the error that it holds if it is one
    after all.
    """
    answer = read_json(content)
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or not choices:
        if isinstance(answer, dict) and answer.get("error"):  # so do gateways that had begun to answer
            status = _status_within(answer["error"])
            raise error_for(status, {}, read_refusal(content), path=path_of(request), caller=caller)
        raise malformed(caller, "holds no choices", content)
    replies = []
    characters = 0
    for choice in choices[: request.n]:
        raw = _raw_reply(choice)
        if raw is None:
            if isinstance(choice, dict) and choice.get("error"):
                refusal = read_refusal(json.dumps(choice).encode())
                raise error_for(_status_within(choice["error"]), {}, refusal, path=path_of(request), caller=caller)
            raise malformed(caller, "holds a choice without a text", content)
        text, thoughts, finish = raw
        characters += len(text) + thoughts
        if caller.in_replies:
            text = caller.hide(text)
        replies.append(read_reply(text, finish=finish, stop=request.stop, thought_chars=thoughts))
    counts = answer.get("usage")
    tokens_in, tokens_out = _counted(counts, "prompt_tokens"), _counted(counts, "completion_tokens")
    inexact = []
    if not tokens_in or tokens_out is None or (not tokens_out and characters):
        inexact.append(NO_USAGE)
        tokens_in = tokens_in or estimate_tokens(request.characters)
        tokens_out = tokens_out or estimate_tokens(characters)
    if not limited or tokens_out > request.max_tokens * asked:
        inexact.append(NO_LIMIT)
    return Completion(
        replies=tuple(replies),
        usage=Usage(calls=1, tokens_in=tokens_in, tokens_out=tokens_out),
        inexact=" and ".join(inexact),
    )


def _status_within(error: object) -> int:
    """The HTTP status that an error inside an answer names; 500 if none."""
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def _raw_reply(choice: object) -> tuple[str, int, Finish] | None:
    """Text, characters of reasoning that came beside it, and finish of one choice; None if it does not follow the
    protocol."""
    if not isinstance(choice, dict) or choice.get("error"):
        return None
    finish: Finish = _FINISHES.get(str(choice.get("finish_reason")).lower(), "stop")
    if isinstance(choice.get("text"), str):
        return choice["text"], 0, finish
    message = choice.get("message")
    if not isinstance(message, dict):
        return None
    if message.get("refusal"):
        finish = "refused"
    text, thoughts = _content(message.get("content"))
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    return text, thoughts + (len(reasoning) if isinstance(reasoning, str) else 0), finish


def _content(content: object) -> tuple[str, int]:
    """Text, and characters of reasoning, of a message's content: a text, nothing, or a list of parts."""
    if isinstance(content, str):
        return content, 0
    texts = []
    thoughts = 0
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and part.get("type") in ("text", "output_text", None):
            texts.append(str(part.get("text") or ""))
        elif isinstance(part, dict):
            thoughts += sum(len(text) for text in (part.get(name) for name in _THOUGHTS) if isinstance(text, str))
    return "".join(texts), thoughts


def _counted(usage: object, name: str) -> int | None:
    """A count of tokens in an answer; None if the endpoint counts none, or writes something that is no count."""
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if type(count) is int and 0 <= count <= MOST_COUNTED else None


def read_model_list(answer: object) -> list[dict[str, Any]] | None:
    """The entries of an endpoint's model list, which may be empty; None if the answer is no such list."""
    entries = answer
    if isinstance(answer, dict):
        entries = next((answer[name] for name in ("data", "models") if answer.get(name) is not None), None)
    if not isinstance(entries, list):
        return None
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]


def find_model(entries: Sequence[Mapping[str, Any]], model: str) -> Mapping[str, Any] | None:
    """The entry of ``model``, whose name some servers list with a tag or a folder that may be left out in a call."""
    names = (model, f"{model}:latest", f"models/{model}")
    return next((entry for name in names for entry in entries if entry["id"] == name), None)


def context_of(entry: Mapping[str, Any]) -> int | None:
    """The most tokens, read and written, that a call may have by an entry of a model list; None if it does not say."""
    provider, meta = entry.get("top_provider"), entry.get("meta")
    said = [entry.get(name) for name in _CONTEXT]
    if isinstance(provider, dict):
        said.append(provider.get("context_length"))
    if isinstance(meta, dict):  # of llama.cpp
        said += [meta.get("n_ctx"), meta.get("n_ctx_train")]
    return next((tokens for tokens in said if type(tokens) is int and tokens > 0), None)


def identifying(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry of a model list says that tells the model from another one and stays from call to call."""
    known: dict[str, Any] = {name: entry[name] for name in _IDENTIFYING if isinstance(entry.get(name), _SCALAR)}
    meta = entry.get("meta")  # llama.cpp describes the loaded file there
    if isinstance(meta, dict):
        known["meta"] = {name: value for name, value in meta.items() if isinstance(value, _SCALAR)}
    return known
