"""The bootstrap interval of a value that is no mean, against the distribution that it draws from."""

from __future__ import annotations

import pytest
from scipy.stats import binom

from promptdescent.stats import bootstrap_interval


def share(rows: list[bool]) -> float:
    return sum(rows) / len(rows)


@pytest.mark.parametrize(("right", "n"), [(12, 40), (39, 40), (150, 300)])
def test_limits_are_the_quantiles_of_the_resampled_value(right: int, n: int) -> None:
    """The share of right rows among rows drawn with replacement is binomial."""
    found = bootstrap_interval([True] * right + [False] * (n - right), share, seed=1, resamples=4000)
    for limit, level in ((found.low, 0.025), (found.high, 0.975)):
        assert abs(limit * n - binom.ppf(level, n, right / n)) <= 1


def test_wider_at_a_higher_level_and_the_same_for_the_same_seed() -> None:
    rows = [True] * 10 + [False] * 30
    narrow, wide = (bootstrap_interval(rows, share, seed=2, confidence=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert bootstrap_interval(rows, share, seed=2, confidence=0.5) == narrow


def test_a_value_that_cannot_vary_is_a_point() -> None:
    found = bootstrap_interval([True], share, seed=0)
    assert (found.low, found.high) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("rows", "value", "more", "said"),
    [
        ([], share, {}, "rows is empty"),
        ([True], lambda rows: float("nan"), {}, "value"),
        ([True], share, {"confidence": 1.0}, "confidence"),
        ([True], share, {"resamples": 0}, "resamples"),
    ],
    ids=["no-rows", "nan", "level", "resamples"],
)
def test_what_makes_no_sense_is_refused(rows, value, more, said) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=said):
        bootstrap_interval(rows, value, seed=0, **more)
