"""Which rows a person should look at, from the answers of many prompts on the same rows; nothing is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptdescent.records import Evaluation, Example, Split
from promptdescent.records.explanation import RowDoubt


@dataclass(frozen=True, kw_only=True, slots=True)
class RowReview:
    """Rows to look at, and what cannot be said of rows."""

    doubts: tuple[RowDoubt, ...]
    """First those that look mislabelled, the surest first; then near-duplicates; then rows that decide nothing."""
    notes: tuple[str, ...]
    """Sentences for the user."""


def review_rows(
    examples: Mapping[Split, Sequence[Example]],
    evaluations: Sequence[Evaluation],
    labels: Sequence[str],
    *,
    split: Split = "dev",
) -> RowReview:
    """Review the rows of a run.

    Args:
        examples: the run's rows by split.
        evaluations: one per prompt, all on the rows of ``split`` in order. None is fine: then only near-duplicates
            are looked for.
        labels: the answers to choose from; empty for a task that is no choice.
        split: the rows that the prompts were measured on.
    """
    return RowReview(doubts=(), notes=())
