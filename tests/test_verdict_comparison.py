"""The verdict's figures: by rows where the objective is a mean, by resampling the objective where it is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptdescent.errors import RunFailed
from promptdescent.records import Evaluation, Example, Outcome
from promptdescent.tasks.splits import ready_splits
from promptdescent.tasks.task import Task, build_task
from promptdescent.verdict.comparison import compare

ROWS = tuple(
    Example(id=f"r{n}", inputs=(("text", f"row {n}"),), target="rare" if n % 10 == 0 else "usual") for n in range(80)
)


def task(metric: str, **changes: float) -> Task:
    return build_task(ready_splits(ROWS[:10], ROWS[10:20], ROWS[20:]), prompt="Sort.", metric=metric, **changes)  # type: ignore[arg-type]


def evaluation(answers: dict[str, str], *, missing: tuple[str, ...] = ()) -> Evaluation:
    """Answers by target, on the test rows; the score of the whole is of no matter here."""
    outcomes = []
    for row in ROWS[20:]:
        if row.id in missing:
            outcomes.append(Outcome(example=row.id, kind="missing", score=None, error="down"))
        else:
            answer = answers[row.target]
            outcomes.append(Outcome(example=row.id, kind="answered", score=float(answer == row.target), answer=answer))
    return Evaluation(outcomes=tuple(outcomes), score=None)


ALWAYS_USUAL = evaluation({"rare": "usual", "usual": "usual"})
RIGHT = evaluation({"rare": "rare", "usual": "usual"})


def test_a_mean_is_compared_row_by_row() -> None:
    verdict = compare(ALWAYS_USUAL, RIGHT, task("choice"), seed=0)
    assert (verdict.objective, verdict.test) == ("mean", "exact McNemar")
    assert (verdict.start_score, verdict.best_score) == pytest.approx((54 / 60, 1.0))
    assert verdict.commonest_answer_score == pytest.approx(54 / 60)


def test_f1_is_compared_as_a_whole() -> None:
    verdict = compare(ALWAYS_USUAL, RIGHT, task("f1"), seed=0)
    # Always "usual": its F1 is 2 * 54 / (60 + 54), that of "rare" 0.
    always = 54 / 57 / 2
    assert verdict.objective == "macro F1"
    assert verdict.test == "paired permutation"
    assert (verdict.start_score, verdict.best_score) == pytest.approx((always, 1.0))
    assert verdict.difference == pytest.approx(1 - always)
    assert verdict.commonest_answer_score == pytest.approx(always)
    assert verdict.interval[0] > 0.3
    assert verdict.gain_shown


def test_a_row_that_is_missing_on_one_side_leaves_both() -> None:
    lost = tuple(row.id for row in ROWS[20:] if row.target == "rare")[:2]
    verdict = compare(
        ALWAYS_USUAL, replace(evaluation({"rare": "rare", "usual": "usual"}, missing=lost)), task("f1:rare"), seed=0
    )
    assert (verdict.rows, verdict.missing) == (58, 2)
    assert (verdict.start_score, verdict.best_score) == (0.0, 1.0)


def test_equal_prompts_differ_by_nothing() -> None:
    verdict = compare(RIGHT, RIGHT, task("f1:micro"), seed=0)
    assert (verdict.difference, verdict.p_value, verdict.gain_shown) == (0.0, 1.0, False)


def test_too_few_rows_say_why() -> None:
    lost = tuple(row.id for row in ROWS[20:65])
    with pytest.raises(RunFailed, match=r"only 15 of 60 test rows .* The first failure: down"):
        compare(ALWAYS_USUAL, evaluation({"rare": "rare", "usual": "usual"}, missing=lost), task("f1"), seed=0)
