"""The OpenAI protocol as text: what is sent for a request, and what an answer or a refusal says. Nothing here touches a
network."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from promptdescent.errors import (
    EndpointFailed,
    KeyRefused,
    MalformedReply,
    ModelError,
    ModelNotFound,
    PermanentError,
    RateLimited,
    RequestRefused,
    TimedOut,
)
from promptdescent.llm.base import Completion, Request
from promptdescent.llm.budget import estimate_tokens
from promptdescent.llm.redaction import redact, spellings, without
from promptdescent.llm.thoughts import read_reply
from promptdescent.records import Finish, Usage

CHAT = "/chat/completions"
RAW = "/completions"
MODELS = "/models"

LIMITS = ("max_tokens", "max_completion_tokens")
"""The two names of the token limit; newer models of OpenAI know the second only, most other servers the first only."""

ADAPTABLE = (*LIMITS, "temperature", "seed", "stop", "n")
"""The parameters that a request can do without, or has another name for."""

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

MOST_COUNTED = 2**40
"""Tokens; an endpoint that counts more for one call does not count."""

NO_USAGE = "tells no usage"
NO_LIMIT = "takes no token limit"

_THOUGHTS = ("thinking", "reasoning", "text")
"""Where a part of a message that is reasoning holds its text."""

_UNSUPPORTED = re.compile(
    r"(?i)unsupported|not (?:\w+ )?support|n't support|unknown|unrecogni[sz]ed|unexpected|extra|not permitted"
    r"|not allowed|not available|not compatible|deprecated|only the default"
)
_LONGEST_QUOTE = 400
"""Characters of an endpoint's own words in a message."""

_LONGEST_READ = 2000
"""Characters of them that are searched for what they mean."""

# What endpoints say, in lower case, their codes first. The status alone often does not tell: a gateway may answer 400
# to a wrong key, 403 to a filtered request, and 429 to an empty account.
_NO_MODEL = re.compile(
    r"model_not_(?:found|available)|deploymentnotfound|\binvalid_model\b"
    r"|(?:invalid|not a valid|no such|unknown) model\b|no models? (?:is |are )?loaded|no endpoints found for"
)
_MODEL_MISSING = re.compile(r"(?<![/\w])models?\b.*(?:not found|n[o']t exist|not available|unknown|unable to access)")
_NO_MONEY = re.compile(
    r"insufficient_quota|insufficient.{0,12}(?:balance|credit|fund)|billing_hard_limit|billing_not_active"
    r"|budget_exceeded|budget has been exceeded|credit balance is too low|arrearage"
)
_BAD_KEY = re.compile(
    r"(?:invalid|incorrect|wrong)[_ ](?:api[ _-]?)?key|api[ _-]?key (?:is )?(?:not valid|invalid)|api_key_invalid"
)
_FILTERED = re.compile(
    r"content.?(?:filter|policy|management)|moderation|(?:input|prompt|request) was flagged|usage guidelines"
    r"|safety_check"
)
_TOO_LONG = re.compile(r"context.?(?:length|size|window)|exceed_context|(?:prompt|input) is too long")
_TOO_LARGE = re.compile(r"request too large")

_BUSY = (429, 498, 529)  # the last two are Groq's and Anthropic's for want of capacity
_WAITED_TOO_LONG = (408, 499, 504, 524)  # a gateway's, which cannot say how far the model behind it came
_MAY_PASS = (409, 423, 424, 425)
_NEVER_DONE = (501, 505)


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """What the text of an error says of a call."""

    address: str
    """Base URL without secrets."""
    model: str
    key_env: str | None
    """The variable whose key was sent, if one was."""
    key_flag: str
    secrets: tuple[str, ...] = field(default=(), repr=False)
    in_replies: tuple[str, ...] = field(init=False, repr=False)
    """Those of the secrets, in every spelling, that are looked for in what a model writes."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "in_replies", spellings(self.secrets))

    def hide(self, text: str) -> str:
        """A text that a run keeps, with the secrets hidden and else as it is."""
        return without(text, self.in_replies)

    def quote(self, message: str) -> str:
        """An endpoint's own words without secrets, ready to stand in a sentence."""
        message = redact(" ".join(message.split()), self.secrets)
        if len(message) > _LONGEST_QUOTE:
            message = f"{message[:_LONGEST_QUOTE]}…"
        return f" ({message})" if message else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """What the body of an error answer says."""

    message: str
    code: str = ""
    """``code`` and ``type``, with a space between them."""
    parameter: str = ""


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
        raise _malformed(caller, "holds no choices", content)
    replies = []
    characters = 0
    for choice in choices[: request.n]:
        raw = _raw_reply(choice)
        if raw is None:
            if isinstance(choice, dict) and choice.get("error"):
                refusal = read_refusal(json.dumps(choice).encode())
                raise error_for(_status_within(choice["error"]), {}, refusal, path=path_of(request), caller=caller)
            raise _malformed(caller, "holds a choice without a text", content)
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


# --- errors ----------------------------------------------------------------------------------------------------------


def read_refusal(content: bytes) -> Refusal:
    """What the body of an error answer says, in any of the forms that servers use."""
    answer = read_json(content)
    if isinstance(answer, list) and answer:
        answer = answer[0]
    if not isinstance(answer, dict):
        return Refusal(message=" ".join(content.decode("utf-8", "replace").split()))
    error = answer.get("error") or answer
    if not isinstance(error, dict):
        return Refusal(message=str(error))
    detail = error.get("detail")
    parameter = error.get("param")
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):  # FastAPI names the place in the body
        place = detail[0].get("loc")
        parameter = parameter or (place[-1] if isinstance(place, list) and place else None)
        detail = detail[0].get("msg")
    message = error.get("message") or detail or json.dumps(error)
    return Refusal(
        message=message if isinstance(message, str) else json.dumps(message),
        code=" ".join(str(error[name]) for name in ("code", "type") if error.get(name)),
        parameter=parameter if isinstance(parameter, str) else "",
    )


