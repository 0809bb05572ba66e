"""What a study shows, on numbers whose answers are known by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from study_samples import failed_run, made_up_run, study_of

from promptdescent.records import Usage
from promptdescent.report.study.analysis import Analysis, CellSummary, TokenUse, agrees, analyse, mean_curve
from promptdescent.report.study.record import StudyRun


def cell(analysis: Analysis, label: str) -> CellSummary:
    return next(one for one in analysis.cells if one.label == label)


def use(analysis: Analysis, label: str) -> TokenUse:
    return next(one for one in analysis.token_use if one.label == label)


def three_cells() -> list[StudyRun]:
    """Worse is 10 points below gpo in every seed, give or take one; same is level with it on average."""
    scores = {
        "gpo": (0.80, 0.82, 0.84, 0.86, 0.88),
        "worse": (0.70, 0.71, 0.75, 0.76, 0.78),
        "same": (0.83, 0.79, 0.84, 0.89, 0.85),
    }
    return [made_up_run(label, seed, score) for label in scores for seed, score in enumerate(scores[label])]


def test_means_with_students_interval() -> None:
    score = cell(analyse(study_of(three_cells())), "gpo").score
    assert score is not None
    assert score.estimate is not None
    assert score.value == pytest.approx(0.84)
    # standard error sqrt(0.001 / 5) = 0.014142, times 2.776445 for 4 degrees of freedom
    assert score.estimate.interval.low == pytest.approx(0.84 - 0.039265, abs=1e-5)
    assert score.estimate.interval.high == pytest.approx(0.84 + 0.039265, abs=1e-5)


def test_real_differences_are_told_from_chance() -> None:
    analysis = analyse(study_of(three_cells()))
    real = {(one.first, one.second): analysis.real(one) for one in analysis.differences}
    assert real == {("gpo", "worse"): True, ("gpo", "same"): False, ("worse", "same"): True}
    assert analysis.compared_seeds == 5


def test_the_runs_of_one_seed_are_pairs_whatever_their_order() -> None:
    """Differences of +20, 0 and -20 points: half of the interval is 4.3027 * 0.2 / sqrt(3). Sorted, they would be 0."""
    rising = [made_up_run("gpo", seed, score) for seed, score in enumerate((0.5, 0.6, 0.7))]
    falling = [made_up_run("crossed", seed, score) for seed, score in enumerate((0.7, 0.6, 0.5))]
    (found,) = analyse(study_of([*rising, *falling])).differences
    interval = found.difference.interval
    assert (interval.low, interval.high) == pytest.approx((-0.496828, 0.496828), abs=1e-5)
    assert analyse(study_of([*rising, *reversed(falling)])).differences == (found,)


def test_what_alone_would_be_real_may_be_chance_among_many() -> None:
    """Two of three pairs have p = 0.034 each, which Holm's correction takes to 3 * 0.034."""
    ahead = (0.01, 0.02, 0.03, 0.0, 0.025)
    runs = [made_up_run("gpo", seed, 0.8) for seed in range(5)]
    runs += [made_up_run("up", seed, 0.8 + gain) for seed, gain in enumerate(ahead)]
    runs += [made_up_run("up too", seed, 0.8 + gain) for seed, gain in enumerate(reversed(ahead))]
    analysis = analyse(study_of(runs))
    assert [one.p_value < 0.05 for one in analysis.differences] == [True, True, False]
    assert not any(analysis.real(one) for one in analysis.differences)
    alone = analyse(study_of(runs[:10]))
    assert [alone.real(one) for one in alone.differences] == [True]


def test_two_seeds_show_no_difference() -> None:
    runs = [made_up_run(label, seed, score) for label, score in (("gpo", 0.9), ("bad", 0.1)) for seed in (0, 1)]
    analysis = analyse(study_of(runs))
    assert analysis.differences[0].adjusted_p_value == 0.0
    assert not analysis.real(analysis.differences[0])


def test_one_seed_gives_means_without_intervals() -> None:
    analysis = analyse(study_of([made_up_run("gpo", 0, 0.8), made_up_run("other", 0, 0.7)]))
    score = cell(analysis, "gpo").score
    assert score is not None
    assert (score.value, score.estimate) == (0.8, None)
    assert analysis.differences == ()


def test_a_seed_that_failed_somewhere_is_compared_nowhere() -> None:
    runs = [run for run in three_cells() if (run.cell, run.seed) != ("worse", 2)] + [failed_run("worse", 2)]
    analysis = analyse(study_of(runs))
    assert analysis.compared_seeds == 4
    assert (cell(analysis, "worse").seeds, cell(analysis, "worse").failed) == (4, 1)
    assert cell(analysis, "gpo").seeds == 5


def test_a_cell_that_failed_altogether_leaves_the_others_comparable() -> None:
    runs = [*three_cells(), *(failed_run("broken", seed) for seed in range(5))]
    analysis = analyse(study_of(runs))
    assert cell(analysis, "broken").score is None
    assert analysis.compared_seeds == 5
    assert {name for one in analysis.differences for name in (one.first, one.second)} == {"gpo", "worse", "same"}


