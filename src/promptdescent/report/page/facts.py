"""What the sections of a page are made from: all that they need of a run, read from the store once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptdescent.records import (
    Evaluation,
    Example,
    Explanation,
    Outcome,
    PromptScore,
    RunManifest,
    Split,
    Verdict,
    from_json,
)
from promptdescent.report.record import Record, changed_settings, run_record
from promptdescent.store.store import EventKind, Store
from promptdescent.store.tags import tags_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """A run as its page reads it."""

    record: Record
    """As ``show --json`` prints it."""
    manifest: RunManifest
    settings: Mapping[str, Any]
    """As given, with what was changed when the run was resumed."""
    examples: Mapping[Split, tuple[Example, ...]]
    start: Evaluation | None
    """The starting prompt on the dev rows."""
    verdict: Verdict | None
    score: PromptScore | None
    """Of a run that searches nothing."""
    explanation: Explanation | None
    tags: tuple[str, ...]
    tokens: Mapping[int, int]
    """Tokens of all models that the run had used when a step ended, by the number of the step; -1 is the start. Steps
    of an older version, which did not count them, are not there.
    """

    @property
    def rows(self) -> dict[str, Example]:
        """All rows by id."""
        return {example.id: example for rows in self.examples.values() for example in rows}

    @property
    def steps(self) -> list[Record]:
        """The steps of the record."""
        found: list[Record] = self.record["steps"]
        return found

    @property
    def searched(self) -> bool:
        """Whether the run is a search, rather than the score of one prompt."""
        return self.manifest.evaluated_on is None

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """All outcomes on record: of the starting prompt on dev rows, of the verdict and of an evaluation."""
        start = self.start.outcomes if self.start else ()
        both = (*self.verdict.start_outcomes, *self.verdict.best_outcomes) if self.verdict else ()
        return (*start, *both, *(self.score.outcomes if self.score else ()))

    @property
    def right_or_wrong(self) -> bool:
        """Whether every score of a row is 0 or 1 and a prompt's score is their mean, as far as the record tells."""
        scores = [outcome.score for outcome in self.outcomes if outcome.score is not None]
        plain = self.manifest.objective == "mean" and not self.manifest.length_cost
        return plain and bool(scores) and all(score in (0.0, 1.0) for score in scores)

    @property
    def shares(self) -> bool:
        """Whether scores lie between 0 and 1, so that they are said as per cent."""
        return all(0 <= outcome.score <= 1 for outcome in self.outcomes if outcome.score is not None)


def read_facts(store: Store, run: str) -> Facts:
    """The facts of a run; ``run`` is a prefix of its id or ``latest``. Raises
    :class:`~promptdescent.errors.StoreError` if there is no such run or a newer version wrote it.
    """
    row = store.find_run(run)
    record = run_record(store, row.id)
    start = _newest(store, row.id, "start")
    verdict, score = _newest(store, row.id, "verdict"), _newest(store, row.id, "evaluation")
    explanation = _newest(store, row.id, "explanation")
    return Facts(
        record=record,
        manifest=row.manifest,
        settings={**row.manifest.spec, **changed_settings(store.events(row.id, "caps"))},
        examples=store.examples(row.id),
        start=from_json(Evaluation, json.dumps(json.loads(start)["evaluation"])) if start else None,
        verdict=from_json(Verdict, verdict) if verdict else None,
        score=from_json(PromptScore, score) if score else None,
        explanation=from_json(Explanation, explanation) if explanation else None,
        tags=tags_of(store, row.id),
        tokens=_tokens(store, row.id, start),
    )


def _newest(store: Store, run: str, kind: EventKind) -> str | None:
    events = store.events(run, kind)
    return events[-1].payload if events else None


def _tokens(store: Store, run: str, start: str | None) -> dict[int, int]:
    """See :attr:`Facts.tokens`."""
    found: dict[int, int] = {}
    if start is not None and (used := json.loads(start).get("used")):
        found[-1] = int(used)
    for event in store.events(run, "step"):
        step = json.loads(event.payload)
        used = step.get("used") or {}
        if tokens := used.get("tokens_in", 0) + used.get("tokens_out", 0):
            found[int(step["step"])] = tokens
    return found
