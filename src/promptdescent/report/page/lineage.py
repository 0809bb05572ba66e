"""How the found prompt came about: from the first prompt to the last, each step with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptdescent.report.page.diff import Diff, diff_of
from promptdescent.report.page.facts import Facts
from promptdescent.report.page.reasons import kept_because
from promptdescent.report.page.shortened import shortened
from promptdescent.report.page.steps import START, SearchSection, score_interval

MOST_LINKS = 60
"""Links of a lineage that a page shows: of longer ones the first and the last half of these."""
LONGEST_META_PROMPT = 20_000
"""Characters of a meta-prompt that a page shows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reflection:
    """What the optimizer model said of the prompts so far, in its own words."""

    purpose: str
    """``reflection`` or ``summary``."""
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A prompt on the way, with how it came from the one before."""

    id: str
    step: int
    label: str
    prompt: str
    score: float | None
    rows: int
    interval: tuple[float, float] | None
    diff: Diff | None
    """From its parent; None for a prompt that has none."""
    word_budget: int | None
    meta_prompt: str
    """What the optimizer model was sent; empty where no model wrote the prompt."""
    reason: str
    """Why it was kept, in words from the record."""
    reflections: tuple[Reflection, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lineage:
    """The way from the first prompt to the found one."""

    links: tuple[Link, ...]
    left_out: int
    """Links in the middle that are not shown."""
    left_out_after: int
    """After how many of the shown links they would stand."""
    broken: bool
    """Whether the way could not be followed to a starting prompt."""


def lineage_of(facts: Facts, search: SearchSection | None) -> Lineage | None:
    """The lineage of the best prompt; None if nothing was scored."""
    best = facts.record["best"]["id"]
    if search is None or not search.steps or best is None:
        return None
    steps = {one["id"]: (place, one) for place, step in enumerate(facts.steps) for one in step["candidates"]}
    chain, seen = [best], {best}
    while chain[-1] in steps and (parent := steps[chain[-1]][1]["parent"]) and parent not in seen:
        chain.append(parent)
        seen.add(parent)
    chain.reverse()
    first = chain[0]
    broken = first != START and (first not in steps or bool(steps[first][1]["parent"]))
    shown, half = chain, MOST_LINKS // 2
    left_out = max(0, len(chain) - MOST_LINKS)
    if left_out:
        shown = [*chain[:half], *chain[-half:]]
    return Lineage(
        links=tuple(_link(facts, search, steps, one) for one in shown),
        left_out=left_out,
        left_out_after=half if left_out else len(shown),
        broken=broken,
    )


_Known = Mapping[str, tuple[int, Mapping[str, Any]]]
"""Candidates by id, with the place of their step."""


def _link(facts: Facts, search: SearchSection, steps: _Known, prompt: str) -> Link:
    if prompt not in steps:
        return _starting_prompt(facts, search)
    place, candidate = steps[prompt]
    step, parent = facts.steps[place], candidate["parent"]
    before = steps[parent][1]["prompt"] if parent in steps else facts.record["start"]["prompt"]
    request = None if candidate["request"] is None else step["requests"][candidate["request"]]
    return Link(
        id=prompt,
        step=step["step"],
        label=f"Step {step['step']}" if step["step"] else "First prompts",
        prompt=candidate["prompt"],
        score=candidate["score"],
        rows=candidate["rows"],
        interval=score_interval(facts, candidate["score"], candidate["rows"]),
        diff=diff_of(before, candidate["prompt"]) if parent else None,
        word_budget=step["word_budget"],
        meta_prompt=shortened(request["message"]["text"], LONGEST_META_PROMPT) if request else "",
        reason=kept_because(facts.record, search, place, prompt),
        reflections=_reflections(step["requests"], parent),
    )


def _starting_prompt(facts: Facts, search: SearchSection) -> Link:
    start = facts.record["start"]
    return Link(
        id=START,
        step=-1,
        label="Start",
        prompt=start["prompt"],
        score=start["dev_score"],
        rows=start["rows"],
        interval=search.steps[0].interval,
        diff=None,
        word_budget=None,
        meta_prompt="",
        reason="The prompt that the run was given.",
        reflections=(),
    )


def _reflections(requests: Sequence[Mapping[str, Any]], parent: str | None) -> tuple[Reflection, ...]:
    """Those of a step that are about the prompt's parent, or about no prompt in particular."""
    return tuple(
        Reflection(purpose=one["purpose"], text=shortened(one["text"], LONGEST_META_PROMPT))
        for one in requests
        if one["purpose"] in ("reflection", "summary") and one["text"] and one["parent"] in (parent, None)
    )
