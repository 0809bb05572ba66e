"""What passes between a race and a contestant's process: the job that it reads, the prompts that it writes.

The job is one JSON file, the argument of the script. What the script finds are lines of JSON in ``found.jsonl``, one
per prompt that it has scored on the dev rows, as soon as it has: so nothing is lost when it is cut off.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from promptdescent.errors import RunFailed
from promptdescent.records import Example, Message
from promptdescent.report.tables import count

JOB, FOUND = "job.json", "found.jsonl"

ROW = "{input}"
"""Where the row goes in a layout."""

LONGEST_PATTERN = 1000
"""Characters of a pattern that reads an answer."""

_ROLES: Mapping[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "user": "user",
    "assistant": "assistant",
}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a contestant puts its prompt to the task model, and where the answer stands in the reply."""

    messages: tuple[Message, ...]
    answer_pattern: str | None = None
    """With one group; None: the whole reply is the answer."""

    def filled(self, row: str) -> tuple[Message, ...]:
        """The messages for a row, whose own braces mean nothing."""
        return tuple(
            Message(role=message.role, content=(message.text.replace(ROW, row, 1),)) for message in self.messages
        )


@dataclass(frozen=True, kw_only=True)
class FoundPrompt:
    """A prompt that a contestant has scored on the dev rows."""

    prompt: str
    dev_score: float
    layout: Layout | None
    """None: as the task places it, which is our layout."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a contestant wrote."""

    scored: tuple[FoundPrompt, ...]
    """In its order; one at least."""
    unscored: int
    """Lines without a dev score, whose prompts cannot be chosen."""

    @property
    def best(self) -> FoundPrompt:
        """The prompt with the highest dev score, the earliest of equals."""
        return max(self.scored, key=lambda one: one.dev_score)


def row_as_data(row: Example) -> dict[str, str]:
    """A row as contestants get it."""
    return {"input": row.question, "target": row.target}


def write_job(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write the job into its folder."""
    path = folder / JOB
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return path


def found_line(prompt: str, dev_score: float | None) -> str:
    """The line of a prompt in our layout."""
    return json.dumps({"prompt": prompt, "dev_score": dev_score, "messages": None, "answer_pattern": None}) + "\n"


def read_found(folder: Path) -> Findings:
    """The prompts that a contestant wrote. A last line that was cut off is passed over.

    Raises :class:`RunFailed` for what breaks the rules, such as a score that is no number, and if none has a score.
    """
    path = folder / FOUND
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    found, unscored = [], 0
    for number, line in enumerate(lines, start=1):
        try:
            content = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            if number == len(lines):  # cut off in the middle of a line
                continue
            raise RunFailed(f"line {number} of its {FOUND} is no JSON") from None
        if content is None:
            continue
        prompt = _found(content, f"line {number} of its {FOUND}")
        if prompt is None:
            unscored += 1
        else:
            found.append(prompt)
    if not found:
        without = f" ({count(unscored, 'line')} of its {FOUND} without a dev_score)" if unscored else ""
        raise RunFailed(f"it scored no prompt on the dev rows{without}")
    return Findings(scored=tuple(found), unscored=unscored)


def _found(content: object, where: str) -> FoundPrompt | None:
    """The prompt of a line; None if it has no score."""
    if not isinstance(content, dict) or not isinstance(content.get("prompt"), str):
        raise RunFailed(f"{where} has no prompt")
    score = content.get("dev_score")
    if score is None:
        return None
    if type(score) not in (int, float) or not math.isfinite(score):
        raise RunFailed(f"{where}: the dev score is {str(score)[:40]}, which is no number")
    layout = None
    if content.get("messages") is not None:
        layout = Layout(messages=_messages(content["messages"], where), answer_pattern=_pattern(content, where))
    return FoundPrompt(prompt=content["prompt"], dev_score=float(score), layout=layout)


def _messages(given: object, where: str) -> tuple[Message, ...]:
    messages = []
    for one in given if isinstance(given, list) else ():
        role = _ROLES.get(str(one.get("role"))) if isinstance(one, dict) else None
        text = one.get("content") if isinstance(one, dict) else None
        if role is None or not isinstance(text, str):
            raise RunFailed(f"{where}: a message has a role, {', '.join(_ROLES)}, and a text")
        messages.append(Message(role=role, content=(text,)))
    times = sum(message.text.count(ROW) for message in messages)
    if times != 1:
        raise RunFailed(f"{where}: its messages hold {ROW} {times} times, and not once")
    return tuple(messages)


def _pattern(content: Mapping[str, Any], where: str) -> str | None:
    pattern = content.get("answer_pattern")
    if pattern is None:
        return None
    try:
        with warnings.catch_warnings(action="ignore"):  # of forms that may mean something else one day
            groups = re.compile(pattern).groups if len(pattern) <= LONGEST_PATTERN else 0
    except (re.error, TypeError, RecursionError, OverflowError):
        groups = 0
    if groups != 1:
        raise RunFailed(
            f"{where}: answer_pattern must be a regular expression with one group, of at most {LONGEST_PATTERN} "
            "characters"
        )
    return str(pattern)
