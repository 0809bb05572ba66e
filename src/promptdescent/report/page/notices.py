"""Failures and warnings: what a reader must know before believing the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from promptdescent.report.failures import failure_text
from promptdescent.report.page.facts import Facts
from promptdescent.report.page.shortened import counted
from promptdescent.report.text import STATUS_WORDS, to_go_on
from promptdescent.verdict.words import reuse_sentence

MANY_UNUSABLE = 0.1
"""Share of the found prompt's replies without an answer from which on a page warns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """Something that limits what a page can say."""

    kind: Literal["failure", "warning"]
    text: str


def notices(facts: Facts) -> tuple[Notice, ...]:
    """All that applies to the run, failures first."""
    return tuple(
        [Notice(kind="failure", text=text) for text in _failures(facts)]
        + [Notice(kind="warning", text=text) for text in _warnings(facts)]
    )


def _failures(facts: Facts) -> list[str]:
    record, found = facts.record, []
    status = record["status"]
    if status != "finished":
        because = f": {record['reason']}" if record["reason"] else "."
        found.append(f"This run is {STATUS_WORDS[status]}{because}")
        if status in ("failed", "interrupted"):
            found.append(f"It can go on: promptdescent {to_go_on(record)}")
    return found


def _warnings(facts: Facts) -> list[str]:
    record, verdict = facts.record, facts.record["verdict"] or facts.record["evaluation"]
    found = failure_text(record["failures"]).splitlines()
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
