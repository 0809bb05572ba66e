"""What an endpoint's refusals mean: which may pass, which are for good, and which are about one parameter alone."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Mapping
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
from promptdescent.llm.redaction import redact, spellings, without

LIMITS = ("max_tokens", "max_completion_tokens")
"""The two names of the token limit; newer models of OpenAI know the second only, most other servers the first only."""

ADAPTABLE = (*LIMITS, "temperature", "seed", "stop", "n")
"""The parameters that a request can do without, or has another name for."""

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


def malformed(caller: Caller, what: str, content: bytes) -> MalformedReply:
    quote = caller.quote(content[: 2 * _LONGEST_QUOTE].decode("utf-8", "replace"))
    return MalformedReply(f"the answer of {caller.address} {what}{quote}; check that it speaks OpenAI's protocol")
