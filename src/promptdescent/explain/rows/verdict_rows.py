"""What the record of a verdict says of its test rows, and the verdict without the suspicious ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from promptdescent.errors import ConfigError
from promptdescent.explain.rows.mislabelled import agreed_otherwise
from promptdescent.explain.rows.repeats import has_other_target
from promptdescent.records import Example, Outcome, RunManifest, Verdict
from promptdescent.records.explanation import RowDoubt
from promptdescent.stats import compare_by, compare_paired
from promptdescent.tasks.objective import choose_objective, scored_rows
from promptdescent.tasks.splits import LEAST_TEST_ROWS


def suspicious_test_rows(verdict: Verdict, rows: Mapping[str, Example]) -> tuple[RowDoubt, ...]:
    """Test rows on which both prompts gave the same wrong answer. Two prompts are weak evidence. ``rows`` is by id."""
    if verdict.start_outcomes == verdict.best_outcomes:  # the search found nothing, so that one prompt was asked
        return ()
    return tuple(
        RowDoubt(
            example=first.example,
            split="test",
            kind="looks mislabelled",
            suggested=first.answer or "",
            share=1.0,
            reason="Both prompts of the verdict answer so; two prompts are weak evidence.",
        )
        for first, second in zip(verdict.start_outcomes, verdict.best_outcomes, strict=True)
        if agreed_otherwise(first, second, rows[first.example].target)
    )


def doubtful_test_rows(doubts: Sequence[RowDoubt], rows: Mapping[str, Example]) -> frozenset[str]:
    """Ids of test rows that look mislabelled, or that nearly repeat a row with another target. ``rows`` is by id."""
    targets = {row.id: row.target for row in rows.values()}
    return frozenset(
        doubt.example
        for doubt in doubts
        if doubt.split == "test" and (doubt.kind == "looks mislabelled" or has_other_target(doubt, targets))
    )


def paired_outcomes(verdict: Verdict) -> list[tuple[Outcome, Outcome]]:
    """The outcomes of the rows that have a score on both sides: starting prompt first."""
    return [
        (first, second)
        for first, second in zip(verdict.start_outcomes, verdict.best_outcomes, strict=True)
        if first.score is not None and second.score is not None
    ]


def verdict_without(
    verdict: Verdict, left_out: Collection[str], manifest: RunManifest, rows: Mapping[str, Example]
) -> Verdict:
    """The verdict from the same outcomes without some rows. ``rows`` is by id.

    Raises :class:`ConfigError` if fewer rows are left than a verdict needs.
    """
    kept = [pair for pair in paired_outcomes(verdict) if pair[0].example not in left_out]
    if len(kept) < LEAST_TEST_ROWS:
        raise ConfigError(
            f"--robust: only {len(kept)} test rows are left without the suspicious ones, and a verdict needs "
            f"{LEAST_TEST_ROWS}; give the run more test rows"
        )
    examples = [rows[first.example] for first, _ in kept]
    before = scored_rows([first for first, _ in kept], examples)
    after = scored_rows([second for _, second in kept], examples)
    objective = choose_objective(manifest.spec.get("metric") or manifest.metric, manifest.labels)
    if verdict.objective == "mean":
        compared = compare_paired([row.score for row in before], [row.score for row in after], seed=manifest.seed)
    else:
        compared = compare_by(before, after, objective.combine, seed=manifest.seed)
    return replace(
        verdict,
        start_score=compared.first_mean,
        best_score=compared.second_mean,
        difference=compared.difference,
        interval=(compared.interval.low, compared.interval.high),
        p_value=compared.p_value,
        rows=compared.rows,
        test=compared.test,
        interval_method=compared.interval_method,
        gain_shown=compared.gain_shown,
        commonest_answer_score=None,
        start_outcomes=tuple(first for first, _ in kept),
        best_outcomes=tuple(second for _, second in kept),
    )
