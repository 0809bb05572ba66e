"""What a listing says of an event, as a few characters beside the payload, so that it never reads large payloads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from promptdescent.store.schema import pack

_TAKEN = {
    "verdict": ("difference", "interval", "gain_shown"),
    "evaluation": ("on", "score", "interval"),
    "tags": ("tags",),
}
"""Fields of a payload that are its summary, by kind."""

SUMMARIZED = frozenset({"start", "step", *_TAKEN})
"""Kinds of events that have a summary."""


def summary_of(kind: str, payload: str) -> str | None:
    """The summary of an event as JSON text: of a start or step the best dev score so far, of a verdict or an evaluation
    what it says, of tags all of them.

    None for events that a listing does not look at, and for those that lack what it asks for.
    """
    if kind not in SUMMARIZED:
        return None
    known = json.loads(payload)
    if not isinstance(known, Mapping):
        return None
    if kind not in _TAKEN:
        return _best_of(known)
    taken = {name: known[name] for name in _TAKEN[kind] if name in known}
    return pack(taken) if len(taken) == len(_TAKEN[kind]) else None


def _best_of(payload: Mapping[str, Any]) -> str | None:
    try:
        # A start holds the state, and so did the steps of earlier versions.
        return pack({"best": payload.get("state", payload)["best"]["score"]})
    except (KeyError, TypeError):
        return None
