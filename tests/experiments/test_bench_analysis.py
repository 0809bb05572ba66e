"""What a bench shows: league order, wins, differences, and what is missing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from bench_records import LEVELS, SEEDS, bench_of, runs_of, study, with_failures
from study_samples import made_up_run

from promptdescent.records import to_json
from promptdescent.report.bench.analysis import NO_SCORE, League, LeagueRow, TaskScore, analyse_bench
from promptdescent.report.bench.record import BenchHole, BenchRecord
from promptdescent.report.study.record import StudyRun, TaskBudget
from promptdescent.stats import mean_interval, paired_t_test


def league_of(bench: BenchRecord) -> League:
    (league,) = analyse_bench(bench).leagues
    return league


def row(league: League, label: str) -> LeagueRow:
    return next(one for one in league.rows if one.label == label)


def on_task(league: League, label: str, task: str) -> TaskScore:
    return next(one for one in league.by_task if (one.label, one.task) == (label, task))


def test_the_score_is_the_mean_over_seeds_of_the_mean_over_tasks() -> None:
    gpo = row(league_of(bench_of()), "gpo")
    by_seed = [0.5 + (30 + 10) / 200 + seed / 100 for seed in SEEDS]
    expected = mean_interval(by_seed)
    assert gpo.score is not None
    assert gpo.score.value == pytest.approx(expected.mean)
    assert gpo.score.estimate is not None
    assert gpo.score.estimate.interval.low == pytest.approx(expected.interval.low)
    assert gpo.gain is not None
    assert gpo.gain.value == pytest.approx(expected.mean - 0.5)
    assert (gpo.seeds, gpo.comparable, gpo.missing) == (4, True, {})


def test_the_best_cell_comes_first() -> None:
    assert [one.label for one in league_of(bench_of()).rows] == ["gpo", "ape", "Empty"]
    better = {task: {**cells, "ape": 60} for task, cells in LEVELS.items()}
    assert [one.label for one in league_of(bench_of(study(runs_of(better)))).rows] == ["ape", "gpo", "Empty"]


def test_wins_are_counted_by_task_and_seed_and_shared_by_ties() -> None:
    league = league_of(bench_of())
    assert (row(league, "gpo").wins, row(league, "ape").wins, row(league, "Empty").wins) == (4, 4, 0)
    assert league.pairs == 8
    # As good as gpo with the first seed, where gpo's score is 0.80.
    runs = [replace(run, test_score=0.8) if (run.cell, run.seed) == ("ape", 0) else run for run in runs_of()]
    tied = league_of(bench_of(study(runs)))
    assert (row(tied, "gpo").wins, row(tied, "ape").wins) == (3.5, 4.5)
    assert sum(one.wins for one in tied.rows) == tied.pairs


def test_wins_add_up_whatever_is_missing() -> None:
    runs = with_failures(runs_of(), ("gpo", "counting", 0), ("ape", "counting", 0), ("Empty", "counting", 0))
    runs = with_failures(runs, ("gpo", "sorting", 1), ("ape", "sorting", 2))
    league = league_of(bench_of(study(runs)))
    assert league.pairs == 7
    assert sum(one.wins for one in league.rows) == pytest.approx(7)


def test_a_difference_is_the_cell_less_the_reference_whichever_comes_first() -> None:
    expected = [0.15 + seed * 0.02 - (0.20 + seed * 0.01) for seed in SEEDS]
    for cells in (("gpo", "ape"), ("ape", "gpo")):
        levels = {task: {cell: of_task[cell] for cell in cells} for task, of_task in LEVELS.items()}
        ape = row(league_of(bench_of(study(runs_of(levels)))), "ape").difference
        assert ape is not None
        assert ape.points.value == pytest.approx(sum(expected) / 4)
        assert ape.points.estimate is not None
        interval = mean_interval(expected).interval
        assert ape.points.estimate.interval.low == pytest.approx(interval.low)
        assert ape.points.estimate.interval.high == pytest.approx(interval.high)
        assert ape.p_value == ape.adjusted_p_value == pytest.approx(paired_t_test(expected))  # one pair only
    assert row(league_of(bench_of()), "gpo").difference is None


def test_p_values_are_corrected_for_all_pairs() -> None:
    league = league_of(bench_of())
    assert len(league.differences) == 3
    empty = row(league, "Empty").difference
    assert empty is not None
    assert empty.adjusted_p_value > empty.p_value
    assert empty.real
    assert row(league_of(bench_of(study(runs_of(seeds=(0, 1))))), "Empty").difference is not None
    assert not any(
        one.difference.real for one in league_of(bench_of(study(runs_of(seeds=(0, 1))))).rows if one.difference
    )


def test_a_cell_that_misses_a_task_has_what_it_has_and_is_compared_with_nobody() -> None:
    failures = [("ape", "counting", seed) for seed in SEEDS]
    best_elsewhere = {**LEVELS, "sorting": {**LEVELS["sorting"], "ape": 45}}
    league = league_of(bench_of(study(with_failures(runs_of(best_elsewhere), *failures))))
    ape = row(league, "ape")
    assert ape.score is not None
    assert ape.score.value == pytest.approx(0.5 + 0.45 + 0.03)
    assert ape.score.estimate is None
    assert (ape.seeds, ape.comparable, ape.missing, ape.difference) == (0, False, {"counting": 4}, None)
    assert ape.gain is None
    # Better than gpo on what it has, and below the cells that have all tasks for that.
    assert [one.label for one in league.rows] == ["gpo", "Empty", "ape"]
    assert league.compared == ("gpo", "Empty")
    assert row(league, "Empty").difference is not None
    assert league.incomplete == ("ape",)


def test_a_missing_run_leaves_the_others_their_seeds() -> None:
    league = league_of(bench_of(study(with_failures(runs_of(), ("ape", "counting", 3)))))
    ape = row(league, "ape")
    assert (ape.seeds, ape.comparable, ape.missing, ape.difference) == (3, True, {"counting": 1}, None)
    assert (league.compared, league.compared_seeds) == (("gpo", "Empty"), 4)
    assert on_task(league, "ape", "counting").reasons == {"no reply": (3,)}


def test_a_missing_run_of_the_reference_leaves_its_seed_out_of_every_comparison() -> None:
    league = league_of(bench_of(study(with_failures(runs_of(), ("gpo", "counting", 3)))))
    assert (league.compared, league.compared_seeds) == (("gpo", "ape", "Empty"), 3)


def test_without_the_reference_nothing_is_compared() -> None:
    league = league_of(bench_of(study(with_failures(runs_of(), *[("gpo", "counting", seed) for seed in SEEDS]))))
    assert (league.compared, league.compared_seeds, league.differences) == ((), 0, ())
    assert [one.label for one in league.rows] == ["ape", "Empty", "gpo"]


def test_a_task_that_was_refused_or_has_no_result_counts_in_no_mean() -> None:
    refused = with_failures(runs_of(), *[(cell, "counting", seed) for cell in LEVELS["counting"] for seed in SEEDS])
    for budgets, reason in (
        ((TaskBudget(task="counting", max_tokens=None, steps={}, refused="too dear"),), "too dear"),
        ((), "no run on it has a result; gpo, seed 0: no reply"),
    ):
        league = league_of(bench_of(replace(study(refused), budgets=budgets)))
        assert (league.tasks, league.incomplete) == (("sorting",), ())
        assert [(hole.task, hole.reason) for hole in league.left_out] == [("counting", reason)]
        score = row(league, "gpo").score
        assert score is not None
        assert score.value == pytest.approx(0.5 + 0.10 + 0.015)


def test_holes_of_the_bench_stand_in_the_league_of_their_model() -> None:
    mine, all_models = BenchHole(task="a", reason="x", model="some-model"), BenchHole(task="b", reason="y")
    other = BenchHole(task="c", reason="z", model="another")
    assert league_of(bench_of(holes=(mine, all_models, other))).left_out == (mine, all_models)


def test_a_score_that_is_no_number_is_a_missing_run() -> None:
    runs = [
        replace(run, test_score=math.nan) if (run.cell, run.task, run.seed) == ("ape", "counting", 2) else run
        for run in runs_of()
    ]
    bench = bench_of(study(runs))
    league = league_of(bench)
    assert row(league, "ape").missing == {"counting": 1}
    assert on_task(league, "ape", "counting").reasons == {NO_SCORE: (2,)}
    assert "NaN" not in to_json(analyse_bench(bench))


def test_unknown_money_is_none_and_that_of_this_process_is_nought() -> None:
    assert row(league_of(bench_of()), "gpo").money == pytest.approx(0.25)

    def all_cost(money: float | None) -> list[StudyRun]:
        return [replace(run, money=money) for run in runs_of()]

    assert row(league_of(bench_of(study(all_cost(0.0)))), "gpo").money == 0.0
    runs = [replace(run, money=None) if run.seed == 1 else run for run in runs_of()]
    assert row(league_of(bench_of(study(runs))), "gpo").money is None


def test_tokens_and_time_are_means_per_run() -> None:
    gpo = row(league_of(bench_of()), "gpo")
    assert (gpo.tokens["task"], gpo.tokens["optimizer"], gpo.seconds) == (230, 20, 2.0)


def test_over_all_models_a_seed_counts_with_its_mean_over_models() -> None:
    lower = {task: {cell: level - 10 for cell, level in cells.items()} for task, cells in LEVELS.items()}
    overall = analyse_bench(bench_of(study(), study(runs_of(lower), model="another"))).overall
    assert overall is not None
    assert (overall.model, overall.tasks, overall.pairs, overall.by_task) == ("", ("counting", "sorting"), 16, ())
    gpo = row(overall, "gpo")
    assert gpo.score is not None
    assert gpo.score.estimate is not None
    assert gpo.score.estimate.count == 4
    assert gpo.score.value == pytest.approx(0.5 + 0.15 + 0.015)


def test_over_all_models_only_tasks_count_that_every_model_has() -> None:
    runs = with_failures(runs_of(), *[(cell, "counting", seed) for cell in LEVELS["counting"] for seed in SEEDS])
    hole = BenchHole(task="snarks", reason="no file")
    overall = analyse_bench(bench_of(study(), study(runs, model="another"), holes=(hole,))).overall
    assert overall is not None
    assert overall.tasks == ("sorting",)
    assert [hole.task for hole in overall.left_out] == ["counting", "snarks"]
    only_counting = study(runs_of({"counting": LEVELS["counting"]}))
    only_sorting = study(runs_of({"sorting": LEVELS["sorting"]}), model="another")
    assert analyse_bench(bench_of(only_counting, only_sorting)).overall is None


def test_one_model_needs_no_league_over_all_and_none_has_none() -> None:
    assert analyse_bench(bench_of()).overall is None
    empty = replace(bench_of(), studies={})
    assert analyse_bench(empty).leagues == ()


def test_scores_by_task_have_the_mean_and_gain_of_their_task() -> None:
    counting = on_task(league_of(bench_of()), "ape", "counting")
    assert counting.score is not None
    assert counting.gain is not None
    assert (counting.score.value, counting.gain.value) == (pytest.approx(0.63), pytest.approx(0.13))
    one_seed = on_task(league_of(bench_of(study(runs_of(seeds=(0,))))), "ape", "counting")
    assert one_seed.score is not None
    assert one_seed.score.estimate is None


def test_a_bench_without_any_result_has_a_league_of_failures() -> None:
    every = [(cell, task, seed) for task, cells in LEVELS.items() for cell in cells for seed in SEEDS]
    league = league_of(bench_of(study(with_failures(runs_of(), *every))))
    assert (league.tasks, league.pairs) == ((), 0)
    assert all(one.score is None for one in league.rows)


def test_a_start_that_is_no_number_leaves_no_gain() -> None:
    run = made_up_run("gpo", 0, 0.8, start_test_score=math.nan)
    assert row(league_of(bench_of(study([run]))), "gpo").gain is None
