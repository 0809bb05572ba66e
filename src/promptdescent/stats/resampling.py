"""Scores on any scale: the sign-flip test, the BCa bootstrap interval of a mean, and that of another value."""

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from operator import getitem
from typing import TypeVar

from promptdescent.stats.basics import (
    NORMAL,
    RESAMPLES,
    TIE_TOLERANCE,
    Interval,
    check_confidence,
    check_resamples,
    critical_value,
    finite_floats,
    quantile,
)
from promptdescent.stats.binary import wilson_interval

Row = TypeVar("Row")


def score_interval(scores: Sequence[float], *, seed: int) -> tuple[str, Interval]:
    """95 % confidence interval of the mean of ``scores``, shape (n,), n >= 1, by the method that fits them: Wilson's
    for scores of 0 and 1, else the BCa bootstrap. Returns the method's name and the interval.
    """
    if {*scores} <= {0.0, 1.0}:
        return "Wilson score", wilson_interval(sum(score == 1.0 for score in scores), len(scores))
    return "BCa bootstrap", paired_bootstrap_interval(scores, seed=seed)  # paired with nothing


def sign_flip_test(differences: Sequence[float], *, seed: int, resamples: int = RESAMPLES) -> float:
    """Two-sided sign-flip (paired permutation) test of the mean difference.

    When the prompts do not differ, each difference is as likely to have the other sign (Fisher 1935). All sign
    patterns are enumerated when there are at most ``resamples + 1`` of them; otherwise ``resamples`` random
    patterns are drawn and the observed one is counted in, which keeps the test valid (Phipson and Smyth 2010).
    Differences of zero have no sign to flip and are left out of the enumeration.

    Args:
        differences: ``second - first`` for each row, shape (n,), n >= 1.
        seed: seed of the random patterns; of no effect when all are enumerated.
        resamples: number of random patterns, at least 1.

    Returns:
        The p-value, in (0, 1]; 1.0 when all differences are zero.

    Raises:
        ValueError: ``differences`` is empty or not finite, or ``resamples`` is below 1.
    """
    values = [value for value in finite_floats("differences", differences) if value != 0.0]
    check_resamples(resamples)
    threshold = abs(math.fsum(values)) - TIE_TOLERANCE * math.fsum(map(abs, values))
    if len(values) < (resamples + 1).bit_length():  # 2**n <= resamples + 1, without a power for thousands of rows
        sums = _signed_sums(values)
        return sum(abs(total) >= threshold for total in sums) / len(sums)
    sums = _random_signed_sums(values, random.Random(seed), resamples)
    return (1 + sum(abs(total) >= threshold for total in sums)) / (resamples + 1)


def paired_bootstrap_interval(
    differences: Sequence[float], *, seed: int, resamples: int = RESAMPLES, confidence: float = 0.95
) -> Interval:
    """BCa bootstrap interval of the mean difference.

    Bias-corrected and accelerated percentile interval (Efron 1987, JASA 82:171-185), with the acceleration from
    the jackknife. Where the correction is undefined (all resample means on one side of the observed mean, or an
    acceleration too large for the confidence level) the plain percentile interval is returned. Time grows with
    n * resamples.

    Args:
        differences: ``second - first`` for each row, shape (n,), n >= 1.
        seed: seed of the resampling.
        resamples: number of bootstrap samples, at least 1.
        confidence: confidence level in (0, 1).

    Returns:
        The interval; a single point at the mean when all differences are equal, one row included.

    Raises:
        ValueError: ``differences`` is empty or not finite, or another argument is out of range.
    """
    values = finite_floats("differences", differences)
    check_resamples(resamples)
    z = critical_value(confidence)
    n = len(values)
    mean = math.fsum(values) / n
    if min(values) == max(values):
        return Interval(low=mean, high=mean)
    rng = random.Random(seed)
    means = sorted(math.fsum(rng.choices(values, k=n)) / n for _ in range(resamples))
    tolerance = TIE_TOLERANCE * math.fsum(map(abs, values)) / n
    # Ties count half: means of a few distinct scores often equal the observed mean.
    below = (bisect_left(means, mean - tolerance) + bisect_right(means, mean + tolerance)) / (2 * resamples)
    low_level, high_level = _bca_levels(below, _acceleration(values, mean), z)
    return Interval(low=quantile(means, low_level), high=quantile(means, high_level))


