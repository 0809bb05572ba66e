"""What one prompt scores, as a section of a run's record and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, get_args

from promptdescent.records import Example, Outcome, OutcomeKind, PromptScore, RunManifest
from promptdescent.verdict.words import score_sentence

WRONG_SHOWN = 5
"""Rows with a low score that are shown unless another number is asked for."""

LONGEST_LINE = 160
"""Characters of a question, answer or reply that are shown."""


def evaluation_record(
    manifest: RunManifest, score: PromptScore | None, rows: Mapping[str, Example]
) -> dict[str, Any] | None:
    """The section ``evaluation``; None for a search. ``rows`` are those of the run by id. Until the prompt is scored
    nothing but ``on`` is known.
    """
    if manifest.evaluated_on is None:
        return None
    outcomes = score.outcomes if score else ()
    kinds = Counter(outcome.kind for outcome in outcomes)
    return {
        "on": manifest.evaluated_on,
        "score": score.score if score else None,
        "interval": list(score.interval) if score else None,
        "interval_method": score.interval_method if score else None,
        "objective": manifest.objective,
        "rows": score.rows if score else 0,
        "missing": score.missing if score else 0,
        "leaked": score.leaked if score else 0,
        "commonest_answer_score": score.commonest_answer_score if score else None,
        "kinds": {kind: kinds[kind] for kind in get_args(OutcomeKind)} if score else {},
        "outcomes": [_outcome(outcome, rows[outcome.example]) for outcome in outcomes],
    }


def _outcome(outcome: Outcome, row: Example) -> dict[str, Any]:
    return {
        "row": row.id,
        "question": row.question,
        "target": row.target,
        "kind": outcome.kind,
        "score": outcome.score,
        "answer": outcome.answer,
        "reply": outcome.reply,
        **({"earlier_reply": outcome.earlier_reply} if outcome.earlier_reply else {}),
        "error": outcome.error,
    }


def evaluation_sections(evaluation: Mapping[str, Any], *, wrong: int) -> list[str]:
    """Score, kinds of outcomes, and up to ``wrong`` rows with the lowest scores. Not made printable yet."""
    if evaluation["score"] is None:
        return ["No score: not every row was asked."]
    return [_score(evaluation), _kinds(evaluation), *_wrong(evaluation, wrong)]


def _score(evaluation: Mapping[str, Any]) -> str:
    known = {field.name: evaluation[field.name] for field in fields(PromptScore) if field.name != "outcomes"}
    outcomes = [
        Outcome(example=one["row"], kind=one["kind"], score=one["score"], answer=one["answer"])
        for one in evaluation["outcomes"]
    ]
    return score_sentence(PromptScore(**known, outcomes=tuple(outcomes)))


def _kinds(evaluation: Mapping[str, Any]) -> str:
    kinds = evaluation["kinds"]
    lines = ["Replies: " + ", ".join(f"{count:,} {kind}" for kind, count in kinds.items()) + "."]
    if evaluation["missing"]:
        first = next(one["error"] for one in evaluation["outcomes"] if one["kind"] == "missing")
        lines.append(f"The {kinds['missing']:,} missing are left out of the score; the first failure: {_short(first)}")
    if evaluation["leaked"]:
        lines.append(f"{evaluation['leaked']:,} test rows that also stand in train or dev are left out.")
    return "\n".join(lines)


def _wrong(evaluation: Mapping[str, Any], most: int) -> list[str]:
    """The rows with the lowest scores, unless those are the highest there can be."""
    scored: Sequence[Mapping[str, Any]] = [one for one in evaluation["outcomes"] if one["score"] is not None]
    highest = max([1.0, *(one["score"] for one in scored)])
    low = sorted((one for one in scored if one["score"] < highest), key=lambda one: one["score"])
    if not low or not most:
        return []
    pass_or_fail = {one["score"] for one in scored} <= {0.0, 1.0}
    title = "Wrong" if pass_or_fail else "Lowest scores"
    shown = [_row(one, scored_too=not pass_or_fail) for one in low[:most]]
    return ["\n".join([f"{title} ({len(shown)} of {len(low):,}):", *shown])]


def _row(one: Mapping[str, Any], *, scored_too: bool) -> str:
    """A row, what it should have been, and what came, as a small block."""
    lines = [f"  {_short(one['question'])}"]
    if one["target"]:
        lines.append(f"    right answer: {_short(one['target'])}")
    if one.get("earlier_reply"):
        lines.append(f"    first reply: {_short(one['earlier_reply'])}")
    if one["answer"] is not None:
        lines.append(f"    answer: {_short(one['answer'])}")
    if one["answer"] is None or one["kind"] != "answered":
        lines.append(f"    {one['kind']}: {_short(one['reply'])}" if one["reply"] else f"    {one['kind']}")
    if scored_too:
        lines.append(f"    score: {one['score']:.3g}")
    return "\n".join(lines)


def _short(text: str) -> str:
    """On one line, and not too long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…"
