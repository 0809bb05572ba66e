"""The verdict in words claims a gain only if it was shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from report_samples import VERDICT

from promptdescent.records import Outcome, Verdict
from promptdescent.verdict.words import KEEP_THE_OLD, reuse_sentence, sentence


def say(*, same_prompt: bool = False, earlier_runs: int = 0, **changes: Any) -> str:
    verdict: Verdict = replace(VERDICT, **changes)
    return sentence(verdict, same_prompt=same_prompt, earlier_runs=earlier_runs)


def test_a_gain() -> None:
    assert say() == (
        "The found prompt is better: it scores 75.0 %, the starting prompt 50.0 %: a difference of +25.0 points "
        "(95 % interval +10.0 to +40.0 points, p = 0.0040, exact McNemar test on 40 test rows). "
        "Always answering the commonest label would score 60.0 %."
    )


def test_a_difference_that_is_not_shown_claims_nothing() -> None:
    text = say(gain_shown=False, interval=(-0.02, 0.4), p_value=0.07)
    assert "is better:" not in text
    assert text.startswith("The found prompt is not shown to be better")
    assert KEEP_THE_OLD in text
    assert "-2.0 to +40.0 points" in text


@pytest.mark.parametrize(
    ("interval", "p_value", "said"),
    [
        ((0.014, 0.301), 0.0703, True),
        ((-0.01, 0.3), 0.04, True),
        ((-0.01, 0.3), 0.0703, False),
    ],
    ids=["interval alone", "test alone", "neither"],
)
def test_interval_and_test_that_disagree_are_explained(
    interval: tuple[float, float], p_value: float, said: bool
) -> None:
    text = say(gain_shown=False, interval=interval, p_value=p_value)
    assert ("Interval and test disagree, and a gain needs both." in text) == said
    assert "disagree" not in say()


def test_gain_shown_alone_decides() -> None:
    assert KEEP_THE_OLD in say(gain_shown=False)


def test_a_worse_prompt() -> None:
    text = say(gain_shown=False, best_score=0.2, difference=-0.3, interval=(-0.5, -0.1), p_value=0.0001)
    assert text.startswith("The found prompt is worse on the test rows")
    assert "Keep the starting prompt." in text
    assert "p < 0.001" in text


def test_nothing_better_was_found() -> None:
    text = say(same_prompt=True, gain_shown=False, best_score=0.5, difference=0.0, interval=(0.0, 0.0), p_value=1.0)
    assert text.startswith("The search found nothing better than the starting prompt, which scores 50.0 % on 40 test")
    assert KEEP_THE_OLD in text
    assert "interval" not in text


def test_rows_left_out_are_told() -> None:
    text = say(missing=1, leaked=3)
    assert "1 test row left out because a call failed for good." in text
    assert "3 test rows left out because a copy stands in the train or dev rows." in text
    assert "left out" not in say()


def test_reused_test_rows_are_told_last() -> None:
    assert reuse_sentence(0) == ""
    assert say(earlier_runs=2).endswith(reuse_sentence(2))
    assert "2 earlier runs" in reuse_sentence(2)
    assert "1 earlier run in" in reuse_sentence(1)
    assert "earlier" not in say()


def test_the_commonest_label() -> None:
    assert "commonest" not in say(commonest_answer_score=None)
    assert "would score 80.0 %, as well as either prompt or better." in say(commonest_answer_score=0.8)


@pytest.mark.parametrize("beyond", ["score", "outcome"])
def test_scores_beyond_0_to_1_are_no_percentages(beyond: str) -> None:
    if beyond == "score":
        text = say(start_score=2.5, best_score=3.25, difference=0.75, interval=(0.5, 1.0))
        assert "it scores 3.25, the starting prompt 2.5: a difference of +0.75 (95 % interval +0.5 to +1" in text
    else:
        text = say(start_outcomes=(Outcome(example="a", kind="answered", score=4.0),))
    assert "points" not in text
    assert " % on" not in text


def test_many_rows_are_readable() -> None:
    assert "1,200 test rows" in say(rows=1200)
    assert "p = 0.34" in say(p_value=0.3438, gain_shown=False)


def test_an_objective_that_is_no_mean_is_named() -> None:
    text = say(objective="macro F1", test="paired permutation")
    assert text.startswith("The found prompt is better: its macro F1 is 75.0 %, that of the starting prompt 50.0 %: a ")
    assert "paired permutation test on 40 test rows" in text
    same = say(objective="macro F1", same_prompt=True)
    assert "nothing better than the starting prompt, whose macro F1 is 50.0 % on" in same


def test_rows_without_a_grade_are_told_of_judged_runs() -> None:
    graded = (Outcome(example="a", kind="answered", score=0.5, grades=(0.5,)),)
    assert "because a call failed for good or the judge gave no grade." in say(missing=2, start_outcomes=graded)
