"""How many rows show a gain of a given size, and the smallest gain that so many rows show.

Both go by what a comparison on some rows has shown of how much the two prompts differ from row to row. That is an
estimate, so the numbers are a guide and no promise.
"""

import math
from collections.abc import Callable, Sequence
from statistics import stdev

from promptdescent.stats.basics import NORMAL, critical_value, finite_floats

POWER = 0.8
"""Default chance that a gain of the given size is shown."""

_HALVINGS = 60
_LARGEST = 1e12
"""Gain at which the search for a visible one ends; no score is so large."""


def rows_needed(
    gain: float, first: Sequence[float], second: Sequence[float], *, power: float = POWER, confidence: float = 0.95
) -> int:
    """Rows with which ``compare_paired`` shows a mean gain, if two prompts differ from row to row as these do.

    Pass/fail scores go by :func:`rows_needed_binary`, others by :func:`rows_needed_mean`.

    Args:
        gain: how much higher the mean score of the second prompt is, above 0: 0.02 is 2 points.
        first: scores of a prompt on the rows at hand, shape (n,), n >= 1.
        second: scores of another prompt on the same rows, shape (n,).
        power: chance that the gain is shown, in (0, 1).
        confidence: of the interval and the test, in (0, 1).

    Raises:
        ValueError: the scores are empty, of different lengths or not finite, or another argument is out of range.
    """
    return _needed_as(first, second, power, confidence)(gain)


def smallest_gain(
    rows: int, first: Sequence[float], second: Sequence[float], *, power: float = POWER, confidence: float = 0.95
) -> float | None:
    """The smallest mean gain that so many rows show: the inverse of :func:`rows_needed`, which has the arguments.

    None if not even a gain of every row would be shown, as with five rows of pass/fail scores.

    Raises:
        ValueError: ``rows`` is below 1, or as :func:`rows_needed`.
    """
    if rows < 1:
        raise ValueError(f"rows is {rows}: pass at least 1")
    needed = _needed_as(first, second, power, confidence)
    low, high = 0.0, 1.0
    if _is_binary(first, second):
        if needed(high) > rows:
            return None
    else:
        while needed(high) > rows:
            if high > _LARGEST:
                return None
            low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle == 0.0 or needed(middle) > rows:
            low = middle
        else:
            high = middle
    return high


def rows_needed_binary(gain: float, disagreement: float, *, power: float = POWER, confidence: float = 0.95) -> int:
    """Pairs of pass/fail scores with which the exact McNemar test shows a difference of two proportions.

    With ``s`` the share of pairs in which the prompts disagree and ``d`` the gain,

        n = (z_a sqrt(s) + z_b sqrt(s - d^2))^2 / d^2,  z_a two-sided and z_b the quantile of the power

    (Connor 1987, Biometrics 43:207-211; before him Miettinen 1968, Biometrics 24:339-352). That is for the normal
    approximation; the exact test is as conservative as one with a continuity correction, for which 2 / d pairs come on
    top: 1 / |p - 1/2| disagreeing ones (Fleiss, Levin and Paik 2003, section 2.2), with p = (1 + d / s) / 2.

    Args:
        gain: the difference, in (0, 1].
        disagreement: share of pairs with different scores, in [0, 1]. It is at least the gain, and taken as that where
            it is less.
        power: chance that the difference is shown, in (0, 1).
        confidence: 1 less the level of the test, in (0, 1).

    Raises:
        ValueError: an argument is out of range.
    """
    _check_gain(gain)
    if gain > 1 or not 0 <= disagreement <= 1:
        raise ValueError(f"gain is {gain} and disagreement {disagreement}: both are shares, at most 1")
    differing = max(disagreement, gain)
    needed = critical_value(confidence) * math.sqrt(differing) + _power_quantile(power) * math.sqrt(
        max(0.0, differing - gain * gain)
    )
    return math.ceil((needed / gain) ** 2 + 2 / gain)


def rows_needed_mean(gain: float, spread: float, *, power: float = POWER, confidence: float = 0.95) -> int:
    """Pairs with which a paired test shows a mean difference.

    n = (z_a + z_b)^2 (spread / gain)^2 + z_a^2 / 2, the last term for the spread being estimated from the same rows
    (Guenther 1981, The American Statistician 35:243-244). The sign-flip test has about the power of the paired t-test.

    Args:
        gain: the mean difference, above 0.
        spread: standard deviation of the differences, 0 or more.
        power: chance that the difference is shown, in (0, 1).
        confidence: 1 less the level of the test, in (0, 1).

    Raises:
        ValueError: an argument is out of range.
    """
    _check_gain(gain)
    if not 0 <= spread < math.inf:
        raise ValueError(f"spread is {spread}: pass a standard deviation, 0 or more")
    z = critical_value(confidence)
    return math.ceil(((z + _power_quantile(power)) * spread / gain) ** 2 + z * z / 2)


def _needed_as(
    first: Sequence[float], second: Sequence[float], power: float, confidence: float
) -> Callable[[float], int]:
    """The rows needed for a gain, if prompts differ from row to row as these do."""
    if len(first) != len(second):
        raise ValueError(
            f"first has {len(first)} scores and second has {len(second)}: score both prompts on the same rows"
        )
    before, after = finite_floats("first", first), finite_floats("second", second)
    if _is_binary(first, second):
        disagreement = sum(one != other for one, other in zip(before, after, strict=True)) / len(before)
        return lambda gain: rows_needed_binary(gain, disagreement, power=power, confidence=confidence)
    differences = [other - one for one, other in zip(before, after, strict=True)]
    spread = stdev(differences) if len(differences) > 1 else 0.0
    return lambda gain: rows_needed_mean(gain, spread, power=power, confidence=confidence)


def _is_binary(first: Sequence[float], second: Sequence[float]) -> bool:
    return {*first, *second} <= {0.0, 1.0}


def _power_quantile(power: float) -> float:
    if not 0.0 < power < 1.0:
        raise ValueError(f"power is {power}: pass a number between 0 and 1, such as 0.8")
    return NORMAL.inv_cdf(power)


def _check_gain(gain: float) -> None:
    if not 0.0 < gain < math.inf:
        raise ValueError(f"gain is {gain}: pass how much higher the mean score is, above 0")
