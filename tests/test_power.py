"""Rows that show a gain: against simulation with the tests of the verdict, and the inverse."""

from __future__ import annotations

import math
import random

import pytest

from promptdescent.stats import (
    compare_paired,
    mcnemar_exact,
    paired_score_interval,
    rows_needed,
    rows_needed_binary,
    rows_needed_mean,
    smallest_gain,
)


def binary_power(rows: int, gain: float, disagreement: float, *, runs: int) -> float:
    """How often the verdict on pass/fail scores shows the gain."""
    rng = random.Random(f"{rows}/{gain}/{disagreement}")
    shown = 0
    for _ in range(runs):
        draws = [rng.random() for _ in range(rows)]
        second = sum(draw < (disagreement + gain) / 2 for draw in draws)
        first = sum(draw < disagreement for draw in draws) - second
        low = paired_score_interval(rows - first - second, first, second, 0).low
        shown += mcnemar_exact(first, second) < 0.05 and low > 0
    return shown / runs


@pytest.mark.parametrize(
    ("gain", "disagreement", "power"),
    [(0.1, 0.3, 0.8), (0.2, 0.5, 0.8), (0.15, 0.3, 0.9)],
    ids=["a tenth", "a fifth", "more power"],
)
def test_so_many_rows_show_a_gain_of_pass_fail_scores(gain: float, disagreement: float, power: float) -> None:
    rows = rows_needed_binary(gain, disagreement, power=power)
    assert binary_power(rows, gain, disagreement, runs=500) == pytest.approx(power, abs=0.06)
    assert binary_power(rows // 2, gain, disagreement, runs=500) < power - 0.15


@pytest.mark.slow
@pytest.mark.parametrize("gain", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("disagreement", [0.1, 0.2, 0.4])
@pytest.mark.parametrize("power", [0.8, 0.9])
def test_power_over_a_grid(gain: float, disagreement: float, power: float) -> None:
    rows = rows_needed_binary(gain, disagreement, power=power)
    # Where nearly all that differs is a gain, the exact test needs fewer rows than the correction says.
    reached = binary_power(rows, gain, disagreement, runs=1500)
    assert power - 0.05 <= reached <= power + (0.05 if gain < 0.5 * disagreement else 0.2)


def mean_power(rows: int, gain: float, spread: float, *, runs: int) -> float:
    rng = random.Random(f"{rows}/{gain}")
    shown = 0
    for run in range(runs):
        first = [rng.random() for _ in range(rows)]
        second = [score + rng.gauss(gain, spread) for score in first]
        shown += compare_paired(first, second, seed=run).gain_shown
    return shown / runs


def test_so_many_rows_show_a_mean_gain_by_the_normal_distribution() -> None:
    rng = random.Random(1)
    rows = rows_needed_mean(0.1, 0.4)
    shown = 0
    for _ in range(1500):
        values = [rng.gauss(0.1, 0.4) for _ in range(rows)]
        mean = math.fsum(values) / rows
        error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (rows - 1) / rows)
        shown += mean / error > 1.979  # Student's t with about 126 degrees of freedom
    assert shown / 1500 == pytest.approx(0.8, abs=0.04)


@pytest.mark.slow
def test_power_of_the_sign_flip_test() -> None:
    assert mean_power(rows_needed_mean(0.2, 0.4), 0.2, 0.4, runs=150) == pytest.approx(0.8, abs=0.1)


def test_it_goes_by_what_the_scores_show() -> None:
    first, second = [1.0, 0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0, 1.0]
    assert rows_needed(0.1, first, second) == rows_needed_binary(0.1, 0.2)
    graded = [score + 0.25 for score in first]
    differences = [b - a for a, b in zip(graded, second, strict=True)]
    mean = math.fsum(differences) / 5
    spread = math.sqrt(math.fsum((one - mean) ** 2 for one in differences) / 4)
    assert rows_needed(0.1, graded, second) == rows_needed_mean(0.1, spread)


def test_known_sample_size() -> None:
    # Connor's formula by hand: (1.959964 sqrt(0.3) + 0.841621 sqrt(0.29))^2 / 0.01 = 233.09; 20 more for the exact test
    assert rows_needed_binary(0.1, 0.3) == 254


def test_prompts_that_never_differed_are_taken_to_differ_by_the_gain_alone() -> None:
    same = [1.0, 0.0, 1.0]
    assert rows_needed(0.1, same, same) == rows_needed_binary(0.1, 0.1)


@pytest.mark.parametrize("scale", [1.0, 0.5], ids=["pass or fail", "graded"])
def test_the_smallest_gain_is_the_inverse(scale: float) -> None:
    rng = random.Random(3)
    first = [scale * (rng.random() < 0.6) for _ in range(200)]
    second = [scale * (rng.random() < 0.7) for _ in range(200)]
    gain = smallest_gain(200, first, second)
    assert gain is not None
    assert rows_needed(gain, first, second) <= 200 < rows_needed(0.99 * gain, first, second)
    assert smallest_gain(800, first, second) < gain  # type: ignore[operator]


def test_too_few_rows_show_nothing() -> None:
    assert smallest_gain(3, [1.0, 0.0], [0.0, 1.0]) is None
    assert smallest_gain(1, [0.5, 0.0], [0.0, 1.0]) is None


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: rows_needed(0.0, [1.0], [1.0]), "gain is 0.0"),
        (lambda: rows_needed(math.nan, [1.0], [1.0]), "gain is nan"),
        (lambda: rows_needed(1.5, [1.0], [0.0]), "both are shares"),
        (lambda: rows_needed(0.1, [1.0], [1.0, 0.0]), "same rows"),
        (lambda: rows_needed(0.1, [], []), "at least one row"),
        (lambda: rows_needed(0.1, [1.0], [1.0], power=1.0), "power is 1.0"),
        (lambda: rows_needed_mean(0.1, -1.0), "spread is -1.0"),
        (lambda: smallest_gain(0, [1.0], [1.0]), "rows is 0"),
    ],
    ids=["no gain", "no number", "too large", "lengths", "nothing", "certain", "spread", "no rows"],
)
def test_what_makes_no_sense_is_refused(call: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()  # type: ignore[operator]
