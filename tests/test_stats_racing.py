"""Racing: the promise and the power by simulation of whole races, the boundary against SciPy.

Natural outcomes: a row's luck u, uniform on (0, 1), is shared by all candidates, and a candidate is right where u is
below its accuracy, except for a 15 % share of (row, candidate) pairs that have luck of their own. Equal candidates of
accuracy 0.7 then differ in 12 % of the rows.
"""

import math
import random
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats as scipy_stats

from promptdescent.stats import race_critical_value, race_losers

Scores = npt.NDArray[np.float64]
"""Shape (races, candidates, rows)."""

PROMISE = 0.2
RACES = 2_000

many_races = pytest.mark.parametrize("races", [RACES, pytest.param(10_000, marks=pytest.mark.slow)])
"""The fast lane simulates fewer; the claim is the same, and so are the seeds."""


def right_or_wrong(accuracies: Sequence[float], rows: int, *, own: float, races: int = RACES, seed: int = 0) -> Scores:
    rng = np.random.default_rng(seed)
    shape = races, len(accuracies), rows
    shared = np.broadcast_to(rng.random((races, 1, rows), dtype=np.float32), shape)
    luck = np.where(rng.random(shape, dtype=np.float32) < own, rng.random(shape, dtype=np.float32), shared)
    return (luck < np.array(accuracies, dtype=np.float32)[:, None]).astype(np.float64)


def drops_any(race: list[list[float]], looks: Sequence[int], *, keep: int, promise: float) -> bool:
    return any(
        race_losers([scores[:rows] for scores in race], keep=keep, looks=len(looks), promise=promise) for rows in looks
    )


def share_with_elimination(scores: Scores, looks: Sequence[int], *, keep: int = 1, promise: float = PROMISE) -> float:
    return sum(drops_any(race.tolist(), looks, keep=keep, promise=promise) for race in scores) / len(scores)


def dropped(race: list[list[float]], looks: Sequence[int], *, promise: float = PROMISE) -> dict[int, int]:
    """The candidates dropped in the race, each with the number of rows after which it was."""
    racing = list(range(len(race)))
    losers: dict[int, int] = {}
    for rows in looks:
        places = race_losers([race[c][:rows] for c in racing], keep=1, looks=len(looks), promise=promise)
        losers |= {racing[place]: rows for place in places}
        racing = [candidate for candidate in racing if candidate not in losers]
    return losers


def standard_error(share: float, races: int) -> float:
    return math.sqrt(share * (1 - share) / races)


# The promise: all candidates are equal


@pytest.mark.parametrize("own", [0.15, 1.0], ids=["shared difficulty", "independent"])
@pytest.mark.parametrize("accuracy", [0.5, 0.8, 0.95])
@pytest.mark.parametrize(("candidates", "looks"), [(2, (25,)), (2, (6, 20, 40)), (8, (6, 20, 40))])
@many_races
def test_equal_candidates_right_or_wrong(
    candidates: int, looks: tuple[int, ...], accuracy: float, own: float, races: int
) -> None:
    scores = right_or_wrong([accuracy] * candidates, looks[-1], own=own, races=races)
    assert share_with_elimination(scores, looks) <= PROMISE


@pytest.mark.parametrize("promise", [0.02, 0.5, 0.9])
@pytest.mark.parametrize("candidates", [2, 3, 8])
def test_strict_and_liberal_promises(candidates: int, promise: float) -> None:
    scores = right_or_wrong([0.5] * candidates, 25, own=1.0, races=2000)
    assert share_with_elimination(scores, (25,), promise=promise) <= promise


def graded(races: int, candidates: int, rows: int) -> Scores:
    """Answers with 0 to 4 of 4 points, of rows of shared difficulty."""
    rng = np.random.default_rng(1)
    return rng.binomial(4, rng.beta(2, 2, (races, 1, rows)), (races, candidates, rows)) / 4


def skewed(races: int, candidates: int, rows: int) -> Scores:
    """A continuous score that is seldom high."""
    rng = np.random.default_rng(2)
    return rng.exponential(1.0, (races, 1, rows)) * 0.5 + rng.exponential(1.0, (races, candidates, rows)) ** 2


@pytest.mark.parametrize("draw", [graded, skewed])
@pytest.mark.parametrize("candidates", [2, 8])
@many_races
def test_equal_candidates_on_other_scales(draw: Callable[[int, int, int], Scores], candidates: int, races: int) -> None:
    assert 0.02 <= share_with_elimination(draw(races, candidates, 32), (8, 16, 32)) <= PROMISE


@pytest.mark.parametrize(("candidates", "keep"), [(2, 1), (8, 1), (8, 3), (8, 7)])
def test_one_look_at_normal_scores_spends_the_whole_promise(candidates: int, keep: int) -> None:
    """Where the theory is exact but for the estimated variance, the share is the promise: nothing is wasted."""
    scores = np.random.default_rng(3).standard_normal((3000, candidates, 40))
    share = share_with_elimination(scores, (40,), keep=keep)
    assert share == pytest.approx(PROMISE, abs=0.01 + 3 * standard_error(PROMISE, 3000))


