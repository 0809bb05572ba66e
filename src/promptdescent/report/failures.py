"""What went wrong in a run: attempts by kind of failure, and replies that are of no use, by role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from promptdescent.records import Outcome, Role, StepRecord

Counts = Mapping[Role, Mapping[str, int]]


def failure_record(
    roles: Iterable[Role], attempts: Counts, outcomes: Iterable[Outcome], steps: Sequence[StepRecord]
) -> dict[str, Any]:
    """By role: attempts that failed by their counter (all but the last of a call were tried again), and replies that
    are no answers by how they ended. ``outcomes`` are those of the rows that no step holds.
    """
    replies: dict[str, Counter[str]] = {"task": Counter(outcome.kind for outcome in outcomes)}
    for step in steps:
        for role, ends in step.replies.items():
            replies.setdefault(role, Counter()).update(ends)
    return {
        role: {
            "attempts": dict(sorted(attempts.get(role, {}).items())),
            "replies": {end: count for end, count in sorted(replies.get(role, {}).items()) if end != "answered"},
        }
        for role in roles
    }


def failure_text(failures: Mapping[str, Mapping[str, Mapping[str, int]]]) -> str:
    """One line for each role with a failure; empty if there is none."""
    lines = []
    for role, counts in failures.items():
        parts = []
        if counts["attempts"]:
            parts.append("attempts that failed: " + _counted(counts["attempts"], plural=_plural))
        if counts["replies"]:
            parts.append("replies without an answer: " + _counted(counts["replies"]))
        if parts:
            lines.append(f"Failures of the {role} model: {'; '.join(parts)}.")
    return "\n".join(lines)


def _counted(counts: Mapping[str, int], *, plural: Callable[[str], str] = str) -> str:
    return ", ".join(f"{count:,} {name if count == 1 else plural(name)}" for name, count in counts.items())


def _plural(failure: str) -> str:
    return f"{failure[:-1]}ies" if failure.endswith("y") else f"{failure}s"
