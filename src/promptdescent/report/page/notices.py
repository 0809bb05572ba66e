"""Failures and warnings: what a reader must know before believing the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from promptdescent.report.failures import failure_text
from promptdescent.report.page.facts import Facts
from promptdescent.report.page.shortened import counted
from promptdescent.report.text import STATUS_WORDS, to_go_on
from promptdescent.verdict.words import reuse_sentence

MANY_UNUSABLE = 0.1
"""Share of the found prompt's replies without an answer from which on a page warns."""

FEW_FAILURES = 0.01
"""Share of the attempts of a model below which those that failed are mentioned, rather than warned of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """Something that limits what a page can say, or what can be done about it."""

    kind: Literal["failure", "advice", "warning", "note"]
    text: str


def notices(facts: Facts) -> tuple[Notice, ...]:
    """All that applies to the run: failures first, notes last."""
    failed = failed_attempts(facts.record)
    return (
        *_status(facts),
        *(one for one in failed if one.kind == "warning"),
        *(Notice(kind="warning", text=text) for text in _warnings(facts)),
        *(one for one in failed if one.kind == "note"),
    )


def _status(facts: Facts) -> list[Notice]:
    record = facts.record
    status = record["status"]
    if status == "finished":
        return []
    because = f": {record['reason']}" if record["reason"] else "."
    found = [Notice(kind="failure", text=f"This run is {STATUS_WORDS[status]}{because}")]
    if status in ("failed", "interrupted"):
        found.append(Notice(kind="advice", text=f"It can go on: promptdescent {to_go_on(record)}"))
    return found


def failed_attempts(record: Mapping[str, Any]) -> list[Notice]:
    """What failed of each model's attempts and replies; a note where that is less than ``FEW_FAILURES`` of them."""
    found = []
    for role, counts in record["failures"].items():
        failed = sum(sum(kinds.values()) for kinds in counts.values())
        made = max(record["usage"][role][counter]["calls"] for counter in ("used", "paid"))
        few = failed < FEW_FAILURES * made
        found += [
            Notice(kind="note" if few else "warning", text=text) for text in failure_text({role: counts}).splitlines()
        ]
    return found


def _warnings(facts: Facts) -> list[str]:
    record, verdict = facts.record, facts.record["verdict"] or facts.record["evaluation"]
    found = []
    if record["verdict"]:
        found.append(reuse_sentence(record["earlier_use_of_test_rows"]))
    if verdict and verdict["missing"]:
        found.append(f"{counted(verdict['missing'], 'row')} left out because a call failed for good.")
    if verdict and verdict["leaked"]:
        found.append(
            f"{counted(verdict['leaked'], 'test row')} left out because a copy stands in the train or dev rows."
        )
    found.append(_commonest(facts))
    found.append(_unusable(facts))
    return [text for text in found if text]


def _commonest(facts: Facts) -> str:
    verdict = facts.verdict
    if verdict is None or verdict.commonest_answer_score is None:
        return ""
    if verdict.commonest_answer_score < verdict.best_score:
        return ""
    return "Always answering the commonest label would score as well as the found prompt or better."


def _unusable(facts: Facts) -> str:
    outcomes = facts.verdict.best_outcomes if facts.verdict else facts.score.outcomes if facts.score else ()
    bad = sum(outcome.kind not in ("answered", "missing") for outcome in outcomes)
    if not outcomes or bad < MANY_UNUSABLE * len(outcomes):
        return ""
    return (
        f"{bad:,} of {counted(len(outcomes), 'reply', 'replies')} to the prompt held no answer that could be read; "
        "they count as wrong. The groups of failures show them."
    )
