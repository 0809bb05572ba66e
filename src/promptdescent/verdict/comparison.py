"""The verdict: starting and found prompt on the test rows, pairwise; and what is known of one prompt alone."""

from __future__ import annotations

from promptdescent.errors import RunFailed
from promptdescent.records import Evaluation, PromptScore, ScoredRows, Verdict
from promptdescent.stats import PairedComparison, bootstrap_interval, compare_by, compare_paired, score_interval
from promptdescent.tasks.objective import Objective, ScoredRow, scored_rows
from promptdescent.tasks.splits import LEAST_TEST_ROWS
from promptdescent.tasks.task import Task, commonest_answer_score


def compare(start: Evaluation, best: Evaluation, task: Task, *, seed: int) -> Verdict:
    """Compare two evaluations of the task's verdict rows. A row that is missing on one side leaves both.

    Raises :class:`RunFailed` if fewer rows remain than a verdict needs.
    """
    rows, leaked = task.verdict_rows, set(task.splits.leaked)
    both = [
        (first, second, row)
        for first, second, row in zip(start.outcomes, best.outcomes, rows, strict=True)
        if first.score is not None and second.score is not None
    ]
    if len(both) < LEAST_TEST_ROWS:
        reasons = [outcome.error for outcome in (*start.outcomes, *best.outcomes) if outcome.error]
        raise RunFailed(
            f"no verdict: only {len(both)} of {len(rows)} test rows have a score for both prompts, "
            f"{LEAST_TEST_ROWS} are needed. The first failure: {reasons[0]}. "
            "If a cap is the reason, start again with a higher one; else `promptdescent resume` asks those rows again."
        )
    paired = [row for _, _, row in both]
    compared = _compare(
        scored_rows([first for first, _, _ in both], paired),
        scored_rows([second for _, second, _ in both], paired),
        task.objective,
        seed=seed,
    )
    return Verdict(
        start_score=compared.first_mean,
        best_score=compared.second_mean,
        difference=compared.difference,
        interval=(compared.interval.low, compared.interval.high),
        p_value=compared.p_value,
        rows=compared.rows,
        missing=len(rows) - len(both),
        leaked=sum(row.id in leaked for row in task.test),
        test=compared.test,
        interval_method=compared.interval_method,
        gain_shown=compared.gain_shown,
        commonest_answer_score=commonest_answer_score(task),
        objective=task.objective.name,
        start_outcomes=start.outcomes,
        best_outcomes=best.outcomes,
    )


def measure(evaluation: Evaluation, task: Task, on: ScoredRows, *, seed: int) -> PromptScore:
    """What an evaluation of ``task.rows_on(on)`` says of a prompt. Raises :class:`RunFailed` if no row has a score."""
    examples = task.rows_on(on)
    rows = scored_rows(evaluation.outcomes, examples)
    if not rows:
        raise RunFailed(
            f"none of the {len(examples)} rows has a score. The first failure: {evaluation.outcomes[0].error}"
        )
    scores = [row.score for row in rows]
    if not task.objective.mean_over_rows:
        method, interval = "bootstrap percentile", bootstrap_interval(rows, task.objective.combine, seed=seed)
    else:
        method, interval = score_interval(scores, seed=seed)
    leaked = set(task.splits.leaked) if on == "test" else set()
    return PromptScore(
        on=on,
        score=task.objective.combine(rows),
        interval=(interval.low, interval.high),
        interval_method=method,
        rows=len(rows),
        missing=len(examples) - len(rows),
        leaked=sum(row.id in leaked for row in task.test),
        commonest_answer_score=commonest_answer_score(task, examples),
        objective=task.objective.name,
        outcomes=evaluation.outcomes,
    )


def _compare(first: list[ScoredRow], second: list[ScoredRow], objective: Objective, *, seed: int) -> PairedComparison:
    """By the scores row by row where the objective is their mean, else by the objective itself."""
    if objective.mean_over_rows:
        return compare_paired([row.score for row in first], [row.score for row in second], seed=seed)
    return compare_by(first, second, objective.combine, seed=seed)
