"""Paired comparison: against SciPy, published limits, brute force, and exact or simulated error rates."""

import math
import random
import time
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from scipy import stats as scipy_stats

from promptdescent.stats import (
    Interval,
    PairedComparison,
    compare_paired,
    mcnemar_exact,
    paired_bootstrap_interval,
    paired_score_interval,
    sign_flip_test,
    wilson_interval,
)

counts = st.integers(0, 40)
confidences = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])
# Multiples of 0.1 make sums that are equal on paper and unequal as floats.
tenths = st.integers(-20, 20).map(lambda k: k / 10)
some_differences = st.lists(tenths, min_size=1, max_size=12)


def limits(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


# Wilson interval


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_matches_newcombe_1998_table_1(successes: int, n: int, low: float, high: float) -> None:
    assert limits(wilson_interval(successes, n)) == pytest.approx((low, high), abs=5e-5)


@settings(deadline=None)
@given(n=st.integers(1, 500), data=st.data(), confidence=confidences)
def test_wilson_matches_scipy_and_holds_the_proportion(n: int, data: st.DataObject, confidence: float) -> None:
    successes = data.draw(st.integers(0, n))
    interval = wilson_interval(successes, n, confidence=confidence)
    expected = scipy_stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    assert limits(interval) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0.0 <= interval.low <= successes / n <= interval.high <= 1.0
    mirrored = wilson_interval(n - successes, n, confidence=confidence)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx(limits(interval), abs=1e-12)


def test_wilson_limits_at_the_ends_are_exact() -> None:
    assert [wilson_interval(0, n).low for n in range(1, 60)] == [0.0] * 59
    assert [wilson_interval(n, n).high for n in range(1, 60)] == [1.0] * 59


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="0 <= successes <= n"):
        wilson_interval(successes, n)


# Exact McNemar test


@settings(deadline=None)
@given(b=st.integers(0, 300), c=st.integers(0, 300))
def test_mcnemar_matches_the_binomial_test(b: int, c: int) -> None:
    expected = scipy_stats.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_exact(b, c) == mcnemar_exact(c, b)


def test_mcnemar_by_hand() -> None:
    assert mcnemar_exact(0, 0) == 1.0
    assert mcnemar_exact(0, 5) == 2 / 32
    assert mcnemar_exact(1, 7) == 2 * (1 + 8) / 256
    assert mcnemar_exact(3, 3) == 1.0


def test_mcnemar_holds_for_thousands_of_pairs() -> None:
    assert mcnemar_exact(4800, 5200) == pytest.approx(scipy_stats.binomtest(4800, 10_000).pvalue, rel=1e-9)
    assert mcnemar_exact(0, 3000) == 0.0
    assert mcnemar_exact(0, 1000) == 2.0**-999


@pytest.mark.parametrize("n", [8, 20, 41])
def test_mcnemar_keeps_its_level(n: int) -> None:
    """Given n discordant pairs, P(p <= alpha) is at most alpha when the prompts do not differ, and not far below."""
    p_values = {b: mcnemar_exact(b, n - b) for b in range(n + 1)}
    for alpha in (0.01, 0.05, 0.1, 0.3):
        rejected = [b for b, p in p_values.items() if p <= alpha]
        error = sum(math.comb(n, b) for b in rejected) / 2**n
        next_p = min(p for b, p in p_values.items() if b not in rejected)
        assert error <= alpha < next_p
        assert error == pytest.approx(max((p_values[b] for b in rejected), default=0.0))


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="c is -1"):
        mcnemar_exact(2, -1)


# Tango's score interval


def profile_statistic(losses: int, gains: int, n: int, difference: float) -> float:
    """Tango's statistic with the nuisance parameter found by maximizing the likelihood numerically.

    q is the probability that only the first prompt succeeds, q + difference that only the second does.
    """

    def minus_log_likelihood(q: float) -> float:
        cells = [(gains, q + difference), (losses, q), (n - gains - losses, 1 - 2 * q - difference)]
        return -sum(count * math.log(max(p, 1e-300)) for count, p in cells if count)

    bounds = (max(0.0, -difference), (1 - difference) / 2)
    fit = optimize.minimize_scalar(minus_log_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-11})
    q = min([fit.x, *bounds], key=minus_log_likelihood)
    variance = n * (2 * q + difference - difference**2)
    return (gains - losses - n * difference) / math.sqrt(max(variance, 1e-300))


