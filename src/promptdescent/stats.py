"""Paired comparison of two prompts that were scored on the same rows.

Scoring both prompts on the same rows makes the scores pairs, so every method here works on what changed
within a row. Differences are always ``second - first``: a positive one means that the second prompt is better.

For pass/fail scores the exact McNemar test goes with Tango's score interval; for scores on any other scale the
sign-flip test goes with a BCa bootstrap interval. ``compare_paired`` makes that choice.

Random draws come from ``random.Random(seed)``, and sums are correctly rounded (``math.fsum``), so that the same
seed gives the same result.
"""

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import getitem
from statistics import NormalDist

__all__ = [
    "Interval",
    "PairedComparison",
    "compare_paired",
    "mcnemar_exact",
    "paired_bootstrap_interval",
    "paired_score_interval",
    "sign_flip_test",
    "wilson_interval",
]

_NORMAL = NormalDist()

_RESAMPLES = 9999
"""Default number of resamples: with the observed data counted in, p-values are multiples of 1/10000."""

_TIE_TOLERANCE = 1e-9
"""Two sums count as tied when they differ by less than this share of the summed magnitudes.

Equal sums of decimal scores such as 0.1 + 0.2 and 0.3 differ in their last bits; a tie read as "less extreme"
would make the p-value too small.
"""