def refused_parameter(refusal: Refusal, sent: Collection[str]) -> str | None:
    """Which of the parameters that were ``sent`` the endpoint does not know or allow, if that is why it refused.

    A value out of range, such as more tokens than a model has, is no such refusal; only ``n``, ``seed`` and ``stop``,
    without which a request means the same, are given up for any reason.
    """
    candidates = [name for name in ADAPTABLE if name in sent]
    if refusal.parameter:
        name = refusal.parameter.split(".")[-1]
        is_refused = name in ("n", "seed", "stop") or _UNSUPPORTED.search(f"{refusal.code} {refusal.message}")
        return name if name in candidates and is_refused else None
    for name in candidates:
        for sentence in re.findall(rf"[^.\n]*\b{name}\b[^.\n]*", refusal.message):
            if _UNSUPPORTED.search(sentence):
                return name
    if "n" in candidates and re.search(r"(?i)['\"`]n['\"`]|\bn (?:>|must|=)|one completion choice", refusal.message):
        return "n"
    return None


def error_for(status: int, headers: Mapping[str, str], refusal: Refusal, *, path: str, caller: Caller) -> ModelError:
    """The error that an answer with the HTTP status ``status`` stands for."""
    said = caller.quote(refusal.message)
    answered = f"{caller.address} answered {status}"
    words = " ".join(f"{refusal.code} {refusal.message}"[:_LONGEST_READ].lower().split())
    if _is_missing_model(status, words, caller.model):
        return ModelNotFound(f"{answered}: there is no model {caller.model!r}{said}; correct its name")
    if status == 402 or (400 <= status < 500 and _NO_MONEY.search(words)):
        return PermanentError(f"{answered}: the account has no quota or money left{said}; see to it there, then resume")
    if status in (400, 403, 451) and _FILTERED.search(words):
        return RequestRefused(f"{answered}: it does not let this request pass its filter{said}")
    if status in (401, 403) or (status == 400 and _BAD_KEY.search(words)):
        return KeyRefused(f"{answered}{said}; {_key_hint(caller)}")
    if status == 407:
        return RequestRefused(
            f"{answered}{said}: the proxy on the way wants a user and password; put them into the proxy variable, "
            "as in http://USER:PASSWORD@HOST:PORT"
        )
    return _later(status, headers, words, said, answered) or _never(status, words, said, answered, path, caller)


def _later(status: int, headers: Mapping[str, str], words: str, said: str, answered: str) -> ModelError | None:
    """The error if the same request may succeed later; None if it will not."""
    wait = _retry_after(headers)
    if status in _BUSY and not _TOO_LARGE.search(words):
        slower = "--requests-per-minute, --tokens-per-minute or --concurrency keep to a slower pace"
        return RateLimited(f"{answered}: too many requests{said}; {slower}", retry_after=wait)
    if status in _WAITED_TOO_LONG:
        return TimedOut(f"{answered}: it gave up waiting for the model{said}; try again later", retry_after=wait)
    if status in _MAY_PASS or (status >= 500 and status not in _NEVER_DONE):
        return EndpointFailed(
            f"{answered}{said}; the endpoint has a problem of its own, try again later", retry_after=wait
        )
    return None


def _never(status: int, words: str, said: str, answered: str, path: str, caller: Caller) -> ModelError:
    """The error of a request that is refused for good."""
    if 300 <= status < 400:
        return RequestRefused(f"{answered}: it has moved; give its new address with --base-url")
    if status in (404, 405, *_NEVER_DONE):
        return RequestRefused(f"{answered}: it has no {path}{said}; check --base-url, which often ends in /v1")
    if _TOO_LONG.search(words):
        return RequestRefused(
            f"{answered}: too long for the context of {caller.model!r}{said}; shorten the prompt or rows"
        )
    if status == 413 or _TOO_LARGE.search(words):
        return RequestRefused(f"{answered}: the request is too large for it{said}; shorten the prompt or rows")
    return RequestRefused(f"{answered}: it refuses this request{said}")


def _is_missing_model(status: int, words: str, model: str) -> bool:
    """Whether an endpoint says that it does not have the model; at 400, where it may quote anything, by its name."""
    if not 400 <= status < 500 or status == 429:
        return False
    named = status == 404 or (status == 400 and model.lower() in words)
    return bool(_NO_MODEL.search(words) or (named and _MODEL_MISSING.search(words)))


def _key_hint(caller: Caller) -> str:
    if caller.key_env is None:
        return f"it asks for a key: put it into a variable and pass the variable's name with {caller.key_flag}"
    return f"check the key in the variable {caller.key_env}, or name another variable with {caller.key_flag}"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """The wait in seconds that the answer asks for; it may be given in milliseconds, in seconds, or as a date."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue
    try:
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (KeyError, ValueError):
        return None


def read_json(content: bytes) -> Any:
    """The content as JSON; None if it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):  # the second of a body that opens brackets without end
        return None


def _malformed(caller: Caller, what: str, content: bytes) -> MalformedReply:
    quote = caller.quote(content[: 2 * _LONGEST_QUOTE].decode("utf-8", "replace"))
    return MalformedReply(f"the answer of {caller.address} {what}{quote}; check that it speaks OpenAI's protocol")
