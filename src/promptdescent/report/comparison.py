"""Whether two records say the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_SHOWN = 60
"""Characters of a value that are quoted."""


def first_difference(before: Any, after: Any, *, at: str = "") -> str:
    """Where two JSON values differ first, in words: ``steps[3].candidates[0].prompt is 'A' and not 'B'``, ``after``
    first. Empty if they do not.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            where = f"{at}.{key}" if at else str(key)
            if key not in before or key not in after:
                return f"{where} is missing" if key in before else f"{where} is new"
            if found := first_difference(before[key], after[key], at=where):
                return found
        return ""
    if isinstance(before, list) and isinstance(after, list):
        for place, (one, other) in enumerate(zip(before, after, strict=False)):
            if found := first_difference(one, other, at=f"{at}[{place}]"):
                return found
        if len(before) != len(after):
            return f"{at} has {len(after)} entries and not {len(before)}"
        return ""
    return "" if before == after else f"{at} is {_quoted(after)} and not {_quoted(before)}"


def _quoted(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