TABLES = [(1, 1, 7, 12), (59, 6, 16, 80), (43, 0, 1, 0), (10, 0, 8, 12), (0, 3, 3, 0), (5, 4, 0, 1), (0, 9, 2, 0)]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_tango_limits_are_where_the_brute_force_statistic_crosses(
    table: tuple[int, int, int, int], confidence: float
) -> None:
    """A scan of all differences accepts those inside the limits and no others (so there are just two crossings)."""
    _, only_first, only_second, _ = table
    n = sum(table)
    z = scipy_stats.norm.ppf((1 + confidence) / 2)
    low, high = limits(paired_score_interval(*table, confidence=confidence))
    scanned = [
        difference
        for difference in np.linspace(-0.999, 0.999, 400)
        if min(abs(difference - low), abs(difference - high)) > 1e-4
    ]
    for difference in [*scanned, low - 2e-4, low + 2e-4, high - 2e-4, high + 2e-4]:
        if -1 < difference < 1:
            accepted = abs(profile_statistic(only_first, only_second, n, difference)) <= z
            assert accepted == (low <= difference <= high), difference


def test_tango_matches_fagerland_2014() -> None:
    """Airway hyper-responsiveness before and after transplantation: Fagerland et al. (2014), table V.

    They report first - second, -0.517 to -0.026.
    """
    assert limits(paired_score_interval(1, 7, 1, 12)) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize("n", [1, 10, 300])
def test_tango_without_discordant_pairs_has_a_closed_form(n: int) -> None:
    z = scipy_stats.norm.ppf(0.975)
    half_width = z**2 / (n + z**2)
    assert limits(paired_score_interval(0, 0, 0, n)) == pytest.approx((-half_width, half_width), abs=1e-12)


def test_tango_with_only_gains_or_only_losses_reaches_the_end() -> None:
    gains = paired_score_interval(0, 0, 10, 0)
    assert gains.high == 1.0
    assert profile_statistic(0, 10, 10, gains.low) == pytest.approx(1.959964, abs=1e-4)
    assert limits(paired_score_interval(0, 10, 0, 0)) == (-1.0, -gains.low)


@settings(deadline=None)
@given(both=counts, only_first=counts, only_second=counts, neither=counts, confidence=confidences)
def test_tango_properties(both: int, only_first: int, only_second: int, neither: int, confidence: float) -> None:
    n = both + only_first + only_second + neither
    if n == 0:
        return
    interval = paired_score_interval(both, only_first, only_second, neither, confidence=confidence)
    assert -1.0 <= interval.low <= (only_second - only_first) / n <= interval.high <= 1.0
    assert interval.low < interval.high
    swapped = paired_score_interval(both, only_second, only_first, neither, confidence=confidence)
    assert limits(swapped) == (-interval.high, -interval.low)
    wider = paired_score_interval(both, only_first, only_second, neither, confidence=(1 + confidence) / 2)
    assert wider.low <= interval.low
    assert interval.high <= wider.high
    assert paired_score_interval(both + neither, only_first, only_second, 0, confidence=confidence) == interval


@pytest.mark.parametrize(("first_only", "second_only"), [(0.1, 0.1), (0.05, 0.25), (0.2, 0.4)])
def test_tango_covers_the_true_difference(first_only: float, second_only: float) -> None:
    """Coverage at n = 30, summed over all tables instead of simulated."""
    n, difference = 30, second_only - first_only
    covered = 0.0
    for losses, gains in product(range(n + 1), repeat=2):
        if losses + gains <= n:
            interval = paired_score_interval(0, losses, gains, n - losses - gains)
            if interval.low <= difference <= interval.high:
                cells = [losses, gains, n - losses - gains]
                covered += scipy_stats.multinomial.pmf(
                    cells, n, [first_only, second_only, 1 - first_only - second_only]
                )
    assert 0.935 < covered < 0.975


