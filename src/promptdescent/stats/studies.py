"""Repeated runs: means over seeds, and which differences between groups of runs are real.

Means over seeds get intervals and tests from Student's t distribution. A permutation test needs no normal
distribution, but with five seeds its p-value cannot fall below 2/32, so that no number of points would ever count; a
run's score is itself a mean over many rows, for which the normal distribution is a fair description.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from promptdescent.stats.basics import Interval, check_confidence, finite_floats

_BISECTION_STEPS = 60
"""Halvings of an interval that is at most half as long as its upper end: the root to the precision of a float."""

_MAXIMAL_TERMS = 10_000
"""Of the continued fraction, which needs about sqrt(degrees) of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanEstimate:
    """A mean over independent values, such as the scores of runs with different seeds."""

    count: int
    """Number of values."""
    mean: float
    interval: Interval
    """Confidence interval of the mean."""
    confidence: float
    """Confidence level of ``interval``, in (0, 1)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupDifference:
    """Two groups of runs, such as two recipes, compared over the same seeds."""

    first: str
    second: str
    difference: MeanEstimate
    """Of ``second - first``, seed by seed; its interval is not corrected for the number of comparisons."""
    p_value: float
    """Two-sided, of the paired t-test."""
    adjusted_p_value: float
    """``p_value`` after Holm's correction for the number of pairs of groups."""


def mean_interval(values: Sequence[float], *, confidence: float = 0.95) -> MeanEstimate:
    """Mean with Student's t interval.

    Source: Student (1908, Biometrika 6:1-25).

    Args:
        values: independent values, shape (n,), n >= 2.
        confidence: confidence level in (0, 1).

    Returns:
        The mean with its interval, which is a point when all values are equal.

    Raises:
        ValueError: there are fewer than two values, one is not finite, or ``confidence`` is out of range.
    """
    check_confidence(confidence)
    mean, error = _mean_and_error(values)
    half_width = student_t_quantile((1 + confidence) / 2, len(values) - 1) * error
    interval = Interval(low=mean - half_width, high=mean + half_width)
    return MeanEstimate(count=len(values), mean=mean, interval=interval, confidence=confidence)


def one_sided_lower_bound(values: Sequence[float], *, confidence: float = 0.95) -> float:
    """Lower confidence bound of the mean: below the true mean in ``confidence`` of all samples.

    Of paired differences it shows non-inferiority: a bound above -0.01 means "at most one point worse".

    Args:
        values: independent values, shape (n,), n >= 2.
        confidence: one-sided confidence level in (0, 1).

    Returns:
        The bound, from Student's t distribution.

    Raises:
        ValueError: there are fewer than two values, one is not finite, or ``confidence`` is out of range.
    """
    check_confidence(confidence)
    mean, error = _mean_and_error(values)
    return mean - student_t_quantile(confidence, len(values) - 1) * error


