"""Answers of many prompts on a few rows."""

from __future__ import annotations

from collections.abc import Sequence

from promptdescent.records import Evaluation, Example, Outcome

LABELS = ("red", "green", "blue")


def rows(targets: Sequence[str]) -> tuple[Example, ...]:
    return tuple(
        Example(id=f"r{place}", inputs=(("text", f"thing number {place}"),), target=target)
        for place, target in enumerate(targets)
    )


def evaluation(examples: Sequence[Example], answers: Sequence[str | None]) -> Evaluation:
    """One prompt: an answer per row; None for a reply without one, "missing" for a call that failed."""
    outcomes = []
    for row, answer in zip(examples, answers, strict=True):
        if answer == "missing":
            outcomes.append(Outcome(example=row.id, kind="missing", score=None, error="gone"))
        elif answer is None:
            outcomes.append(Outcome(example=row.id, kind="unreadable", score=0.0, reply="?"))
        else:
            right = float(answer == row.target)
            outcomes.append(Outcome(example=row.id, kind="answered", score=right, answer=answer, reply=answer))
    scores = [outcome.score for outcome in outcomes if outcome.score is not None]
    return Evaluation(outcomes=tuple(outcomes), score=sum(scores) / len(scores) if scores else None)


def evaluations(examples: Sequence[Example], by_row: Sequence[Sequence[str | None]]) -> list[Evaluation]:
    """One per prompt; ``by_row`` has the answers of all prompts on a row."""
    return [evaluation(examples, answers) for answers in zip(*by_row, strict=True)]