@pytest.mark.parametrize("keep", [3, 6])
def test_looking_for_several(keep: int) -> None:
    scores = right_or_wrong([0.6] * 8, 40, own=0.5, races=4000)
    assert 0.05 <= share_with_elimination(scores, (10, 20, 40), keep=keep) <= PROMISE


def test_a_former_best_takes_part() -> None:
    """Eight new candidates and one that is known already, all equal: nine candidates in one race."""
    assert share_with_elimination(right_or_wrong([0.7] * 9, 50, own=0.15), (25, 50)) <= PROMISE


@pytest.mark.parametrize("copies", [(7, 1), (15, 1), (2, 2, 2, 2)], ids=str)
def test_near_copies_do_not_break_the_promise(copies: tuple[int, ...]) -> None:
    """Equal accuracies, but most candidates differ in no row: the variance of all is too small for the rest."""
    distinct = right_or_wrong([0.7] * len(copies), 50, own=0.5, races=2000)
    share = share_with_elimination(np.repeat(distinct, copies, axis=1), (25, 50))
    assert share <= PROMISE


def test_the_best_of_unequal_candidates_is_rarely_dropped() -> None:
    """Two equal leaders, six worse by 2 to 30 points: whoever else goes, both leaders stay in 80 % of races."""
    scores = right_or_wrong([0.8, 0.8, 0.78, 0.75, 0.7, 0.7, 0.6, 0.5], 50, own=0.15, races=2000)
    races = [dropped(race.tolist(), (12, 25, 50)) for race in scores]
    assert sum(bool(losers.keys() & {0, 1}) for losers in races) / len(races) <= PROMISE
    assert sum(7 in losers for losers in races) / len(races) >= 0.95


# The power: one candidate is 10 points worse


@pytest.mark.parametrize(("rows", "at_least"), [(100, 0.40), (240, 0.80)])
@many_races
def test_a_candidate_ten_points_worse_is_dropped_within_half_of_the_rows(
    rows: int, at_least: float, races: int
) -> None:
    """Seven candidates of accuracy 0.7 and one of 0.6, natural outcomes, looks at a quarter and half of the rows."""
    looks = rows // 4, rows // 2
    scores = right_or_wrong([0.7] * 7 + [0.6], looks[-1], own=0.15, races=races)
    share = sum(7 in dropped(race.tolist(), looks) for race in scores) / races
    assert share - 2 * standard_error(share, races) >= at_least


def test_what_a_race_saves_and_loses() -> None:
    """Eight natural candidates whose accuracies have a standard deviation of 10 points, 100 rows, looks at 25 and 50.

    Cost is the share of the calls of scoring all on all rows; loss is how much better the winner by all rows is.
    """
    rng = np.random.default_rng(5)
    cost, loss = {0.2: 0.0, 0.8: 0.0}, {0.2: 0.0, 0.8: 0.0}
    races = 1000
    for seed in range(races):
        accuracies = np.clip(rng.normal(0.65, 0.1, 8), 0.05, 0.95)
        scores = right_or_wrong(accuracies.tolist(), 100, own=0.15, races=1, seed=seed)[0]
        totals = scores.sum(axis=1)
        for promise in cost:
            losers = dropped(scores.tolist(), (25, 50), promise=promise)
            winner = max({*range(8)} - {*losers}, key=lambda candidate: float(totals[candidate]))
            cost[promise] += sum(losers.get(candidate, 100) for candidate in range(8)) / 800 / races
            loss[promise] += (accuracies[int(totals.argmax())] - accuracies[winner]) / races
    assert cost == {0.2: pytest.approx(0.69, abs=0.02), 0.8: pytest.approx(0.51, abs=0.02)}
    assert loss == {0.2: pytest.approx(0.0, abs=0.001), 0.8: pytest.approx(0.0, abs=0.003)}


# The boundary


@pytest.mark.parametrize("promise", [0.01, 0.2, 0.6])
@pytest.mark.parametrize("looks", [1, 4])
@pytest.mark.parametrize("candidates", [2, 3, 8, 40])
def test_the_critical_value_is_that_of_the_studentized_range(candidates: int, looks: int, promise: float) -> None:
    expected = scipy_stats.studentized_range.isf(1 - (1 - promise) ** (1 / looks), candidates, 1e7) / math.sqrt(2)
    actual = race_critical_value(candidates, keep=1, looks=looks, promise=promise)
    assert actual == pytest.approx(expected, abs=1e-5)


def test_the_critical_value_when_several_are_kept_matches_simulation() -> None:
    ordered = np.sort(np.random.default_rng(4).standard_normal((200_000, 10)), axis=1)
    for keep in (1, 2, 5, 9):
        distance = (ordered[:, 10 - keep] - ordered[:, 0]) / math.sqrt(2)
        critical = race_critical_value(10, keep=keep, looks=1, promise=PROMISE)
        assert np.mean(distance > critical) == pytest.approx(PROMISE, abs=4 * standard_error(PROMISE, 200_000))


