"""Designs, and effects fitted row by row."""

from __future__ import annotations

import random
from itertools import combinations
from operator import mul

import pytest

from promptdescent.explain.effects import averages, cautions, effect_of, overlaps
from promptdescent.stats.designs import Presence, RowwiseEffects, balanced_design


@pytest.mark.parametrize(("factors", "prompts"), [(8, 100), (16, 96), (24, 52)])
def test_a_design_is_balanced_and_keeps_factors_apart(factors: int, prompts: int) -> None:
    design = balanced_design(factors, prompts, seed=3)
    assert len(design) == len(set(design)) == prompts
    assert all(tuple(not one for one in some) in design for some in design)
    signs = [[1 if some[k] else -1 for some in design] for k in range(factors)]
    assert all(sum(column) == 0 for column in signs)
    alike = [abs(sum(a * b for a, b in zip(x, y, strict=True))) / len(design) for x, y in combinations(signs, 2)]
    assert sum(alike) / len(alike) < 0.13
    assert balanced_design(factors, prompts, seed=3) == design
    assert balanced_design(factors, prompts, seed=4) != design


def test_few_factors_have_every_selection() -> None:
    assert len(set(balanced_design(3, 100, seed=0))) == 8


def rows_of(design: tuple[Presence, ...], levels: list[float], *, missing: float = 0.0) -> list[list[float | None]]:
    """Scores by prompt: factor 0 is worth 0.2 on every row, 1 and 2 say the same, worth 0.1; each row has its level."""
    rng = random.Random(1)
    return [
        [None if rng.random() < missing else level + 0.2 * held[0] + 0.1 * (held[1] or held[2]) for level in levels]
        for held in design
    ]


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_effects_and_pairs_are_exact_without_noise_even_where_scores_are_missing(missing: float) -> None:
    design = balanced_design(7, 40, seed=1)
    levels = [row / 50 for row in range(30)]
    fitted = RowwiseEffects(design, rows_of(design, levels, missing=missing))
    assert fitted.rows == 30
    (found,) = fitted.pairs([(1, 2)])
    assert found.first.values == (0.0,) * 30
    assert found.second.values == (0.0,) * 30
    assert found.both.values == pytest.approx([0.1] * 30)
    assert found.overlap.values == pytest.approx([0.1] * 30)
    assert fitted.with_products([(1, 2)]).effect(0).values == pytest.approx([0.2] * 30)
    if not missing:
        assert fitted.effect(1).values == pytest.approx([0.05] * 30)


def test_effects_that_add_up_are_exact_on_rows_that_lack_different_scores() -> None:
    design = balanced_design(4, 16, seed=1)
    rng = random.Random(4)
    worth = [0.2, -0.1, 0.0, 0.05]
    scores = [
        [None if rng.random() < 0.2 else row / 40 + sum(map(mul, worth, held)) for row in range(20)] for held in design
    ]
    assert len({tuple(score is None for score in row) for row in zip(*scores, strict=True)}) > 10
    scores[3][:] = [None] * 20
    for row in range(0, 20, 2):
        scores[7][row] = None
    # A row with too few scores for a fit is left out.
    for some in scores[4:]:
        some[5] = None
    fitted = RowwiseEffects(design, scores)
    assert fitted.rows == 19
    for factor, value in enumerate(worth):
        assert fitted.effect(factor).values == pytest.approx([value] * 19)


def test_pairs_that_are_fitted_together_are_not_taken_for_each_other() -> None:
    design = balanced_design(5, 20, seed=2)
    fitted = RowwiseEffects(design, rows_of(design, [0.1, 0.2, 0.3]))
    first, second = fitted.pairs([(1, 2), (0, 1)])
    assert first.overlap.values == pytest.approx([0.1] * 3)
    assert second.overlap.values == (0.0,) * 3


