"""What the study of the prompt writer makes of its searches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts import load_script


@pytest.fixture(scope="module")
def study() -> Any:
    """benchmarks/writer.py, which is no package."""
    return load_script("benchmarks/writer.py")


def proposal(text: str, score: float | None, *, step: int = 1, distance: int | None = 5) -> dict[str, Any]:
    return {"step": step, "text": text, "score": score, "reason": "", "distance": distance, "budget": 10}


def search(arm: str, seed: int, found: float, *proposals: dict[str, Any], job: str = "demo") -> dict[str, Any]:
    return {
        "job": job,
        "arm": arm,
        "seed": seed,
        "model": arm,
        "by_hand": [0.5, 0.9] if seed == 0 else [],
        "start_score": 0.0,
        "found_score": found,
        "used_calls": 400 + seed,
        "proposals": list(proposals) or [proposal("Good.", 0.7)],
    }


def test_a_repeated_proposal_counts_as_what_its_text_scored(study: Any) -> None:
    one = search(
        "a", 0, 0.5, proposal("Good.", 0.7), proposal("Good.", None), proposal("Bad.", 0.5), proposal("", None)
    )
    assert study.usable(one, 0.6) == 4
    assert study.usable(one, 0.6, different=True) == 2
    assert study.usable(one, 0.8) == 0


def test_usable_proposals_are_counted_by_step_so_that_more_steps_are_no_handicap(study: Any) -> None:
    good = [proposal("Good.", 0.7), proposal("Bad.", 0.1)]
    again = [proposal("Good.", None, step=2), proposal("Good.", None, step=2)]
    assert study.usable(search("a", 0, 0.5, *good), 0.6, different=True) == 4
    assert study.usable(search("a", 0, 0.5, *good, *again), 0.6, different=True) == 4
    assert study.usable(search("a", 0, 0.5, *good, *again), 0.6) == (4 + 8) / 2


def test_a_proposal_that_gets_nothing_right_is_of_no_use_under_any_bar(study: Any) -> None:
    assert study.usable(search("a", 0, 0.5, proposal("Bad.", 0.0)), 0.0) == 0


def test_different_proposals_are_counted_by_step_and_an_empty_one_is_none(study: Any) -> None:
    first = [proposal("Good.", 0.7), proposal("Good.", None), proposal("", None), proposal("Bad.", 0.5)]
    second = [proposal("Good.", None, step=2), proposal("Better.", 0.8, step=2)]
    assert study.distinct(search("a", 0, 0.5, *first, *second)) == (8 * 2 / 4 + 8 * 2 / 2) / 2


def test_the_share_within_the_budget(study: Any) -> None:
    told = [proposal("Good.", 0.7, distance=10), proposal("Long.", 0.7, distance=11), proposal("", None, distance=None)]
    assert study.obedient(search("a", 0, 0.5, *told)) == 0.5
    assert study.obedient(search("a", 0, 0.5, proposal("", None, distance=None))) == 1


def test_the_table_pairs_searches_by_job_and_seed(study: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        search("a", 0, 0.5),
        search("b", 0, 0.7),
        search("a", 1, 0.5),
        search("b", 1, 0.6, proposal("Bad.", 0.1)),
        search("a", 2, 0.9),
        search("a", 0, 0.4, job="sports"),
        search("b", 0, 0.3, job="sports"),
        search("a", 1, 0.4, job="sports"),
        search("b", 1, 0.1, job="sports"),
    ]
    study.print_tables(lines, ["a", "b"])
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert rows[2][:5] == ["| demo*", "2", "0.90", "8.0", "4.0"]
    assert rows[2][-3:-1] == ["50.0", "65.0"]
    assert rows[2][-1].startswith("+15.0 (")
    assert rows[3][0] == "| sports"
    assert rows[3][-1].startswith("-20.0 (")
    assert rows[4][:2] == ["| all", "4"]
    assert any(row[0].startswith("Difference over 2 jobs, each one value: -2.5 (") for row in rows)
    assert any(row[0].startswith("Over their 2 seeds, each one value: -2.5 (-97.8 to +92.8") for row in rows)


def test_jobs_that_lack_seeds_get_no_interval(study: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [search(arm, seed, 0.5) for arm in "ab" for seed in (0, 1)]
    study.print_tables([*lines, search("a", 1, 0.4, job="sports"), search("b", 1, 0.3, job="sports")], ["a", "b"])
    out = capsys.readouterr().out
    assert "Difference over" not in out
    assert "No interval over jobs" in out
    row = next(line.split(" | ") for line in out.splitlines() if line.startswith("| sports"))
    assert (row[2], row[7], row[8]) == ("nan", "nan", "nan"), "no prompt by hand was scored for this job"


def test_a_search_that_was_not_put_down_as_a_whole_is_done_again(study: Any, tmp_path: Path) -> None:
    (tmp_path / study.SEARCHES).write_text('{"seed": 0}\n{"seed": 1}\n{"see', encoding="utf-8")
    assert study.read(tmp_path) == [{"seed": 0}, {"seed": 1}]
    assert (tmp_path / study.SEARCHES).read_text("utf-8").endswith('{"seed": 1}\n')
    assert study.read(tmp_path / "none") == []
