"""What is said of a race: means, differences from the reference, and where it loses."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptdescent.records import Usage
from promptdescent.report.race.analysis import analyse_race
from promptdescent.report.race.files import RECORD, save
from promptdescent.report.race.record import Kind, RaceContestant, RaceRecord, RaceRun
from promptdescent.report.race.tables import race_as_csv, race_as_markdown, race_headline, race_tables
from promptdescent.stats import holm, mean_interval, paired_t_test

OURS = (0.50, 0.54, 0.52, 0.56)
BETTER = (0.61, 0.64, 0.63, 0.66)
WORSE = (0.49, 0.55, 0.50, 0.54)


def made_up(contestant: str, seed: int, score: float, *, task: str = "t", **others: Any) -> RaceRun:
    settings: dict[str, Any] = {
        "test_score": score,
        "own_score": score,
        "dev_score": score,
        "prompt": "Think.",
        "candidates": 4,
        "used": {"task": Usage(calls=9, tokens_in=50, tokens_out=10), "optimizer": Usage(calls=1, tokens_in=20)},
        "seconds": 3.0,
        **others,
    }
    return RaceRun(task=task, contestant=contestant, seed=seed, status="finished", **settings)


def hole(contestant: str, seed: int, *, task: str = "t") -> RaceRun:
    return RaceRun(task=task, contestant=contestant, seed=seed, status="hole", reason="it crashed | <b>badly</b>\nthen")


def race_of(runs: Sequence[RaceRun], *, model: str = "some-model") -> RaceRecord:
    labels = list(dict.fromkeys(run.contestant for run in runs))
    kinds: dict[str, Kind] = {"gpo": "ours", "Start": "prompt"}
    tasks = tuple(dict.fromkeys(run.task for run in runs))
    return RaceRecord(
        suite="made-up",
        version="1",
        reference="gpo",
        contestants=tuple(
            RaceContestant(label=label, kind=kinds.get(label, "peer"), version="" if label in kinds else f"{label}==2")
            for label in labels
        ),
        tasks=tasks,
        seeds=tuple(sorted({run.seed for run in runs})),
        models={"task": model, "optimizer": model},
        caps={"task": 100, "optimizer": 40},
        minutes=15,
        rows={task: {"train": 1, "dev": 2, "test": 3} for task in tasks},
        runs=tuple(runs),
    )


@pytest.fixture
def race() -> RaceRecord:
    scores = {"gpo": OURS, "winner": BETTER, "loser": WORSE}
    return race_of([made_up(label, seed, score) for label in scores for seed, score in enumerate(scores[label])])


def text_of(race: RaceRecord) -> str:
    return race_as_markdown(race, race_tables(race, analyse_race(race)))


def test_differences_are_paired_with_the_reference_and_corrected(race: RaceRecord) -> None:
    ours, winner, loser = analyse_race(race).contestants
    assert ours.difference is None
    assert winner.difference is not None
    assert loser.difference is not None
    gains = [[score - own for score, own in zip(scores, OURS, strict=True)] for scores in (BETTER, WORSE)]
    p_values = [paired_t_test(gain) for gain in gains]
    found = [winner.difference, loser.difference]
    assert [one.p_value for one in found] == pytest.approx(p_values)
    assert [one.adjusted_p_value for one in found] == pytest.approx(holm(p_values))
    assert [one.mean.estimate for one in found] == [mean_interval(gain) for gain in gains]
    assert (winner.difference.real, loser.difference.real) == (True, False)


def test_the_report_says_who_is_above_and_below(race: RaceRecord) -> None:
    text = text_of(race)
    assert "Above gpo in the mean: winner by 10.5. More than chance: winner." in text
    assert "Below gpo in the mean: loser by 1.0. More than chance: none of them." in text
    alone = text_of(race_of([run for run in race.runs if run.contestant != "winner"]))
    assert "Above gpo in the mean: nobody." in alone


def test_equal_scores_are_neither_above_nor_below() -> None:
    race = race_of([made_up(label, seed, 0.1 * 3) for label in ("gpo", "same") for seed in range(3)])
    assert (analyse_race(race).above(), analyse_race(race).below()) == ((), ())


def test_costs_are_means_per_search_and_shares_of_the_caps(race: RaceRecord) -> None:
    ours = analyse_race(race).contestants[0]
    assert (dict(ours.tokens), dict(ours.shares)) == ({"task": 60, "optimizer": 20}, {"task": 0.6, "optimizer": 0.5})
    assert (ours.calls, ours.candidates, ours.seconds) == (10, 4, 3.0)
    row = next(line for line in text_of(race).splitlines() if line.startswith("| gpo | 60"))
    assert row == "| gpo | 60 | 60 % | 20 | 50 % | 10 | 4.0 | 3 s |"


def test_a_hole_takes_its_seed_out_of_the_means_and_is_listed() -> None:
    runs = [made_up("gpo", seed, 0.5, task=task) for seed in range(3) for task in ("t", "u")]
    runs += [made_up("other", seed, 0.6, task=task) for seed in range(3) for task in ("t", "u")]
    runs[-1] = hole("other", 2, task="u")
    race = race_of(runs)
    other = analyse_race(race).contestants[1]
    assert (other.seeds, other.holes) == (2, 1)
    assert other.difference is not None
    assert other.difference.seeds == 2
    assert not other.difference.real  # two seeds show nothing
    text = text_of(race)
    assert "| other | u | 2 | it crashed \\| \\<b>badly\\</b> then |" in text
    assert "## Scores by task" in text


def test_a_layout_of_ones_own_has_a_score_of_its_own() -> None:
    runs = [made_up("gpo", seed, 0.5) for seed in range(2)]
    runs += [made_up("other", seed, 0.4, own_score=0.7) for seed in range(2)]
    other = analyse_race(race_of(runs)).contestants[1]
    assert other.score is not None
    assert other.own_score is not None
    assert other.score.value == pytest.approx(0.4)
    assert other.own_score.value == pytest.approx(0.7)


def test_what_was_cut_off_and_what_is_simulated_is_said(race: RaceRecord) -> None:
    assert "SIMULATED" not in text_of(race)
    assert "Cut off" not in text_of(race)
    runs = [made_up("gpo", 0, 0.5), made_up("slow", 0, 0.4, ended="time")]
    text = text_of(race_of(runs, model="simulated:noisy"))
    assert "A model is SIMULATED" in text
    assert "Cut off by the limit of 15 minutes, with the best prompt until then: slow (1)." in text
    assert "slow==2" in race_headline(race_of(runs))


def test_the_lines_of_all_searches_can_be_read_by_a_table_calculation() -> None:
    race = race_of([made_up("gpo", 0, 0.5, prompt='two\nlines, "quoted"'), hole("other", 0)])
    first, second = csv.DictReader(io.StringIO(race_as_csv(race)))
    assert (first["test_score"], first["prompt"], first["task_tokens_in"]) == ("0.5", 'two\nlines, "quoted"', "50")
    assert (second["status"], second["test_score"], second["simulated"]) == ("hole", "", "False")


def test_one_seed_and_no_result_at_all_make_a_report_too(tmp_path: Path) -> None:
    save(race_of([hole("gpo", 0), hole("other", 0)]), tmp_path)
    save(race_of([made_up("gpo", 0, 0.5), made_up("other", 0, 0.6)]), tmp_path)
    content = json.loads((tmp_path / RECORD).read_text(encoding="utf-8"))
    assert content["analysis"]["contestants"][1]["difference"]["p_value"] is None


def test_what_a_peer_said_is_shown_as_it_is_and_nothing_of_it_acts() -> None:
    said = "<img src=x onerror=1> [click](javascript:x)"
    race = race_of([replace(hole("gpo", 0), reason=said), made_up("opro", 0, 0.5, prompt="=HYPERLINK(1)")])
    page = race_as_markdown(race, race_tables(race, analyse_race(race)))
    assert r"\<img src=x onerror=1> \[click](javascript:x)" in page
    assert re.search(r"(?<!\\)[<\[](img|click)", page) is None
    rows = list(csv.DictReader(io.StringIO(race_as_csv(race))))
    assert [row["prompt"] for row in rows if row["contestant"] == "opro"] == ["'=HYPERLINK(1)"]
