"""What the prompt got wrong, in groups: replies of no use by kind, wrong answers by what they should have been."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptdescent.records import Example, Outcome
from promptdescent.report.page.facts import Facts
from promptdescent.report.page.flips import Answer, answer_of
from promptdescent.report.page.shortened import shortened

MOST_GROUPS, MOST_EXAMPLES = 12, 3
LONGEST_NAME = 80
"""Characters of a target or answer in the name of a group."""

KINDS = {
    "unreadable": "Unreadable: no answer could be read from the reply",
    "empty": "Empty reply",
    "cut off": "Cut off at the token limit before an answer",
    "refused": "Refused by the model or its endpoint",
    "missing": "Missing: the call failed for good",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedRow:
    """A row of a group."""

    row: str
    question: str
    target: str
    answer: Answer


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureGroup:
    """Rows that failed in the same way."""

    name: str
    count: int
    before: int | None
    """How many rows failed so under the starting prompt; None where that is not known."""
    examples: tuple[FailedRow, ...]
    """A few of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureSection:
    """Failures on the rows that the page is about."""

    of: str
    """Which prompt on which rows."""
    rows: int
    unusable: tuple[FailureGroup, ...]
    wrong: tuple[FailureGroup, ...]
    """By target and answer, largest first."""
    more_wrong: int
    """Wrong rows in groups that are not shown."""
    exact: bool
    """Whether *wrong* means that a score is 0, rather than below the highest."""


def failure_section(facts: Facts) -> FailureSection | None:
    """The failures of the found prompt on test rows, or of the only prompt whose rows are on record; None if there is
    none.
    """
    of, outcomes, before = _judged(facts)
    if not outcomes:
        return None
    rows = facts.rows
    wrong = _grouped(_wrong(outcomes), rows)
    before_wrong = {key: len(found) for key, found in _grouped(_wrong(before), rows).items()} if before else None
    kinds = [kind for kind in KINDS if any(outcome.kind == kind for outcome in (*outcomes, *(before or ())))]
    unusable = tuple(
        _group(
            KINDS[kind],
            [outcome for outcome in outcomes if outcome.kind == kind],
            None if before is None else sum(outcome.kind == kind for outcome in before),
            rows,
        )
        for kind in kinds
    )
    ordered = sorted(wrong.items(), key=lambda one: -len(one[1]))
    return FailureSection(
        of=of,
        rows=len(outcomes),
        unusable=unusable,
        wrong=tuple(
            _group(_name(key), found, None if before_wrong is None else before_wrong.get(key, 0), rows)
            for key, found in ordered[:MOST_GROUPS]
        ),
        more_wrong=sum(len(found) for _, found in ordered[MOST_GROUPS:]),
        exact=facts.right_or_wrong,
    )


def _judged(facts: Facts) -> tuple[str, Sequence[Outcome], Sequence[Outcome] | None]:
    """Which outcomes to group, and those of the starting prompt on the same rows."""
    verdict = facts.verdict
    if verdict is not None:
        same = facts.record["best"]["prompt"] == facts.record["start"]["prompt"]
        name = "starting prompt" if same else "found prompt"
        return f"the {name} on the test rows", verdict.best_outcomes, None if same else verdict.start_outcomes
    if facts.score is not None:
        return f"the prompt on the {facts.score.on} rows", facts.score.outcomes, None
    return "the starting prompt on the dev rows", facts.start.outcomes if facts.start else (), None


def _wrong(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Answers below the highest score there is, 1 at least."""
    most = max([1.0, *(outcome.score for outcome in outcomes if outcome.score is not None)])
    return [one for one in outcomes if one.kind == "answered" and one.score is not None and one.score < most]


def _grouped(outcomes: Sequence[Outcome], rows: Mapping[str, Example]) -> dict[tuple[str, str], list[Outcome]]:
    groups: defaultdict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        target = rows[outcome.example].target if outcome.example in rows else ""
        groups[target, outcome.answer or ""].append(outcome)
    return dict(groups)


def _name(key: tuple[str, str]) -> str:
    target, answer = (" ".join(text.split()) or "(nothing)" for text in key)
    return f"{_short(target)} → {_short(answer)}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def _group(name: str, found: Sequence[Outcome], before: int | None, rows: Mapping[str, Example]) -> FailureGroup:
    examples = []
    for outcome in found[:MOST_EXAMPLES]:
        row = rows.get(outcome.example)
        examples.append(
            FailedRow(
                row=outcome.example,
                question=shortened(row.question) if row else "",
                target=shortened(row.target) if row else "",
                answer=answer_of(outcome),
            )
        )
    return FailureGroup(name=name, count=len(found), before=before, examples=tuple(examples))