def test_tango_survives_rounding_where_the_likelihood_equation_degenerates() -> None:
    """In the first table the discriminant, in the second the variance comes out negative by rounding."""
    assert limits(paired_score_interval(0, 3, 0, 0, confidence=1e-12)) == pytest.approx((-1.0, -1.0), abs=1e-9)
    huge = paired_score_interval(0, 1, 999_999_999, 0)
    assert limits(huge) == pytest.approx((1.0, 1.0), abs=1e-7)
    assert huge.low <= 999_999_998 / 10**9 <= huge.high


def test_tango_refuses_impossible_counts() -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        paired_score_interval(0, 0, 0, 0)
    with pytest.raises(ValueError, match="only_second is -1"):
        paired_score_interval(3, 0, -1, 0)


# Sign-flip test


@settings(max_examples=60, deadline=None)
@given(differences=st.lists(tenths, min_size=1, max_size=9))
def test_sign_flip_enumeration_matches_brute_force(differences: list[float]) -> None:
    """Whole tenths make the brute force exact: its sums are integers."""
    whole = [round(10 * value) for value in differences]
    sums = [
        sum(sign * k for sign, k in zip(signs, whole, strict=True)) for signs in product((-1, 1), repeat=len(whole))
    ]
    expected = sum(abs(total) >= abs(sum(whole)) for total in sums) / len(sums)
    assert sign_flip_test(differences, seed=0) == expected


def test_sign_flip_enumeration_matches_scipy() -> None:
    rng = random.Random(4)
    differences = [rng.gauss(0.4, 1.0) for _ in range(11)]
    expected = scipy_stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_test(differences, seed=0) == pytest.approx(expected.pvalue, abs=1e-12)


@pytest.mark.parametrize("n", [5, 8, 11])
def test_random_signs_agree_with_enumeration(n: int) -> None:
    """Few resamples force the random path; its p-value is the exact one up to simulation error."""
    rng = random.Random(n)
    differences = [rng.gauss(0.5, 1.0) for _ in range(n)]
    exact = sign_flip_test(differences, seed=0, resamples=2**n - 1)
    estimates = [sign_flip_test(differences, seed=seed, resamples=2**n - 2) for seed in range(200)]
    standard_error = math.sqrt(exact * (1 - exact) / (2**n - 2) / 200)
    # Counting the observed data in raises the mean a little.
    expected = (1 + exact * (2**n - 2)) / (2**n - 1)
    assert sum(estimates) / 200 == pytest.approx(expected, abs=4 * standard_error)
    assert len(set(estimates)) > 1


def test_random_signs_match_the_normal_limit() -> None:
    """1000 equal magnitudes: the flipped sum is binomial, so the p-value is a binomial one."""
    differences = [0.1] * 530 + [-0.1] * 470
    expected = scipy_stats.binomtest(530, 1000).pvalue
    assert sign_flip_test(differences, seed=3, resamples=20_000) == pytest.approx(expected, abs=0.007)


def test_sign_flip_at_the_boundary_between_the_two_paths() -> None:
    differences = [1.0] * 13
    assert sign_flip_test(differences, seed=0, resamples=2**13 - 1) == 2 / 2**13
    assert sign_flip_test([*differences, 0.0, 0.0], seed=0, resamples=2**13 - 1) == 2 / 2**13
    assert sign_flip_test([1.0] * 60, seed=0, resamples=99) == 1 / 100
    assert sign_flip_test([0.0] * 5, seed=0) == 1.0
    assert sign_flip_test([0.3], seed=0, resamples=1) == 1.0


def test_sign_flip_counts_sums_that_tie_up_to_rounding() -> None:
    """0.1 + 0.2 - 0.3 is 0 on paper and 5.6e-17 in floats: no sum is less extreme."""
    assert 0.1 + 0.2 - 0.3 != 0.0
    assert sign_flip_test([0.1, 0.2, -0.3], seed=0) == 1.0


