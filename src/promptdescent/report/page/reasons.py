"""Why a prompt was kept, in words from the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptdescent.report.page.shortened import counted
from promptdescent.report.page.steps import SearchSection, Step


def kept_because(record: Mapping[str, Any], search: SearchSection, place: int, prompt: str) -> str:
    """Why the ``place``-th step of the search, counted from 0, kept this prompt of its proposals."""
    before, step = search.steps[place], search.step_records[place]
    one = next(proposal for proposal in step.proposals if proposal.id == prompt)
    if one.score is None:
        return f"It has no dev score: {one.reason or one.fate}."
    said = _place_among(step, one.score, prompt) + _against(before, one.score)
    return " ".join(part for part in (said, _rule(record, before, one.score), _best_of_all(record, prompt)) if part)


def _place_among(step: Step, score: float, prompt: str) -> str:
    scores = [one.score for one in step.scored if one.score is not None]
    if len(scores) == 1:
        return f"The only scored proposal: {score:.3f}"
    better = sum(other > score for other in scores)
    if not better:
        return f"Best of {len(scores)} scored proposals: {score:.3f}"
    return f"Number {better + 1} of {counted(len(scores), 'scored proposal')}: {score:.3f}"


def _against(before: Step, score: float) -> str:
    if before.current_score is None:
        return "."
    return f", current prompt {before.current_score:.3f}."


def _rule(record: Mapping[str, Any], before: Step, score: float) -> str:
    """What the selection of the recipe had to say, where the scores alone do not."""
    selection = record["recipe_data"].get("selection", {})
    kind, worse = selection.get("part"), before.current_score is not None and score <= before.current_score
    if kind == "Greedy" and worse and selection.get("accept", "always") == "always":
        what = "less" if score < (before.current_score or 0.0) else "no more"
        return f"Kept although it scored {what}: greedy selection takes the best new one."
    if kind in ("TopK", "Beam"):
        kept = selection.get("k" if kind == "TopK" else "width")
        return f"Kept among the {kept} best prompts so far." if kept else ""
    return ""


def _best_of_all(record: Mapping[str, Any], prompt: str) -> str:
    return "No prompt of the run has a higher dev score." if prompt == record["best"]["id"] else ""
