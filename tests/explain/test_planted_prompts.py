"""Prompts whose truth is known: a few seeds of the benchmark on explanations."""

from __future__ import annotations

from typing import Any

import pytest

from scripts import load_script


@pytest.fixture(scope="module")
def explanations() -> Any:
    """benchmarks/explanations.py, which is no package."""
    return load_script("benchmarks/explanations.py")


def test_what_matters_is_on_top_and_the_pair_is_found_within_the_default_budget(explanations: Any) -> None:
    found = [
        explanations.explain(explanations.plant(seed, sentences=sentences, noise=0.15), seed=seed)
        for seed, sentences in ((0, 8), (1, 12), (2, 16))
    ]
    assert [one.on_top for one in found] == [True] * 3
    assert sum(one.pair_found for one in found) >= 2
    assert sum(one.false_pairs for one in found) <= 1
    assert sum(one.false_claims for one in found) <= 2
    idle = sum(len(one.idle) for one in found)
    assert sum(one.covered(one.idle, 0.0) for one in found) >= 0.85 * idle


def test_two_that_add_up_are_no_pair(explanations: Any) -> None:
    found = [
        explanations.explain(explanations.plant(seed, sentences=8, noise=0.05, kind="none"), seed=seed) for seed in (0,)
    ]
    assert sum(one.false_pairs for one in found) <= 1
    assert all(one.on_top for one in found)


def test_wordings_that_shift_all_rows_make_no_idle_sentence_matter(explanations: Any) -> None:
    found = [explanations.explain(explanations.plant(s, sentences=8, noise=0.05, shift=0.05), seed=s) for s in range(4)]
    assert sum(one.false_claims for one in found) <= 1
    idle = sum(len(one.idle) for one in found)
    assert sum(one.covered(one.idle, 0.0) for one in found) >= 0.85 * idle


def test_a_prompt_of_equal_sentences_has_no_pair(explanations: Any) -> None:
    planted = explanations.plant(3, sentences=8, noise=0.05, kind="equal")
    assert planted.model.truth(planted.prompt) - planted.model.truth("") == pytest.approx(0.16)
    found = explanations.explain(planted, seed=3)
    assert found.idle == ()
    assert found.pairs == ()
    assert found.covered(range(8), 0.02) >= 6
