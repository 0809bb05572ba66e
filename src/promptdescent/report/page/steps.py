"""The search, step by step: scores with intervals, word budgets and the distance moved, tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptdescent.report.page.facts import Facts
from promptdescent.stats import wilson_interval

START = "0.0"
"""Id of the starting prompt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A prompt that was proposed in a step, with what became of it."""

    id: str
    prompt: str
    parent: str | None
    fate: str
    reason: str
    """Why it was dropped, rejected or failed."""
    score: float | None
    """Dev score."""
    rows: int
    distance: int | None
    """Words by which it differs from its parent."""
    kept: bool
    """Whether the next step starts from it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """Where the search stood when a step ended. The first one is the starting prompt, before any step."""

    number: int
    """-1 for the starting prompt, 0 for the prompts of an initialization."""
    label: str
    proposals: tuple[Proposal, ...]
    failed_proposals: int
    """Proposals that never came."""
    word_budget: int | None
    """Words that a rewrite might change; None without a limit."""
    moved: int | None
    """Words by which the prompt that was kept differs from its parent; None if no new one was kept."""
    current: str
    """Id of the prompt that the next step starts from, the first of several."""
    current_score: float | None
    best: str
    """Id of the prompt with the highest dev score so far."""
    best_score: float | None
    interval: tuple[float, float] | None
    """95 % interval of ``best_score``, see :attr:`SearchSection.interval_note`."""
    tokens: int | None
    """Of all models, used when the step ended; None where the run did not count them."""
    stop: str
    """Why the search ended here; empty if it went on."""

    @property
    def scored(self) -> tuple[Proposal, ...]:
        """The proposals that were scored on every dev row."""
        return tuple(one for one in self.proposals if one.fate == "scored")


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSection:
    """All steps of a search."""

    steps: tuple[Step, ...]
    """The starting prompt first; empty if it was never scored."""
    done: int
    planned: int
    ended_because: str
    score_name: str
    """What a dev score is, such as ``dev score``."""
    interval_note: str
    """How the intervals were made and what they leave out, or why there are none."""

    @property
    def proposals(self) -> int:
        """Proposals of all steps."""
        return sum(len(step.proposals) for step in self.steps)

    @property
    def step_records(self) -> tuple[Step, ...]:
        """The steps without the starting prompt."""
        return self.steps[1:]


WITH_INTERVAL = (
    "Intervals: 95 %, Wilson, each for its prompt alone on the dev rows. The best of many prompts looks better on the "
    "rows that chose it than it is, which no interval here takes off; the verdict on the test rows does."
)
WITHOUT_INTERVAL = "No intervals: these scores are not shares of right answers, and the record keeps no scores by row."


def search_section(facts: Facts) -> SearchSection | None:
    """The steps of a search; None for a run that only scores one prompt."""
    if not facts.searched:
        return None
    search, task = facts.record["search"], facts.record["task"]
    what = "score" if task["objective"] == "mean" else task["objective"]
    steps = _steps(facts)
    with_intervals = any(step.interval for step in steps)
    return SearchSection(
        steps=steps,
        done=search["steps_done"],
        planned=search["total_steps"],
        ended_because=search["ended_because"] or "",
        score_name=f"dev {what} less the cost of length" if task["length_cost"] else f"dev {what}",
        interval_note=WITH_INTERVAL if with_intervals else WITHOUT_INTERVAL if steps else "",
    )


def _steps(facts: Facts) -> tuple[Step, ...]:
    start = facts.record["start"]
    if start["dev_score"] is None:
        return ()
    known: dict[str, Mapping[str, Any]] = {START: {"score": start["dev_score"], "rows": start["rows"]}}
    best = current = START
    found = [
        Step(
            number=-1,
            label="start",
            proposals=(),
            failed_proposals=0,
            word_budget=None,
            moved=None,
            current=START,
            current_score=start["dev_score"],
            best=START,
            best_score=start["dev_score"],
            interval=score_interval(facts, start["dev_score"], start["rows"]),
            tokens=facts.tokens.get(-1),
            stop="",
        )
    ]
    for step in facts.steps:
        known.update((one["id"], one) for one in step["candidates"])
        best = _best([best, *(one["id"] for one in step["candidates"] if one["fate"] == "scored")], known)
        current = step["survivors"][0] if step["survivors"] else current
        at = known.get(current, {"score": None})
        found.append(
            Step(
                number=step["step"],
                label=str(step["step"]) if step["step"] else "first prompts",
                proposals=tuple(_proposal(one, step["survivors"]) for one in step["candidates"]),
                failed_proposals=step["failed_proposals"],
                word_budget=step["word_budget"],
                moved=next((one["distance"] for one in step["candidates"] if one["id"] == current), None),
                current=current,
                current_score=at["score"],
                best=best,
                best_score=known[best]["score"],
                interval=score_interval(facts, known[best]["score"], known[best]["rows"]),
                tokens=facts.tokens.get(step["step"]),
                stop=step["stop"],
            )
        )
    return tuple(found)


def _best(ids: Sequence[str], known: Mapping[str, Mapping[str, Any]]) -> str:
    """The one with the highest score, the earlier one on a tie: as the search itself keeps it."""
    return max(ids, key=lambda one: float(known[one]["score"]))


def _proposal(candidate: Mapping[str, Any], survivors: Sequence[str]) -> Proposal:
    return Proposal(
        id=candidate["id"],
        prompt=candidate["prompt"],
        parent=candidate["parent"],
        fate=candidate["fate"],
        reason=candidate["reason"],
        score=candidate["score"],
        rows=candidate["rows"],
        distance=candidate["distance"],
        kept=candidate["id"] in survivors,
    )


def score_interval(facts: Facts, score: float | None, rows: int) -> tuple[float, float] | None:
    """Wilson's, where the score is a share of right answers: then score times rows is a whole number."""
    if score is None or not rows or not facts.right_or_wrong:
        return None
    right = round(score * rows)
    if abs(score * rows - right) > 1e-6 or not 0 <= right <= rows:
        return None
    interval = wilson_interval(right, rows)
    return interval.low, interval.high
