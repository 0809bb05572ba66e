"""Runs side by side, and ``promptdescent compare``."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from terminal_samples import HOSTILE, Terminal, outcomes, write

from promptdescent.cli.compare import compare
from promptdescent.errors import ConfigError, StoreError
from promptdescent.records import PromptScore, to_json
from promptdescent.report.comparing import MOST_RUNS, compare_runs
from promptdescent.store.store import Store
from report.report_samples import manifest

GOOD, BAD = (1.0,) * 20, (0.0,) * 12 + (1.0,) * 8


def test_prompts_on_the_same_rows_are_compared_row_by_row(store: Store) -> None:
    bad, good = write(store, scores=BAD), write(store, scores=GOOD)
    (pair,) = compare_runs(store, [bad, good]).pairs
    assert (pair.why_not, pair.rows, pair.better, pair.test) == ("", 20, good, "exact McNemar")
    assert pair.difference == pytest.approx(0.6)
    assert pair.p_value == pytest.approx(2 / 2**12)
    (turned,) = compare_runs(store, [good, bad]).pairs
    assert (turned.better, turned.difference) == (good, -pair.difference)


def test_a_small_difference_shows_nothing(store: Store) -> None:
    one, other = write(store, scores=GOOD), write(store, scores=(0.0, *GOOD[1:]))
    (pair,) = compare_runs(store, [one, other]).pairs
    assert (pair.better, pair.p_value) == (None, 1.0)


def test_a_row_that_is_missing_on_one_side_leaves_both(store: Store) -> None:
    one, other = write(store, scores=(None, *GOOD[1:])), write(store, scores=BAD)
    (pair,) = compare_runs(store, [one, other]).pairs
    assert (pair.rows, pair.difference) == (19, pytest.approx(8 / 19 - 1))


def test_the_p_values_of_several_pairs_are_corrected(store: Store) -> None:
    runs = [write(store, scores=scores) for scores in (BAD, GOOD, GOOD)]
    compared = compare_runs(store, runs)
    assert [pair.p_value for pair in compared.pairs] == [pytest.approx(6 / 2**12), pytest.approx(6 / 2**12), 1.0]
    assert "corrected for 3 comparisons by Holm's method" in compared.notes[0]


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"first": 6}, "different test rows: 20 and 20, of which 15 are the same"),
        ({"metric": "exact"}, r"metrics differ \(choice and exact\)"),
        ({"metric_source": "abc"}, "metrics' source differ"),
        ({"objective": "macro F1"}, r"objectives differ \(mean and macro F1\)"),
        ({"judge_identity": "another"}, "read or judged in different ways"),
        ({"spec": {"judge_rubric": "Is it kind?"}}, "read or judged in different ways"),
        ({"spec": {"read": "last"}}, "read or judged in different ways"),
    ],
    ids=["rows", "metric", "source", "objective", "judge", "rubric", "reading"],
)
def test_why_prompts_cannot_be_compared_is_said(store: Store, other: dict[str, object], why: str) -> None:
    runs = [write(store), write(store, **other)]  # type: ignore[arg-type]
    (pair,) = compare_runs(store, runs).pairs
    assert pair.better is None
    assert re.search(why, pair.why_not)


def test_an_objective_that_is_no_mean_has_no_interval_and_no_pairs(store: Store) -> None:
    runs = [write(store, objective="macro F1") for _ in range(2)]
    compared = compare_runs(store, runs)
    assert "macro F1, is no mean over rows" in compared.pairs[0].why_not
    assert [run.test and run.test.interval for run in compared.runs] == [None, None]


def test_only_the_settings_that_differ_are_said(store: Store) -> None:
    first = write(store, spec={"steps": 4, "notes": "a", "seed": 1, "cache": "store"})
    second = write(store, spec={"steps": 8, "notes": None, "seed": 2, "cache": "store"})
    found = {setting.name: setting.values for setting in compare_runs(store, [first, second]).settings}
    assert found == {"steps": ("4", "8"), "notes": ("a", "")}


def test_a_default_that_was_given_is_no_other_way_of_reading(store: Store) -> None:
    (pair,) = compare_runs(store, [write(store), write(store, spec={"read": "default"})]).pairs
    assert pair.why_not == ""


def test_task_models_that_are_asked_differently_are_pointed_out(store: Store) -> None:
    first = write(store)
    for other, what in (
        (write(store, task_identity="another"), "(model)"),
        (write(store, spec={"second_round": "And now?"}), "(second round)"),
        (write(store), ""),
    ):
        notes = [note for note in compare_runs(store, [first, other]).notes if "asked differently" in note]
        assert bool(notes) == bool(what)
        assert not notes or what in notes[0]


def test_an_evaluation_can_be_compared_too(store: Store) -> None:
    run = write(store, scores=BAD)
    scored = PromptScore(
        on="test",
        score=1.0,
        interval=(0.8, 1.0),
        interval_method="Wilson score",
        rows=20,
        missing=0,
        leaked=0,
        commonest_answer_score=None,
        outcomes=outcomes(GOOD),
    )
    rows = store.examples(run)["test"]
    known = {example.id for example in rows}
    more = [replace(rows[0], id=f"t{number}") for number in range(1, 21) if f"t{number}" not in known]
    evaluation = store.create_run(replace(manifest(), spec={"evaluate_on": "test"}), {"test": (*rows, *more)})
    asyncio.run(store.append(evaluation, "evaluation", to_json(scored)))
    store.release(evaluation)
    compared = compare_runs(store, [run, evaluation])
    assert compared.pairs[0].better == evaluation
    test = compared.runs[1].test
    assert test is not None
    assert (test.score, test.interval, test.gain) == (1.0, (0.8, 1.0), None)


def test_compare_takes_two_or_more_different_runs(store: Store) -> None:
    run = write(store)
    for names in ([run], [run, "latest"], [run[:6], run]):
        with pytest.raises(ConfigError, match="two or more different runs"):
            compare_runs(store, names)
    with pytest.raises(StoreError, match="no run"):
        compare_runs(store, [run, "ffff"])
    many = [run, *(write(store) for _ in range(MOST_RUNS))]
    with pytest.raises(ConfigError, match=f"at most {MOST_RUNS} runs"):
        compare_runs(store, many)


# --- the command ---


def test_a_pipe_gets_plain_columns(store: Store, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = write(store, scores=BAD, best="Is it bad?"), write(store, scores=GOOD)
    compare([bad, good], store=str(folder))
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert lines[0].split() == [bad, good]
    assert any(line.split()[:3] == ["recipe", "gpo", "gpo"] for line in lines)
    assert "dev score        50.0 % to 100.0 % on 2 rows" in said
    assert "test score       40.0 % (21.9 to 61.3) on 20 rows" in said
    assert "gain             +25.0 points (+10.0 to +40.0), shown" in said
    assert "+60.0 points (95 % interval +3" in said
    assert f"exact McNemar test on the same 20 test rows); the prompt of {good} is better." in said
    assert f"Prompt of {bad}:\n  Is it bad?\n" in said
    assert lines[-1] == f"Word by word: promptdescent diff {bad} {good}"


def test_json_and_csv_hold_every_run(store: Store, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [write(store, best="=1+1"), write(store)]
    compare(runs, as_json=True, store=str(folder))
    said = json.loads(capsys.readouterr().out)
    assert [run["id"] for run in said["runs"]] == runs
    compare(runs, csv=True, store=str(folder))
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["run"] for row in rows] == runs
    assert [row["prompt"] for row in rows] == ["'=1+1", "Say yes or no: is it good?"]
    with pytest.raises(ConfigError, match="give one of them"):
        compare(runs, as_json=True, csv=True, store=str(folder))


def test_a_terminal_gets_the_same_and_nothing_in_it_acts(store: Store, folder: Path, tty: Terminal) -> None:
    runs = [write(store, best=HOSTILE, recipe_name="[red]x[/red]\x1b[2J"), write(store, scores=BAD)]
    compare(runs, store=str(folder))
    assert r"[red]x[/red]\x1b[2J" in tty.words
    assert r"\x1b[31mred\x07 [bold]yes[/bold] :smile:" in tty.words
    assert "\x1b[2J" not in tty.getvalue()
    assert f"the prompt of {runs[0]} is better" in tty.words
