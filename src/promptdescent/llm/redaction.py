"""Keeps secrets out of what reaches logs, the store and the screen: error messages, and what a model repeats."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

HIDDEN = "[hidden]"

_SHORTEST_SECRET = 4
"""Characters; anything shorter would blot out ordinary text."""

SHORTEST_IN_REPLIES = 8
"""Characters. Replies are what is measured: a word such as ``none``, given for a key, may well be an answer."""

_FORMS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+(?!(?:auth|token|key)\b)[\w.~+/=*-]{4,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\bsk-[\w*.-]{4,}"), HIDDEN),
    (re.compile(r"\bAIza[\w*-]{4,}"), HIDDEN),
    (re.compile(r"(?i)([?&\s\"'](?:api[_-]?)?key=)[^\s&\"']+"), rf"\1{HIDDEN}"),
    (re.compile(r"(://)[^/\s@]+@"), rf"\1{HIDDEN}@"),
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` without the given secrets, and without anything that has the form of a key or of a password in an
    address."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, HIDDEN).replace(quote(secret, safe=""), HIDDEN)
    for form, replacement in _FORMS:
        text = form.sub(replacement, text)
    return text


def spellings(secrets: Iterable[str]) -> tuple[str, ...]:
    """What to look for in replies: the secrets that are long enough, as they are and as part of an address."""
    long_enough = [secret for secret in secrets if len(secret) >= SHORTEST_IN_REPLIES]
    return tuple(dict.fromkeys(form for secret in long_enough for form in (secret, quote(secret, safe=""))))


def without(text: str, secrets: Iterable[str]) -> str:
    """``text`` with exactly these secrets hidden, and else as it is."""
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text