_BISECTION_STEPS = 60
"""Halvings of an interval of length at most 2: the root is found to the precision of a float."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A two-sided confidence interval; both limits belong to it."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedComparison:
    """Two prompts compared on the same rows."""

    rows: int
    """Number of rows, that is of pairs."""
    first_mean: float
    second_mean: float
    difference: float
    """Mean of ``second - first`` over the rows."""
    interval: Interval
    """Confidence interval of ``difference``."""
    confidence: float
    """Confidence level of ``interval``, in (0, 1)."""
    p_value: float
    """Two-sided, for the hypothesis that the prompts do not differ."""
    test: str
    """Test that gave ``p_value``: "exact McNemar" or "sign-flip"."""
    interval_method: str
    """Method that gave ``interval``: "Tango score" or "BCa bootstrap"."""

    @property
    def gain_shown(self) -> bool:
        """Whether test and interval agree that the second prompt is better.

        The two are built differently and may disagree near the boundary; then no gain is claimed.
        """
        # Written as a sum because 1 - 0.95 is rounded up, which would let p = 0.05 pass.
        return self.p_value + self.confidence < 1.0 and self.interval.low > 0.0


def wilson_interval(successes: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Score interval of one proportion, without continuity correction.

    Source: Wilson (1927), in the form of Newcombe (1998, Statistics in Medicine 17:857-872), method 3.

    Args:
        successes: number of successes, 0 to ``n``.
        n: number of trials, at least 1.
        confidence: confidence level in (0, 1).

    Returns:
        Limits within [0, 1]; the observed proportion lies between them.

    Raises:
        ValueError: a count or the confidence level is out of range.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"got {successes} successes in {n} trials: pass n >= 1 and 0 <= successes <= n")
    z = _critical_value(confidence)
    center = (successes + z * z / 2) / (n + z * z)
    half_width = z / (n + z * z) * math.sqrt(successes * (n - successes) / n + z * z / 4)
    # The limits at the ends are exactly 0 and 1; the subtraction would leave rounding noise there.
    low = 0.0 if successes == 0 else center - half_width
    high = 1.0 if successes == n else center + half_width
    return Interval(low=low, high=high)


def mcnemar_exact(b: int, c: int) -> float:
    """Two-sided exact McNemar test, from the counts of discordant pairs.

    Given b + c discordant pairs, b follows a binomial distribution with probability 1/2 when the two prompts do
    not differ (McNemar 1947, Psychometrika 12:153-157, who used its normal approximation). The p-value is twice
    the smaller tail, at most 1, computed in integers and rounded once; it is 0.0 only where the true value is
    below the smallest float.

    Args:
        b: pairs in which only the first prompt succeeded.
        c: pairs in which only the second prompt succeeded.

    Returns:
        The p-value, in [0, 1]; 1.0 when there is no discordant pair.

    Raises:
        ValueError: a count is negative.
    """
    _check_counts(b=b, c=c)
    pairs = b + c
    coefficient = tail = 1
    for k in range(min(b, c)):
        coefficient = coefficient * (pairs - k) // (k + 1)  # C(pairs, k + 1), without a new comb() each time
        tail += coefficient
    return min(1.0, 2 * tail / (1 << pairs))


def paired_score_interval(
    both: int, only_first: int, only_second: int, neither: int, *, confidence: float = 0.95
) -> Interval:
    """Score interval of the difference of two paired proportions, second - first.

    The limits are the differences D at which the score statistic

        T(D) = (only_second - only_first - n D) / sqrt(n (s(D) - D^2))

    equals plus and minus the normal critical value, where s(D) is the maximum likelihood estimate of the
    proportion of discordant pairs when the difference is D. T falls as D grows, so bisection finds the roots.

    Source: Tango (1998, Statistics in Medicine 17:891-908). He writes T with the estimate q of one discordant
    cell; here s = 2 q + D, which gives the same statistic in a form that is symmetric in the two prompts.

    Args:
        both: pairs in which both prompts succeeded.
        only_first: pairs in which only the first succeeded.
        only_second: pairs in which only the second succeeded.
        neither: pairs in which neither succeeded.
        confidence: confidence level in (0, 1).

    Returns:
        Limits within [-1, 1]; the observed difference lies between them. Only the number of concordant pairs
        matters, not how they divide into ``both`` and ``neither``.

    Raises:
        ValueError: a count is negative, all are zero, or the confidence level is out of range.
    """
    _check_counts(both=both, only_first=only_first, only_second=only_second, neither=neither)
    n = both + only_first + only_second + neither
    if n == 0:
        raise ValueError("all four counts are 0: pass the counts of at least one pair")
    z = _critical_value(confidence)
    # Swapping the prompts changes the sign of the difference, so one solver serves both limits.
    return Interval(
        low=-_upper_score_limit(only_second, only_first, n, z),
        high=_upper_score_limit(only_first, only_second, n, z),
    )


def sign_flip_test(differences: Sequence[float], *, seed: int, resamples: int = _RESAMPLES) -> float:
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
    values = [value for value in _finite_floats("differences", differences) if value != 0.0]
    _check_resamples(resamples)
    threshold = abs(math.fsum(values)) - _TIE_TOLERANCE * math.fsum(map(abs, values))
    if len(values) < (resamples + 1).bit_length():  # 2**n <= resamples + 1, without a power for thousands of rows
        sums = _signed_sums(values)
        return sum(abs(total) >= threshold for total in sums) / len(sums)
    sums = _random_signed_sums(values, random.Random(seed), resamples)
    return (1 + sum(abs(total) >= threshold for total in sums)) / (resamples + 1)


def paired_bootstrap_interval(
    differences: Sequence[float], *, seed: int, resamples: int = _RESAMPLES, confidence: float = 0.95
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
    values = _finite_floats("differences", differences)
    _check_resamples(resamples)
    z = _critical_value(confidence)
    n = len(values)
    mean = math.fsum(values) / n
    if min(values) == max(values):
        return Interval(low=mean, high=mean)
    rng = random.Random(seed)
    means = sorted(math.fsum(rng.choices(values, k=n)) / n for _ in range(resamples))
    tolerance = _TIE_TOLERANCE * math.fsum(map(abs, values)) / n
    # Ties count half: means of a few distinct scores often equal the observed mean.
    below = (bisect_left(means, mean - tolerance) + bisect_right(means, mean + tolerance)) / (2 * resamples)
    low_level, high_level = _bca_levels(below, _acceleration(values, mean), z)
    return Interval(low=_quantile(means, low_level), high=_quantile(means, high_level))


def compare_paired(
    first: Sequence[float], second: Sequence[float], *, seed: int, confidence: float = 0.95
) -> PairedComparison:
    """Compare two prompts by their scores on the same rows.

    Uses the exact McNemar test and Tango's score interval when every score is 0 or 1, and the sign-flip test
    and the BCa bootstrap interval otherwise.

    Args:
        first: scores of the first prompt, shape (n,), n >= 1; higher is better.
        second: scores of the second prompt on the same rows in the same order, shape (n,).
        seed: seed of the sign-flip test and the bootstrap; of no effect for 0/1 scores.
        confidence: confidence level in (0, 1).

    Returns:
        Means, their difference with its interval, and the p-value.

    Raises:
        ValueError: the scores are empty, of different lengths or not finite, or ``confidence`` is out of range.
    """
    if len(first) != len(second):
        raise ValueError(
            f"first has {len(first)} scores and second has {len(second)}: score both prompts on the same rows"
        )
    before = _finite_floats("first", first)
    after = _finite_floats("second", second)
    differences = [b - a for a, b in zip(before, after, strict=True)]
    if {*before, *after} <= {0.0, 1.0}:
        test, interval_method = "exact McNemar", "Tango score"
        p_value, interval = _compare_binary(before, after, confidence)
    else:
        test, interval_method = "sign-flip", "BCa bootstrap"
        p_value = sign_flip_test(differences, seed=seed)
        interval = paired_bootstrap_interval(differences, seed=seed, confidence=confidence)
    rows = len(differences)
    return PairedComparison(
        rows=rows,
        first_mean=math.fsum(before) / rows,
        second_mean=math.fsum(after) / rows,
        difference=math.fsum(differences) / rows,
        interval=interval,
        confidence=confidence,
        p_value=p_value,
        test=test,
        interval_method=interval_method,
    )


def _compare_binary(first: list[float], second: list[float], confidence: float) -> tuple[float, Interval]:
    """P-value and interval for scores that are all 0.0 or 1.0."""
    pairs = list(zip(first, second, strict=True))
    only_first, only_second = pairs.count((1.0, 0.0)), pairs.count((0.0, 1.0))
    interval = paired_score_interval(
        pairs.count((1.0, 1.0)), only_first, only_second, pairs.count((0.0, 0.0)), confidence=confidence
    )
    return mcnemar_exact(only_first, only_second), interval


def _upper_score_limit(losses: int, gains: int, n: int, z: float) -> float:
    """Difference D, at least the observed one, at which Tango's T(D) = -z.

    ``losses`` and ``gains`` count the pairs that only the first and only the second prompt won.
    """
    low, high = (gains - losses) / n, 1.0  # T(low) = 0 > -z; at D = 1 the variance is 0 and T is -infinity
    for _ in range(_BISECTION_STEPS):
        middle = (low + high) / 2
        variance = n * (_discordant_proportion(losses, gains, n, middle) - middle * middle)
        # Compared without dividing: the variance may be 0.
        if n * middle - (gains - losses) < z * math.sqrt(max(variance, 0.0)):
            low = middle
        else:
            high = middle
    return high


def _discordant_proportion(losses: int, gains: int, n: int, difference: float) -> float:
    """Maximum likelihood estimate of the proportion of discordant pairs, given the difference of proportions.

    With s this proportion and D the difference, the cells have probabilities (s + D) / 2, (s - D) / 2 and 1 - s.
    Setting the derivative of the log-likelihood to zero gives

        n s^2 - (m + d D) s + d D - (n - m) D^2 = 0,  m = gains + losses,  d = gains - losses,

    whose larger root lies in [abs(D), 1]: the left side is <= 0 at abs(D) and >= 0 at 1.
    """
    m, d = gains + losses, gains - losses
    linear = m + d * difference
    constant = d * difference - (n - m) * difference * difference
    # Where the roots nearly meet, rounding can make the discriminant negative.
    return (linear + math.sqrt(max(linear * linear - 4 * n * constant, 0.0))) / (2 * n)


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
    plain = _NORMAL.cdf(-z), _NORMAL.cdf(z)
    if not 0.0 < below < 1.0:
        return plain
    bias = _NORMAL.inv_cdf(below)
    if 1 - acceleration * (bias - z) <= 0 or 1 - acceleration * (bias + z) <= 0:
        return plain
    low, high = (_NORMAL.cdf(bias + (bias + q) / (1 - acceleration * (bias + q))) for q in (-z, z))
    return low, high


def _quantile(ordered: Sequence[float], level: float) -> float:
    """Sample quantile at position ``level * (len + 1)``, interpolated (Hyndman and Fan 1996, definition 6)."""
    position = min(max(level * (len(ordered) + 1) - 1, 0.0), len(ordered) - 1.0)
    index = int(position)
    above = ordered[min(index + 1, len(ordered) - 1)]
    return ordered[index] + (position - index) * (above - ordered[index])


def _critical_value(confidence: float) -> float:
    """Two-sided critical value of the standard normal distribution: 1.96 for 0.95."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence is {confidence}: pass a number between 0 and 1, such as 0.95")
    return -_NORMAL.inv_cdf((1.0 - confidence) / 2)


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 0:
            raise ValueError(f"{name} is {count}: pass a count of pairs, 0 or more")


def _check_resamples(resamples: int) -> None:
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}: pass at least 1")


def _finite_floats(name: str, values: Sequence[float]) -> list[float]:
    """``values`` as floats, after checking that there are some and that their sum cannot overflow."""
    numbers = [float(value) for value in values]
    if not numbers:
        raise ValueError(f"{name} is empty: pass at least one row")
    for index, number in enumerate(numbers):
        if not math.isfinite(number):
            raise ValueError(f"{name}[{index}] is {number}: leave out or score again the rows without a finite score")
    if math.isinf(sum(map(abs, numbers))):
        raise ValueError(f"{name} holds numbers whose sum overflows: use a smaller scale")
    return numbers