def test_what_cannot_be_told_apart_is_not_told() -> None:
    same: tuple[Presence, ...] = ((True, True), (False, False), (True, True))
    assert RowwiseEffects(same, [[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]).rows == 0
    full = balanced_design(2, 4, seed=0)
    assert RowwiseEffects(full, [[0.0, 1.0]] * 4).pairs([(0, 1), (0, 1)]) == ()
    with pytest.raises(ValueError, match="every prompt"):
        RowwiseEffects(full, [[0.0]])


def test_no_change_on_any_row_leaves_room_for_a_rare_one() -> None:
    effect = effect_of([0.0] * 100)
    assert effect.difference == 0.0
    assert effect.interval[0] == pytest.approx(-effect.interval[1])
    assert 0.01 < effect.interval[1] < 0.05


def test_pieces_that_only_add_up_are_no_pair() -> None:
    design = balanced_design(6, 60, seed=5)
    rng = random.Random(2)
    scores: list[list[float | None]] = [
        [float(luck < 0.3 + 0.2 * held[0] + 0.2 * held[1]) for luck in lucks]
        for held, lucks in ((held, [rng.random() for _ in range(150)]) for held in design)
    ]
    fitted = RowwiseEffects(design, scores)
    assert overlaps(fitted, 6) == ()
    assert [one.matters for one in averages(fitted, 6)] == [True, True, False, False, False, False]


@pytest.mark.parametrize("missing", [0, 1], ids=["all-scores", "one-score-missing"])
@pytest.mark.parametrize("pieces", [3, 8, 11])
def test_scores_that_never_change_show_nothing(pieces: int, missing: int) -> None:
    """Least squares leave some 1e-17 there, equal on all rows, which a test takes for a certain effect."""
    design = balanced_design(pieces, 60, seed=0)
    scores: list[list[float | None]] = [[0.3] * 40 for _ in design]
    if missing:
        scores[2][7] = None
    fitted = RowwiseEffects(design, scores)
    found = averages(fitted, pieces)
    assert [one.p_value for one in found] == [1.0] * pieces
    assert not any(one.matters for one in found)
    assert all(one.effect.difference == 0.0 and one.effect.interval[0] < 0 < one.effect.interval[1] for one in found)
    assert overlaps(fitted, pieces) == ()


def shifted(seed: int, *, factors: int, prompts: int, shift: float, missing: float = 0.0) -> RowwiseEffects:
    """Factors that do nothing, on 60 rows; each wording shifts all rows at once by so much, as a standard deviation."""
    rng = random.Random(seed)
    design = balanced_design(factors, prompts, seed=seed)
    scores: list[list[float | None]] = []
    for _ in design:
        level = rng.gauss(0.6, shift)
        scores.append([None if rng.random() < missing else level + rng.gauss(0.0, 0.15) for _ in range(60)])
    return RowwiseEffects(design, scores)


@pytest.mark.parametrize("missing", [0.0, 0.1], ids=["complete", "some-missing"])
def test_intervals_cover_what_a_wording_does_to_all_rows_at_once(missing: float) -> None:
    factors, seeds = 5, 8 if missing else 30
    covered = claimed = pairs_covered = 0
    for seed in range(seeds):
        fitted = shifted(seed, factors=factors, prompts=24, shift=0.05, missing=missing)
        found = averages(fitted, factors)
        covered += sum(one.effect.interval[0] <= 0 <= one.effect.interval[1] for one in found)
        claimed += any(one.p_value < 0.05 for one in found)
        intervals = [pair.overlap.interval for pair in fitted.pairs([(0, 1), (2, 3)])]
        pairs_covered += sum(interval.low <= 0 <= interval.high for interval in intervals)
    assert covered >= 0.9 * factors * seeds
    assert pairs_covered >= 0.85 * 2 * seeds
    assert claimed <= 0.15 * seeds


def test_the_shift_of_wordings_is_estimated() -> None:
    """Of a factor that is present in one half of n prompts the mean has 4 / n of the variance of a shift."""
    for shift in (0.0, 0.05):
        estimates = [shifted(seed, factors=7, prompts=60, shift=shift).effect(0) for seed in range(10)]
        mean = sum(one.shift for one in estimates) / len(estimates)
        assert mean == pytest.approx(shift**2 * 4 / 60, rel=0.3, abs=1e-5)
        assert all(one.degrees == 59 if one.shift == 0.0 else 1 <= one.degrees <= 59 for one in estimates)


@pytest.mark.parametrize(
    ("factors", "says"), [(1, "pieces and pairs leave it out"), (2, "of pairs leave it out"), (3, "")]
)
def test_prompts_that_leave_no_room_for_the_shift_are_named(factors: int, says: str) -> None:
    design = balanced_design(factors, 8, seed=0)
    rng = random.Random(1)
    fitted = RowwiseEffects(design, [[0.2 * sum(held) + rng.gauss(0.0, 0.1) for _ in range(30)] for held in design])
    assert averages(fitted, factors)[0].matters
    said = cautions(fitted, factors)
    assert len(said) == bool(says)
    assert says in "".join(said)


def test_all_pairs_that_were_fitted_count_in_the_correction() -> None:
    """Eight pieces of a small worth add up: few of their 28 pairs look as if one were enough, and those look alike."""
    claimed = 0
    for seed in range(1000, 1012):
        rng = random.Random(f"{seed}/8/0.02")
        design = balanced_design(8, 135, seed=seed)
        luck = [rng.random() for _ in range(200)]
        scores: list[list[float | None]] = []
        for held in design:
            worth = 0.55 + 0.02 * (sum(held) - 4)
            scores.append([float((rng.random() if rng.random() < 0.3 else one) < worth) for one in luck])
        claimed += bool(overlaps(RowwiseEffects(design, scores), 8))
    assert claimed <= 1
