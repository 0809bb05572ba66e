"""Keeps secrets out of error messages, which reach logs, the store and the screen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

HIDDEN = "[hidden]"

_SHORTEST_SECRET = 4
"""Characters; anything shorter would blot out ordinary text."""

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