@settings(deadline=None, max_examples=50)
@given(differences=st.lists(tenths, min_size=1, max_size=30), seed=st.integers(0, 99))
def test_sign_flip_properties(differences: list[float], seed: int) -> None:
    p_value = sign_flip_test(differences, seed=seed, resamples=199)
    assert 0.0 < p_value <= 1.0
    assert p_value == sign_flip_test(differences, seed=seed, resamples=199)
    assert p_value == sign_flip_test([-value for value in differences], seed=seed, resamples=199)
    assert p_value == sign_flip_test([8 * value for value in differences], seed=seed, resamples=199)


def test_sign_flip_keeps_its_level() -> None:
    """400 skewed-in-size but symmetric samples under the null: the share with p <= 0.1 is near 0.1."""
    rng = random.Random(11)
    rejections = 0
    for seed in range(400):
        differences = [rng.choice([-1, 1]) * rng.expovariate(1.0) for _ in range(20)]
        rejections += sign_flip_test(differences, seed=seed, resamples=199) <= 0.1
    assert 40 - 4 * 6 <= rejections <= 40 + 4 * 6  # standard deviation sqrt(400 * 0.1 * 0.9) = 6


# Bootstrap interval


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.gauss(0.1, 1.0),
        lambda rng: rng.expovariate(1.0) ** 2 - 1.0,
        lambda rng: rng.choice([-0.5, 0.0, 0.0, 0.0, 1.0]),
    ],
    ids=["symmetric", "skewed", "few values"],
)
def test_bootstrap_matches_scipy_bca(draw: Callable[[random.Random], float]) -> None:
    rng = random.Random(5)
    differences = [draw(rng) for _ in range(40)]
    interval = paired_bootstrap_interval(differences, seed=1, resamples=20_000, confidence=0.9)
    expected = scipy_stats.bootstrap(
        (differences,), np.mean, n_resamples=20_000, confidence_level=0.9, method="BCa", rng=np.random.default_rng(2)
    )
    tolerance = 0.05 * expected.standard_error
    assert interval.low == pytest.approx(expected.confidence_interval.low, abs=tolerance)
    assert interval.high == pytest.approx(expected.confidence_interval.high, abs=tolerance)


def test_bootstrap_is_not_the_plain_percentile_interval() -> None:
    """On skewed data the correction moves both limits by far more than the simulation error."""
    rng = random.Random(5)
    differences = [rng.expovariate(1.0) ** 2 for _ in range(40)]
    interval = paired_bootstrap_interval(differences, seed=1)
    percentile = scipy_stats.bootstrap((differences,), np.mean, method="percentile", rng=np.random.default_rng(2))
    shift = 0.2 * percentile.standard_error
    assert interval.low > percentile.confidence_interval.low + shift / 2
    assert interval.high > percentile.confidence_interval.high + shift


@settings(deadline=None, max_examples=60)
@given(differences=some_differences, seed=st.integers(0, 99))
def test_bootstrap_properties(differences: list[float], seed: int) -> None:
    interval = paired_bootstrap_interval(differences, seed=seed, resamples=299)
    slack = 1e-12
    assert min(differences) - slack <= interval.low <= interval.high <= max(differences) + slack
    assert interval.low - slack <= math.fsum(differences) / len(differences) <= interval.high + slack
    assert interval == paired_bootstrap_interval(differences, seed=seed, resamples=299)
    mirrored = paired_bootstrap_interval([-value for value in differences], seed=seed, resamples=299)
    assert limits(mirrored) == pytest.approx((-interval.high, -interval.low), abs=1e-9)


def test_bootstrap_draws_depend_on_the_seed() -> None:
    rng = random.Random(0)
    differences = [rng.gauss(0.0, 1.0) for _ in range(20)]
    assert paired_bootstrap_interval(differences, seed=1) != paired_bootstrap_interval(differences, seed=2)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.5])
@pytest.mark.parametrize("n", [1, 3, 10])
def test_bootstrap_of_equal_differences_is_a_point_at_the_mean(value: float, n: int) -> None:
    mean = math.fsum([value] * n) / n
    assert limits(paired_bootstrap_interval([value] * n, seed=0)) == (mean, mean)