def test_the_critical_value_grows_with_the_multiplicity() -> None:
    by_candidates = [race_critical_value(k, keep=1, looks=2, promise=PROMISE) for k in range(2, 30)]
    by_looks = [race_critical_value(8, keep=1, looks=looks, promise=PROMISE) for looks in range(1, 10)]
    by_keep = [race_critical_value(8, keep=keep, looks=2, promise=PROMISE) for keep in range(7, 0, -1)]
    by_promise = [race_critical_value(8, keep=1, looks=2, promise=promise) for promise in (0.9, 0.5, 0.2, 0.01)]
    for values in (by_candidates, by_looks, by_keep, by_promise):
        assert all(after > before for before, after in pairwise(values))


# Who is dropped


def test_known_races() -> None:
    best, middle, worst = [1.0] * 40, [1.0] * 30 + [0.0] * 10, [0.0] * 40
    assert race_losers([best, worst], keep=1, looks=2, promise=PROMISE) == (1,)
    assert race_losers([worst, best, middle], keep=1, looks=2, promise=PROMISE) == (0, 2)
    assert race_losers([worst, best, middle], keep=2, looks=2, promise=PROMISE) == (0,)
    assert race_losers([worst, best, middle], keep=3, looks=2, promise=PROMISE) == ()
    assert race_losers([best, best, best], keep=1, looks=2, promise=PROMISE) == ()
    assert race_losers([best], keep=1, looks=2, promise=PROMISE) == ()


def test_a_pair_is_dropped_at_the_critical_value_and_not_before() -> None:
    """Two candidates, one ahead in every row where they differ: (lead - 1/2) / sqrt(lead) against 1.618."""
    assert race_critical_value(2, keep=1, looks=2, promise=PROMISE) == pytest.approx(1.618, abs=0.001)
    for lead, losers in ((3, ()), (4, (1,))):  # 1.44 and 1.75
        scores = [[1.0] * 10, [0.0] * lead + [1.0] * (10 - lead)]
        assert race_losers(scores, keep=1, looks=2, promise=PROMISE) == losers


def test_the_rest_is_a_smaller_race() -> None:
    """The second loses to the first where they race alone, not where three of a kind do; the last always loses."""
    first, second, third, last = [1.0] * 40, [1.0] * 36 + [0.0] * 4, [0.0] * 4 + [1.0] * 36, [0.0] * 40
    assert race_losers([first, second], keep=1, looks=2, promise=PROMISE) == (1,)
    assert race_losers([first, second, third], keep=1, looks=2, promise=PROMISE) == ()
    assert race_losers([first, second, last], keep=1, looks=2, promise=PROMISE) == (1, 2)


def test_losers_depend_neither_on_order_nor_on_the_scale() -> None:
    scores = right_or_wrong([0.9, 0.8, 0.7, 0.6, 0.3], 60, own=0.3, races=1)[0].tolist()
    losers = race_losers(scores, keep=1, looks=3, promise=PROMISE)
    assert 0 < len(losers) < 5
    order = [3, 0, 4, 1, 2]
    shuffled = race_losers([scores[place] for place in order], keep=1, looks=3, promise=PROMISE)
    assert {order[place] for place in shuffled} == {*losers}
    rows = random.Random(0).sample(range(60), 60)
    assert race_losers([[s[row] for row in rows] for s in scores], keep=1, looks=3, promise=PROMISE) == losers
    scaled = [[100 * value - 30 for value in column] for column in scores]
    assert race_losers(scaled, keep=1, looks=3, promise=PROMISE) == losers


# Refused input


def test_unusable_races_are_refused() -> None:
    with pytest.raises(ValueError, match="candidates have 1 to 2 scores"):
        race_losers([[1.0, 0.0], [1.0]], keep=1, looks=1, promise=PROMISE)
    with pytest.raises(ValueError, match=r"scores\[1\] is empty"):
        race_losers([[1.0], []], keep=1, looks=1, promise=PROMISE)
    with pytest.raises(ValueError, match=r"scores\[0\]\[1\] is nan"):
        race_losers([[1.0, math.nan], [1.0, 0.0]], keep=1, looks=1, promise=PROMISE)
    for candidates, keep in ((3, 0), (3, 3), (1, 1)):
        with pytest.raises(ValueError, match=f"keep is {keep} with {candidates} candidates"):
            race_critical_value(candidates, keep=keep, looks=1, promise=PROMISE)
    with pytest.raises(ValueError, match="looks is 0"):
        race_critical_value(3, keep=1, looks=0, promise=PROMISE)
    for promise in (0.0, 1.0, 20.0, math.nan):
        with pytest.raises(ValueError, match="promise is"):
            race_critical_value(3, keep=1, looks=1, promise=promise)
