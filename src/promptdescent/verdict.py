"""The verdict: starting and found prompt on the test rows, pairwise."""

from __future__ import annotations

from promptdescent.errors import RunFailed
from promptdescent.records import Evaluation, Verdict
from promptdescent.stats import compare_paired
from promptdescent.tasks.splits import LEAST_TEST_ROWS
from promptdescent.tasks.task import Task, commonest_answer_score


def judge(start: Evaluation, best: Evaluation, task: Task, *, seed: int) -> Verdict:
    """Compare two evaluations of the task's verdict rows. A row that is missing on one side leaves both.

    Raises :class:`RunFailed` if fewer rows remain than a verdict needs.
    """
    rows, leaked = task.verdict_rows, set(task.splits.leaked)
    pairs = [
        (first.score, second.score)
        for first, second in zip(start.outcomes, best.outcomes, strict=True)
        if first.score is not None and second.score is not None
    ]
    if len(pairs) < LEAST_TEST_ROWS:
        reasons = [outcome.error for outcome in (*start.outcomes, *best.outcomes) if outcome.error]
        raise RunFailed(
            f"no verdict: only {len(pairs)} of {len(rows)} test rows have a score for both prompts, "
            f"{LEAST_TEST_ROWS} are needed. The first failure: {reasons[0]}. "
            "If a cap is the reason, start again with a higher one; else `promptdescent resume` asks those rows again."
        )
    compared = compare_paired([first for first, _ in pairs], [second for _, second in pairs], seed=seed)
    return Verdict(
        start_score=compared.first_mean,
        best_score=compared.second_mean,
        difference=compared.difference,
        interval=(compared.interval.low, compared.interval.high),
        p_value=compared.p_value,
        rows=compared.rows,
        missing=len(rows) - len(pairs),
        leaked=sum(row.id in leaked for row in task.test),
        test=compared.test,
        interval_method=compared.interval_method,
        gain_shown=compared.gain_shown,
        commonest_answer_score=commonest_answer_score(task),
        start_outcomes=start.outcomes,
        best_outcomes=best.outcomes,
    )