def test_bootstrap_falls_back_to_percentiles_where_bca_is_undefined() -> None:
    # A single resample mean lies on one side of the observed mean: the bias correction would be infinite.
    single = {limits(paired_bootstrap_interval([0.0, 1.0, 5.0], seed=seed, resamples=1)) for seed in range(20)}
    assert all(low == high for low, high in single)
    # One outlier in 200 rows has skewness 14 and z is 7: the acceleration correction passes its pole.
    outlier = [0.0] * 199 + [1.0]
    interval = paired_bootstrap_interval(outlier, seed=0, resamples=99, confidence=1 - 1e-12)
    assert interval.low == 0.0
    assert interval.high >= 2 / 200


def test_bootstrap_does_not_depend_on_the_unit() -> None:
    differences = [0.3, -0.1, 0.7, 0.2, 1.4]
    interval = paired_bootstrap_interval(differences, seed=0)
    for unit in (1e-150, 1e150):
        scaled = paired_bootstrap_interval([unit * value for value in differences], seed=0)
        assert (scaled.low / unit, scaled.high / unit) == pytest.approx(limits(interval), rel=1e-9)


def test_bootstrap_covers_the_true_mean() -> None:
    """300 samples of 30 skewed differences with mean 0 (exponential minus 1), nominal coverage 0.9."""
    rng = random.Random(21)
    covered = 0
    for seed in range(300):
        interval = paired_bootstrap_interval(
            [rng.expovariate(1.0) - 1.0 for _ in range(30)], seed=seed, resamples=299, confidence=0.9
        )
        covered += interval.low <= 0.0 <= interval.high
    assert 0.83 * 300 <= covered <= 0.95 * 300


def test_bootstrap_of_300_rows_takes_seconds_at_most() -> None:
    rng = random.Random(0)
    differences = [rng.random() for _ in range(300)]
    start = time.process_time()
    paired_bootstrap_interval(differences, seed=0)
    assert time.process_time() - start < 4.0  # measured: under 1 s


# Comparison


def test_compare_binary_scores() -> None:
    first = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    second = [1, 0, 1, 1, 1, 1, 1, 1, 1, 0]
    assert compare_paired(first, second, seed=0) == PairedComparison(
        rows=10,
        first_mean=0.2,
        second_mean=0.8,
        difference=0.6,
        interval=paired_score_interval(1, 1, 7, 1),
        confidence=0.95,
        p_value=mcnemar_exact(1, 7),
        test="exact McNemar",
        interval_method="Tango score",
    )


def test_compare_graded_scores() -> None:
    rng = random.Random(3)
    first, second = ([rng.random() for _ in range(25)] for _ in range(2))
    differences = [after - before for before, after in zip(first, second, strict=True)]
    p_value = sign_flip_test(differences, seed=7)
    interval = paired_bootstrap_interval(differences, seed=7, confidence=0.9)
    assert compare_paired(first, second, seed=7, confidence=0.9) == PairedComparison(
        rows=25,
        first_mean=math.fsum(first) / 25,
        second_mean=math.fsum(second) / 25,
        difference=math.fsum(differences) / 25,
        interval=interval,
        confidence=0.9,
        p_value=p_value,
        test="sign-flip",
        interval_method="BCa bootstrap",
    )
    other = compare_paired(first, second, seed=8, confidence=0.9)
    assert other.p_value != p_value
    assert other.interval != interval


def test_compare_passes_the_confidence_on_for_binary_scores() -> None:
    comparison = compare_paired([0, 0, 1], [1, 1, 1], seed=0, confidence=0.8)
    assert comparison.interval == paired_score_interval(1, 0, 2, 0, confidence=0.8)


def test_one_graded_score_among_binary_ones_changes_the_method() -> None:
    assert compare_paired([0, 1, 0.5], [1, 1, 1], seed=0).test == "sign-flip"
    assert compare_paired([0, 1, 1], [1, 1, 0.5], seed=0).test == "sign-flip"