def bootstrap_interval(
    rows: Sequence[Row],
    value: Callable[[Sequence[Row]], float],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
) -> Interval:
    """Percentile bootstrap interval of a value that is no mean over rows, such as a macro F1.

    Percentiles of the value over rows drawn with replacement (Efron and Tibshirani 1993, chapter 13). Calls ``value``
    ``resamples`` times.

    Args:
        rows: what the value is computed from, shape (n,), n >= 1.
        value: defined, and finite, on any selection of n rows with repeats.
        seed: seed of the resampling.
        resamples: number of bootstrap samples, at least 1.
        confidence: confidence level in (0, 1).

    Returns:
        The interval; a single point where every selection has the same value.

    Raises:
        ValueError: there are no rows, ``value`` gives no finite number, or another argument is out of range.
    """
    if not rows:
        raise ValueError("rows is empty: pass at least one row")
    check_resamples(resamples)
    check_confidence(confidence)
    rng = random.Random(seed)
    values = sorted(finite_floats("value", [value(rng.choices(rows, k=len(rows))) for _ in range(resamples)]))
    level = (1 - confidence) / 2
    return Interval(low=quantile(values, level), high=quantile(values, 1 - level))


def _signed_sums(values: Sequence[float]) -> list[float]:
    """Sums of ``values`` under all 2**len(values) sign patterns."""
    sums = [0.0]
    for value in values:
        sums = [total - value for total in sums] + [total + value for total in sums]
    return sums


def _random_signed_sums(values: Sequence[float], rng: random.Random, resamples: int) -> list[float]:
    """Sums of ``values`` under ``resamples`` random sign patterns.

    One random byte chooses the signs of eight values at once, by a table of their 256 signed sums: about ten
    times faster than a draw for each value.
    """
    padded = [*values, *[0.0] * (-len(values) % 8)]
    tables = [_signed_sums(padded[start : start + 8]) for start in range(0, len(padded), 8)]
    return [math.fsum(map(getitem, tables, rng.randbytes(len(tables)))) for _ in range(resamples)]


def _acceleration(values: Sequence[float], mean: float) -> float:
    """Jackknife estimate of the acceleration of the mean: one sixth of its skewness.

    Source: Efron and Tibshirani (1993, An Introduction to the Bootstrap, eq. 14.15).
    """
    deviations = [value - mean for value in values]
    scale = max(map(abs, deviations))  # the ratio has no unit; scaling keeps the cubes from over- or underflow
    scaled = [deviation / scale for deviation in deviations]
    squares = math.fsum(u * u for u in scaled)
    return math.fsum(u * u * u for u in scaled) / (6 * squares * math.sqrt(squares))


def _bca_levels(below: float, acceleration: float, z: float) -> tuple[float, float]:
    """Levels of the quantiles of the resample means that are the BCa limits.

    ``below`` is the share of resample means below the observed mean. Falls back to the uncorrected levels where
    the correction is undefined. Source: Efron and Tibshirani (1993, eqs. 14.10 and 14.14).
    """
    plain = NORMAL.cdf(-z), NORMAL.cdf(z)
    if not 0.0 < below < 1.0:
        return plain
    bias = NORMAL.inv_cdf(below)
    if 1 - acceleration * (bias - z) <= 0 or 1 - acceleration * (bias + z) <= 0:
        return plain
    low, high = (NORMAL.cdf(bias + (bias + q) / (1 - acceleration * (bias + q))) for q in (-z, z))
    return low, high
