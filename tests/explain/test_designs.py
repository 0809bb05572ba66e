"""Designs, and effects fitted row by row."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from promptdescent.explain.effects import averages, effect_of, fit, overlaps
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
    assert found.first == pytest.approx([0.0] * 30, abs=1e-9)
    assert found.second == pytest.approx([0.0] * 30, abs=1e-9)
    assert found.both == pytest.approx([0.1] * 30)
    assert found.overlap == pytest.approx([0.1] * 30)
    if not missing:
        assert fitted.effect(0) == pytest.approx([0.2] * 30)
        assert fitted.effect(1) == pytest.approx([0.05] * 30)


def test_pairs_that_are_fitted_together_are_not_taken_for_each_other() -> None:
    design = balanced_design(5, 20, seed=2)
    fitted = RowwiseEffects(design, rows_of(design, [0.1, 0.2, 0.3]))
    first, second = fitted.pairs([(1, 2), (0, 1)])
    assert first.overlap == pytest.approx([0.1] * 3)
    assert second.overlap == pytest.approx([0.0] * 3, abs=1e-9)


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
    fitted = fit(design, scores)
    assert overlaps(fitted, 6) == ()
    assert [one.matters for one in averages(fitted, 6)] == [True, True, False, False, False, False]
