"""What ends a search early: on by default, and said in the result."""

from __future__ import annotations

from pathlib import Path

import pytest

import promptdescent
from promptdescent.assembly import NO_EXTRAS, recipe_for
from promptdescent.config import RunSpec
from promptdescent.errors import ConfigError
from promptdescent.parts.search.stopping import Patience, PerfectScore, TargetScore
from promptdescent.recipes import RECIPES, recipe_named
from promptdescent.report.record import run_record
from promptdescent.report.text import summary
from promptdescent.store.store import Store

ROWS = [{"text": f"message number {number}", "label": "yes" if number % 2 else "no"} for number in range(80)]
SETTINGS = {
    "input": ("text",),
    "target": "label",
    "train_rows": 16,
    "dev_rows": 20,
    "test_rows": 24,
    "candidates": 2,
}


def headline(folder: Path, *, right: str, **settings: object) -> str:
    """The first lines of a run's result. The task model knows the answers if ``right`` is in its prompt; the optimizer
    model proposes a new prompt each time.
    """
    number = iter(range(1_000))

    def task(messages: list[dict[str, str]]) -> str:
        text = messages[-1]["content"]
        digits = int(text.split("message number ")[1].split()[0])
        return ("yes" if digits % 2 else "no") if right in text else "yes"

    def optimizer(messages: list[dict[str, str]]) -> str:
        return f"<prompt>Say no or yes, try {next(number)}.</prompt>"

    promptdescent.optimize(
        ROWS,
        task_model=task,
        optimizer_model=optimizer,
        store=folder,
        **{"prompt": "Yes or no?", **SETTINGS, **settings},  # type: ignore[arg-type]
    )
    store = Store.open(folder)
    try:
        return "\n".join(summary(run_record(store, "latest")).splitlines()[:2])
    finally:
        store.close()


@pytest.mark.parametrize("name", sorted({*RECIPES} - {"gpo:reference-code"}))
def test_every_recipe_ends_at_a_plateau_and_where_none_can_win(name: str) -> None:
    stopping = recipe_named(name).stopping
    assert Patience(steps=6) in stopping
    assert PerfectScore() in stopping


def test_a_target_score_is_one_more_reason() -> None:
    recipe = recipe_for(RunSpec(target_score=0.9, patience=2), NO_EXTRAS)
    assert recipe.stopping == (Patience(steps=2), PerfectScore(), TargetScore(score=0.9))
    other = {"base": "gpo", "stopping": [{"part": "TargetScore", "score": 0.5}]}
    assert recipe_for(RunSpec(recipe=other, target_score=0.9), NO_EXTRAS).stopping == (TargetScore(score=0.9),)
    assert recipe_for(RunSpec(recipe=other), NO_EXTRAS).stopping == (TargetScore(score=0.5),)


def test_patience_says_that_it_acted(tmp_path: Path) -> None:
    said = headline(tmp_path, right="no such words", steps=9, patience=2, train_rows=24)
    assert "\n2 of 9 steps; the search ended: 2 steps without a better prompt" in said


def test_no_candidate_can_win_any_more(tmp_path: Path) -> None:
    said = headline(tmp_path, right="Say no or yes", steps=6)
    assert "\n1 of 6 steps; the search ended: no candidate can still win: perfect dev score" in said


def test_a_target_score_that_is_reached(tmp_path: Path) -> None:
    said = headline(tmp_path, right="no such words", steps=6, target_score=0.3)
    assert "\n0 of 6 steps; the search ended: target dev score 0.3 reached" in said


def test_a_cost_of_length_leaves_room_for_shorter_prompts(tmp_path: Path) -> None:
    said = headline(tmp_path / "long", right="Say no or yes", steps=4, length_cost=0.001, train_rows=24)
    assert "no candidate can still win" not in said
    said = headline(tmp_path / "short", right="Say", prompt="Say", steps=4, length_cost=0.001)
    assert (
        "0 of 4 steps; the search ended: no candidate can still win: perfect dev score, and no prompt is short" in said
    )


def test_a_target_beyond_reach_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"waits for a dev score of 1, but the task's highest is 0\.98"):
        headline(tmp_path, right="Say", target_score=1.0, length_cost=0.02)