@settings(deadline=None, max_examples=25)
@given(
    pairs=st.one_of(
        st.lists(st.tuples(st.sampled_from([0, 1]), st.sampled_from([0, 1])), min_size=1, max_size=30),
        st.lists(st.tuples(tenths, tenths), min_size=1, max_size=10),
    )
)
def test_compare_is_antisymmetric_and_holds_the_difference(pairs: list[tuple[float, float]]) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    forward, backward = compare_paired(first, second, seed=1), compare_paired(second, first, seed=1)
    assert backward.p_value == forward.p_value
    assert backward.difference == -forward.difference
    assert limits(backward.interval) == pytest.approx((-forward.interval.high, -forward.interval.low), abs=1e-9)
    assert forward.interval.low - 1e-12 <= forward.difference <= forward.interval.high + 1e-12
    assert forward.difference == pytest.approx(forward.second_mean - forward.first_mean, abs=1e-12)
    assert not (forward.gain_shown and backward.gain_shown)
    assert forward == compare_paired(first, second, seed=1)


def comparison_with(p_value: float, low: float, confidence: float = 0.95) -> PairedComparison:
    return PairedComparison(
        rows=10,
        first_mean=0.0,
        second_mean=0.1,
        difference=0.1,
        interval=Interval(low=low, high=0.2),
        confidence=confidence,
        p_value=p_value,
        test="sign-flip",
        interval_method="BCa bootstrap",
    )


def test_gain_is_shown_only_when_test_and_interval_agree() -> None:
    assert comparison_with(p_value=0.049, low=0.01).gain_shown
    assert not comparison_with(p_value=0.051, low=0.01).gain_shown
    assert not comparison_with(p_value=0.049, low=-0.01).gain_shown
    assert not comparison_with(p_value=0.049, low=0.0).gain_shown
    assert not comparison_with(p_value=0.049, low=0.01, confidence=0.99).gain_shown


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99, 0.999])
def test_a_p_value_at_the_level_shows_no_gain(confidence: float) -> None:
    level = round(1 - confidence, 10)
    assert not comparison_with(p_value=level, low=0.01, confidence=confidence).gain_shown


def test_a_loss_never_counts_as_a_gain() -> None:
    comparison = compare_paired([1] * 20, [0] * 20, seed=0)
    assert comparison.p_value < 0.001
    assert not comparison.gain_shown
    assert compare_paired([0] * 20, [1] * 20, seed=0).gain_shown


def test_false_gains_are_rare() -> None:
    """Two equal prompts on 40 rows, 300 times, level 0.1: a false gain is one tail, at most 0.05 of the time."""
    rng = random.Random(8)
    shown = 0
    for seed in range(300):
        first, second = ([float(rng.random() < 0.6) for _ in range(40)] for _ in range(2))
        shown += compare_paired(first, second, seed=seed, confidence=0.9).gain_shown
    assert 1 <= shown <= 15 + 4 * 3.8  # standard deviation sqrt(300 * 0.05 * 0.95) = 3.8


# Refused input


def test_unusable_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="first is empty"):
        compare_paired([], [], seed=0)
    with pytest.raises(ValueError, match="first has 1 scores and second has 2"):
        compare_paired([1.0], [1.0, 0.0], seed=0)
    with pytest.raises(ValueError, match=r"second\[1\] is nan"):
        compare_paired([1.0, 0.5], [1.0, math.nan], seed=0)
    with pytest.raises(ValueError, match=r"first\[0\] is inf"):
        compare_paired([math.inf, 0.5], [1.0, 0.0], seed=0)
    with pytest.raises(ValueError, match="overflow"):
        compare_paired([1e308, 1e308], [0.0, 0.0], seed=0)


@pytest.mark.parametrize("method", [sign_flip_test, paired_bootstrap_interval])
def test_unusable_differences_are_refused(method: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="differences is empty"):
        method([], seed=0)
    with pytest.raises(ValueError, match=r"differences\[0\] is nan"):
        method([math.nan], seed=0)
    with pytest.raises(ValueError, match="resamples is 0"):
        method([1.0, 2.0], seed=0, resamples=0)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.1, 95, math.nan])
def test_an_impossible_confidence_is_refused(confidence: float) -> None:
    for method in (
        lambda: wilson_interval(1, 2, confidence=confidence),
        lambda: paired_score_interval(1, 1, 1, 1, confidence=confidence),
        lambda: paired_bootstrap_interval([1.0, 1.0], seed=0, confidence=confidence),
        lambda: compare_paired([0.1], [0.2], seed=0, confidence=confidence),
    ):
        with pytest.raises(ValueError, match="confidence is"):
            method()