def paired_t_test(differences: Sequence[float]) -> float:
    """Two-sided paired t-test of the mean difference.

    Source: Student (1908, Biometrika 6:1-25).

    Args:
        differences: ``second - first`` for each pair, shape (n,), n >= 2.

    Returns:
        The p-value, in [0, 1]; where all differences are equal, 1.0 if they are zero and 0.0 otherwise.

    Raises:
        ValueError: there are fewer than two differences, or one is not finite.
    """
    mean, error = _mean_and_error(differences)
    if error == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return student_t_tail(abs(mean / error), len(differences) - 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number, so that the chance of any false claim stays at the level.

    The smallest is multiplied by their number m, the next by m - 1, and so on; none is below one that was smaller
    before. Valid whatever the tests have to do with each other. Source: Holm (1979, Scand. J. Statist. 6:65-70).

    Args:
        p_values: shape (m,), m >= 0, each in [0, 1].

    Returns:
        The adjusted p-values in the order given, each in [0, 1].

    Raises:
        ValueError: a p-value is outside [0, 1].
    """
    for place, p_value in enumerate(p_values):
        if not 0.0 <= p_value <= 1.0:
            raise ValueError(f"p_values[{place}] is {p_value}: pass numbers from 0 to 1")
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def compare_groups(groups: Mapping[str, Sequence[float]], *, confidence: float = 0.95) -> tuple[GroupDifference, ...]:
    """Every pair of groups, compared seed by seed and corrected for the number of pairs.

    Args:
        groups: the scores of each group, by its name, shape (n,), n >= 2, in the same order of seeds.
        confidence: confidence level of the intervals, in (0, 1).

    Returns:
        One comparison for each pair, in the order of ``groups``: of the names a, b, c the pairs are ab, ac, bc.

    Raises:
        ValueError: the groups have different lengths or fewer than two scores, a score is not finite, or
            ``confidence`` is out of range.
    """
    lengths = {name: len(scores) for name, scores in groups.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the groups have different numbers of scores, {lengths}: compare runs with the same seeds")
    pairs = list(combinations(groups, 2))
    differences = [[b - a for a, b in zip(groups[first], groups[second], strict=True)] for first, second in pairs]
    p_values = [paired_t_test(values) for values in differences]
    return tuple(
        GroupDifference(
            first=first,
            second=second,
            difference=mean_interval(values, confidence=confidence),
            p_value=p_value,
            adjusted_p_value=adjusted,
        )
        for (first, second), values, p_value, adjusted in zip(pairs, differences, p_values, holm(p_values), strict=True)
    )


@lru_cache(maxsize=256)
def student_t_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t distribution: 2.776 for 0.975 and 4 degrees of freedom.

    Args:
        probability: in (0, 1).
        degrees: degrees of freedom, at least 1, not only whole numbers.

    Returns:
        The t below which the distribution has this probability, found by bisection of the distribution function.

    Raises:
        ValueError: an argument is out of range.
    """
    if not 0.0 < probability < 1.0:
        raise ValueError(f"probability is {probability}: pass a number between 0 and 1, such as 0.975")
    if degrees < 1:
        raise ValueError(f"degrees is {degrees}: pass at least 1")
    if probability < 0.5:
        return -student_t_quantile(1 - probability, degrees)
    two_sided = 2 * (1 - probability)
    low, high = 0.0, 1.0
    while student_t_tail(high, degrees) > two_sided:
        low, high = high, 2 * high
    for _ in range(_BISECTION_STEPS):
        middle = (low + high) / 2
        if student_t_tail(middle, degrees) > two_sided:
            low = middle
        else:
            high = middle
    return high


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error, which is 0.0 when all values are equal."""
    numbers = finite_floats("values", values)
    n = len(numbers)
    if n < 2:
        raise ValueError("values has 1 number: an interval or a test over runs needs at least 2")
    mean = math.fsum(numbers) / n
    if min(numbers) == max(numbers):
        return mean, 0.0
    return mean, math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / (n - 1) / n)


def student_t_tail(t: float, degrees: float) -> float:
    """P(abs(T) > t) for Student's t: the incomplete beta function at degrees / (degrees + t^2).

    Source: Abramowitz and Stegun (1964), 26.7.1 with 26.5.27.

    Args:
        t: at least 0.
        degrees: degrees of freedom, at least 1, not only whole numbers.
    """
    x, complement = degrees / (degrees + t * t), t * t / (degrees + t * t)
    a, b = degrees / 2, 0.5
    # The continued fraction converges fast below the mean of the beta distribution; the other side mirrors it.
    if x < (a + 1) / (a + b + 2):
        return _incomplete_beta(x, complement, a, b)
    return 1 - _incomplete_beta(complement, x, b, a)


def _incomplete_beta(x: float, complement: float, a: float, b: float) -> float:
    """Regularized incomplete beta function I_x(a, b), given x and 1 - x, by its continued fraction.

    Source: NIST Digital Library of Mathematical Functions, 8.17.22, evaluated by Lentz's method (Press et al. 1992,
    Numerical Recipes in C, section 5.2).
    """
    if x == 0.0:
        return 0.0
    fraction = c = 1.0
    d = 0.0
    for term in range(1, _MAXIMAL_TERMS):
        m = term // 2
        if term % 2:
            coefficient = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            coefficient = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + coefficient * d)
        c = 1 + coefficient / c
        fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(complement)
    return math.exp(log_front) / (a * fraction)