def test_the_score_of_a_seed_is_the_mean_over_tasks() -> None:
    runs = [
        made_up_run("gpo", seed, score, task=task)
        for task, score in (("easy", 0.9), ("hard", 0.5))
        for seed in range(3)
    ]
    score = cell(analyse(study_of(runs)), "gpo").score
    assert score is not None
    assert score.value == pytest.approx(0.7)


def test_a_seed_without_all_tasks_does_not_count() -> None:
    runs = [made_up_run("gpo", 0, 0.9, task="easy"), made_up_run("gpo", 0, 0.5, task="hard")]
    runs += [made_up_run("gpo", 1, 0.9, task="easy"), failed_run("gpo", 1, task="hard")]
    summary = cell(analyse(study_of(runs)), "gpo")
    assert summary.seeds == 1
    assert summary.score is not None
    assert summary.score.value == pytest.approx(0.7)


def test_gains_of_prompts_without_a_search_are_over_the_starting_prompt_of_the_task() -> None:
    empty = [made_up_run("Empty", seed, 0.3, steps=0, start_test_score=0.3) for seed in range(3)]
    analysis = analyse(study_of([*empty, *three_cells()[:3]], without_search=["Empty"]))
    gain = cell(analysis, "Empty").gain
    assert gain is not None
    assert gain.value == pytest.approx(-0.2)


def test_tokens_are_compared_for_the_same_steps() -> None:
    cheap = [made_up_run("gpo", seed, 0.8, steps=4, tokens=100) for seed in range(3)]
    dear = [made_up_run("apo", seed, 0.8, steps=1, tokens=175) for seed in range(3)]
    near = [made_up_run("ape", seed, 0.8, steps=2, tokens=110) for seed in range(3)]
    found = analyse(study_of([*cheap, *dear, *near], claims={"apo": "well above", "ape": "near"}))
    # 2 steps: 50 + 2 * 100, 50 + 2 * 175 and 50 + 2 * 110 tokens, whatever number each of them did
    assert [use(found, label).tokens for label in ("gpo", "apo", "ape")] == [250, 400, 270]
    assert use(found, "apo").ratio.value == pytest.approx(1.6)
    assert (use(found, "apo").confirmed, use(found, "ape").confirmed) == (True, True)
    assert use(found, "gpo").confirmed is None
    # 10 tokens of each step are the optimizer's in all of them, so of these the claim on apo does not hold
    assert use(found, "apo").optimizer_confirmed is False


def test_what_an_initialization_used_is_no_step() -> None:
    with_induction = replace(made_up_run("gpo", 0, 0.8, steps=3, tokens=100), steps=2)
    assert use(analyse(study_of([with_induction])), "gpo").tokens == 150 + 2 * 100


@pytest.mark.parametrize(
    ("claim", "ratio", "holds"),
    [
        ("well above", 1.25, True),
        ("well above", 1.2, False),
        ("near", 1.2, True),
        ("near", 0.7, False),
        (None, 3, None),
    ],
)
def test_claims_on_tokens(claim: object, ratio: float, holds: bool | None) -> None:
    assert agrees(claim, ratio) is holds  # type: ignore[arg-type]


def test_the_mean_curve_is_a_mean_of_steps() -> None:
    runs = [made_up_run("gpo", 0, 0.9, steps=1, tokens=100), made_up_run("gpo", 1, 0.7, steps=2, tokens=100)]
    curve = mean_curve([*runs, failed_run("gpo", 2)])
    at = {round(tokens): score for tokens, score in curve}
    assert (curve[0], curve[-1]) == ((50, 0.5), (250, pytest.approx(0.8)))
    # the first run is done at 150 tokens and keeps its score; the second has come half of its way there
    assert next(score for tokens, score in at.items() if tokens >= 150) == pytest.approx((0.9 + 0.6) / 2)
    assert next(score for tokens, score in at.items() if 100 < tokens < 150) == pytest.approx(0.5)


def test_tokens_to_a_score_count_up_to_nine_tenths_of_the_references_way() -> None:
    reference = [made_up_run("gpo", 0, 0.9, steps=10, tokens=100)]
    quick = [made_up_run("quick", 0, 0.9, steps=1, tokens=100)]
    never = [made_up_run("never", 0, 0.6, steps=10, tokens=100)]
    found = analyse(study_of([*reference, *quick, *never]))
    assert found.target == pytest.approx(0.5 + 0.9 * 0.4)
    assert use(found, "gpo").to_target == pytest.approx(950, abs=20)
    assert use(found, "quick").to_target == 150
    assert use(found, "never").to_target is None


def test_a_search_that_had_nothing_to_gain_used_nothing_of_the_optimizer_model() -> None:
    idle = made_up_run("gpo", 1, 1.0, steps=0, used={"task": Usage(calls=20, tokens_in=50)})
    (cell,) = analyse(study_of([made_up_run("gpo", 0, 0.8), idle])).cells
    assert (cell.calls["optimizer"], cell.tokens["optimizer"]) == (1.0, 10.0)
