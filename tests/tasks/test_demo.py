"""The demo's rows, and that its worked pairs do not contain what it finds."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from promptdescent.config import RunSpec
from promptdescent.parts.few_shot import WORKED_PAIRS
from promptdescent.tasks.demo import BY_HAND, ROWS, STARTING_PROMPT, demo_settings
from promptdescent.text import shared_run

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results.md"


def rows() -> list[dict[str, str]]:
    return [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]


def found_prompts() -> list[str]:
    """What the demo found with each seed, by the table in the results."""
    return re.findall(r"^Seed \d+ found: '(.*)'$", RESULTS.read_text(encoding="utf-8"), re.MULTILINE)


def test_there_are_enough_rows_with_balanced_labels() -> None:
    labels = Counter(row["label"] for row in rows())
    assert labels.total() >= 600
    assert max(labels.values()) / labels.total() <= (0.6 if len(labels) == 2 else 0.4)


def test_the_texts_are_short_and_all_different() -> None:
    texts = [row["text"] for row in rows()]
    assert len({text.casefold() for text in texts}) == len(texts)
    assert max(len(text.split()) for text in texts) <= 25
    assert all(text == text.strip() and text for text in texts)


def test_no_two_texts_share_six_words_in_a_row() -> None:
    seen: dict[tuple[str, ...], int] = {}
    for number, row in enumerate(rows()):
        words = re.findall(r"[\w']+", row["text"].casefold())
        for start in range(len(words) - 5):
            assert seen.setdefault(tuple(words[start : start + 6]), number) == number, words[start : start + 6]


def test_the_results_hold_what_five_seeds_found() -> None:
    assert len(found_prompts()) == 5


@pytest.mark.parametrize("prompt", sorted({STARTING_PROMPT, BY_HAND, *found_prompts()}))
def test_no_worked_pair_shares_five_words_in_a_row_with_what_the_demo_finds(prompt: str) -> None:
    for pair in WORKED_PAIRS:
        for text in (pair.before, pair.after, pair.row[0]):
            assert shared_run(text, prompt, 5) is None, text


def test_the_worked_pairs_are_of_other_jobs() -> None:
    labels = {row["label"] for row in rows()}
    for pair in WORKED_PAIRS:
        assert not labels & set(pair.labels)


def test_the_settings_are_a_spec_and_the_seed_is_theirs() -> None:
    spec = RunSpec().with_settings(demo_settings(7))
    assert spec.seed == 7
    assert spec.task_model == spec.optimizer_model == "local:smollm2"
    assert (spec.test_rows or 0) >= 150
